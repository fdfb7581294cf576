"""Families of metrics as plain values, and their bytes, which are kept until one of the values changes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

import msgspec
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

PREFIX = "semsupervisor_"
SUFFIXES = {"counter": "_total", "info": "_info"}

# What follows the family's name, the values of its labels from the first on, and the number.
Sample = tuple[str, tuple[str, ...], float]


class Family(msgspec.Struct, frozen=True):
    """All samples of one name; `kind` is Prometheus's word for it, and a sample may lack the last of the labels."""

    name: str
    words: str
    kind: str
    labels: tuple[str, ...]
    samples: tuple[Sample, ...]

    def metric(self) -> Metric:
        """Return it as prometheus-client knows it."""
        metric = Metric(self.name, self.words, self.kind)
        for suffix, values, number in self.samples:
            metric.add_sample(self.name + suffix, dict(zip(self.labels, values, strict=False)), number)
        return metric


def family(
    name: str, words: str, kind: str, labels: Sequence[str], samples: Iterable[tuple[tuple[str, ...], float]]
) -> Family:
    """Return a family of samples that differ in their labels alone; `name` is without the suffix of its kind."""
    suffix = SUFFIXES.get(kind, "")
    rows = tuple((suffix, values, float(number)) for values, number in samples)
    return Family(PREFIX + name, words, kind, tuple(labels), rows)


class Rendering:
    """Renders families in one format, each anew only when it differs from what it was the last time."""

    def __init__(self, encode: Callable[[Collector], bytes]) -> None:
        self._encode = encode
        self._kept: dict[str, tuple[Family, bytes]] = {}

    def render(self, families: Iterable[Family]) -> Sequence[bytes]:
        """Return the families, each by itself, in their order; those that are missing now are forgotten."""
        kept = {}
        for one in families:
            before = self._kept.get(one.name)
            same = before is not None and before[0] == one
            kept[one.name] = before if before and same else (one, self._encode(_Alone(one)))
        self._kept = kept
        return [text for _, text in kept.values()]


class _Alone(Collector):
    """Hands a single family to prometheus-client."""

    def __init__(self, one: Family) -> None:
        self._one = one

    def collect(self) -> Iterator[Metric]:
        yield self._one.metric()
