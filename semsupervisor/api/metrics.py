"""The page for Prometheus: facts, whose bytes are kept until one changes, and what changes with every look.

It has registries of its own: the process-wide one of prometheus-client is neither used nor touched.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import msgspec
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.openmetrics import exposition as openmetrics
from prometheus_client.process_collector import ProcessCollector

from semsupervisor.api.fact_metrics import FactCollector
from semsupervisor.api.own_metrics import OwnCollector
from semsupervisor.api.readings import Readings

OPENMETRICS = "application/openmetrics-text"
_END = b"# EOF\n"


class Page(msgspec.Struct, frozen=True):
    """What a scrape gets."""

    body: bytes
    content_type: str


class MetricsPage:
    """Renders the metrics in the format that the reader asks for."""

    def __init__(self, readings: Readings) -> None:
        self._readings = readings
        self._kept: dict[str, tuple[int, bytes]] = {}
        self._facts = CollectorRegistry(auto_describe=False)
        self._facts.register(FactCollector(readings))
        self._own = CollectorRegistry(auto_describe=False)
        self._own.register(OwnCollector(readings))
        self._process = CollectorRegistry(auto_describe=False)
        ProcessCollector(registry=self._process)

    async def render(self, accept: str) -> Page:
        """Return the page, as OpenMetrics to who accepts it, else in the older text format."""
        if OPENMETRICS in accept:
            body = await self._body(OPENMETRICS, _openmetrics)
            return Page(body + _END, openmetrics.CONTENT_TYPE_LATEST)
        return Page(await self._body("text", generate_latest), CONTENT_TYPE_PLAIN_0_0_4)

    async def _body(self, form: str, encode: Callable[[CollectorRegistry], bytes]) -> bytes:
        """Put the page together; the process's numbers come from files of the kernel, so a thread reads them."""
        process = await asyncio.to_thread(encode, self._process)
        version = self._readings.facts_version()
        kept = self._kept.get(form)
        if kept is None or kept[0] != version:
            kept = self._kept[form] = (version, encode(self._facts))
        return kept[1] + encode(self._own) + process


def _openmetrics(registry: CollectorRegistry) -> bytes:
    page: bytes = openmetrics.generate_latest(registry)  # type: ignore[no-untyped-call]
    return page.removesuffix(_END)
