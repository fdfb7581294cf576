"""What the server tells over its monitoring port, for a backup: whose login it is, and which streams all accounts have.

The login itself sees its own account alone.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from semsupervisor.backup.reckoning import Held
from semsupervisor.errors import SupervisorError
from semsupervisor.systems import nats_connz, nats_jsz
from semsupervisor.systems.http import Answer
from semsupervisor.systems.jetstream_state import DEFAULT_ACCOUNT

ANSWER_SECONDS = 10.0

Ask = Callable[[float, str], Awaitable[Answer]]
"""Asks for a path with a timeout in seconds, as `health.reaching.Endpoint.ask` does."""


async def held(ask: Ask, connection: int) -> Held:
    """Return what the server holds; `connection` is the server's number of ours. What cannot be told is said."""
    try:
        account = await _account(ask, connection)
        return Held(account=account, streams=await _streams(ask))
    except SupervisorError as error:
        why = f"the monitoring port does not tell: {error}; is checks.nats.monitor set?"
        return Held(account=DEFAULT_ACCOUNT, problem=why)


async def _account(ask: Ask, connection: int) -> str:
    answer = await ask(ANSWER_SECONDS, nats_connz.account_path(connection))
    return nats_connz.parse_account(answer.status, answer.body)


async def _streams(ask: Ask) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for page in range(nats_jsz.MOST_PAGES):
        answer = await ask(ANSWER_SECONDS, nats_jsz.path(consumers=False, offset=page * nats_jsz.PAGE))
        state = nats_jsz.parse_jsz(answer.status, answer.body)
        if state is None:
            break
        for account in state.accounts:
            found[account.name] = tuple(one.name for one in state.streams if one.account == account.name)
        if len(state.accounts) < nats_jsz.PAGE:
            break
    return found
