"""What each route does."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated

from msgspec import Meta

from semsupervisor.alerts.book import TIMELINE_KINDS
from semsupervisor.alerts.sending import NotAllTook
from semsupervisor.api import answers, outgoing, page, present, verdicts
from semsupervisor.api import rules as rule_states
from semsupervisor.api.asking import Ask, Params, Refused, Reply
from semsupervisor.api.readings import Readings
from semsupervisor.errors import PermanentError, SettingsError, SupervisorError
from semsupervisor.kit.clock import Clock
from semsupervisor.kit.text import did_you_mean
from semsupervisor.settings.durations import parse_duration
from semsupervisor.settings.load import Loaded

MOST_DEAD_LETTERS = 100

Limit = Annotated[int, Meta(ge=1, le=1000, description="at most so many, the newest")]
Before = Annotated[int, Meta(ge=0, le=2**63 - 1, description="only entries with smaller ids: asks for the next page")]
After = Annotated[int, Meta(ge=0, le=2**63 - 1, description="only entries with larger ids: asks for what is new")]
EntryId = Annotated[int, Meta(ge=0, le=2**63 - 1, description="the number of a dead letter, from /v1/outbox")]


class HistoryParams(Params, frozen=True, kw_only=True):
    """How many episodes, and of which alert, rule or subject."""

    limit: Limit = 50
    alert: Annotated[str, Meta(description="an alert's id, a rule's name, or a subject as kind:name")] | None = None


class TimelineParams(Params, frozen=True, kw_only=True):
    """Which entries: numbers below `before` and above `after`, of one subject, of one kind, not older than `since`."""

    limit: Limit = 50
    before: Before | None = None
    after: After | None = None
    subject: Annotated[str, Meta(description="only what is about this subject, as kind:name")] | None = None
    kind: Annotated[str, Meta(description="only entries of this kind, such as alert.firing")] | None = None
    since: Annotated[str, Meta(description="a time (RFC 3339) or a duration back from now, such as 1h30m")] | None = (
        None
    )


class ReceiverParams(Params, frozen=True, kw_only=True):
    """Which receiver."""

    receiver: Annotated[str, Meta(description="its name in the settings, or name/address for one of several")]


class MessageParams(Params, frozen=True, kw_only=True):
    """Which message."""

    id: EntryId


async def status_page(ask: Ask[None]) -> Reply:
    """Return the status page."""
    return Reply(body=page.render(present.status(ask.readings)), content_type="text/html")


async def healthz(ask: Ask[None]) -> Reply:
    """Say whether the daemon itself is well."""
    return _verdict(ask, present.daemon_verdict(ask.readings))


async def readyz(ask: Ask[None]) -> Reply:
    """Say whether the first look at everything is over."""
    return _verdict(ask, present.readiness_verdict(ask.readings))


async def stack_health(ask: Ask[None]) -> Reply:
    """Say whether the stack is well."""
    return _verdict(ask, present.stack_verdict(ask.readings))


async def metrics(ask: Ask[None]) -> Reply:
    """Return the page for Prometheus."""
    rendered = await ask.metrics.render(ask.accept)
    return Reply(body=rendered.body, content_type=rendered.content_type)


async def status(ask: Ask[None]) -> Reply:
    """Return everything on one screen."""
    return Reply(body=present.status(ask.readings))


async def alerts(ask: Ask[None]) -> Reply:
    """Return the open alerts."""
    return Reply(body=present.open_alerts(ask.readings))


async def rules(ask: Ask[None]) -> Reply:
    """Return the rules in force and how each stands."""
    return Reply(body=rule_states.rules(ask.readings))


async def history(ask: Ask[HistoryParams]) -> Reply:
    """Return the newest episodes that were asked for."""
    found = await ask.readings.history(ask.params.limit, ask.params.alert)
    return Reply(body=present.alerts(ask.readings, found))


async def timeline(ask: Ask[TimelineParams]) -> Reply:
    """Return the newest entries of the timeline that were asked for."""
    wanted = ask.params
    if wanted.kind is not None and wanted.kind not in TIMELINE_KINDS:
        raise _unknown("kind", wanted.kind, TIMELINE_KINDS)
    found = await ask.readings.timeline(
        wanted.limit,
        before_id=wanted.before,
        after_id=wanted.after,
        subject=wanted.subject,
        kind=wanted.kind,
        since=None if wanted.since is None else _moment(wanted.since, ask.readings.clock),
    )
    if wanted.subject is not None and not found:
        await _expect_subject(wanted.subject, ask.readings)
    more = len(found) == wanted.limit
    return Reply(body=present.timeline(ask.readings, found, found[-1].id if more else None))


async def settings(ask: Ask[None]) -> Reply:
    """Return the effective settings, secrets masked."""
    return Reply(body=present.settings(ask.readings.settings()))


async def outbox(ask: Ask[None]) -> Reply:
    """Return what waits for the receivers, and the newest dead letters."""
    return Reply(body=outgoing.outbox(ask.readings, await ask.readings.dead_letters(MOST_DEAD_LETTERS)))


async def test_receiver(ask: Ask[ReceiverParams]) -> Reply:
    """Send a marked test to one receiver and say what came back."""
    name = ask.params.receiver
    receiver = name.partition("/")[0]
    if name not in ask.readings.acts.testable():
        raise _no_receiver(name, ask.readings.settings())
    advice = f"check [receivers.{receiver}] in the settings and what it says"
    try:
        came_back = await ask.readings.acts.test_receiver(name)
    except NotAllTook as error:
        raise Refused(502, f"the receiver {name} refused the test: {error}", advice, error.each) from error
    except SupervisorError as error:
        kind = "refused the test" if isinstance(error, PermanentError) else "could not be reached"
        raise Refused(502, f"the receiver {name} {kind}: {error}", advice) from error
    return Reply(body=answers.DoneAnswer(done=(came_back,)))


def _no_receiver(name: str, loaded: Loaded) -> Refused:
    """Return why there is no such receiver to be tested: it is switched off, or not in the settings."""
    receivers = loaded.settings.receivers
    if name in receivers:
        path = f"receivers.{name}"
        why = next((text for text in loaded.findings if text.startswith(f"{path} ")), f"{path}.enabled is false")
        return Refused(409, f"the receiver {name} is switched off", f"{why}; see `semsupervisor settings show`")
    advice = did_you_mean(name, receivers) or f"the settings have: {', '.join(sorted(receivers)) or 'none'}"
    return Refused(404, f"there is no receiver {name!r}", advice)


async def reload(ask: Ask[None]) -> Reply:
    """Read the settings again and say what changed."""
    try:
        changed = await ask.readings.acts.reload()
    except SettingsError as error:
        advice = "correct the file and reload again; until then the settings stay as they were"
        raise Refused(422, "the settings were refused", advice, error.problems) from error
    return Reply(body=answers.DoneAnswer(done=tuple(changed)))


async def retry(ask: Ask[MessageParams]) -> Reply:
    """Queue a dead letter again."""
    return _dead_letter(ask, "queued again", done=await ask.readings.acts.retry_dead_letter(ask.params.id))


async def drop(ask: Ask[MessageParams]) -> Reply:
    """Forget a dead letter."""
    return _dead_letter(ask, "dropped", done=await ask.readings.acts.drop_dead_letter(ask.params.id))


def _dead_letter(ask: Ask[MessageParams], what: str, *, done: bool) -> Reply:
    if not done:
        raise Refused(404, f"there is no dead letter {ask.params.id}", "see: semsupervisor outbox list")
    return Reply(body=answers.DoneAnswer(done=(f"dead letter {ask.params.id} was {what}",)))


def _verdict(ask: Ask[None], judged: verdicts.Verdict) -> Reply:
    return Reply(body=present.verdict(ask.readings, judged), status=200 if judged.good else 503)


async def _expect_subject(name: str, readings: Readings) -> None:
    """Raises: Refused (400) for a subject of which nothing is known and nothing was written."""
    known = {str(subject) for subject, _ in readings.latest()}
    if name not in known and not await readings.timeline(1, subject=name):
        raise _unknown("subject", name, sorted(known))


def _unknown(what: str, name: str, known: Sequence[str]) -> Refused:
    advice = did_you_mean(name, known) or f"there are: {', '.join(known) or 'none yet'}"
    return Refused(400, f"{what}: nothing is known of {name!r}", advice)


def _moment(text: str, clock: Clock) -> datetime:
    """Return the moment that a `since` means. Raises: Refused (400) when it means none."""
    moment = _before(text, clock) or _stamp(text)
    if moment is None:
        wanted = "give a time with its zone such as 2026-03-01T12:00:00Z, or a duration such as 30m"
        raise Refused(400, f"since: {text!r} is neither a time nor a duration", wanted)
    return moment


def _before(text: str, clock: Clock) -> datetime | None:
    try:
        return clock.now() - timedelta(seconds=parse_duration(text))
    except (ValueError, OverflowError):
        return None


def _stamp(text: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text)
        return moment.astimezone(UTC) if moment.tzinfo else None
    except (ValueError, OverflowError):
        return None
