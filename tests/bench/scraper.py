"""Fetches pages of metrics as Prometheus does, over one connection each, and times every fetch.

usage: python -m tests.bench.scraper SECONDS COUNT PORT:PID...

Prints a line of JSON for each fetch: the port, the milliseconds to the last byte, those of processor time that the
process used meanwhile, and how many series there were. Pages of several ports are fetched in turn, half a pause apart,
so that none stands in the other's way.
"""

from __future__ import annotations

import http.client
import json
import sys
import time

from tests.bench.processes import thread_seconds

ACCEPT_OF_PROMETHEUS = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"


def scrape(pause_seconds: float, count: int, servers: dict[int, int]) -> None:
    """Fetch each page so many times, with that pause between two of the same."""
    connections = {port: http.client.HTTPConnection("127.0.0.1", port, timeout=10) for port in servers}
    due = time.monotonic()
    for _ in range(count):
        for port, connection in connections.items():
            due += pause_seconds / len(servers)
            time.sleep(max(0.0, due - time.monotonic()))
            used = thread_seconds(servers[port])
            began = time.perf_counter()
            connection.request("GET", "/metrics", headers={"Accept": ACCEPT_OF_PROMETHEUS})
            page = connection.getresponse().read()
            taken = time.perf_counter() - began
            used = thread_seconds(servers[port]) - used
            series = sum(bool(line) and not line.startswith(b"#") for line in page.splitlines())
            fetch = {"port": port, "ms": taken * 1000, "cpu_ms": used * 1000, "series": series}
            print(json.dumps(fetch), flush=True)


def _pair(word: str) -> tuple[int, int]:
    port, _, pid = word.partition(":")
    return int(port), int(pid)


if __name__ == "__main__":
    scrape(float(sys.argv[1]), int(sys.argv[2]), dict(_pair(word) for word in sys.argv[3:]))
