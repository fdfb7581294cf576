"""Kill the real daemon again and again while alerts fire and resolve, and hold what its receiver was told.

usage: tests/faults/run [--rounds N] [--seed S] [-v] [--keep]

Each round is one life of the daemon: it is started on the state that the last life left, things happen to a small stack
on the real engine, and it is killed: at a failpoint, at any instant, or with a power cut of its disk. What is promised
stands at the head of episodes.py (the messages alone), matching.py (messages and truth) and records.py (the database);
what a power cut is, in disk.py.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import secrets
import shutil
import signal
import socket
import sys
import tempfile
import time
import traceback
from collections import Counter
from pathlib import Path

from tests.faults import matching, plan, records, truth
from tests.faults.arrivals import ArrivalLog, Violation
from tests.faults.disk import NoDisk, StateDisk, survivor
from tests.faults.episodes import Episodes
from tests.faults.forgetting import Forgetting, read_stamps
from tests.faults.hand import Hand, Server
from tests.faults.plan import Blow, Round
from tests.faults.stack import IMAGE, Stack
from tests.faults.supervised import LOOPING, SETTINGS, Supervised
from tests.support.commands import REPOSITORY, run
from tests.support.engine import DEFAULT_SOCKET, Engine

DEFAULT_ROUNDS = 200
CHECK_EVERY = 40
SETTLES_WITHIN_SECONDS = 30.0
BLOW_WITHIN_SECONDS = 1.0
MOST_ACTS = 5
PAUSE_SECONDS = 0.1
SKIPPED = 77
SKIPPED_POWER_CUTS = 76
ITSELF_FAILED = 70
BAD_RECEIVER = 0.2
# What `Hand.hurt_all` does, and what may have been answered just before nobody could ask any more.
LEAST_HURT, MOST_HURT = 5, 7
NOTHING = range(1)
BUSY_WHILE_DEAD = 0.3
ROUNDS_A_FAILPOINT = 20


class CannotRun(Exception):
    """The campaign has nothing to run on here; the text says what is missing."""


class Campaign:
    """One campaign with all that it needs, which `stack` takes away again in the end."""

    def __init__(self, engine: Engine, folder: Path, undo: contextlib.ExitStack) -> None:
        self.counts: Counter[str] = Counter()
        self.deaths: Counter[str] = Counter()
        self.episodes = Episodes()
        self.no_power_cuts = ""
        self.names = plan.failpoints()
        self._begin = float("inf")
        self._disk = self._state_disk(folder, undo)
        self.state = self._disk.folder if self._disk else folder / "state"
        project = f"semf{os.getpid()}x{secrets.token_hex(2)}"
        self._stack = Stack(engine, project, folder)
        undo.callback(self._stack.down)
        servers = {kind: Server(kind, free_port(), folder) for kind in ("receiver", "health", "nats")}
        for server in servers.values():
            undo.callback(server.close)
        secret = secrets.token_hex(16)
        settings = self._settings(folder, project, engine, servers, secret)
        self.daemon = Supervised(folder, settings)
        undo.callback(self.daemon.close)
        self._arrivals = ArrivalLog(servers["receiver"].log, secret)
        self._health_log = servers["health"].log
        self._hand = Hand(self._stack, servers["health"], servers["receiver"])
        self._stack.up()

    def round(self, this: Round) -> str:
        """Let the daemon live once, and say in a line what happened. Raises: Violation."""
        begun = time.monotonic()
        words = [self._hand.receive(this.dice, BAD_RECEIVER)]
        if this.operation and self._disk:
            self._disk.blocks.stand_still_after(this.operation)
        self.daemon.start(this.failpoint)
        if this.blow is not Blow.YOUNG:
            words += self._live(this)
        elif this.operation and self._disk:
            self._await_blow()
        else:
            self.daemon.await_gone(this.life_seconds)
        words.append(self._die(this))
        if this.dice.random() < BUSY_WHILE_DEAD:
            words.append(f"while dead: {self._hand.act(this.dice)}")
        self.listen()
        self.daemon.hold_log()
        return f"{', '.join(words)} ({time.monotonic() - begun:.1f} s)"

    def settle(self) -> None:
        """Let the daemon come to know everything and end in order; from then on all counts. Raises: Violation."""
        self.daemon.start()
        if not self.daemon.await_ready():
            raise Violation("the daemon does not become ready")
        self._hand.heal_all()
        self._until_quiet(NOTHING)
        self.daemon.end()
        self._begin = time.time()

    def check(self) -> None:
        """Let wrong things last until all are told, heal all until that is told, and hold everything so far.

        Raises: Violation.
        """
        self.daemon.start()
        if not self.daemon.await_ready():
            raise Violation("the daemon does not become ready")
        self._hand.hurt_all()
        self._until_quiet(range(LEAST_HURT, MOST_HURT + 1))
        self._hand.heal_all()
        self._until_quiet(NOTHING)
        engine = Forgetting(read_stamps(self._stack.stamps), self.daemon.runs, time.time())
        self.deaths = matching.compare(self.episodes, self._truth(), engine, self._begin)
        self.daemon.end()
        self.daemon.hold_log()
        records.hold_at_end(self.state, self.episodes)
        self.counts["checks"] += 1

    def hold_reached(self, rounds: int) -> None:
        """Hold that every failpoint was met, if there were rounds enough. Raises: Violation."""
        never = [name for name in self.names if not self.counts[f"killed at {name}"]]
        if never and rounds >= ROUNDS_A_FAILPOINT * len(self.names):
            raise Violation(f"never reached, so that nothing is known of them: {', '.join(never)}")

    def listen(self) -> None:
        """Take in what the receiver has written down meanwhile. Raises: Violation."""
        for arrival in self._arrivals.read_new():
            self.episodes.take(arrival)

    def _live(self, this: Round) -> list[str]:
        words = []
        if not self.daemon.await_ready(unless=self._powerless) and self.daemon.alive and not self._powerless():
            raise Violation("the daemon does not become ready")
        awaited = bool(this.failpoint or this.operation)
        for _ in range(MOST_ACTS if awaited else this.acts):
            if not self.daemon.alive or self._powerless():
                break
            words.append(self._hand.act(this.dice))
        if awaited:
            self._await_blow()
        else:
            self.daemon.await_gone(this.life_seconds)
        return words

    def _await_blow(self) -> None:
        """Wait until the daemon is gone, or its disk stands still; for a while."""
        deadline = time.monotonic() + BLOW_WITHIN_SECONDS
        while time.monotonic() < deadline and not self._powerless():
            if self.daemon.await_gone(PAUSE_SECONDS):
                return

    def _die(self, this: Round) -> str:
        if not self.daemon.alive:
            if this.blow is not Blow.FAILPOINT or self.daemon.died_by() != signal.SIGKILL:
                raise Violation("the daemon ended, and nobody had asked it to")
            self.counts[f"killed at {this.failpoint.partition(':')[0]}"] += 1
            how = f"killed at {this.failpoint}"
        elif this.blow is Blow.END:
            self.daemon.end()
            self.counts["asked to end"] += 1
            return "asked to end"
        elif this.blow is Blow.FAILPOINT:
            self.counts["failpoint not reached in time"] += 1
            how = f"killed before it came to {this.failpoint}"
        else:
            self.counts[f"killed at an instant ({this.blow})"] += 1
            how = f"killed at an instant ({this.blow})"
        if this.power and self._disk:
            return f"{how}, {self._lose_power(self._disk, this)}"
        self.daemon.kill()
        return how

    def _lose_power(self, disk: StateDisk, this: Round) -> str:
        in_commit = self._powerless()
        if not in_commit:
            self.daemon.stop_short()
        capture = disk.blocks.capture()
        # Killed before the disk fails: no instant may be left to it in which it could tell something from memory.
        self.daemon.kill(disk.blocks.die)
        disk.come_back(survivor(capture, this.share, this.dice))
        self.listen()
        records.hold_after_cut(self.state, self.episodes)
        cached = capture.sectors_in_cache
        self.counts["power cuts"] += 1
        self.counts["power cuts with something in the disk's cache"] += bool(cached)
        where = f"at write or flush {this.operation}" if in_commit else "at that instant"
        return f"power lost {where}, {cached} sectors in the cache, {this.share:.0%} survive"

    def _powerless(self) -> bool:
        return self._disk is not None and self._disk.blocks.still.is_set()

    def _until_quiet(self, holding: range) -> None:
        """Wait until so many rules hold as far as the witnesses know, and the receiver knows just that."""
        deadline = time.monotonic() + SETTLES_WITHIN_SECONDS
        while True:
            self.listen()
            truth_now = self._truth()
            try:
                if truth_now.holding not in holding:
                    raise Violation(f"the witnesses saw that {truth_now.holding} rules hold, not {holding}")
                matching.hold_quiet(self.episodes, truth_now, time.time())
                return
            except Violation:
                if time.monotonic() > deadline:
                    raise
            if not self.daemon.alive:
                raise Violation("the daemon ended, and nobody had asked it to")
            time.sleep(PAUSE_SECONDS)

    def _truth(self) -> truth.Truth:
        return truth.of_logs(self._stack.events, self._health_log)

    def _state_disk(self, folder: Path, undo: contextlib.ExitStack) -> StateDisk | None:
        disk = StateDisk(folder)
        try:
            disk.open()
        except NoDisk as error:
            self.no_power_cuts = str(error)
            return None
        undo.callback(disk.close)
        return disk

    def _settings(self, folder: Path, project: str, engine: Engine, servers: dict[str, Server], secret: str) -> Path:
        secret_file, settings = folder / "secret", folder / "settings.toml"
        secret_file.touch(mode=0o600)
        secret_file.write_text(secret)
        values = {f"{kind}_port": server.port for kind, server in servers.items()}
        settings.write_text(
            SETTINGS.format(
                folder=folder,
                project=project,
                socket=engine.socket,
                looping=LOOPING,
                secret_file=secret_file,
                state=self.state,
                **values,
            )
        )
        return settings


def free_port() -> int:
    """Return a port of the loopback on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def machines_engine(folder: Path) -> Engine:
    """Return the machine's engine with the image in it. Raises: CannotRun."""
    if os.geteuid() != 0:
        raise CannotRun("killing a container's process from the host needs root")
    address = os.environ.get("DOCKER_HOST", DEFAULT_SOCKET)
    if not address.startswith("unix://"):
        raise CannotRun(f"DOCKER_HOST={address} is no unix socket")
    engine = Engine(Path(address.removeprefix("unix://")), folder)
    if trouble := engine.trouble():
        raise CannotRun(f"no Docker engine: {trouble}")
    run([REPOSITORY / "deploy" / "demo" / "build-images"], environment={"PYTHON": sys.executable}, timeout_seconds=600)
    engine.docker("image", "inspect", IMAGE)
    return engine


def summary(campaign: Campaign, rounds: int, seconds: float) -> str:
    """Return the figures of a campaign, one a line."""
    episodes = campaign.episodes
    resolved = sum(1 for episode in episodes.by_id.values() if episode.resolution)
    lines = [f"rounds: {rounds} in {seconds:.0f} s"]
    lines += [f"{name}: {count}" for name, count in sorted(campaign.counts.items())]
    lines += [
        f"alerts told: {len(episodes.by_id)}, of which resolved: {resolved}",
        f"alerts open at the end, and true: {', '.join(' of '.join(topic) for topic in sorted(episodes.open))}",
        f"messages: {len(episodes.keys)} in {episodes.arrivals} requests",
        f"messages that came again: {episodes.repeated}, though taken: {episodes.repeated_though_taken}",
        f"deaths of containers: {sum(campaign.deaths.values())}",
        *(f"  told {how}: {count}" for how, count in sorted(campaign.deaths.items())),
    ]
    return "\n".join(lines)


def conduct(campaign: Campaign, rounds: int, seed: int, *, verbose: bool) -> None:
    """Run all rounds, with a check now and then and at the end. Raises: Violation."""
    assert rounds > plan.BIRTHS
    begun = time.monotonic()
    for number in range(1, rounds + 1):
        words = campaign.round(plan.plan(seed, number, campaign.names))
        if verbose:
            print(f"round {number}: {words}", flush=True)
        if number == plan.BIRTHS:
            campaign.settle()
        if number % CHECK_EVERY == 0 or number == rounds:
            campaign.check()
            if verbose:
                print(f"checked after round {number}: {dict(campaign.deaths)}", flush=True)
    campaign.hold_reached(rounds)
    print(summary(campaign, rounds, time.monotonic() - begun), flush=True)


def main() -> int:
    """Run the campaign that the command line asks for.

    Returns 0 if all holds, 1 if not, 70 if the campaign itself failed, 77 if it cannot run here, 76 if all holds but no
    power could be cut.
    """
    parser = argparse.ArgumentParser(prog="tests/faults/run", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=DEFAULT_ROUNDS, help="lives of the daemon (%(default)s)")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6), help="repeats the plan of another run")
    parser.add_argument("-v", "--verbose", action="store_true", help="say each round in a line")
    parser.add_argument("--keep", action="store_true", help="keep the logs also when all holds")
    asked = parser.parse_args()
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(130))
    again = f"tests/faults/run --rounds {asked.rounds} --seed {asked.seed}"
    print(f"fault campaign: {again}", flush=True)
    folder = Path(tempfile.mkdtemp(prefix="semsupervisor-faults-"))
    keep = asked.keep
    try:
        with contextlib.ExitStack() as undo:
            campaign = Campaign(machines_engine(folder), folder, undo)
            conduct(campaign, asked.rounds, asked.seed, verbose=asked.verbose)
    except CannotRun as error:
        print(f"skipped: {error}")
        return SKIPPED
    except Violation as error:
        keep = True
        print(f"VIOLATION: {error}\nthe logs are in {folder}\nagain with: {again}", flush=True)
        return 1
    except Exception:  # noqa: BLE001 - whatever it is, it is no violation, and the logs say more
        keep = True
        traceback.print_exc()
        print(f"the campaign itself failed\nthe logs are in {folder}\nagain with: {again}", flush=True)
        return ITSELF_FAILED
    finally:
        if not keep:
            shutil.rmtree(folder)
    if campaign.no_power_cuts:
        print(f"skipped: power cuts: {campaign.no_power_cuts}")
        return SKIPPED_POWER_CUTS
    return 0


if __name__ == "__main__":
    sys.exit(main())
