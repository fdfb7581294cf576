"""semsupervisor watches a SemStreams and NATS stack on one edge host, and tells what is wrong with it."""

__version__ = "0.1.0"
