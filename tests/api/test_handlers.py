"""What each route does."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from semsupervisor.api import answers, handlers
from semsupervisor.api.asking import Ask, Params, Refused, Reply
from semsupervisor.api.handlers import HistoryParams, MessageParams, ReceiverParams, TimelineParams
from semsupervisor.api.metrics import MetricsPage
from semsupervisor.health.observation import SubjectKind
from semsupervisor.settings.model import WebhookReceiver
from tests.support.api_world import World, alert, entry, message, probe


def ask(world: World, params: Params | None = None) -> Ask[Any]:
    """Return a request to a world."""
    return Ask(params=params, accept="", readings=world.readings(), metrics=MetricsPage(world.readings()))


async def timeline(world: World, **given: Any) -> answers.TimelineAnswer:
    """Return the timeline of a world."""
    reply = await handlers.timeline(ask(world, TimelineParams(**given)))
    assert isinstance(reply.body, answers.TimelineAnswer)
    return reply.body


def told(reply: Reply) -> tuple[str, ...]:
    """Return what an act says that it did."""
    assert isinstance(reply.body, answers.DoneAnswer)
    return reply.body.done


async def test_a_verdict_is_200_or_503() -> None:
    """Each of the three verdicts answers 503 exactly when it is not good."""
    world = World()
    routes = (handlers.healthz, handlers.readyz, handlers.stack_health)
    assert [(await route(ask(world))).status for route in routes] == [200, 200, 200]
    world.lag_seconds = 60.0
    world.probes["containers"] = probe("containers", None)
    world.see(SubjectKind.SERVICE, "nats", {"died": True})
    assert [(await route(ask(world))).status for route in routes] == [503, 503, 503]


async def test_the_timeline_is_fetched_page_by_page() -> None:
    """Following `before` yields every entry once, newest first, and ends."""
    world = World()
    world.entries = [entry(number) for number in range(1, 8)]
    seen: list[int] = []
    before: int | None = None
    while True:
        page = await timeline(world, limit=3, before=before)
        seen += [one.id for one in page.entries]
        before = page.before
        if before is None:
            break
    assert seen == [7, 6, 5, 4, 3, 2, 1]


async def test_the_timeline_is_narrowed() -> None:
    """Subject, kind and `after` each leave out what does not fit."""
    world = World()
    world.entries = [entry(1), entry(2, subject="engine:docker"), entry(3, kind="daemon.restarted")]
    assert [one.id for one in (await timeline(world, subject="service:nats")).entries] == [3, 1]
    assert [one.id for one in (await timeline(world, kind="alert.firing")).entries] == [2, 1]
    assert [one.id for one in (await timeline(world, after=2)).entries] == [3]


@pytest.mark.parametrize(
    ("given", "advice"),
    [
        ({"kind": "alert.firin"}, "did you mean alert.firing or alert.again?"),
        ({"kind": "x"}, "there are: alert.again, alert.firing, "),
        ({"subject": "service:nat"}, "did you mean service:nats"),
        ({"subject": "?"}, "there are: engine:docker, filesystem:/, "),
    ],
)
async def test_what_nobody_knows_is_no_empty_timeline(given: dict[str, str], advice: str) -> None:
    """A kind or a subject that is not there is refused, with what there is."""
    with pytest.raises(Refused, match="nothing is known of") as refused:
        await timeline(World(), **given)
    assert (refused.value.status, refused.value.what_to_do.startswith(advice)) == (400, True)


async def test_what_is_known_has_an_empty_timeline_at_times() -> None:
    """A subject that is watched, or of which was written, is asked for in vain where nothing falls into the time."""
    world = World()
    world.entries = [entry(1, subject="service:removed")]
    for subject in ("service:nats", "service:removed"):
        assert (await timeline(world, subject=subject, after=1)).entries == ()


@pytest.mark.parametrize("since", ["2m", "2026-03-01T12:08:00Z", "2026-03-01T13:08:00+01:00"])
async def test_the_timeline_begins_at_a_time_or_a_while_ago(since: str) -> None:
    """Entries older than `since` are left out, also of the pages that follow."""
    world = World()
    world.clock.advance(600)
    world.entries = [entry(number) for number in range(1, 11)]
    page = await timeline(world, limit=2, since=since)
    assert [one.id for one in page.entries] == [10, 9]
    page = await timeline(world, limit=2, since=since, before=page.before)
    assert [one.id for one in page.entries] == [8]
    assert page.before is None


async def test_the_history_is_bounded() -> None:
    """At most as many episodes as were asked for, or those of one rule."""
    world = World()
    world.episodes = [alert(), alert("memory_high")]
    found = {}
    for params in (HistoryParams(limit=1), HistoryParams(alert="memory_high")):
        reply = await handlers.history(ask(world, params))
        assert isinstance(reply.body, answers.AlertsAnswer)
        found[params] = [one.rule for one in reply.body.alerts]
    assert list(found.values()) == [["container_died"], ["memory_high"]]


async def test_a_test_says_what_came_back() -> None:
    """A receiver that took the test is quoted."""
    world = World()
    reply = await handlers.test_receiver(ask(world, ReceiverParams(receiver="ops")))
    assert told(reply) == ("the receiver ops took the test: 200 OK",)
    assert world.asked == ["test ops"]


async def test_a_test_that_fails_says_why() -> None:
    """What the receiver's side said is in the error, and where to look in the settings."""
    with pytest.raises(Refused, match=r"mail could not be reached: connection refused by mail\.example") as refused:
        await handlers.test_receiver(ask(World(), ReceiverParams(receiver="mail")))
    assert (refused.value.status, "[receivers.mail]" in refused.value.what_to_do) == (502, True)


@pytest.mark.parametrize(
    ("name", "code", "advice"),
    [
        ("osp", 404, "did you mean ops?"),
        ("x", 404, "the settings have: mail, night, off, ops"),
        ("mail/nobody@example.org", 404, "the settings have: mail, night, off, ops"),
        ("off", 409, "receivers.off.enabled is false; see `semsupervisor settings show`"),
        ("night", 409, "receivers.night is off: no secret; see `semsupervisor settings show`"),
    ],
)
async def test_a_receiver_that_cannot_be_tested_is_explained(name: str, code: int, advice: str) -> None:
    """A mistyped one is answered with the likely one, or with all of the settings; one that rests with the reason."""
    world = World()
    receivers = {one: WebhookReceiver(url="http://hook.example") for one in ("ops", "mail", "off", "night")}
    settings = msgspec.structs.replace(world.loaded.settings, receivers=receivers)
    findings = ("receivers.nightly is off: another", "receivers.night is off: no secret")
    world.loaded = msgspec.structs.replace(world.loaded, settings=settings, findings=findings)
    world.receivers = ["ops", "mail", "mail/a@example.org", "mail/b@example.org"]
    with pytest.raises(Refused) as refused:
        await handlers.test_receiver(ask(world, ReceiverParams(receiver=name)))
    assert (refused.value.status, refused.value.what_to_do) == (code, advice)
    assert world.asked == []


async def test_a_reload_says_what_changed() -> None:
    """The changes are told one by one."""
    assert told(await handlers.reload(ask(World()))) == ("checks.interval is 20s now",)


async def test_a_reload_that_is_refused_tells_every_problem() -> None:
    """All problems of the file are there, and that the old settings stay."""
    world = World()
    world.store_fails = True
    with pytest.raises(Refused) as refused:
        await handlers.reload(ask(world))
    assert refused.value.status == 422
    assert len(refused.value.problems) == 2
    assert "stay as they were" in refused.value.what_to_do


async def test_a_dead_letter_is_queued_again_or_dropped() -> None:
    """The daemon is asked for it by its number; one that is not there is a 404."""
    world = World()
    world.dead = [message(5)]
    assert told(await handlers.retry(ask(world, MessageParams(id=5)))) == ("dead letter 5 was queued again",)
    assert told(await handlers.drop(ask(world, MessageParams(id=5)))) == ("dead letter 5 was dropped",)
    for act in (handlers.retry, handlers.drop):
        with pytest.raises(Refused, match="no dead letter 6"):
            await act(ask(world, MessageParams(id=6)))


async def test_the_page_is_html_and_the_metrics_are_text() -> None:
    """Each has the type that its readers know."""
    world = World()
    assert (await handlers.status_page(ask(world))).content_type == "text/html"
    assert (await handlers.metrics(ask(world))).content_type.startswith("text/plain; version=0.0.4")
