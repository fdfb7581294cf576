"""A peer for /metrics: prometheus-client's own server with so many gauges, all of them changed before each fetch.

usage: python -m tests.bench.bare_page PORT SERIES
"""

from __future__ import annotations

import itertools
import sys
import threading

from prometheus_client import CollectorRegistry, Gauge, start_http_server


def serve(port: int, series: int) -> None:
    """Serve for ever."""
    registry = CollectorRegistry()
    gauge = Gauge("bare_fact", "A number.", ["subject"], registry=registry)
    counted = itertools.count()
    for number in range(series):
        gauge.labels(subject=f"subject {number}").set_function(lambda: float(next(counted)))
    start_http_server(port, "127.0.0.1", registry)
    print("serving", flush=True)
    threading.Event().wait()


if __name__ == "__main__":
    serve(int(sys.argv[1]), int(sys.argv[2]))
