"""What is promised of the messages and the truth together: held once all has been quiet for a while.

- Nothing false: each episode that was told belongs to a period in which its rule really held; no period is told twice.
- Nothing too early: an episode does not end while it is still true.
- No death untold: each death that nobody asked for is told by an episode of its own; or it fell into an episode of the
  same service that was still open; or no daemon was following at that moment, and an episode of that service told
  of it after the next start. The last is allowed only for deaths between two runs of the daemon: several of them may
  have become one. Nothing is promised of what died before a first run of the daemon knew the service.
- Nothing lasting untold: a rule that held for a while under a daemon that was up has its episode.
- The end is quiet: what is open is true, and what is true is open.

Of a service with the rule about loops a death may be told by that, since it mutes the rule about a single one. What the
engine itself had forgotten before a daemon could ask is held less strictly (forgetting.py): a death may be told by the
stamp of a later one or not at all, and a container that was removed may be called missing.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

from tests.faults.arrivals import Violation
from tests.faults.episodes import Episode, Episodes
from tests.faults.forgetting import Forgetting
from tests.faults.runs import FIRST_LIST_SECONDS, SLACK_SECONDS, Gap, gaps
from tests.faults.truth import DIED, LOOP, MISSING, STOPPED, Period, Topic, Truth

EXACT_SECONDS = 0.001
# Two scheduled looks, or the wait until a stop is believed, with room for a busy machine.
LASTING_SECONDS = 4.0
AROUND_SECONDS = 10.0


def compare(episodes: Episodes, truth: Truth, engine: Forgetting, begin: float) -> Counter[str]:
    """Hold what was told against what happened since `begin`; return how deaths were told. Raises: Violation."""
    told: dict[Topic, list[Episode]] = defaultdict(list)
    for episode in episodes.by_id.values():
        told[episode.first.topic].append(episode)
    own: dict[tuple[Topic, float], Episode] = {}
    for topic, found in told.items():
        if topic[0] == LOOP:
            _hold_loops(topic, found, truth)
        else:
            own |= _matched(topic, found, truth, engine)
    for topic, periods in truth.periods.items():
        if topic[0] != DIED:
            _hold_lasting(topic, periods, own, engine)
    return _hold_deaths(truth, told, own, engine, begin)


def hold_quiet(episodes: Episodes, truth: Truth, now: float) -> None:
    """Hold that what is open is true now, and that what is true is open. Raises: Violation."""
    for (rule, subject), episode in episodes.open.items():
        if not truth.true_now(rule, subject, now):
            raise Violation(f"{episode} is still open, although it is not true any more")
    for (rule, subject), periods in truth.periods.items():
        if periods[-1].end is None and (rule, subject) not in episodes.open:
            raise Violation(f"{rule} of {subject} holds since {periods[-1].begin:.3f}, and nobody was told")


def _matched(
    topic: Topic, told: Iterable[Episode], truth: Truth, engine: Forgetting
) -> dict[tuple[Topic, float], Episode]:
    """Give each episode a period of its own. Raises: Violation."""
    periods = truth.periods.get(topic, [])
    if topic[0] == MISSING:
        periods = [one for one in truth.periods.get((STOPPED, topic[1]), []) if engine.forgot(one.begin)]
    own: dict[tuple[Topic, float], Episode] = {}
    for episode in sorted(told, key=lambda episode: episode.since):
        fitting = [period for period in periods if period.distance(episode.since) <= SLACK_SECONDS]
        free = [period for period in fitting if (topic, period.begin) not in own]
        if not free and topic[0] == DIED:
            free = [one for one in periods if (topic, one.begin) not in own and _may_stand_for(episode, one, engine)]
        if not free and not fitting:
            raise Violation(f"{episode} was told, but was not true then: {_around(episode.since, periods)}")
        if not free:
            other = own[topic, fitting[0].begin]
            raise Violation(f"{episode} was told, but of the same was told already: {other}")
        period = min(free, key=lambda one: (one.distance(episode.since), abs(one.begin - episode.since)))
        own[topic, period.begin] = episode
        ended = episode.resolved_at
        if ended is not None and (period.end is None or ended < period.end - SLACK_SECONDS):
            raise Violation(f"{episode} ended at {ended:.3f}, but was true until {period.end}")
    return own


def _may_stand_for(episode: Episode, death: Period, engine: Forgetting) -> bool:
    """Tell whether an episode may be about an earlier death whose event nobody could hear any more."""
    return 0.0 <= episode.since - death.begin <= AROUND_SECONDS and engine.forgot(death.begin)


def _around(moment: float, periods: Sequence[Period]) -> str:
    near = [period for period in periods if period.distance(moment) <= AROUND_SECONDS]
    return ", ".join(f"{period.begin:.3f} to {period.end}" for period in near) or "not anywhere near"


def _hold_loops(topic: Topic, told: Iterable[Episode], truth: Truth) -> None:
    for episode in told:
        if not truth.loops(topic[1], episode.since, SLACK_SECONDS):
            raise Violation(f"{episode} was told, but there were too few deaths")
        ended = episode.resolved_at
        if ended is not None and truth.loops(topic[1], ended, -SLACK_SECONDS):
            raise Violation(f"{episode} ended at {ended:.3f}, with as many deaths in the ten minutes before")


def _hold_lasting(
    topic: Topic,
    periods: Iterable[Period],
    own: dict[tuple[Topic, float], Episode],
    engine: Forgetting,
) -> None:
    for period in periods:
        if (topic, period.begin) in own:
            continue
        for run in engine.runs:
            if not run.ready:
                continue
            begin = max(period.begin, run.ready + FIRST_LIST_SECONDS)
            end = min(period.end or engine.now, run.gone or engine.now)
            if end - begin > LASTING_SECONDS:
                raise Violation(
                    f"{topic[0]} of {topic[1]} held from {period.begin:.3f} to {period.end}, for {end - begin:.1f} s"
                    " under a daemon that was up, and nobody was told"
                )


def _hold_deaths(
    truth: Truth,
    told: dict[Topic, list[Episode]],
    own: dict[tuple[Topic, float], Episode],
    engine: Forgetting,
    begin: float,
) -> Counter[str]:
    counts: Counter[str] = Counter()
    between = gaps(engine.runs, begin, engine.now)
    for (rule, subject), periods in list(truth.periods.items()):
        if rule != DIED:
            continue
        episodes = [*told.get((DIED, subject), []), *told.get((LOOP, subject), [])]
        for period in periods:
            if period.begin < begin:
                continue
            exactly = own.get(((DIED, subject), period.begin))
            how = _how_told(period.begin, exactly, episodes, between)
            if not how and not engine.forgot(period.begin):
                raise Violation(f"the death of {subject} at {period.begin:.3f} was never told")
            counts[how or "not at all: the engine had forgotten it"] += 1
    return counts


def _how_told(death: float, own: Episode | None, episodes: Iterable[Episode], between: Sequence[Gap]) -> str:
    """Return how a death was told, empty if it was not."""
    if own is not None:
        return "by its own stamp" if abs(own.since - death) <= EXACT_SECONDS else "by itself"
    for episode in episodes:
        if episode.since <= death + SLACK_SECONDS and (
            episode.resolved_at is None or episode.resolved_at >= death - SLACK_SECONDS
        ):
            return "within an open episode"
    for gap in between:
        if gap.begin <= death <= gap.end and any(death <= one.since <= gap.end for one in episodes):
            return "folded after a start"
    return ""
