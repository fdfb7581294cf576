"""`semsupervisor facts`."""

from __future__ import annotations

import asyncio
import json
import sys

import pytest

from semsupervisor.health.last_answers import LastAnswers
from semsupervisor.health.observation import SubjectKind, Unknown
from semsupervisor.health.reaching import Get
from semsupervisor.systems.connecting import Refused
from semsupervisor.systems.http import Answer
from tests.support.api_world import World
from tests.support.asked import answer
from tests.support.command_line import CommandLine

VARZ = {"server_id": "NX", "connections": 3, "auth_token": "hunter2"}


def keep(world: World, name: str, body: object, *, fails: bool = False) -> None:
    """Let an endpoint of NATS answer, and then refuse if it `fails`."""
    answers, outcomes = LastAnswers(world.clock), [answer(body)]

    async def get(url: str, timeout_seconds: float) -> Answer:
        if not outcomes:
            raise Refused(f"GET {url}: connection refused")
        return outcomes.pop()

    ask = answers.recording(get, "container:nats:8222")
    asyncio.run(_asked(ask, f"http://172.18.0.2:8222/{name}", twice=fails))
    world.last_answers.update(answers.sources())


async def _asked(ask: Get, url: str, *, twice: bool) -> None:
    await ask(url, 5.0)
    if twice:
        with pytest.raises(Refused):
            await ask(url, 5.0)


def test_facts_stand_under_their_subject(command: CommandLine, world: World) -> None:
    """Each with its age, who saw it and its value for people; no line is too long."""
    world.clock.advance(4.0)
    world.see(SubjectKind.NATS, "nats", {"healthy": Unknown("no answer within 5 s")}, source="nats_health")
    said = command("facts", "nats:nats")
    assert said.code == 0
    assert said.lines == [
        "nats:nats",
        "  connections  4 s ago  test         2",
        "  healthy      0 s ago  nats_health  unknown: no answer within 5 s",
        "  reachable    4 s ago  test         yes",
        "  version      4 s ago  test         2.14.0",
    ]
    assert max(map(len, command("facts").lines)) <= 80


def test_a_long_value_stands_below_its_fact(command: CommandLine, world: World) -> None:
    """Set in, so that it is not taken for a fact; a value that has no spaces is left whole."""
    world.see(SubjectKind.NATS, "nats", {"server_id": "N" * 56, "healthy": Unknown("no answer " * 12)})
    assert command("facts", "nats:nats").lines == [
        "nats:nats",
        "  healthy    0 s ago  test",
        "      unknown: no answer no answer no answer no answer no answer no answer no",
        "      answer no answer no answer no answer no answer no answer",
        "  server_id  0 s ago  test",
        f"      {'N' * 56}",
    ]


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("memory_used", {"memory_used_bytes", "memory_used_ratio"}),
        ("service:* memory*ratio", {"memory_used_ratio"}),
        ("filesystem:/ used", {"used_ratio"}),
        ("ENGINE", {"reachable", "version"}),
    ],
)
def test_facts_are_chosen(command: CommandLine, pattern: str, found: set[str]) -> None:
    """By a part of subject and name, in any case, or by a shell pattern on either or both."""
    assert {one["fact"] for one in command("facts", pattern, "--json").json["facts"]} == found


def test_without_a_pattern_all_facts_are_shown(command: CommandLine, world: World) -> None:
    """Of every subject."""
    subjects = {one["subject"] for one in command("facts", "--json").json["facts"]}
    assert subjects == {str(subject) for subject, _ in world.latest}


def test_no_such_fact_is_exit_code_1(command: CommandLine) -> None:
    """With what to type instead; the answer for programs is an empty one."""
    said = command("facts", "nonsense")
    assert (said.code, said.out) == (1, "")
    assert "`semsupervisor facts` lists all" in said.err
    assert command("facts", "nonsense", "--json").json["facts"] == []


def test_nothing_is_known_yet(command: CommandLine, world: World) -> None:
    """Right after the start there is nothing to show."""
    world.latest.clear()
    assert command("facts").err == "semsupervisor: nothing yet\n"


def test_a_raw_answer_is_word_for_word(command: CommandLine, world: World) -> None:
    """Into a pipe goes what came, but for secrets; age and origin are said beside it."""
    body = json.dumps({"connections": 3}).encode() + b" \n"
    keep(world, "varz", body)
    world.clock.advance(4.0)
    said = command("facts", "--raw", "varz")
    assert (said.code, said.out) == (0, '{"connections": 3} \n')
    assert said.err == "varz: 200 from http://172.18.0.2:8222/varz, 20 B, 4 s ago\n"


def test_a_raw_answer_is_readable_on_a_terminal(
    command: CommandLine, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """JSON is indented, and nothing that a terminal would act on reaches it."""
    keep(world, "varz", {**VARZ, "name": "\x1b[31mred"})
    keep(world, "metrics", b"up 1\x1b[2J\n")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    said = command("facts", "--raw", "varz")
    assert json.loads(said.out) == {"server_id": "NX", "connections": 3, "auth_token": "***", "name": "\x1b[31mred"}
    assert len(said.lines) == 6
    assert "\x1b" not in said.out
    assert command("facts", "--raw", "metrics").out == "up 1\n"


def test_a_raw_answer_for_programs_says_where_it_is_from(command: CommandLine, world: World) -> None:
    """The daemon's own answer: body, address, status, age."""
    keep(world, "varz", VARZ)
    said = command("facts", "--raw", "varz", "--json")
    assert (said.json["status"], said.json["url"], said.err) == (200, "http://172.18.0.2:8222/varz", "")
    assert json.loads(said.json["body"])["connections"] == 3


def test_an_old_or_partial_answer_says_so(command: CommandLine, world: World) -> None:
    """What cannot be got anew, or is not whole, must not be taken for the present or for all."""
    keep(world, "jsz", b"x" * (2**20 + 1), fails=True)
    said = command("facts", "--raw", "jsz")
    assert said.err.splitlines()[1:] == [
        "  asking has failed since: GET http://172.18.0.2:8222/jsz: connection refused",
        "  only its beginning was kept",
    ]


def test_an_unknown_source_lists_those_that_are_there(command: CommandLine, world: World) -> None:
    """A mistyped one is guessed; what no endpoint is called is no secret path into anything."""
    assert "no endpoint has answered yet" in command("facts", "--raw", "varz").err
    keep(world, "varz", VARZ)
    keep(world, "jsz", VARZ)
    assert "did you mean varz?" in command("facts", "--raw", "var").err
    said = command("facts", "--raw", "../status")
    assert (said.code, said.out) == (1, "")
    assert "there are: varz, jsz" in said.err


def test_a_name_that_two_targets_have_is_asked_for_with_its_target(command: CommandLine, world: World) -> None:
    """Slashes, brackets and all, as the list of names has it."""
    name = "health@http://[::1]:8080/a%20b/health"
    keep(world, "varz", VARZ)
    world.last_answers[name] = world.last_answers["varz"]
    assert command("facts", "--raw", name, "--json").json["source"] == name


def test_a_pattern_and_a_source_are_wrong_usage(command: CommandLine) -> None:
    """One of both."""
    assert command("facts", "x", "--raw", "varz").code == 2
