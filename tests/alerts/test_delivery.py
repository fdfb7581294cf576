"""All ways from the outbox to the receivers, with real servers at their ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web

from semsupervisor.alerts.delivery import Delivery
from semsupervisor.alerts.notification import NotificationKind
from semsupervisor.alerts.receivers import build
from semsupervisor.alerts.sending import Sender
from semsupervisor.errors import PermanentError, TemporaryError
from semsupervisor.health.observation import Observation, SubjectKind, Unknown
from semsupervisor.kit.clock import SystemClock
from semsupervisor.kit.tasks import TaskOwner
from semsupervisor.settings.forms import Duration
from semsupervisor.settings.model import DeliverySettings, EmailReceiver, Receiver, WebhookReceiver
from semsupervisor.systems.http import HttpClient
from tests.support.clock import ManualClock
from tests.support.mail import mail_server
from tests.support.post import Post, Scripted
from tests.support.talking import Hook, deaf_port, free_port, http_server, raw_server
from tests.support.told import told
from tests.support.waiting import eventually

pytestmark = pytest.mark.usefixtures("logs")

MESSAGES = [told(NotificationKind.FIRING, number=number) for number in range(1, 6)]
KEYS = [message.key for message in MESSAGES]
QUICK = DeliverySettings(
    first_retry_seconds=Duration(0.01), longest_retry_seconds=Duration(0.05), give_up_refused_seconds=Duration(0)
)
SLOW = DeliverySettings(first_retry_seconds=Duration(3600), longest_retry_seconds=Duration(3600))
A, B = "a@example.org", "b@example.org"


class World:
    """An outbox, a delivery that works, and what it is made of."""

    def __init__(self, post: Post, http: HttpClient, owner: TaskOwner, delivery: Delivery) -> None:
        self.post = post
        self.http = http
        self.owner = owner
        self.delivery = delivery

    def idle(self, queue: str) -> bool:
        """Tell whether nothing waits in a queue."""
        return self.post.outbox.head(queue) is None


def no_evidence(_: str) -> asyncio.Future[Mapping[str, str]] | None:
    """Say that nothing is being gathered."""
    return None


@asynccontextmanager
async def delivering(
    folder: Path,
    receivers: Mapping[str, Receiver],
    limits: DeliverySettings = QUICK,
    senders: Mapping[str, Sender] | None = None,
) -> AsyncIterator[World]:
    """Deliver to the given receivers while the test goes on; pauses are always the longest possible."""
    clock = SystemClock()
    post, http = Post(folder, clock), HttpClient(clock)
    made = build(receivers, http, clock) if senders is None else senders
    delivery = Delivery(post.outbox, made, limits, clock, no_evidence, lambda: 1.0)
    try:
        async with asyncio.TaskGroup() as group:
            owner = TaskOwner(group, clock)
            delivery.start(owner)
            yield World(post, http, owner, delivery)
            await owner.stop()
    finally:
        await http.close()
        await post.close()


def keys(hook: Hook) -> list[str]:
    """Return the keys of all that a webhook got, in order."""
    return [headers["Idempotency-Key"] for headers in hook.headers]


def mail_to(port: int, *recipients: str) -> EmailReceiver:
    """Return a receiver of mail on this host."""
    return EmailReceiver(host="127.0.0.1", port=port, sender="edge@site.example", to=recipients, security="none")


async def test_a_webhook_gets_all_in_order(tmp_path: Path) -> None:
    """What is queued arrives, each once, in the order of the queue."""
    hook = Hook()
    async with http_server(hook.take) as (url, _), delivering(tmp_path, {"hook": WebhookReceiver(url=url)}) as world:
        await world.post.put("hook", *MESSAGES)
        await eventually(lambda: world.idle("hook"))
    assert keys(hook) == KEYS


async def test_a_failing_webhook_gets_it_again(tmp_path: Path) -> None:
    """After errors of its own and a plea for peace the same message comes again, before any other."""
    hook = Hook(
        web.Response(status=500), web.Response(status=429, headers={"Retry-After": "0"}), web.Response(status=503)
    )
    async with http_server(hook.take) as (url, _), delivering(tmp_path, {"hook": WebhookReceiver(url=url)}) as world:
        await world.post.put("hook", *MESSAGES[:2])
        await eventually(lambda: world.idle("hook"))
        assert world.delivery.report("hook").last_error == "the receiver answered 503"
    assert keys(hook) == [KEYS[0]] * 4 + [KEYS[1]]


async def test_an_answer_that_breaks_off_does_not_count(tmp_path: Path) -> None:
    """Closed in the middle, the message is sent again until there is a whole answer."""
    seen = 0

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal seen
        seen += 1
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n" + (b"o" if seen < 3 else b"ok"))
        await writer.drain()

    async with raw_server(talk) as port:
        receivers = {"hook": WebhookReceiver(url=f"http://127.0.0.1:{port}/")}
        async with delivering(tmp_path, receivers) as world:
            await world.post.put("hook", MESSAGES[0])
            await eventually(lambda: world.idle("hook"))
    assert seen == 3


async def test_a_moved_webhook_gets_a_dead_letter(tmp_path: Path) -> None:
    """A redirect to another host is not followed; after a few attempts the message is given up, and kept."""
    elsewhere = Hook()
    async with http_server(elsewhere.take) as (there, _):
        hook = Hook(*(web.Response(status=302, headers={"Location": there}) for _ in range(5)))
        async with (
            http_server(hook.take) as (url, _),
            delivering(tmp_path, {"hook": WebhookReceiver(url=url)}) as world,
        ):
            await world.post.put("hook", *MESSAGES[:2])
            await eventually(lambda: world.idle("hook"))
            assert world.post.outbox.depth("hook").dead == 1
            (dead,) = await world.post.outbox.dead_letters(10)
            assert await world.post.outbox.retry(dead.id)
            await eventually(lambda: len(hook.headers) == 7)
    assert keys(hook) == [KEYS[0]] * 5 + [KEYS[1], KEYS[0]]
    assert elsewhere.headers == []


async def test_who_cannot_be_reached_blocks_nobody(tmp_path: Path) -> None:
    """A port that is closed, one that hangs, and a name that is not known: the others get all at once."""
    hook = Hook()
    with deaf_port() as deaf:
        async with http_server(hook.take) as (url, _), mail_server() as server:
            receivers: dict[str, Receiver] = {
                "closed": WebhookReceiver(url=f"http://127.0.0.1:{free_port()}/"),
                "deaf": WebhookReceiver(url=f"http://127.0.0.1:{deaf}/"),
                "unknown": WebhookReceiver(url="http://no-such-host.invalid/"),
                "hook": WebhookReceiver(url=url),
                "mail": mail_to(server.port, A),
            }
            async with delivering(tmp_path, receivers) as world:
                for name in receivers:
                    await world.post.put(name, *MESSAGES)
                await eventually(lambda: world.idle("hook") and world.idle("mail"))
                assert [world.post.outbox.depth(name).queued for name in ("closed", "deaf", "unknown")] == [5, 5, 5]
    assert keys(hook) == KEYS
    assert len(server.mails) == 5


async def test_a_server_that_comes_back_is_told(tmp_path: Path) -> None:
    """What waited while the server was down arrives in order once it is up and somebody says to try now."""
    port = free_port()
    hook = Hook()
    receivers: dict[str, Receiver] = {
        "hook": WebhookReceiver(url=f"http://127.0.0.1:{port}/"),
        "mail": mail_to(port, A),
    }
    async with delivering(tmp_path, receivers, SLOW) as world:
        await world.post.put("hook", *MESSAGES)
        await eventually(lambda: world.delivery.report("hook").failures_in_row == 1)
        async with http_server(hook.take, port=port):
            world.delivery.retry_now("mail")
            await asyncio.sleep(0.05)
            assert hook.headers == []
            world.delivery.retry_now("hook")
            await eventually(lambda: world.idle("hook"))
    assert keys(hook) == KEYS


async def test_one_who_is_back_wakes_the_others(tmp_path: Path) -> None:
    """When one receiver is reached again, the rest that was out of reach is tried without waiting out its pause."""
    first, second = Scripted("first", TemporaryError("away")), Scripted("second", TemporaryError("away"))
    refusing = Scripted("refusing", PermanentError("no"))
    senders = {"first": first, "second": second, "refusing": refusing}
    async with delivering(tmp_path, {}, SLOW, senders) as world:
        for name in senders:
            await world.post.put(name, MESSAGES[0])
        await eventually(lambda: all(world.delivery.report(name).failures_in_row for name in senders))
        world.delivery.retry_now("first")
        await eventually(lambda: world.idle("first") and world.idle("second"))
        assert refusing.seen == KEYS[:1]
        world.delivery.retry_now()
        await eventually(lambda: world.idle("refusing"))


async def test_greylisting_delays_only_whom_it_concerns(tmp_path: Path) -> None:
    """One recipient is refused for now: it gets the mail later and the other does not get it twice."""
    async with mail_server() as server:
        server.say_to[A] += ["450 4.2.0 Greylisted"] * 2
        async with delivering(tmp_path, {"mail": mail_to(server.port, A, B)}) as world:
            await world.post.put("mail", *MESSAGES[:2])
            await eventually(lambda: len(server.mails) == 4)
            await eventually(lambda: world.idle(f"mail/{A}"))
    got = {who: [mail for mail in server.mails if mail.recipients == (who,)] for who in (A, B)}
    ids = {who: [mail.parsed()["Message-ID"] for mail in got[who]] for who in (A, B)}
    assert ids[A] == ids[B] == [f"<{key}@site.example>" for key in KEYS[:2]]


async def test_a_recipient_that_is_refused_for_good_is_named(tmp_path: Path) -> None:
    """Its copy becomes a dead letter with the server's words; the other recipient gets the mail."""
    async with mail_server() as server:
        server.say_to[A] += ["550 5.1.1 No such user"] * 5
        async with delivering(tmp_path, {"mail": mail_to(server.port, A, B)}) as world:
            await world.post.put("mail", MESSAGES[0])
            await eventually(lambda: world.post.outbox.depth(f"mail/{A}").dead == 1)
            await eventually(lambda: world.idle(f"mail/{B}"))
            (dead,) = await world.post.outbox.dead_letters(10)
    assert (dead.receiver, dead.notification.key) == (f"mail/{A}", KEYS[0])
    assert "550 5.1.1 No such user" in dead.last_error
    assert [mail.recipients for mail in server.mails] == [(B,)]


async def test_a_mail_server_that_comes_back(tmp_path: Path) -> None:
    """Mail that waited for its server arrives in order, an end in the thread of its alert."""
    port = free_port()
    async with delivering(tmp_path, {"mail": mail_to(port, A)}) as world:
        await world.post.put("mail", told(NotificationKind.FIRING), told(NotificationKind.RESOLVED))
        await eventually(lambda: world.delivery.report("mail").failures_in_row >= 2)
        async with mail_server(port=port) as server:
            await eventually(lambda: world.idle("mail"))
    firing, resolved = (mail.parsed() for mail in server.mails)
    assert resolved["In-Reply-To"] == firing["Message-ID"]


async def test_a_reload_changes_the_receivers(tmp_path: Path) -> None:
    """A new one is delivered to, a changed one is tried at once, and what waits for a removed one is kept and shown."""
    hook = Hook()
    away = WebhookReceiver(url=f"http://127.0.0.1:{free_port()}/")
    async with (
        http_server(hook.take) as (url, _),
        mail_server() as server,
        delivering(tmp_path, {"hook": away, "old": away}, SLOW) as world,
    ):
        await world.post.put("hook", *MESSAGES)
        await world.post.put("old", MESSAGES[0])
        await world.post.put("mail", MESSAGES[0])
        await eventually(lambda: all(world.delivery.report(name).failures_in_row for name in ("hook", "old")))
        receivers: dict[str, Receiver] = {"hook": WebhookReceiver(url=url), "mail": mail_to(server.port, A)}
        world.delivery.replace(build(receivers, world.http, SystemClock()), SLOW)
        await eventually(lambda: world.idle("hook") and world.idle("mail"))
        assert world.post.outbox.depth("old").queued == 1
        assert world.delivery.queues() == ("hook", "mail", "old")
        world.delivery.replace(build({"old": WebhookReceiver(url=url)}, world.http, SystemClock()), SLOW)
        await eventually(lambda: world.idle("old"))
        assert set(world.owner.loops) == {"deliver.hook", "deliver.old", "deliver.mail", f"deliver.mail/{A}"}
    assert keys(hook) == [*KEYS, KEYS[0]]


async def test_recipients_who_come_and_go_lose_nothing(tmp_path: Path) -> None:
    """What waits for a recipient goes out whether it is one of several now or the only one."""
    async with mail_server() as server:
        away = mail_to(free_port(), A, B)
        async with delivering(tmp_path, {"mail": away}, SLOW) as world:
            await world.post.put("mail", MESSAGES[0])
            await eventually(lambda: all(world.delivery.report(f"mail/{who}").failures_in_row for who in (A, B)))
            world.delivery.replace(build({"mail": mail_to(server.port, A)}, world.http, SystemClock()), SLOW)
            await eventually(lambda: world.idle(f"mail/{A}"))
            assert world.post.outbox.depth(f"mail/{B}").queued == 1
            assert world.delivery.queues() == ("mail", f"mail/{B}")
    assert [mail.recipients for mail in server.mails] == [(A,)]


async def observed(delivery: Delivery) -> dict[str, Observation]:
    """Return what the delivery says of its receivers now, by their names."""
    seen = await delivery.observe()
    assert all(one.subject.kind is SubjectKind.RECEIVER and one.source == delivery.name for one in seen)
    return {one.subject.name: one for one in seen}


async def test_it_says_how_the_receivers_are(tmp_path: Path) -> None:
    """Dead letters, the age of what waits longest and whether it fails, with the error beside it."""
    clock = ManualClock()
    post = Post(tmp_path, clock)
    ops = Scripted("ops", TemporaryError("no route"))
    delivery = Delivery(post.outbox, {"ops": ops}, SLOW, clock, no_evidence, lambda: 1.0)
    quiet = {"dead_letters": 0, "oldest_waiting_seconds": 0.0, "failing": False}
    assert {name: one.facts for name, one in (await observed(delivery)).items()} == {"ops": quiet}
    await post.put("ops", MESSAGES[0])
    clock.advance(30.0)
    clock.jump(86400.0)
    async with asyncio.TaskGroup() as group:
        owner = TaskOwner(group, clock)
        delivery.start(owner)
        await eventually(lambda: delivery.report("ops").failures_in_row == 1)
        seen = (await observed(delivery))["ops"]
        assert seen.facts == {"dead_letters": 0, "oldest_waiting_seconds": 30.0, "failing": True}
        assert seen.evidence == {"error": "no route", "waiting": "the oldest waits for 30 s"}
        delivery.retry_now()
        await eventually(lambda: ops.taken)
        await owner.stop()
    seen = (await observed(delivery))["ops"]
    assert (seen.facts, seen.evidence) == (quiet, {})
    await post.close()


async def test_only_a_message_that_was_taken_ends_the_failing(tmp_path: Path) -> None:
    """Giving up empties the queue, in this run and before it, and shows nothing; the next one that is taken does."""
    clock = ManualClock()
    post = Post(tmp_path, clock)
    ops = Scripted("ops", *[PermanentError("no such channel")] * 10)
    delivery = Delivery(post.outbox, {"ops": ops}, QUICK, clock, no_evidence, lambda: 0.0)
    await post.put("ops", *MESSAGES[:2])
    async with asyncio.TaskGroup() as group:
        owner = TaskOwner(group, clock)
        delivery.start(owner)
        await eventually(lambda: post.outbox.depth("ops").dead == 2, within_seconds=30)
        seen = (await observed(delivery))["ops"]
        assert seen.facts == {"dead_letters": 2, "oldest_waiting_seconds": 0.0, "failing": True}
        assert seen.evidence == {"error": "no such channel", "waiting": "none waits any more; given up and kept: 2"}
        later = Delivery(post.outbox, {"ops": ops}, QUICK, clock, no_evidence)
        assert isinstance((await observed(later))["ops"].facts["failing"], Unknown)
        await post.put("ops", MESSAGES[2])
        await eventually(lambda: ops.taken, within_seconds=30)
        await eventually(lambda: delivery.report("ops").failures_in_row == 0, within_seconds=30)
        await owner.stop()
    seen = (await observed(delivery))["ops"]
    assert (seen.facts["failing"], seen.evidence) == (False, {})
    await post.close()


async def test_what_an_earlier_run_left_is_as_old_as_this_run(tmp_path: Path) -> None:
    """Across a restart only the wall clock could tell, and that jumps."""
    clock = ManualClock()
    earlier = Post(tmp_path, clock)
    await earlier.put("ops", MESSAGES[0])
    await earlier.close()
    clock.jump(56 * 365 * 86400.0)
    post = Post(tmp_path, clock)
    await post.outbox.load()
    delivery = Delivery(post.outbox, {"ops": Scripted()}, SLOW, clock, no_evidence)
    clock.advance(7.0)
    assert (await observed(delivery))["ops"].facts["oldest_waiting_seconds"] == 7.0
    await post.close()


async def test_a_receiver_that_is_gone_is_said_to_be_gone_once(tmp_path: Path) -> None:
    """As long as something lies there for it, it is not gone; then its alerts end."""
    clock = ManualClock()
    post = Post(tmp_path, clock)
    (entry,) = await post.put("ops", MESSAGES[0])
    delivery = Delivery(post.outbox, {"ops": Scripted()}, SLOW, clock, no_evidence)
    assert isinstance((await observed(delivery))["ops"].facts["failing"], Unknown)
    delivery.replace({}, SLOW)
    left = (await observed(delivery))["ops"]
    assert (left.gone, left.facts["failing"]) == (False, False)
    assert delivery.report("stranger").failures_in_row == 0
    await post.outbox.delivered(entry)
    assert (await observed(delivery))["ops"].gone
    assert await observed(delivery) == {}
    await post.close()
