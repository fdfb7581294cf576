"""The page for Prometheus, put together from families whose bytes are kept until one of their values changes.

It has registries of its own: the process-wide one of prometheus-client is neither used nor touched.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import msgspec
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.openmetrics import exposition as openmetrics
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from semsupervisor.api import fact_metrics, own_metrics
from semsupervisor.api.families import Rendering
from semsupervisor.api.readings import Readings
from semsupervisor.kit.blocking import BlockingCalls

OPENMETRICS = "application/openmetrics-text"
PROCESS_SECONDS = 5.0
_END = b"# EOF\n"


class Page(msgspec.Struct, frozen=True):
    """What a scrape gets."""

    body: bytes
    content_type: str


class MetricsPage:
    """Renders the metrics in the format that the reader asks for."""

    def __init__(self, readings: Readings) -> None:
        self._text = _Form(readings, generate_latest)
        self._openmetrics = _Form(readings, _openmetrics)

    async def render(self, accept: str) -> Page:
        """Return the page, as OpenMetrics to who accepts it, else in the older text format."""
        if OPENMETRICS in accept:
            return Page(b"".join([*await self._openmetrics.pieces(), _END]), openmetrics.CONTENT_TYPE_LATEST)
        return Page(b"".join(await self._text.pieces()), CONTENT_TYPE_PLAIN_0_0_4)


class _Form:
    """The page in one format."""

    def __init__(self, readings: Readings, encode: Callable[[Collector], bytes]) -> None:
        self._readings = readings
        self._encode = encode
        self._facts = Rendering(encode)
        self._own = Rendering(encode)
        self._kept: Sequence[bytes] = ()
        self._kept_version: int | None = None
        self._calls = BlockingCalls()
        self._process = CollectorRegistry(auto_describe=False)
        ProcessCollector(registry=self._process)

    async def pieces(self) -> Sequence[bytes]:
        """Return the page in pieces, since it may be large.

        The process's numbers come from files of the kernel, so a thread reads them.
        """
        process = await self._calls.run_in_turn("the process", partial(self._encode, self._process), PROCESS_SECONDS)
        version = self._readings.facts_version()
        if self._kept_version != version:
            self._kept, self._kept_version = self._facts.render(fact_metrics.families(self._readings)), version
        return [*self._kept, *self._own.render(own_metrics.families(self._readings)), process]


def _openmetrics(registry: Collector) -> bytes:
    # Our names need no escaping; the default one would look at every letter of them to find that out.
    page: bytes = openmetrics.generate_latest(registry, openmetrics.ALLOWUTF8)  # type: ignore[no-untyped-call]
    return page.removesuffix(_END)
