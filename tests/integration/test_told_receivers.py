"""What is told, and when, while those who are to be told cannot be reached or refuse it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.daemon_process import mail
from tests.support.demo_stack import DemoStack
from tests.support.receivers import MailBox, free_port
from tests.support.rows import DIED
from tests.support.scene import both, watched
from tests.support.waiting import eventually_sync

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

OPERATOR = "ops@example.org"
GREYLISTED = "451 4.7.1 Greylisting in action, please come back later"
REFUSED = "550 5.1.1 No such user here"
REFUSALS = 5  # as shipped
FAILING = both("receiver_failing", "receiver:hook")
DEAD_LETTERS = both("receiver_dead_letters", "receiver:mail")
IMPATIENT_FOR_RECEIVERS = """
[rules]
receiver_failing.for = "2s"
"""


def subjects(box: MailBox) -> list[str]:
    """Return the subject lines of the mails that a server took, without how long what is over has lasted."""
    return [str(mail.parsed()["Subject"]).partition(", after")[0] for mail in box.mails]


BEGAN = "[CRITICAL] edge-7: semstreams ended with exit code 3, and nobody had asked for it"
ENDED = "[RESOLVED] edge-7: semstreams runs again"


def test_a_webhook_that_was_down_hears_all_of_it(healthy_stack: DemoStack, tmp_path: Path) -> None:
    """Who can be reached hears at once, also of the one who cannot; that one hears everything when it is back."""
    with MailBox() as box, watched(healthy_stack, tmp_path, mail(box.port, OPERATOR), IMPATIENT_FOR_RECEIVERS) as scene:
        scene.hook.shut()
        healthy_stack.fault("crash", exit_code=3)
        late = "[WARNING] edge-7: The receiver hook takes no messages: the oldest waits for"
        eventually_sync(lambda: len(box.mails) == 3, within_seconds=30)
        assert subjects(box)[:2] == [BEGAN, ENDED]
        assert subjects(box)[2].startswith(late)
        assert scene.told == []
        scene.hook.open()
        scene.await_told(*DIED, *FAILING)
        scene.await_calm()
        assert scene.told == [*DIED, *FAILING]
        assert subjects(box)[3:] == ["[RESOLVED] edge-7: The receiver hook takes messages again"]


def test_mail_that_is_greylisted_arrives_in_its_thread(healthy_stack: DemoStack, tmp_path: Path) -> None:
    """A mail server that is away at first and then asks to come back later is no trouble; nobody waits for it."""
    port = free_port()
    with watched(healthy_stack, tmp_path, mail(port, OPERATOR)) as scene:
        healthy_stack.fault("crash", exit_code=3)
        scene.await_told(*DIED)
        with MailBox(port) as box:
            box.say_to(OPERATOR, GREYLISTED, GREYLISTED)
            scene.await_calm()
            assert subjects(box) == [BEGAN, ENDED]
            assert [asked for asked in box.asked if asked.startswith("RCPT")] == [f"RCPT {OPERATOR}"] * 4
            began, ended = (mail.parsed() for mail in box.mails)
            assert ended["In-Reply-To"] == began["Message-ID"]
            assert "panic: runtime error" in box.mails[0].content.decode()
        assert scene.told == [*DIED]


def test_mail_that_is_refused_for_good_is_told_by_the_others(healthy_stack: DemoStack, tmp_path: Path) -> None:
    """A message that is refused for good becomes a dead letter, which is told; sent again it tells what is so now."""
    with MailBox() as box, watched(healthy_stack, tmp_path, mail(box.port, OPERATOR)) as scene:
        box.say_to(OPERATOR, *[REFUSED] * REFUSALS)
        healthy_stack.fault("crash", exit_code=3)
        scene.await_told(*DIED, DEAD_LETTERS[0])
        scene.await_calm(still=[DEAD_LETTERS[0][1:]])
        assert subjects(box)[0] == ENDED
        (letter,) = [message for message in scene.daemon.get("/v1/outbox")["messages"] if message["dead"]]
        assert "No such user here" in letter["last_error"]
        scene.daemon.post("v1", "outbox", str(letter["id"]), "retry")
        scene.await_told(*DEAD_LETTERS)
        scene.await_calm()
        assert scene.told == [*DIED, *DEAD_LETTERS]
        assert BEGAN not in subjects(box)
        assert subjects(box).count(ENDED) == 2
