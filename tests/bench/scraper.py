"""Fetches pages of metrics as Prometheus does, over one connection each, and times every fetch.

usage: python -m tests.bench.scraper SECONDS COUNT PORT...

Prints a line of JSON for each fetch: the port, the milliseconds to the last byte, and how many series there were.
Pages of several ports are fetched in turn, half a pause apart, so that none stands in the other's way.
"""

from __future__ import annotations

import http.client
import json
import sys
import time

ACCEPT_OF_PROMETHEUS = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"


def scrape(pause_seconds: float, count: int, ports: list[int]) -> None:
    """Fetch each page so many times, with that pause between two of the same."""
    connections = {port: http.client.HTTPConnection("127.0.0.1", port, timeout=10) for port in ports}
    due = time.monotonic()
    for _ in range(count):
        for port, connection in connections.items():
            due += pause_seconds / len(ports)
            time.sleep(max(0.0, due - time.monotonic()))
            began = time.perf_counter()
            connection.request("GET", "/metrics", headers={"Accept": ACCEPT_OF_PROMETHEUS})
            page = connection.getresponse().read()
            taken = time.perf_counter() - began
            series = sum(bool(line) and not line.startswith(b"#") for line in page.splitlines())
            print(json.dumps({"port": port, "ms": taken * 1000, "series": series}), flush=True)


if __name__ == "__main__":
    scrape(float(sys.argv[1]), int(sys.argv[2]), [int(port) for port in sys.argv[3:]])
