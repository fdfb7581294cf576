"""The page for Prometheus, put together from families whose bytes are kept until one of their values changes.

It has registries of its own: the process-wide one of prometheus-client is neither used nor touched.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial

import msgspec
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.openmetrics import exposition as openmetrics
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from semsupervisor.api import own_metrics
from semsupervisor.api.fact_metrics import FactFamilies
from semsupervisor.api.families import Rendering
from semsupervisor.api.readings import Readings
from semsupervisor.kit.blocking import BlockingCalls
from semsupervisor.kit.clock import Clock

OPENMETRICS = "application/openmetrics-text"
PROCESS_SECONDS = 5.0
PROCESS_KEPT_SECONDS = 5.0
_END = b"# EOF\n"


class Page(msgspec.Struct, frozen=True):
    """What a scrape gets."""

    body: bytes
    content_type: str


class MetricsPage:
    """Renders the metrics in the format that the reader asks for."""

    def __init__(self, readings: Readings) -> None:
        self._readings = readings
        self._facts = FactFamilies()
        self._text = _Form(readings.clock, generate_latest)
        self._openmetrics = _Form(readings.clock, _openmetrics)

    async def render(self, accept: str) -> Page:
        """Return the page, as OpenMetrics to who accepts it, else in the older text format."""
        if OPENMETRICS in accept:
            return Page(b"".join([*await self._pieces(self._openmetrics), _END]), openmetrics.CONTENT_TYPE_LATEST)
        return Page(b"".join(await self._pieces(self._text)), CONTENT_TYPE_PLAIN_0_0_4)

    async def _pieces(self, form: _Form) -> Sequence[bytes]:
        """Return the page in pieces, since it may be large."""
        process = await form.process()
        version = self._readings.facts_version()
        if form.version != version:
            form.facts, form.version = form.of_facts.render(self._facts.of(self._readings)), version
        return [*form.facts, *form.own.render(own_metrics.families(self._readings)), process]


class _Form:
    """The page in one format: `facts` is what was rendered of that version of them."""

    def __init__(self, clock: Clock, encode: Callable[[Collector], bytes]) -> None:
        self.of_facts = Rendering(encode)
        self.own = Rendering(encode)
        self.facts: Sequence[bytes] = ()
        self.version: int | None = None
        self._clock = clock
        self._encode = encode
        self._calls = BlockingCalls()
        self._registry = CollectorRegistry(auto_describe=False)
        ProcessCollector(registry=self._registry)
        self._process = b""
        self._process_at = -math.inf

    async def process(self) -> bytes:
        """Return the process's numbers. They come from files of the kernel, so a thread reads them, now and then."""
        now = self._clock.monotonic()
        if now - self._process_at >= PROCESS_KEPT_SECONDS:
            read = partial(self._encode, self._registry)
            self._process = await self._calls.run_in_turn("the process", read, PROCESS_SECONDS)
            self._process_at = now
        return self._process


def _openmetrics(registry: Collector) -> bytes:
    # Our names need no escaping; the default one would look at every letter of them to find that out.
    page: bytes = openmetrics.generate_latest(registry, openmetrics.ALLOWUTF8)  # type: ignore[no-untyped-call]
    return page.removesuffix(_END)
