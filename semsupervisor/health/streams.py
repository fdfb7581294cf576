"""What streams and consumers do from look to look, and the facts that come of it. Pure.

A stream is at its own ceiling when its next message of usual size does not fit. What happens then is its policy's
doing, and not only that: servers before 2.10 go by the size of the message alone and may evict although the policy
is to refuse. So a stream that was seen to evict is not said to refuse.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from semsupervisor.health.observation import UNLIMITED, FactValue, Unknown
from semsupervisor.kit.amounts import size
from semsupervisor.kit.text import duration_text
from semsupervisor.systems.jetstream_state import ConsumerState, Lost, StreamState
from semsupervisor.systems.limits import Bounded, Limit, Unbounded, Unread, ratio

CEILING_RATIO = 0.75
STUCK_SECONDS = 300.0
ACK_WAITS = 2.0
# Three looks: what is delivered again and again is not caught in each of them.
QUIET_SECONDS = 90.0

Facts = Mapping[str, FactValue]
Evidence = Mapping[str, str]


class FollowedStream(msgspec.Struct, frozen=True):
    """A stream as it was seen last; `evicted` tells whether it made room at its ceiling although it should refuse."""

    state: StreamState
    evicted: bool = False


class FollowedConsumer(msgspec.Struct, frozen=True):
    """A consumer as it was seen last.

    `still_since` is the monotonic time since when it has had something to do and has got nothing done; it moves along
    while that is not so. `redeliveries` is how many deliveries were repeated ones, as far as that can be told.
    `again` are the times since when, and when last, messages were seen to be delivered again; None if they are not now.
    `still_from_first` and `again_from` say that it may have stood still, or delivered again, before the first look at
    it; `again_from` is when that was, None once it is settled.
    """

    state: ConsumerState
    still_since: float
    redeliveries: int = 0
    again: tuple[float, float] | None = None
    still_from_first: bool = False
    again_from: float | None = None

    @property
    def unsettled(self) -> frozenset[str]:
        """Return the facts that cannot be told for sure yet, as nobody looked before the first look."""
        still = {"still_seconds", "stuck", "stuck_seconds"} if self.still_from_first else set()
        return frozenset(still if self.again_from is None else {*still, "redelivering_seconds"})


def follow_stream(state: StreamState, before: FollowedStream | None) -> FollowedStream:
    """Return what is known of a stream after a look at it."""
    if before is None or not _at_ceiling(state) or not _at_ceiling(before.state):
        return FollowedStream(state)
    past = before.state
    moved = state.first_sequence > past.first_sequence and state.last_sequence > past.last_sequence
    only_for_room = state.retention == "limits" and not state.expires and not state.replaces
    return FollowedStream(state, before.evicted or (moved and only_for_room))


def follow_consumer(
    state: ConsumerState, stream: StreamState, before: FollowedConsumer | None, at: float
) -> FollowedConsumer:
    """Return what is known of a consumer of a stream after a look at it at a monotonic time."""
    if before is None:
        return FollowedConsumer(state, at, still_from_first=_has_work(state, stream), again_from=at)
    if state.delivered < before.state.delivered:
        return FollowedConsumer(state, at)
    past = before.state
    further = max(0, state.delivered_sequence - past.delivered_sequence)
    repeated = max(0, state.delivered - past.delivered - further)
    moved = further or state.ack_floor_sequence != past.ack_floor_sequence
    still = _has_work(state, stream) and not moved
    again = _again(before, repeated=repeated > 0 or _delivers_again(state, past), state=state, at=at)
    over = before.again is not None and again is None
    waited = before.again_from is not None and at - before.again_from >= quiet_seconds(state)
    return FollowedConsumer(
        state,
        before.still_since if still else at,
        before.redeliveries + repeated,
        again,
        before.still_from_first and still,
        None if over or (waited and before.again is None) else before.again_from,
    )


def _delivers_again(state: ConsumerState, past: ConsumerState) -> bool:
    """Tell whether some of what was delivered since the last look was so before, by how many messages that concerns.

    Where a filter leaves gaps in the stream's numbers the deliveries themselves do not tell. Of messages that are given
    up after some deliveries the number tells nothing as long as it stands still and others are acknowledged.
    """
    if state.delivered == past.delivered or not state.redelivered:
        return False
    goes_on = state.redelivered == past.redelivered and state.ack_floor_sequence != past.ack_floor_sequence
    return not (goes_on and isinstance(state.max_deliver, Bounded))


def _again(before: FollowedConsumer, *, repeated: bool, state: ConsumerState, at: float) -> tuple[float, float] | None:
    if repeated:
        return (before.again[0] if before.again else at, at)
    return before.again if before.again and at - before.again[1] < quiet_seconds(state) else None


def quiet_seconds(state: ConsumerState) -> float:
    """Return for how long nothing has to be seen of a consumer before that is no mere pause between two looks."""
    return max(QUIET_SECONDS, ACK_WAITS * state.ack_wait_seconds)


def stream_facts(followed: FollowedStream) -> tuple[Facts, Evidence]:
    """Return the facts of a stream, in words what was lost of it, and what happens at its ceiling while it is there."""
    state = followed.state
    evidence = {"lost": _lost_text(state.lost)} if state.lost else {}
    facts: dict[str, FactValue] = {
        "messages": state.messages,
        "used_bytes": state.bytes,
        "first_sequence": state.first_sequence,
        "last_sequence": state.last_sequence,
        "consumers": state.consumer_count,
        "deleted_messages": state.deleted_messages,
        **_lost(state),
        **limited("max_bytes", "used_ratio", state.bytes, state.max_bytes),
        **limited("max_messages", "messages_used_ratio", state.messages, state.max_messages),
        **({"lag_messages": state.lag} if state.lag is not None else {}),
    }
    if state.discard in {"old", "new"}:
        facts["discard"] = state.discard
    if state.discard == "new" and _has_ceiling(state):
        facts["refusal_ratio"] = 0.0 if followed.evicted else fullness(state)
    full = _at_ceiling(state)
    if full is None:
        unread = Unknown("its limits are not known")
        return {**facts, "at_ceiling": unread, "refuses_writes": unread}, evidence
    facts |= {"at_ceiling": full, "refuses_writes": full and state.discard == "new" and not followed.evicted}
    return facts, {**evidence, "effect": _effect(followed)} if full else evidence


def consumer_facts(followed: FollowedConsumer, at: float) -> tuple[Facts, Evidence]:
    """Return the facts of a consumer at a monotonic time, and in words why it gets nothing done if it does not.

    Whether that has lasted too long is for a rule to say: `stuck_seconds` begins when twice the time is over that its
    clients are given for a message. `stuck` says it of the usual patience.
    """
    state = followed.state
    still_seconds = round(at - followed.still_since, 1)
    facts: dict[str, FactValue] = {
        "pending": state.pending,
        "ack_pending": state.ack_pending,
        "redelivered": state.redelivered,
        "deliveries_total": state.delivered,
        "redeliveries_total": followed.redeliveries,
        "redelivering_seconds": round(at - followed.again[0], 1) if followed.again else 0.0,
        "paused": state.paused,
        "still_seconds": still_seconds,
        "stuck": is_stuck(followed, at),
        "stuck_seconds": still_seconds if still_seconds >= ACK_WAITS * state.ack_wait_seconds else 0.0,
        **limited("max_ack_pending", "ack_pending_ratio", state.ack_pending, state.max_ack_pending),
        **({"waiting_pulls": state.waiting} if state.pull else {}),
    }
    if not facts["stuck_seconds"]:
        return facts, {}
    return facts, {"why": _why_stuck(state), "still": duration_text(still_seconds)}


def is_stuck(followed: FollowedConsumer, at: float) -> bool:
    """Tell whether a consumer has had work for long and got none done.

    Long is 5 minutes, and twice the time that its clients are given for a message.
    """
    patience = max(STUCK_SECONDS, ACK_WAITS * followed.state.ack_wait_seconds)
    return at - followed.still_since >= patience


def fullness(state: StreamState) -> float:
    """Return how full a stream is of the nearer one of its own ceilings; 0 without any."""
    shares = (ratio(state.bytes, state.max_bytes), ratio(state.messages, state.max_messages))
    return max(share or 0.0 for share in shares)


def limited(limit_fact: str, ratio_fact: str, used: int, most: Limit) -> dict[str, FactValue]:
    """Return the limit and the share of it, which an unlimited one has not; both unknown where it is not known."""
    match most:
        case Bounded(amount=amount):
            share = ratio(used, most)
            return {limit_fact: amount, **({} if share is None else {ratio_fact: share})}
        case Unread(reason=reason):
            return dict.fromkeys((limit_fact, ratio_fact), Unknown(reason))
        case Unbounded():
            return {limit_fact: UNLIMITED}


def _lost(state: StreamState) -> dict[str, FactValue]:
    """Return what the server tells of losses; nothing where it was not asked, and no numbers of none."""
    lost = state.lost
    if not lost:
        return {} if lost is None else {"damage_told": False}
    counted = {} if lost.messages is None else {"lost_messages": lost.messages}
    return {"damage_told": True, "lost_bytes": lost.bytes, **counted}


def _lost_text(lost: Lost) -> str:
    counted = "messages" if lost.messages is None else f"messages ({lost.messages})"
    return f"{counted} of {size(lost.bytes)} in all"


def _at_ceiling(state: StreamState) -> bool | None:
    """Tell whether the next message of usual size would not fit; None if that cannot be told."""
    usual = state.bytes / state.messages if state.messages else 0.0
    match state.max_bytes:
        case Bounded(amount=amount):
            bytes_full = state.bytes + usual > amount and state.bytes >= CEILING_RATIO * amount
        case _:
            bytes_full = False
    match state.max_messages:
        case Bounded(amount=amount):
            full = bytes_full or state.messages >= amount
        case _:
            full = bytes_full
    unread = isinstance(state.max_bytes, Unread) or isinstance(state.max_messages, Unread)
    return None if unread and not full else full


def _has_ceiling(state: StreamState) -> bool:
    return isinstance(state.max_bytes, Bounded) or isinstance(state.max_messages, Bounded)


def _effect(followed: FollowedStream) -> str:
    if followed.state.discard == "old":
        return "each new message evicts the oldest"
    if followed.evicted:
        return "each new message evicts the oldest, although its policy is to refuse the new"
    return "new messages are refused"


def _has_work(state: ConsumerState, stream: StreamState) -> bool:
    """Tell whether there is something to deliver or to acknowledge; the pending number alone can be wrong."""
    to_deliver = state.pending > 0 and stream.last_sequence > state.delivered_sequence
    return not state.paused and (to_deliver or state.ack_pending > 0)


def _why_stuck(state: ConsumerState) -> str:
    open_ones = f"{_counted(state.ack_pending)} delivered and not acknowledged"
    share = ratio(state.ack_pending, state.max_ack_pending)
    if share is not None and share >= 1:
        return f"{open_ones}, and no more may be"
    if state.ack_pending:
        return open_ones
    if state.pull and not state.waiting:
        return f"{_counted(state.pending)} pending, and nobody asks for any"
    return f"{_counted(state.pending)} pending and not delivered"


def _counted(messages: int) -> str:
    return "1 message is" if messages == 1 else f"{messages} messages are"
