"""The probe of /healthz: when it asks what, and which verdict holds."""

from __future__ import annotations

import pytest

from semsupervisor.errors import SupervisorError
from semsupervisor.health.observation import Observation, Outcome, Subject, SubjectKind, Unknown
from semsupervisor.health.probes.nats_health import NatsHealth
from semsupervisor.health.targets import TargetAbsent
from semsupervisor.systems.connecting import Garbled, Refused, TimedOut
from semsupervisor.systems.http import Answer
from semsupervisor.systems.nats_monitor import FULL_CHECK_PATH, LIVENESS_PATH
from tests.support.asked import ELAPSED_SECONDS, Answering, answer

WELL = answer({"status": "ok"})
LOST = answer({"status": "error", "errors": [{"error": "stream S could not be recovered"}]}, 503)
ALL_WELL = {"reachable": True, "healthy": True, "full_check_passed": True}
OFF = answer({"status": "unavailable", "error": "JetStream not enabled"}, 503)


class Stage:
    """A probe whose answers to liveness and to full checks the test sets."""

    def __init__(self) -> None:
        self.answering = Answering(WELL)
        self.probe = NatsHealth(self.answering.clock, self.answering.endpoint, "nats", 3.0)
        self.live: Answer | SupervisorError = WELL
        self.full: Answer | SupervisorError = WELL

    async def look(self, after_seconds: float = 10.0) -> Observation:
        """Let time pass, run the probe and return what it sees."""
        self.answering.clock.advance(after_seconds)
        self.answering.answers = [self.live, self.full]
        (observation,) = await self.probe.observe()
        assert (observation.source, observation.subject) == ("nats_health", Subject(SubjectKind.NATS, "nats"))
        return observation

    async def full_checks(self, looks: int) -> list[int]:
        """Return which of so many looks, 10 s apart, asked for the full check."""
        asked = []
        for number in range(looks):
            before = len(self.answering.paths)
            await self.look(9.5 if number else 0.0)
            if FULL_CHECK_PATH in self.answering.paths[before:]:
                asked.append(number)
        return asked


async def test_a_healthy_server_is_seen() -> None:
    """Liveness is asked first, then the full check with what is left of the time."""
    stage = Stage()
    observation = await stage.look()
    assert (observation.outcome, observation.evidence) == (Outcome.OK, {})
    assert observation.facts == ALL_WELL
    assert stage.answering.paths == [LIVENESS_PATH, FULL_CHECK_PATH]
    assert stage.answering.timeouts == [3.0, 3.0 - ELAPSED_SECONDS]


async def test_the_full_check_of_a_healthy_server_comes_once_a_minute() -> None:
    """Every look asks for liveness, every sixth for the full check."""
    stage = Stage()
    assert await stage.full_checks(14) == [0, 6, 12]
    assert stage.answering.paths.count(LIVENESS_PATH) == 14


async def test_a_full_check_that_fails_is_repeated_sooner_at_first() -> None:
    """A fault is looked at again after 10, 20, 40 s and then once a minute, so that the server's log stays readable."""
    stage = Stage()
    await stage.look()
    stage.full = LOST
    await stage.look(60.0)
    assert await stage.full_checks(24) == [1, 3, 7, 13, 19]


async def test_the_verdict_of_the_full_check_holds_in_between() -> None:
    """A fault stays true in the server's own words until a full check finds it gone; the server is alive all along."""
    stage = Stage()
    stage.full = LOST
    first = await stage.look()
    held = await stage.look(1.0)
    assert first.facts == held.facts == {**ALL_WELL, "full_check_passed": False}
    assert first.evidence == held.evidence == {"full_check": "stream S could not be recovered"}
    assert stage.answering.paths == [LIVENESS_PATH, FULL_CHECK_PATH, LIVENESS_PATH]
    stage.full = WELL
    assert (await stage.look()).facts == ALL_WELL


async def test_a_server_that_is_not_alive_is_unhealthy() -> None:
    """A full check is asked for at once when it ceases to be alive and when it is so again, and rarely in between."""
    stage = Stage()
    await stage.look()
    stage.live = stage.full = OFF
    observation = await stage.look(1.0)
    assert observation.facts == {"reachable": True, "healthy": False, "full_check_passed": False}
    assert observation.evidence == {"error": "JetStream not enabled", "full_check": "JetStream not enabled"}
    assert stage.answering.paths[-1] == FULL_CHECK_PATH
    await stage.look(1.0)
    assert stage.answering.paths[-1] == LIVENESS_PATH
    stage.live = stage.full = WELL
    assert (await stage.look(1.0)).facts == ALL_WELL
    assert stage.answering.paths[-1] == FULL_CHECK_PATH


@pytest.mark.parametrize("error", [TimedOut("no answer within 2 s"), Refused("refused"), Garbled("not HTTP")])
async def test_a_full_check_without_a_result_changes_nothing(error: SupervisorError) -> None:
    """Before the first it is unknown, then the last verdict holds; evidence says why, and it is repeated sooner."""
    stage = Stage()
    stage.full = error
    first = await stage.look()
    nothing = Unknown(f"its full check gave no result yet: {error}")
    assert first.facts == {**ALL_WELL, "full_check_passed": nothing}
    assert first.evidence == {"full_check_unanswered": str(error)}
    stage.full = LOST
    assert (await stage.look()).evidence == {"full_check": "stream S could not be recovered"}
    stage.full = error
    later = await stage.look(60.0)
    assert later.facts["full_check_passed"] is False
    assert later.evidence == {"full_check": "stream S could not be recovered", "full_check_unanswered": str(error)}


@pytest.mark.parametrize("before", [WELL, LOST])
async def test_full_checks_that_never_answer_are_unknown(before: Answer) -> None:
    """After the third in a row their verdict does not hold any more, until one answers again."""
    stage = Stage()
    stage.full = before
    verdict = (await stage.look()).facts["full_check_passed"]
    stage.full = TimedOut("no answer within 2 s")
    assert [(await stage.look(60.0)).facts["full_check_passed"] for _ in range(2)] == [verdict] * 2
    reason = "its full check gave no result 3 times in a row: no answer within 2 s"
    assert (await stage.look(60.0)).facts == {**ALL_WELL, "full_check_passed": Unknown(reason)}
    stage.full = WELL
    assert (await stage.look(60.0)).facts == ALL_WELL


@pytest.mark.parametrize(
    ("live", "how", "reachable", "error", "body"),
    [
        (Refused("refused"), Outcome.DOWN, False, "refused", None),
        (TimedOut("silent"), Outcome.DOWN, False, "silent", None),
        (Garbled("not HTTP"), Outcome.UNKNOWN, Unknown("not HTTP"), "not HTTP", None),
        (answer(b"no", 404), Outcome.NOT_OFFERED, True, "the server does not offer /healthz (HTTP 404)", "no"),
        (answer({"status": "ok"}, 503), Outcome.UNKNOWN, True, "HTTP 503 with the status 'ok'", '{"status": "ok"}'),
    ],
)
async def test_what_is_not_seen_is_unknown(
    live: Answer | SupervisorError, how: Outcome, reachable: bool | Unknown, error: str, body: str | None
) -> None:
    """Without a readable answer health is unknown, and what was found before does not hold any more."""
    stage = Stage()
    stage.full = LOST
    await stage.look()
    stage.live = live
    observation = await stage.look()
    assert observation.outcome is how
    assert observation.facts == {
        "reachable": reachable,
        "healthy": Unknown(error),
        "full_check_passed": Unknown(error),
    }
    assert observation.evidence == ({"error": error} if body is None else {"error": error, "body": body})
    stage.live, stage.full = WELL, WELL
    assert (await stage.look(0.1)).facts == ALL_WELL


async def test_a_service_that_is_not_there_is_not_looked_at() -> None:
    """Nothing is said of it, and that is certain: no check goes stale over it."""
    answering = Answering(TargetAbsent("no such service"))
    (seen,) = await NatsHealth(answering.clock, answering.endpoint, "app", 3.0).observe()
    assert seen.outcome is Outcome.NOT_OFFERED
    assert seen.facts["reachable"] == Unknown("no such service")
