"""Figures of a run as text: percentiles, shares of a peer, and whether a target holds."""

from __future__ import annotations

import math
import os
import platform
from collections.abc import Iterable, Sequence

import msgspec

PERCENTS = (0, 50, 90, 99, 100)
HEADS = ("min", "p50", "p90", "p99", "max")


class Target(msgspec.Struct, frozen=True):
    """What is promised of a figure: it is at most `limit`; `aim` is what would be fine, None where nothing more is."""

    words: str
    found: float
    limit: float
    unit: str
    aim: float | None = None

    @property
    def holds(self) -> bool:
        """Tell whether the promise is kept."""
        return self.found <= self.limit

    def line(self) -> str:
        """Return the target with what was found."""
        aim = "" if self.aim is None else f" (aim {self.aim:g})"
        share = f" = {self.found / self.limit:.2f}" if self.limit else ""
        verdict = "holds " if self.holds else "MISSED"
        return f"  {verdict}  {self.words}: {self.found:.4g} of {self.limit:.4g} {self.unit}{aim}{share}"


def held(targets: Iterable[Target]) -> bool:
    """Print each target with what was found, and return whether all of them hold."""
    targets = list(targets)
    print("\n".join(target.line() for target in targets), flush=True)
    return all(target.holds for target in targets)


def percentile(sample: Sequence[float], percent: float) -> float:
    """Return the smallest of the sample that is at least as large as that share of it (nearest rank)."""
    ranked = sorted(sample)
    return ranked[max(0, math.ceil(percent / 100 * len(ranked)) - 1)]


def table(rows: Sequence[tuple[str, Sequence[float]]], unit: str) -> list[str]:
    """Return the smallest, p50, p90, p99 and the largest of each sample, one a line.

    The smallest says what it takes where nobody else is at work.
    """
    width = max(len(name) for name, _ in rows)
    lines = [f"  {'':{width}}  {'n':>5}" + "".join(f"{head:>10}" for head in HEADS) + f"   {unit}"]
    for name, sample in rows:
        figures = "".join(f"{percentile(sample, percent):>10.3f}" for percent in PERCENTS)
        lines.append(f"  {name:{width}}  {len(sample):>5}{figures}")
    return lines


def times(figure: float, peer: float) -> str:
    """Return how many times a figure is its peer's."""
    return f"{figure / peer:.2f} times" if peer else "where the peer has none"


def surroundings() -> str:
    """Return on what this runs and how busy that is: the load of others is in every figure."""
    load = " ".join(f"{share:.2f}" for share in os.getloadavg())
    return (
        f"load average {load} on {os.cpu_count()} cores, Python {platform.python_version()}, Linux {platform.release()}"
    )
