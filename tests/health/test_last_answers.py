"""What endpoints last answered: word for word, bounded, without secrets."""

from __future__ import annotations

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from semsupervisor.errors import SupervisorError
from semsupervisor.health.last_answers import LARGEST_KEPT_BYTES, MOST_KEPT, LastAnswers
from semsupervisor.health.reaching import Get
from semsupervisor.systems.connecting import Refused
from semsupervisor.systems.http import Answer, BodyTooLarge
from tests.support.clock import ManualClock

MONITOR = "container:nats:8222"


def answer(body: bytes = b"{}", status: int = 200) -> Answer:
    """Return an answer in JSON."""
    return Answer(status=status, headers={"content-type": "application/json"}, body=body, elapsed_seconds=0.1)


def giving(*outcomes: Answer | SupervisorError) -> Get:
    """Return what gives one outcome after the other."""
    left = list(outcomes)

    async def get(url: str, timeout_seconds: float) -> Answer:
        outcome = left.pop(0)
        if isinstance(outcome, Answer):
            return outcome
        raise outcome

    return get


@pytest.fixture
def clock() -> ManualClock:
    """Return a clock that the test moves."""
    return ManualClock()


@pytest.fixture
def answers(clock: ManualClock) -> LastAnswers:
    """Return a memory without answers."""
    return LastAnswers(clock)


async def said(answers: LastAnswers, body: bytes, path: str = "/varz") -> str:
    """Return what is shown of a body."""
    await answers.recording(giving(answer(body)), MONITOR)(f"http://h:1{path}", 1.0)
    return answers.sources()[path.rpartition("/")[2]].text()


async def test_the_last_answer_is_kept_as_it_came(answers: LastAnswers, clock: ManualClock) -> None:
    """With its address, status, form and time; the one before it is gone."""
    ask = answers.recording(giving(answer(b'{"a":1}'), answer(b'{"a": 2}\n', 503)), MONITOR)
    await ask("http://10.0.0.7:8222/varz?x=secret", 3.0)
    clock.advance(10.0)
    assert (await ask("http://10.0.0.8:8222/varz?x=secret", 3.0)).status == 503
    (found,) = answers.sources().values()
    assert (found.url, found.at) == ("http://10.0.0.8:8222/varz?x=***", clock.instant())
    assert (found.status, found.content_type, found.size_bytes) == (503, "application/json", 9)
    assert (found.text(), found.failure, found.cut) == ('{"a": 2}\n', "", False)


async def test_it_outlasts_a_failure_and_says_so(answers: LastAnswers) -> None:
    """While nobody answers the last word is still there, with why it is old; the next answer takes its place."""
    ask = answers.recording(giving(Refused("first"), answer(b"1"), Refused("token=hunter2x"), answer(b"2")), MONITOR)
    with pytest.raises(Refused, match="first"):
        await ask("http://h/varz", 1.0)
    assert answers.sources() == {}
    await ask("http://h/varz", 1.0)
    with pytest.raises(Refused):
        await ask("http://h/varz", 1.0)
    old = answers.sources()["varz"]
    assert (old.text(), old.failure) == ("1", "token=***")
    await ask("http://h/varz", 1.0)
    new = answers.sources()["varz"]
    assert (new.text(), new.failure) == ("2", "")


async def test_what_is_too_large_is_kept_in_part(answers: LastAnswers) -> None:
    """Both what the client cut off and what is too large to be kept."""
    part = BodyTooLarge("goes on past 1 MiB", answer(b"x" * 10))
    with pytest.raises(BodyTooLarge):
        await answers.recording(giving(part), MONITOR)("http://h/metrics", 1.0)
    assert answers.sources()["metrics"].failure == "goes on past 1 MiB"
    await answers.recording(giving(answer(b"x" * (LARGEST_KEPT_BYTES + 1))), MONITOR)("http://h/jsz", 1.0)
    large = answers.sources()["jsz"]
    assert (large.cut, large.size_bytes, len(large.packed) < 10_000) == (True, LARGEST_KEPT_BYTES + 1, True)


async def test_names_are_the_ends_of_paths(answers: LastAnswers) -> None:
    """Sorted; the name that several targets have belongs to the first, the others are told apart by their target."""
    for target, url in (
        (MONITOR, "http://h:8222/varz"),
        (MONITOR, "http://h:8222/jsz?streams=1"),
        ("http://plain:80", "http://plain:80"),
        ("container:semstreams:8080/health", "http://s:8080/health/"),
        ("http://u:p@other:80/health", "http://other:80/health"),
    ):
        await answers.recording(giving(answer()), target)(url, 1.0)
    assert list(answers.sources()) == ["health", "health@http://***@other:80/health", "jsz", "root", "varz"]
    assert answers.sources()["health"].url == "http://s:8080/health/"


async def test_an_endpoint_that_is_asked_in_two_ways_has_two_names(answers: LastAnswers) -> None:
    """So that one answer does not stand for the other; what gets no answer leaves both old, and each says so."""
    outcomes = (answer(b"full"), answer(b"live"), Refused("gone"), answer(b"live"))
    ask = answers.recording(giving(*outcomes), MONITOR, {"/healthz?js-enabled-only=true": "healthz-live"})
    await ask("http://h:8222/healthz?details=true", 1.0)
    await ask("http://h:8222/healthz?js-enabled-only=true", 1.0)
    assert {name: one.text() for name, one in answers.sources().items()} == {"healthz": "full", "healthz-live": "live"}
    with pytest.raises(Refused):
        await ask("http://h:8222/healthz?js-enabled-only=true", 1.0)
    assert [one.failure for one in answers.sources().values()] == ["gone", "gone"]
    await ask("http://h:8222/healthz?js-enabled-only=true", 1.0)
    assert [one.failure for one in answers.sources().values()] == ["gone", ""]


async def test_a_name_belongs_to_who_offers_it(answers: LastAnswers) -> None:
    """Of two places where there may be metrics the one that has them, and goes on so while it is ill or silent."""
    first = answers.recording(
        giving(answer(status=404), answer(), answer(status=503), Refused("gone")), "container:semstreams:8080/metrics"
    )
    second = answers.recording(giving(*[answer()] * 4), "container:semstreams:9090/metrics")
    seen = []
    for _ in range(4):
        with suppress(Refused):
            await first("http://s:8080/metrics", 1.0)
        await second("http://s:9090/metrics", 1.0)
        seen.append(answers.sources()["metrics"].url)
    assert seen == ["http://s:9090/metrics", *["http://s:8080/metrics"] * 3]


async def test_what_is_kept_is_bounded(answers: LastAnswers) -> None:
    """However many endpoints there are, the ones that answered last are kept."""
    for number in [*range(MOST_KEPT), 0, MOST_KEPT]:
        await answers.recording(giving(answer()), MONITOR)(f"http://h/{number}", 1.0)
    assert len(answers.sources()) == MOST_KEPT
    assert "0" in answers.sources()
    assert "1" not in answers.sources()


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        ({"auth_token": "hunter2", "port": 4222}, {"auth_token": "***", "port": 4222}),
        ({"password": 12345, "jwt": None, "nkey": ""}, {"password": "***", "jwt": None, "nkey": "***"}),
        ({"auth_required": True, "pass": True}, {"auth_required": True, "pass": True}),
        ({"secrets": [{"cookie": 1.5}], "secret": ["a"]}, {"secrets": [{"cookie": "***"}], "secret": ["a"]}),
        (["nats://user:hunter2@h:4222"], ["nats://***@h:4222"]),
    ],
)
async def test_json_stays_json_without_its_secrets(answers: LastAnswers, body: object, shown: object) -> None:
    """So that jq can read it whatever was masked."""
    assert json.loads(await said(answers, json.dumps(body).encode())) == shown


async def test_other_texts_are_masked_as_log_lines_are(answers: LastAnswers) -> None:
    """What is no JSON, or cannot be read as text, is shown as far as it can."""
    assert await said(answers, b"password=hunter2 \xff") == "password=*** \N{REPLACEMENT CHARACTER}"
    assert await said(answers, b'{"password":"hunter2" ' + b"[" * 100_000) == '{"password":*** ' + "[" * 100_000


@given(st.binary(max_size=300))
async def test_no_body_makes_reading_fail(body: bytes) -> None:
    """Whatever an endpoint says can be shown."""
    answers = LastAnswers(ManualClock())
    assert isinstance(await said(answers, body), str)
