"""What a round of the campaign does, from nothing but the seed and its number."""

from __future__ import annotations

import ast
import random
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from tests.support.commands import REPOSITORY

PACKAGE = REPOSITORY / "semsupervisor"
# A young daemon is killed before it is up; the first commits come within its first second.
YOUNG_SECONDS = 1.0
LONGEST_LIFE_SECONDS = 1.2
PASSAGES = (1, 2, 3, 4)
PASSAGE_WEIGHTS = (45, 30, 15, 10)
BIRTHS = 3
# A database is moved away only when it is damaged; these are met one by one in tests/store and tests/test_pipeline.py.
ON_A_DAMAGED_DISK = "set_aside."
# Those of jobs and of the snapshots that they make, which nobody asks for here: tests/integration/test_hot_backup.py
# and its neighbours meet them.
OF_JOBS = ("jobs", "backup")
POWER_EVERY = 3
IN_COMMIT = 0.65
SHARES = (0.0, 0.3, 0.7, 1.0)
MOST_OPERATIONS = 30


class Blow(StrEnum):
    """How a run of the daemon ends."""

    FAILPOINT = "failpoint"  # killed at a named place of its code
    INSTANT = "instant"  # killed at any instant
    YOUNG = "young"  # killed at any instant of its start
    END = "end"  # asked to end, by SIGTERM


@dataclass(frozen=True)
class Round:
    """One life of the daemon.

    `failpoint` is name:count, empty without one. `acts` are as many as are done while it lives, one that waits for its
    end may see more. `life_seconds` is how long it lives after them. `power` says that the host loses its power as the
    daemon dies, or at the `operation`-th write or flush of its disk from the start on, if that is not 0; `share` is the
    probability with which a sector in the disk's cache survives.
    """

    number: int
    blow: Blow
    failpoint: str
    life_seconds: float
    power: bool
    operation: int
    share: float
    acts: int
    dice: random.Random


def failpoints() -> list[str]:
    """Return the names of all failpoints, as they stand in the product's source, that are met on a sound disk."""
    found = set()
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "reach":
                name = node.args[0]
                if path.relative_to(PACKAGE).parts[0] in OF_JOBS:
                    continue
                assert isinstance(name, ast.Constant), f"{path}: the name of a failpoint has to stand there as it is"
                found.add(str(name.value))
    return sorted(name for name in found if not name.startswith(ON_A_DAMAGED_DISK))


def plan(seed: int, number: int, names: Sequence[str]) -> Round:
    """Return round `number` (from 1) of a seed.

    Every second one is at a failpoint, each of them in its turn; every third loses its power, mostly in the middle of
    a commit and then at no failpoint. In the first ones the power goes while the database comes into being.
    """
    dice = random.Random(f"{seed}/{number}")
    failpoint = ""
    if number <= BIRTHS:
        blow = Blow.YOUNG
    elif number % 2:
        blow = Blow.FAILPOINT
        # Each in its turn, a turn later each time round: else the power would always go at the same ones.
        name = names[(number // 2 + number // (2 * len(names))) % len(names)]
        failpoint = f"{name}:{dice.choices(PASSAGES, PASSAGE_WEIGHTS)[0]}"
    else:
        blow = dice.choices((Blow.INSTANT, Blow.YOUNG, Blow.END), weights=(70, 20, 10))[0]
    power = number <= BIRTHS or number % POWER_EVERY == 0
    in_commit = power and (number <= BIRTHS or dice.random() < IN_COMMIT)
    if in_commit:
        failpoint = ""
    if power and blow is not Blow.YOUNG:
        blow = Blow.FAILPOINT if failpoint else Blow.INSTANT
    longest = YOUNG_SECONDS if blow is Blow.YOUNG else LONGEST_LIFE_SECONDS
    return Round(
        number=number,
        blow=blow,
        failpoint=failpoint,
        life_seconds=dice.uniform(0.0, longest),
        power=power,
        operation=dice.randint(1, MOST_OPERATIONS) if in_commit else 0,
        share=dice.choice(SHARES),
        acts=dice.randint(1, 3),
        dice=dice,
    )
