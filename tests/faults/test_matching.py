"""The oracle of messages and truth sees what is false, too early or untold, and nothing wrong in what is right."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import pytest

from tests.faults.arrivals import Arrival, Violation
from tests.faults.episodes import Episodes
from tests.faults.forgetting import KEPT_EVENTS, Forgetting
from tests.faults.matching import compare, hold_quiet
from tests.faults.runs import Run
from tests.faults.truth import DIED, LOOP, MISSING, PAUSED, STOPPED, Truth

NATS = "service:nats"
BEGIN, NOW = 0.0, 1000.0
UP = [Run(ready=1.0)]


def telling(*told: tuple[str, float, float | None]) -> Episodes:
    """Return what a receiver heard: rule, since when, and when resolved, one episode after the other."""
    episodes = Episodes()
    for number, (rule, since, resolved_at) in enumerate(told):
        identity = f"{rule}-{number}"
        firing = Arrival(number, since, 200, f"{identity}-firing", "firing", identity, rule, NATS, since, None, "")
        episodes.take(firing)
        if resolved_at is not None:
            end = (f"{identity}-resolved", "resolved", identity, rule, NATS, since, resolved_at, "")
            episodes.take(Arrival(number, resolved_at, 200, *end))
    return episodes


def happened(*periods: tuple[str, float, float | None]) -> Truth:
    """Return what really happened: rule, from, to."""
    truth = Truth()
    for rule, begin, end in periods:
        truth.begin(rule, NATS, begin)
        if end is not None:
            truth.end(rule, NATS, end)
    return truth


def compared(
    episodes: Episodes, truth: Truth, runs: Sequence[Run] = UP, busy: Sequence[float] = (), begin: float = BEGIN
) -> Counter[str]:
    """Compare both; at each `busy` moment as much else happens as the engine can remember."""
    stamps = [moment for moment in sorted(busy) for _ in range(KEPT_EVENTS)]
    return compare(episodes, truth, Forgetting(stamps, runs, NOW), begin)


def test_a_death_told_by_itself_is_right() -> None:
    """The alert's own moment is that of the event."""
    found = compared(telling((DIED, 100.0, 101.0)), happened((DIED, 100.0, 101.0)))
    assert found == {"by its own stamp": 1}


def test_a_death_within_an_open_episode_is_right() -> None:
    """Told by the rule about loops, or while the end of the one before is not known yet."""
    deaths = [(DIED, at, at + 1.0) for at in (100.0, 110.0, 120.0, 130.0)]
    told = [*deaths[:2], (DIED, 120.0, 121.0), (LOOP, 120.0, None)]
    assert compared(telling(*told), happened(*deaths)) == {"by its own stamp": 3, "within an open episode": 1}


def test_deaths_between_two_runs_may_be_one() -> None:
    """While no daemon followed, the last death may stand for all."""
    runs = [Run(ready=1.0, gone=100.0), Run(ready=110.0)]
    truth = happened((DIED, 101.0, 102.0), (DIED, 104.0, 105.0))
    found = compared(telling((DIED, 104.0, 111.0)), truth, runs)
    assert found == {"folded after a start": 1, "by its own stamp": 1}


def test_what_died_before_anything_was_known_is_nobodys() -> None:
    """Deaths before the beginning do not count."""
    assert compared(telling(), happened((DIED, 5.0, 6.0)), begin=10.0) == {}


def test_what_the_engine_forgot_is_held_less_strictly() -> None:
    """A death may be told by the stamp of a later one or not at all, and who removed a container may be unknown."""
    runs = [Run(ready=1.0, gone=100.0), Run(ready=110.0)]
    deaths = happened((DIED, 101.0, 102.0), (DIED, 104.0, 105.0))
    twice = telling((DIED, 104.0, 105.0), (DIED, 104.0, 111.0))
    found = compared(twice, deaths, runs, busy=[103.0])
    assert found == {"by itself": 1, "by its own stamp": 1}
    with pytest.raises(Violation, match="told already"):
        compared(twice, deaths, runs)
    assert compared(telling(), deaths, runs, busy=[105.0]) == {"not at all: the engine had forgotten it": 2}
    removed = happened((STOPPED, 101.0, 120.0))
    gone = telling((MISSING, 111.0, 120.0), (STOPPED, 111.5, 120.0))
    assert compared(gone, removed, runs, busy=[105.0]) == {}
    with pytest.raises(Violation, match="not true then"):
        compared(gone, removed, runs)


@pytest.mark.parametrize(
    ("told", "truth", "words"),
    [
        ([], [(DIED, 100.0, 101.0)], "never told"),
        ([(DIED, 104.0, 111.0)], [(DIED, 101.0, 102.0), (DIED, 104.0, 105.0)], "never told"),
        ([(DIED, 100.0, 101.0)], [], "not true then"),
        ([(DIED, 100.0, 101.0)], [(DIED, 90.0, 91.0)], "not true then"),
        ([(DIED, 100.0, 101.0), (DIED, 100.0, 101.0)], [(DIED, 100.0, 101.0)], "told already"),
        ([(DIED, 100.0, 101.0)], [(DIED, 100.0, 103.0)], "but was true until"),
        ([(DIED, 100.0, 101.0)], [(DIED, 100.0, None)], "but was true until"),
        ([(LOOP, 100.0, None)], [(DIED, 100.0, 101.0)], "too few deaths"),
        ([], [(PAUSED, 100.0, 110.0)], "nobody was told"),
        ([], [(PAUSED, 100.0, None)], "nobody was told"),
    ],
)
def test_each_wrong_is_seen(
    told: list[tuple[str, float, float | None]], truth: list[tuple[str, float, float | None]], words: str
) -> None:
    """What is false, repeated, ended too early, or untold under a daemon that was up, is a violation that says so."""
    with pytest.raises(Violation, match=words):
        compared(telling(*told), happened(*truth))


def test_what_lasted_only_while_no_daemon_ran_need_not_be_told() -> None:
    """A pause that was over before a daemon could see it is nothing that anybody promised."""
    runs = [Run(ready=1.0, gone=100.0), Run(ready=200.0)]
    assert compared(telling(), happened((PAUSED, 110.0, 199.0)), runs) == {}


def test_the_end_is_quiet() -> None:
    """What is open is true, and what is true is open."""
    hold_quiet(telling((PAUSED, 100.0, None)), happened((PAUSED, 100.0, None)), NOW)
    with pytest.raises(Violation, match="not true any more"):
        hold_quiet(telling((PAUSED, 100.0, None)), happened((PAUSED, 100.0, 101.0)), NOW)
    with pytest.raises(Violation, match="nobody was told"):
        hold_quiet(telling(), happened((PAUSED, 100.0, None)), NOW)


def test_a_loop_may_stay_open() -> None:
    """It is true for ten minutes after the third death."""
    deaths = [(DIED, at, at + 1.0) for at in (100.0, 110.0, 120.0)]
    episodes = telling(*deaths, (LOOP, 120.0, None))
    hold_quiet(episodes, happened(*deaths), 600.0)
    with pytest.raises(Violation, match="not true any more"):
        hold_quiet(episodes, happened(*deaths), 800.0)
