"""Looking up host names."""

from __future__ import annotations

import asyncio
import socket
import threading

import pytest

from semsupervisor.systems import names
from tests.support.waiting import eventually


async def test_a_name_of_this_host_is_found() -> None:
    """The addresses come with family and port."""
    found = await names.lookup("localhost", 80)
    assert names.Address(socket.AF_INET, "127.0.0.1", 80) in found


async def test_a_family_can_be_asked_for() -> None:
    """Only addresses of that family come back."""
    assert {one.family for one in await names.lookup("localhost", 80, socket.AF_INET)} == {socket.AF_INET}


async def test_an_unknown_name_is_an_error_of_the_resolver() -> None:
    """What getaddrinfo raises reaches the caller, and so does it for what can be no name."""
    with pytest.raises(socket.gaierror):
        await names.lookup("no-such-host.invalid", 80)
    with pytest.raises(socket.gaierror, match="Not a possible host name"):
        await names.lookup("a" * 70, 80)


async def test_a_hanging_resolver_holds_neither_the_caller_nor_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """A caller that gives up goes on at once, many that hang do not delay one that works, and late news harm nobody."""
    let_go = threading.Event()
    real = socket.getaddrinfo

    def resolve(host: str, *rest: object, **options: object) -> object:
        if host.startswith("hang"):
            let_go.wait(10)
            raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
        return real(host, *rest, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)

    async def give_up(host: str) -> bool:
        try:
            async with asyncio.timeout(0.05):
                await names.lookup(host, 80)
        except TimeoutError:
            return True
        return False

    assert all(await asyncio.gather(*(give_up(f"hang{number}") for number in range(40))))
    assert await names.lookup("localhost", 80)
    let_go.set()
    await eventually(lambda: not [one for one in threading.enumerate() if one.name.startswith("lookup hang")])


def test_news_after_the_end_of_the_loop_are_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    """A lookup that outlives the loop ends quietly, and the loop's end does not wait for it."""
    let_go = threading.Event()
    failures: list[object] = []
    monkeypatch.setattr(threading, "excepthook", failures.append)
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: (let_go.wait(10), [])[1])

    async def give_up() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await names.lookup("hang", 80)

    asyncio.run(give_up())
    lookups = [one for one in threading.enumerate() if one.name == "lookup hang"]
    assert lookups
    let_go.set()
    for one in lookups:
        one.join(5)
    assert failures == []
