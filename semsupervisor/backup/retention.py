"""Which snapshots are kept and which may go, with the reason for each. Pure.

Grandfather, father, son, as restic and borg do it: of each hour, day, week and month the newest snapshot is kept, for
so many of them that have one. A host that was off for a month keeps its last days, not its last thirty empty ones.
What is never removed comes first: what somebody pinned, what is needed to go back, what an open job reads, what is not
ours, and the newest one that was verified.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta, tzinfo

import msgspec


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """How many are kept of each; 0 keeps none for that reason. `within_seconds` keeps all that are younger.

    Where none keeps any, nothing goes for want of a place. `most_bytes` is what all together may take, 0 for no bound;
    the oldest that may go, go first.
    """

    last: int = 0
    hourly: int = 0
    daily: int = 0
    weekly: int = 0
    monthly: int = 0
    within_seconds: float = 0.0
    most_bytes: int = 0

    @property
    def has_places(self) -> bool:
        """Tell whether it says of any that they are kept, so that the others may go."""
        return bool(self.last or self.hourly or self.daily or self.weekly or self.monthly or self.within_seconds)


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """What has to be known of a snapshot to decide. `good` says that it is whole and nothing speaks against it.

    `protected` is why it must not go whatever the policy says, empty when nothing forbids it.
    """

    id: str
    taken_at: datetime
    size_bytes: int
    good: bool
    verified: bool
    protected: str = ""


class Decision(msgspec.Struct, frozen=True):
    """What becomes of one snapshot, and every reason for it."""

    id: str
    keep: bool
    reasons: tuple[str, ...]


Period = Callable[[datetime], tuple[int, ...]]

_PERIODS: Mapping[str, Period] = {
    "hourly": lambda at: (at.year, at.month, at.day, at.hour),
    "daily": lambda at: (at.year, at.month, at.day),
    "weekly": lambda at: tuple(at.isocalendar()[:2]),
    "monthly": lambda at: (at.year, at.month),
}


def decide(snapshots: Sequence[Kept], policy: Policy, now: datetime, zone: tzinfo) -> Sequence[Decision]:
    """Return what becomes of each snapshot, newest first. Hours, days, weeks and months are those of `zone`.

    Only good snapshots fill places of the policy: thirty days of failures push no good one out. What is not good is
    kept for looking at while it is the newest.
    """
    ordered = sorted(snapshots, key=lambda one: (one.taken_at, one.id), reverse=True)
    reasons = _by_policy([one for one in ordered if one.good], policy, now, zone)
    for one in ordered:
        if one.protected:
            reasons.setdefault(one.id, []).append(one.protected)
    _keep_safe(ordered, reasons)
    kept = _within_bytes(ordered, reasons, policy.most_bytes)
    return [Decision(one.id, one.id in kept, _reasons(one, reasons, kept, policy)) for one in ordered]


def _by_policy(good: Sequence[Kept], policy: Policy, now: datetime, zone: tzinfo) -> dict[str, list[str]]:
    """Return why each good snapshot is kept by the policy; one without a reason is not in it."""
    reasons: dict[str, list[str]] = {}
    if not policy.has_places:
        return {one.id: ["the policy keeps all"] for one in good}
    for place, one in enumerate(good[: policy.last]):
        reasons.setdefault(one.id, []).append(f"one of the last {policy.last} ({place + 1})")
    youngest_out = now - timedelta(seconds=policy.within_seconds)
    for one in good:
        if policy.within_seconds and one.taken_at > youngest_out:
            reasons.setdefault(one.id, []).append("younger than the policy's span")
    for name, period in _PERIODS.items():
        seen: set[tuple[int, ...]] = set()
        for one in good:
            of = period(one.taken_at.astimezone(zone))
            if of in seen or len(seen) >= getattr(policy, name):
                continue
            seen.add(of)
            reasons.setdefault(one.id, []).append(f"{name} {len(seen)} of {getattr(policy, name)}")
    return reasons


def _keep_safe(ordered: Sequence[Kept], reasons: dict[str, list[str]]) -> None:
    """Keep what a host may need tomorrow: the newest that was verified, the newest good one, the newest of all."""
    for what, fits in (
        ("the newest that was verified", lambda one: one.good and one.verified),
        ("the newest good one", lambda one: one.good),
        ("the newest", lambda _: True),
    ):
        newest = next((one for one in ordered if fits(one)), None)
        if newest is not None:
            reasons.setdefault(newest.id, []).append(what)


def _within_bytes(ordered: Sequence[Kept], reasons: Mapping[str, Sequence[str]], most_bytes: int) -> set[str]:
    """Return what is kept when the oldest go until all fit, of those that nothing but the policy keeps."""
    kept = {one.id for one in ordered if one.id in reasons}
    if not most_bytes:
        return kept
    total = sum(one.size_bytes for one in ordered if one.id in kept)
    for one in reversed(ordered):
        if total <= most_bytes:
            break
        if one.id in kept and not _is_safe(one, reasons[one.id]):
            kept.discard(one.id)
            total -= one.size_bytes
    return kept


def _is_safe(one: Kept, reasons: Sequence[str]) -> bool:
    return bool(one.protected) or any(reason.startswith("the newest") for reason in reasons)


def _reasons(one: Kept, reasons: Mapping[str, Sequence[str]], kept: set[str], policy: Policy) -> tuple[str, ...]:
    if one.id in kept:
        return tuple(reasons[one.id])
    if one.id in reasons:
        return (f"all together take more than {policy.most_bytes} bytes, and it is one of the oldest",)
    if not one.good:
        return ("incomplete or damaged, and a newer one is there",)
    return ("no place of the policy is left for it",)
