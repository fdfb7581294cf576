"""The stack is called as the settings in force say, and asked where they say."""

from __future__ import annotations

from semsupervisor.daemon import stacks
from semsupervisor.daemon.parts import Means
from semsupervisor.health.last_answers import LastAnswers
from semsupervisor.operations.stack import Names
from semsupervisor.settings.model import Settings, StackSettings
from semsupervisor.systems.docker import Docker
from semsupervisor.systems.http import HttpClient
from tests.support.clock import ManualClock

OTHER = Settings(stack=StackSettings(project="demo", semstreams_service="flows", nats_service="bus"))


def test_names_follow_the_settings() -> None:
    """A reload renames them."""
    in_force = [Settings(stack=StackSettings(project="first"))]
    assert stacks.names(lambda: in_force[-1]) == Names("first", "semstreams", "nats")
    in_force.append(OTHER)
    assert stacks.names(lambda: in_force[-1]) == Names("demo", "flows", "bus")


def test_the_steps_are_the_same_each_time() -> None:
    """So a job that an earlier run began is known by the next one."""
    clock, docker = ManualClock(), Docker("/absent.sock", 1.0)
    means = Means(clock, HttpClient(clock), lambda _: None, str, lambda _: 0.0, dict, LastAnswers(clock))
    made = [stacks.steps(Settings, means, docker, lambda: None) for _ in range(2)]
    first, second = ([step.name for step in (*one.stopping(), *one.starting())] for one in made)
    assert first == second
    assert first == ["look", "stop_semstreams", "stop_nats", "start_nats", "await_nats", "start_semstreams", "gate"]
