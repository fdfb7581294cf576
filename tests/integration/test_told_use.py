"""What is told, and what is not, of what containers use: memory and processors, by a container that uses them up."""

from __future__ import annotations

import pytest

from tests.support.demo_stack import DemoStack
from tests.support.rows import SEMSTREAMS, Act, Plays, Row, behave, fault, files, idle, one_after_another
from tests.support.scene import both

pytestmark = [pytest.mark.integration, pytest.mark.table, pytest.mark.timeout(600)]

# Of its share of a processor a busy machine can always give it all.
WORKER = """
services:
  worker:
    image: semsupervisor-demo/nats:2.14
    pull_policy: never
    network_mode: none
    restart: unless-stopped
    entrypoint: ["/bin/sh", "-c", "trap 'exit 0' TERM; while :; do [ -e /tmp/busy ] || sleep 0.1; done"]
    cpus: 0.1
"""
# Its use is told of half of two minutes at the earliest.
FIRST_FIGURE_SECONDS = 45.0


def with_worker(stack: DemoStack) -> None:
    """Add a service that may use a tenth of a processor."""
    (stack.folder / "worker.yml").write_text(WORKER)
    files("worker.yml")(stack)


def worker(*command: str) -> Act:
    """Run a command in its container."""
    return lambda stack: stack.compose("exec", "-T", "worker", *command)


ROWS = {
    "memory": Row(
        fault("leak", mib_per_second=200.0, until_mib=100.0),
        both("memory_high", SEMSTREAMS),
        behave,
        rules='memory_high.above = 0.65\nmemory_high.for = "2s"\n',
        words="semstreams uses",
    ),
    "processors": Row(
        one_after_another(worker("touch", "/tmp/busy"), idle(FIRST_FIGURE_SECONDS)),
        both("cpu_high", "service:worker"),
        worker("rm", "/tmp/busy"),
        before=with_worker,
        rules='cpu_high.for = "2s"\ncpu_high.clear_for = "1s"\n',
        words="of the processor time that it may use",
    ),
}


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
def test_each_thing_is_told_once(row: Row, plays: Plays) -> None:
    """What a container uses brings exactly its own messages."""
    plays.hold(row)
