"""Families of metrics as plain values, and their bytes, which are kept until one of the values changes.

prometheus-client writes each family once. While the same series are in it, only a number that changed is written again,
in the way that prometheus-client writes numbers: its names and labels are most of the work, and stay as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

import msgspec
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

PREFIX = "semsupervisor_"
SUFFIXES = {"counter": "_total", "info": "_info"}

# What follows the family's name, and the values of its labels from the first on.
Series = tuple[str, tuple[str, ...]]

_number_text: Callable[[float], str] = floatToGoString


class Family(msgspec.Struct, frozen=True):
    """All samples of one name: which series, and the number of each.

    `kind` is Prometheus's word for it, and a series may lack the last of the labels.
    """

    name: str
    words: str
    kind: str
    labels: tuple[str, ...]
    series: tuple[Series, ...]
    numbers: tuple[float, ...]

    def metric(self) -> Metric:
        """Return it as prometheus-client knows it."""
        metric = Metric(self.name, self.words, self.kind)
        for (suffix, values), number in zip(self.series, self.numbers, strict=True):
            metric.add_sample(self.name + suffix, dict(zip(self.labels, values, strict=False)), number)
        return metric


def family(
    name: str, words: str, kind: str, labels: Sequence[str], samples: Iterable[tuple[tuple[str, ...], float]]
) -> Family:
    """Return a family of samples that differ in their labels alone; `name` is without the suffix of its kind."""
    suffix = SUFFIXES.get(kind, "")
    rows = list(samples)
    series = tuple([(suffix, values) for values, _ in rows])
    return Family(PREFIX + name, words, kind, tuple(labels), series, tuple([float(number) for _, number in rows]))


class Rendering:
    """Renders families in one format, of each only what differs from what it was the last time."""

    def __init__(self, encode: Callable[[Collector], bytes]) -> None:
        self._encode = encode
        self._kept: dict[str, _Rendered] = {}

    def render(self, families: Iterable[Family]) -> Sequence[bytes]:
        """Return the families, each by itself, in their order; those that are missing now are forgotten."""
        before, self._kept = self._kept, {}
        for one in families:
            known = before.get(one.name)
            if known is None or not known.takes(one):
                known = _Rendered(one, self._encode)
            self._kept[one.name] = known
        return [one.text for one in self._kept.values()]


class _Rendered:
    """A family and its bytes: the lines before the first sample, and each sample's apart from its number."""

    def __init__(self, one: Family, encode: Callable[[Collector], bytes]) -> None:
        self.text = encode(_Alone(one))
        self._family = one
        lines = self.text.decode().split("\n")[:-1]
        first = len(lines) - len(one.series)
        self._head, self._samples = lines[:first], lines[first:]
        self._names = [line[: line.rindex(" ") + 1] for line in self._samples]

    def takes(self, one: Family) -> bool:
        """Become this family and return true, if its series are the same ones."""
        old = self._family
        if one is old:
            return True
        if (one.series, one.labels, one.kind, one.words) != (old.series, old.labels, old.kind, old.words):
            return False
        if one.numbers == old.numbers:
            return True
        self._samples = [
            line if number == before else name + _number_text(number)
            for name, line, number, before in zip(self._names, self._samples, one.numbers, old.numbers, strict=True)
        ]
        self.text = "\n".join([*self._head, *self._samples, ""]).encode()
        self._family = one
        return True


class _Alone(Collector):
    """Hands a single family to prometheus-client."""

    def __init__(self, one: Family) -> None:
        self._one = one

    def collect(self) -> Iterator[Metric]:
        yield self._one.metric()
