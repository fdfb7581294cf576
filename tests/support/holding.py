"""How much something holds: every entry of every table that can be reached from it."""

from __future__ import annotations

import asyncio
import types
from collections import deque
from collections.abc import Mapping

LEAVES = (type, types.ModuleType, asyncio.AbstractEventLoop, asyncio.Future, str, bytes, int, float)


def held(root: object) -> int:
    """Count the entries of all tables in an object and in what it is made of."""
    seen: set[int] = set()
    waiting, count = [root], 0
    while waiting:
        one = waiting.pop()
        if id(one) in seen or isinstance(one, LEAVES):
            continue
        seen.add(id(one))
        if isinstance(one, Mapping):
            count += len(one)
            waiting += [*one.keys(), *one.values()]
        elif isinstance(one, (list, tuple, set, frozenset, deque)):
            count += len(one)
            waiting += one
        else:
            waiting += [getattr(one, name, None) for name in (*getattr(one, "__slots__", ()), *vars_of(one))]
    return count


def vars_of(one: object) -> Mapping[str, object]:
    """Return an object's attributes, if it is of our own making."""
    return vars(one) if type(one).__module__.startswith("semsupervisor.") and hasattr(one, "__dict__") else {}
