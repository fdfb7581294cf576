"""A stand-in for SemStreams: what an operator's tools see of it, and faults on demand.

It speaks both health dialects and serves the metrics of both generations, keeps a NATS connection with real JetStream
traffic, and misbehaves when told to by `POST /_fault`. Only the demo stack and the tests use it.
"""
