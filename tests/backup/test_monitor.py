"""What a real server tells of its accounts, and what is said when it does not tell."""

from __future__ import annotations

import nats

from semsupervisor.backup import monitor
from semsupervisor.backup.reckoning import Held
from semsupervisor.errors import TemporaryError
from semsupervisor.kit.clock import SystemClock
from semsupervisor.systems.http import Answer, HttpClient
from tests.support.nats_server import ServerWith, server_with

__all__ = ["server_with"]

ACCOUNTS = """
accounts {
  A { jetstream: enabled, users: [{user: a, password: a}] }
  B { jetstream: enabled, users: [{user: b, password: b}] }
}
"""


async def test_the_streams_of_all_accounts_are_told(server_with: ServerWith) -> None:
    """And whose the login is."""
    server = server_with(ACCOUNTS)
    http = HttpClient(SystemClock())

    async def ask(timeout_seconds: float, path: str) -> Answer:
        return await http.get(server.monitor + path, timeout_seconds)

    seen = []
    for user in ("a", "b"):
        client = await nats.connect(server.url, user=user, password=user)
        await client.jetstream().add_stream(name=f"EV{user}", subjects=["ev"])
        seen.append(await monitor.held(ask, client.client_id or 0))
        await client.close()
    await http.close()
    assert [one.account for one in seen] == ["A", "B"]
    assert seen[1] == Held(account="B", streams={"A": ("EVa",), "B": ("EVb",)})


async def test_a_port_that_does_not_tell_is_said() -> None:
    """What is not known is a sentence in the manifest."""

    async def refuse(timeout_seconds: float, path: str) -> Answer:
        raise TemporaryError(f"no answer to {path} within {timeout_seconds:g} s")

    seen = await monitor.held(refuse, 7)
    assert (seen.account, seen.streams) == ("$G", {})
    assert "no answer to /connz?auth=true&cid=7 within 10 s; is checks.nats.monitor set?" in seen.problem
