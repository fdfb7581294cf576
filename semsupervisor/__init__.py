"""semsupervisor watches, tells, repairs and proves a SemStreams and NATS stack on one edge host."""

__version__ = "0.1.0"
