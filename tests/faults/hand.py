"""The hand that hurts and heals: what is wrong with the stack, the health endpoint and the receiver at each moment."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
from pathlib import Path

from tests.faults.server import FIRST_MOOD
from tests.faults.stack import CHECKED, SERVICES, Stack
from tests.support.commands import REPOSITORY, CommandFailed

HEALTH_MOODS = ("healthy", "unhealthy", "down", "degraded")
BAD_MOODS = ("fails", "deaf", "drops", "down")
# It had been killed, and the engine had not noticed yet.
JUST_DIED = ("is restarting", "is not running")
CURES = {"stopped": "start", "paused": "unpause"}
ENDS_WITHIN_SECONDS = 5.0


class Server:
    """One of the web servers, in its process."""

    def __init__(self, kind: str, port: int, folder: Path) -> None:
        self.log = folder / f"{kind}.jsonl"
        self.mood = FIRST_MOOD[kind]
        self.port = port
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.server", kind, str(port), str(self.log)],
            cwd=REPOSITORY,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._acknowledged(self.mood)

    def feel(self, mood: str) -> None:
        """Change its mood, and return once that is in force."""
        if mood == self.mood:
            return
        assert self._process.stdin is not None
        self._process.stdin.write(f"{mood}\n")
        self._process.stdin.flush()
        self._acknowledged(mood)
        self.mood = mood

    def close(self) -> None:
        """End it."""
        self._process.kill()
        self._process.communicate(timeout=ENDS_WITHIN_SECONDS)

    def _acknowledged(self, mood: str) -> None:
        assert self._process.stdout is not None
        said = self._process.stdout.readline().strip()
        if said != mood:
            raise AssertionError(f"a server of the campaign says {said!r} in place of {mood!r}")


class Hand:
    """Acts on everything around the daemon, and knows which service it has left in which state."""

    def __init__(self, stack: Stack, health: Server, receiver: Server) -> None:
        self.acts = 0
        self._stack = stack
        self._health = health
        self._receiver = receiver
        self._left: dict[str, str] = {}

    def act(self, dice: random.Random) -> str:
        """Do one thing, and return what it was."""
        self.acts += 1
        what = dice.choices(("service", "health", "receiver"), weights=(80, 12, 8))[0]
        if what == "health":
            mood = dice.choice(HEALTH_MOODS)
            self._health.feel(mood)
            return f"health:{mood}"
        if what == "receiver":
            return self.receive(dice, 0.5)
        service = dice.choice(SERVICES)
        if service in self._left:
            return self._heal(service)
        return self._hurt(service, dice)

    def receive(self, dice: random.Random, bad: float) -> str:
        """Let the receiver be out of order with that probability, else well."""
        mood = dice.choice(BAD_MOODS) if dice.random() < bad else "takes"
        self._receiver.feel(mood)
        return f"receiver:{mood}"

    def hurt_all(self) -> None:
        """Leave something wrong that lasts with most of what is there; the receiver is well."""
        self.heal_all()
        self._lasting("alpha", "stop")
        self._lasting("beta", "pause")
        self._lasting("epsilon", "remove")
        self._lasting(CHECKED, "sicken")
        self._stack.await_health(CHECKED, "unhealthy")
        self._health.feel("down")

    def heal_all(self) -> None:
        """Bring everything back to where it should be."""
        self._receiver.feel("takes")
        self._health.feel("healthy")
        for service in list(self._left):
            self._heal(service)
        self._stack.await_running()
        self._stack.await_health(CHECKED, "healthy")

    def _hurt(self, service: str, dice: random.Random) -> str:
        if not self._stack.state(service).startswith("running"):
            return f"{service}:comes back"
        acts = ["die", "die", "die", "end", "stop", "pause", "remove", "restart"]
        act = dice.choice([*acts, "sicken", "sicken", "sicken"] if service == CHECKED else acts)
        match act:
            case "die":
                self._stack.signal(service, signal.SIGKILL)
            case "end":
                self._stack.signal(service, signal.SIGTERM)
            case "restart":
                self._stack.do("restart", service)
            case _:
                try:
                    self._lasting(service, act)
                except CommandFailed as error:
                    if not any(words in str(error) for words in JUST_DIED):
                        raise
                    return f"{service}:{act} too late"
        return f"{service}:{act}"

    def _lasting(self, service: str, act: str) -> None:
        match act:
            case "stop":
                self._stack.do("stop", service)
                self._left[service] = "stopped"
            case "pause":
                self._stack.do("pause", service)
                self._left[service] = "paused"
            case "remove":
                self._stack.remove(service)
                self._left[service] = "removed"
            case "sicken":
                self._stack.signal(service, signal.SIGUSR1)
                self._left[service] = "sick"
            case _:
                raise AssertionError(act)

    def _heal(self, service: str) -> str:
        state = self._left.pop(service)
        match state:
            case "removed":
                self._stack.create(service)
            case "sick":
                self._stack.signal(service, signal.SIGUSR2)
            case _:
                self._stack.do(CURES[state], service)
        return f"{service}:healed"
