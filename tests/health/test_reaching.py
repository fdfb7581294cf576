"""Asking an endpoint: what is down, what is unknown, and what is shown of an answer."""

from __future__ import annotations

import pytest

from semsupervisor.errors import EngineError, SupervisorError
from semsupervisor.health.reaching import Endpoint, OwnLoopLags, Unreachable
from semsupervisor.health.targets import AddressOf, TargetStopped, TargetUnknown, parse
from semsupervisor.systems.connecting import Broken, Garbled, Refused, TimedOut, TlsFailed
from semsupervisor.systems.http import Answer, BadAddress, BodyTooLarge
from tests.support.clock import ManualClock

ANSWER = Answer(status=200, headers={}, body=b"token=hunter2\n", elapsed_seconds=0.01)


class Asked:
    """What answers or fails in place of the network, and remembers what it was asked."""

    def __init__(self, outcome: Answer | SupervisorError, clock: ManualClock) -> None:
        self.outcome = outcome
        self.clock = clock
        self.calls: list[tuple[str, float]] = []

    async def get(self, url: str, timeout_seconds: float) -> Answer:
        """Take 2 s, then answer or fail."""
        self.calls.append((url, timeout_seconds))
        self.clock.advance(2.0)
        if isinstance(self.outcome, Answer):
            return self.outcome
        raise self.outcome


def endpoint(asked: Asked, *, lag: float = 0.0, address_of: AddressOf = lambda _: "10.0.0.7") -> Endpoint:
    """Return an endpoint of NATS; the loop lagged by `lag` seconds while it was asked."""
    began = asked.clock.monotonic()
    return Endpoint(
        asked.clock,
        asked.get,
        parse("container:nats:8222"),
        address_of,
        lag_since=lambda since: lag if since <= began else 0.0,
        mask=lambda text: text.replace("hunter2", "***"),
    )


async def test_an_answer_is_returned() -> None:
    """The target is resolved at each call, and its answer comes back as it is."""
    addresses = ["10.0.0.7", "10.0.0.8"]
    asked = Asked(ANSWER, ManualClock())
    one = endpoint(asked, address_of=lambda _: addresses.pop(0))
    assert await one.ask(3.0, "/varz") is ANSWER
    assert await one.ask(3.0) is ANSWER
    assert asked.calls == [("http://10.0.0.7:8222/varz", 3.0), ("http://10.0.0.8:8222", 3.0)]


@pytest.mark.parametrize("error", [Refused("no connection"), TimedOut("no answer"), Broken("hung up")])
@pytest.mark.parametrize(("lag", "raised"), [(0.0, Unreachable), (1.0, Unreachable), (1.1, OwnLoopLags)])
async def test_silence_is_down_unless_we_lag(error: SupervisorError, lag: float, raised: type[SupervisorError]) -> None:
    """Refused, timed out or hung up is down; while our own loop lagged by more than a second it is unknown."""
    with pytest.raises(raised, match=str(error)):
        await endpoint(Asked(error, ManualClock()), lag=lag).ask(3.0)


async def test_a_timeout_that_comes_late_is_our_own_lag() -> None:
    """When the call takes a second longer than it may, our loop was held up, whatever the samples say."""
    with pytest.raises(OwnLoopLags, match=r"lagged by 1\.5 s"):
        await endpoint(Asked(TimedOut("no answer"), ManualClock())).ask(0.5)


@pytest.mark.parametrize(
    "error",
    [Garbled("not HTTP"), TlsFailed("expired"), BadAddress("no host"), BodyTooLarge("too large", ANSWER)],
)
async def test_other_failures_say_nothing_of_the_target(error: SupervisorError) -> None:
    """What is not a refusal or silence comes through as it is: it is not down."""
    with pytest.raises(type(error), match=str(error)):
        await endpoint(Asked(error, ManualClock())).ask(3.0)


@pytest.mark.parametrize(
    ("error", "raised"),
    [
        (TargetStopped("nats exited"), Unreachable),
        (TargetUnknown("no address"), TargetUnknown),
        (EngineError("away"), EngineError),
    ],
)
async def test_a_container_known_not_to_run_is_down(error: SupervisorError, raised: type[SupervisorError]) -> None:
    """A stopped container is down without being asked; without an address, or an engine, nothing can be said."""
    asked = Asked(ANSWER, ManualClock())

    def address_of(_: str) -> str | None:
        raise error

    with pytest.raises(raised, match=str(error)):
        await endpoint(asked, address_of=address_of).ask(3.0)
    assert asked.calls == []


def test_evidence_is_masked() -> None:
    """Texts and the first bytes of a body are shown without secrets, the body only when there is one."""
    one = endpoint(Asked(ANSWER, ManualClock()))
    assert one.evidence({"error": "bad password hunter2"}) == {"error": "bad password ***"}
    assert one.evidence({"error": "e"}, ANSWER) == {"error": "e", "body": "token=***"}
