"""Losses are asked of one stream a look in turn, and kept in between."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from semsupervisor.errors import SupervisorError
from semsupervisor.health.losses import LOOKS_OF_REST, MOST_DELETED, Losses
from semsupervisor.systems.bodies import Unreadable
from semsupervisor.systems.connecting import Refused
from semsupervisor.systems.jetstream_state import Lost, StreamState
from tests.support.jetstream import stream

NONE = Lost(messages=0, bytes=0)
SOME = Lost(messages=None, bytes=4_191_312)
TWO = (stream(name="A"), stream(name="B"))


class Server:
    """Tells of each stream what it is set to, or nothing at all."""

    def __init__(self, **lost: Lost) -> None:
        self.asked: list[str] = []
        self.lost = lost
        self.trouble: SupervisorError | None = None
        self.hangs = False
        self.losses = Losses(self._answer)

    async def look(self, streams: Sequence[StreamState] = TWO) -> list[Lost | None]:
        """Return what is known of the streams after another look."""
        return [one.lost for one in await self.losses.look(streams, 0.01 if self.hangs else 30.0)]

    async def _answer(self, name: str) -> Lost:
        self.asked.append(name)
        if self.hangs:
            await asyncio.Event().wait()
        if self.trouble:
            raise self.trouble
        return self.lost[name]


async def test_one_stream_is_asked_for_in_each_look() -> None:
    """Each in its turn; what was told is kept until its next turn, and nothing is known before."""
    server = Server(A=NONE, B=SOME)
    assert await server.look() == [NONE, None]
    assert await server.look() == [NONE, SOME]
    server.lost["A"] = SOME
    assert await server.look() == [SOME, SOME]
    assert server.asked == ["A", "B", "A"]
    assert [one.lost for one in server.losses.known(TWO)] == [SOME, SOME]


async def test_what_is_not_there_any_more_is_forgotten() -> None:
    """A stream made anew under the name of another has not lost what that one had."""
    server = Server(A=SOME, B=NONE)
    assert await server.look() == [SOME, None]
    assert await server.look(TWO[1:]) == [NONE]
    server.hangs = True
    assert await server.look() == [None, NONE]
    assert await server.look(()) == []


async def test_a_login_that_may_not_ask_rests() -> None:
    """What was told stays; nobody is asked for some looks, then the next one is."""
    server = Server(A=SOME, B=NONE)
    await server.look()
    server.trouble = Refused("no")
    assert await server.look() == [SOME, None]
    assert [await server.look() for _ in range(LOOKS_OF_REST)] == [[SOME, None]] * LOOKS_OF_REST
    assert server.asked == ["A", "B"]
    assert await server.look() == [SOME, None]
    assert server.asked == ["A", "B", "A"]


async def test_an_answer_that_says_nothing_is_not_none() -> None:
    """A stream that is no longer there tells nothing, and is asked for after a rest: it is an error of the server's."""
    server = Server(A=NONE, B=NONE)
    await server.look()
    server.trouble = Unreadable("no such stream")
    assert await server.look() == [NONE, None]
    server.trouble = None
    assert [await server.look() for _ in range(LOOKS_OF_REST)][-1] == [NONE, None]
    assert await server.look() == [NONE, None]
    assert await server.look() == [NONE, NONE]
    assert server.asked == ["A", "B", "A", "B"]


async def test_the_streams_of_other_accounts_are_left_alone() -> None:
    """One of them is asked for once; when the client's account has shown, only its streams are."""
    server = Server(B=NONE, D=SOME)
    streams = tuple(stream(name=name, account=account) for name, account in zip("ABCD", ("A1", "B2") * 2, strict=True))
    server.trouble = Unreadable("no such stream")
    await server.look(streams)
    server.trouble = None
    looks = [await server.look(streams) for _ in range(LOOKS_OF_REST + 3)]
    assert server.asked == ["A", "B", "D", "B"]
    assert looks[-1] == [None, NONE, None, SOME]


async def test_what_cannot_be_asked_for_is_left_alone() -> None:
    """A name that two accounts have, and a stream whose answer would be too large."""
    server = Server()
    twins = (stream(name="A"), stream(name="A", account="APP"), stream(name="B", deleted_messages=MOST_DELETED + 1))
    assert await server.look(twins) == [None, None, None]
    assert server.asked == []
