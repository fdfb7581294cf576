"""The settings in force, and how changed ones take their place while the daemon runs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

import structlog

from semsupervisor.alerts import receivers
from semsupervisor.alerts.delivery import Delivery
from semsupervisor.alerts.notification import Notification, NotificationKind
from semsupervisor.alerts.sending import Sender
from semsupervisor.daemon.configuration import Configuration, configure, policy
from semsupervisor.errors import SettingsError
from semsupervisor.health.observation import Observation, Subject, SubjectKind
from semsupervisor.kit.blocking import BlockingCalls
from semsupervisor.kit.clock import Clock
from semsupervisor.kit.ids import new_id
from semsupervisor.kit.logging import configure as configure_logging
from semsupervisor.kit.systemd import Notifier
from semsupervisor.kit.tasks import TaskOwner
from semsupervisor.pipeline import Pipeline
from semsupervisor.systems.http import HttpClient

log = structlog.get_logger(__name__)

DAEMON = Subject(SubjectKind.SUPERVISOR, "daemon")
SETTINGS_SECONDS = 10.0
SETTINGS = Subject(SubjectKind.SUPERVISOR, "settings")


class InForce:
    """The configuration and the senders made of it; replaced together."""

    def __init__(self, configuration: Configuration, http: HttpClient, clock: Clock) -> None:
        self._http = http
        self._clock = clock
        self.configuration = configuration
        self.senders: Mapping[str, Sender] = {}
        self.put(configuration)

    def put(self, configuration: Configuration) -> None:
        """Go on with these."""
        self.configuration = configuration
        self.senders = receivers.build(configuration.settings.receivers, self._http, self._clock)
        for name, why in configuration.loaded.resting.items():
            log.error("receiver.off", receiver=name, why=why)

    async def test(self, receiver: str) -> str:
        """Send a marked test to a receiver at once, past the outbox, and return what came of it."""
        now = self._clock.now()
        name = policy(self.configuration, self.senders).host
        message = Notification(key=f"test-{new_id(now)}", kind=NotificationKind.TEST, host=name, at=now, alerts=())
        await self.senders[receiver].send(message)
        return f"{receiver} took the test message"


class Reloading:
    """Reads the settings again when asked to; refused ones change nothing but make an alert.

    `plan` is called once new settings are in force, to schedule what they say.
    """

    def __init__(
        self,
        path: Path | None,
        in_force: InForce,
        pipeline: Pipeline,
        delivery: Delivery,
        clock: Clock,
        notifier: Notifier,
        *,
        plan: Callable[[], None],
    ) -> None:
        self._path = path
        self._in_force = in_force
        self._pipeline = pipeline
        self._delivery = delivery
        self._clock = clock
        self._notifier = notifier
        self._plan = plan
        self._started_with = in_force.configuration.settings
        self._asked = asyncio.Event()
        self._calls = BlockingCalls()

    async def start(self, owner: TaskOwner) -> None:
        """Say that the settings of the start are good, as an earlier run may have refused some, and begin to listen."""
        await self._tell("")
        owner.loop("reload", self.when_asked)

    def ask(self) -> None:
        """Ask for a reload; it comes as soon as the loop turns."""
        self._asked.set()

    async def when_asked(self) -> None:
        """One turn: wait until asked, and read the settings again."""
        await self._asked.wait()
        self._asked.clear()
        try:
            await self.apply()
        except SettingsError as error:
            log.error("settings.refused", problems=list(error.problems))

    async def apply(self) -> Sequence[str]:
        """Read the settings again, go on with them, and return what is to be known of the change.

        Raises: SettingsError; the running settings stay then.
        """
        self._notifier.reloading("reading the settings")
        try:
            fresh = await self._calls.run_in_turn(
                "the settings", partial(configure, self._path, started=self._started_with), SETTINGS_SECONDS
            )
            await self._take(fresh)
        except SettingsError as error:
            await self._tell("; ".join(error.problems))
            raise
        finally:
            self._notifier.ready("the settings were read again")
        waiting = fresh.loaded.waiting
        changed = [f"{name}: stays as it was until the next start" for name in waiting]
        changed.append("all other settings are in force" if waiting else "all settings are in force")
        await self._tell("")
        await self._pipeline.note("settings.loaded", DAEMON, f"settings read again: {'; '.join(changed)}", {})
        log.info("settings.loaded", path=str(fresh.loaded.path), notes=changed)
        return changed

    async def _take(self, fresh: Configuration) -> None:
        configure_logging(fresh.settings.log.level, fresh.settings.log.format)
        self._in_force.put(fresh)
        self._delivery.replace(self._in_force.senders, fresh.settings.delivery)
        await self._pipeline.replace(policy(fresh, self._in_force.senders))
        self._plan()

    async def _tell(self, refused: str) -> None:
        observation = Observation(
            source="settings",
            subject=SETTINGS,
            at=self._clock.instant(),
            facts={"refused": bool(refused)},
            evidence={"error": refused} if refused else {},
        )
        await self._pipeline.observe([observation])
