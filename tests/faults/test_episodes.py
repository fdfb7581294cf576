"""The oracle of the messages sees each way in which they can be wrong, and nothing wrong in what is right."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from tests.faults.arrivals import Arrival, Violation
from tests.faults.episodes import Episodes

FIRING = Arrival(
    number=1,
    at=100.0,
    answer=200,
    key="a-firing",
    kind="firing",
    alert="a",
    rule="container_died",
    subject="service:nats",
    since=99.0,
    resolved_at=None,
    rest="body of a",
)
UPDATE = replace(FIRING, key="a-update", kind="update")
RESOLVED = replace(FIRING, key="a-resolved", kind="resolved", resolved_at=101.0, rest="end of a")
NEXT = replace(FIRING, key="b-firing", alert="b", since=102.0)
OTHER = replace(FIRING, key="c-firing", alert="c", subject="service:semstreams")


def refused(arrival: Arrival, answer: int | None = 500) -> Arrival:
    """Return the same message, which the receiver did not take."""
    return replace(arrival, answer=answer)


def heard(messages: Sequence[Arrival]) -> Episodes:
    """Return what the oracle knows after these messages."""
    episodes = Episodes()
    for message in messages:
        episodes.take(message)
    return episodes


@pytest.mark.parametrize(
    "messages",
    [
        [FIRING, RESOLVED, NEXT],
        [FIRING, UPDATE, RESOLVED],
        [FIRING, RESOLVED, UPDATE],
        [FIRING, OTHER, RESOLVED],
        [refused(FIRING), refused(FIRING, None), FIRING, RESOLVED],
        [FIRING, FIRING, RESOLVED, RESOLVED, NEXT],
    ],
)
def test_nothing_is_wrong_with_what_is_right(messages: list[Arrival]) -> None:
    """Messages in order, repeated until they are taken or the next one comes, are no violation."""
    assert heard(messages).arrivals == len(messages)


@pytest.mark.parametrize(
    ("messages", "words"),
    [
        ([RESOLVED], "never heard that it began"),
        ([UPDATE], "never heard that it began"),
        ([refused(FIRING), RESOLVED], "overtakes"),
        ([refused(FIRING), OTHER], "overtakes"),
        ([FIRING, RESOLVED, FIRING], "comes back"),
        ([FIRING, OTHER, FIRING], "comes back"),
        ([FIRING, NEXT], "has not ended"),
        ([FIRING, replace(FIRING, key="a-again")], "another key"),
        ([FIRING, RESOLVED, replace(RESOLVED, key="a-again")], "another key"),
        ([FIRING, replace(FIRING, rest="another body")], "is not what came"),
        ([FIRING, replace(FIRING, alert="b")], "has the key of"),
        ([FIRING, replace(RESOLVED, key=FIRING.key)], "has the key of"),
        ([FIRING, replace(RESOLVED, resolved_at=None)], "does not say when"),
        ([replace(FIRING, kind="test")], "nobody asked"),
    ],
)
def test_each_wrong_is_seen(messages: list[Arrival], words: str) -> None:
    """A message that is lost, repeated, exchanged or out of order is a violation that says so."""
    with pytest.raises(Violation, match=words):
        heard(messages)


def test_it_knows_what_is_open_and_what_came_twice() -> None:
    """An episode is open until its end is told; what came again is counted, and whether it had been taken."""
    episodes = heard([refused(FIRING), FIRING, FIRING, OTHER])
    assert set(episodes.open) == {FIRING.topic, OTHER.topic}
    assert (episodes.repeated, episodes.repeated_though_taken) == (2, 1)
    episodes.take(RESOLVED)
    assert set(episodes.open) == {OTHER.topic}
    assert episodes.by_id["a"].resolved_at == 101.0
