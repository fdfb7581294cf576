"""How a service leaves the project: the compose file does not want it any more, or somebody says that it is meant.

What was removed and is wanted is missed; `docker compose up --remove-orphans` and `--scale` remove what is not.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from pathlib import Path

import structlog

from semsupervisor.errors import PermanentError
from semsupervisor.health.belonging import REMOVABLE
from semsupervisor.health.roster import Roster, Turn
from semsupervisor.health.services import Service, ServiceState
from semsupervisor.kit.blocking import BlockingCalls, Hanging
from semsupervisor.systems.compose_file import Wanted, wanted

log = structlog.get_logger(__name__)

READ_SECONDS = 5.0
LARGEST_FILE = 1 << 20


class NotForgotten(PermanentError):
    """Why a service is not forgotten; `what_to_do` says how to come to it."""

    def __init__(self, reason: str, what_to_do: str) -> None:
        self.what_to_do = what_to_do
        super().__init__(reason)


class UnknownService(NotForgotten):
    """Nothing is known of a service of that name."""


class Leaving:
    """Lets services leave the roster of one project."""

    def __init__(self, roster: Roster) -> None:
        self._roster = roster
        self._calls = BlockingCalls()
        self._left: dict[str, tuple[Service, str]] = {}

    async def unwanted(self, among: Iterable[str] | None = None) -> Turn:
        """Let go what was removed and its compose files do not want any more; by default of what is decided about.

        What they do not tell, or what something that runs depends on, stays.
        """
        whole = Turn()
        services = self._roster.services
        names = [name for name, one in services.items() if one.ending in REMOVABLE] if among is None else list(among)
        for name in names:
            service = services.get(name)
            if service is None or service.state is not ServiceState.MISSING or self._roster.need_of(service):
                continue
            if not service.compose_files or await self._wanting(service) != "":
                continue
            if services.get(name) is service:
                files = " and ".join(service.compose_files)
                self._let_go(service, f"{name} was removed, and {files} does not want it.", whole)
        return whole

    async def forget(self, name: str, by: str) -> Turn:
        """Forget a service without a container because somebody says so; to be asked for after a new list.

        Raises: UnknownService; NotForgotten when it is there, or has to be.
        """
        service = self._checked(name)
        if file := await self._wanting(service):
            raise NotForgotten(
                f"{name} is still wanted by {file}", "take it out there, or start it: docker compose up -d"
            )
        turn = Turn()
        self._let_go(self._checked(name), f"{name} was forgotten by {by}.", turn)
        return turn

    def farewell(self) -> list[tuple[Service, str]]:
        """Return once more, and then never again, what has left since the last time and did not come back, and why.

        A look that began before it left may be handed on after it, and would tell of it as if it were missed.
        """
        left, self._left = self._left, {}
        return [one for name, one in left.items() if name not in self._roster.services]

    def _let_go(self, service: Service, because: str, turn: Turn) -> None:
        self._roster.leave(service, because, turn)
        self._left[service.name] = (service, because)

    def _checked(self, name: str) -> Service:
        """Return a service that may be forgotten as far as the containers tell. Raises: as `forget`."""
        service = self._roster.services.get(name)
        if service is None:
            known = ", ".join(sorted(self._roster.services)) or "none"
            raise UnknownService(f"no service {name!r} is known", f"known are: {known}")
        if service.state is not ServiceState.MISSING or service.successor or name in self._roster.containers:
            raise NotForgotten(f"{name} still has a container, which is {service.state.value}", "remove that first")
        if needy := self._roster.need_of(service):
            raise NotForgotten(f"{needy} runs, and depends on {name}", f"stop {needy}, or let it not depend on {name}")
        return service

    async def _wanting(self, service: Service) -> str | None:
        """Return which compose file wants more of a service than there are, empty for none, None if that is not told.

        The files are those that its container was made from; one that is not there any more wants nothing.
        """
        name = service.owner.service
        there = [one for one in self._roster.services.values() if one.state is not ServiceState.MISSING]
        others = sum(one.owner.service == name for one in there)
        read = [(file, await self._read(file)) for file in service.compose_files]
        counts = {file: said.get(name, 0) if said else None for file, said in read if said != {}}
        more = [file for file, count in counts.items() if count is not None and count > others]
        if more:
            return more[0]
        return None if not counts or None in counts.values() else ""

    async def _read(self, file: str) -> Wanted | None:
        """Return what a compose file wants, None where it does not tell; nothing at all where there is no such file."""
        try:
            return wanted(await self._calls.run_in_turn(file, partial(_text, file), READ_SECONDS))
        except FileNotFoundError:
            return {}
        except (OSError, UnicodeDecodeError, Hanging) as error:
            log.info("leaving.compose_file_unreadable", file=file, error=str(error))
            return None


def _text(file: str) -> str:
    """Return a file as text; what is too large to be a compose file is as good as empty."""
    with Path(file).open(encoding="utf-8") as opened:
        text = opened.read(LARGEST_FILE + 1)
    return text if len(text) <= LARGEST_FILE else ""
