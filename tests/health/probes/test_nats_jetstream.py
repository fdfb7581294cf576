"""The probe of /jsz: answers in, observations out."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from semsupervisor.errors import SupervisorError
from semsupervisor.health import jetstream
from semsupervisor.health.baselines import Baselines
from semsupervisor.health.jetstream import ALWAYS
from semsupervisor.health.observation import Observation, Outcome, Subject, SubjectKind, Unknown
from semsupervisor.health.probes import nats_jetstream
from semsupervisor.health.probes.nats_jetstream import TOO_MANY_CONSUMERS, NatsJetStream
from semsupervisor.health.taking import Taker
from semsupervisor.health.targets import TargetAbsent
from semsupervisor.systems.connecting import Garbled, Refused
from semsupervisor.systems.http import Answer, BodyTooLarge
from semsupervisor.systems.jetstream_state import Lost, StreamState
from semsupervisor.systems.nats_jsz import PAGE
from tests.support.asked import Answering, answer
from tests.support.jetstream import stream

SAMPLE = (Path(__file__).parents[2] / "samples" / "nats-2.14.0" / "jsz.json").read_bytes()
SERVER = Subject(SubjectKind.NATS, "nats")
EVENTS = Subject(SubjectKind.STREAM, "EVENTS")
CONFIG = Subject(SubjectKind.STREAM, "KV_semstreams_config")
WORKER = Subject(SubjectKind.CONSUMER, "EVENTS/worker")

Outcomes = Answer | SupervisorError


def told() -> Any:
    """Return a real answer."""
    return json.loads(SAMPLE)


def probe_of(*outcomes: Outcomes, page: int = PAGE) -> tuple[NatsJetStream, Answering]:
    """Return a probe of a server that answers so, one after the other."""
    answering = Answering(*outcomes)
    probe = NatsJetStream(answering.clock, answering.endpoint, "nats", 120.0)
    probe.page = page
    return probe, answering


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give a look at what is remembered long enough on a busy machine."""
    monkeypatch.setattr(nats_jetstream, "LOOK_SECONDS", 60.0)


async def looks(*outcomes: Outcomes) -> list[dict[Subject, Observation]]:
    """Return what each of several looks saw, by subject."""
    probe, _ = probe_of(*outcomes)
    seen = [await probe.observe() for _ in outcomes]
    return [{one.subject: one for one in observations} for observations in seen]


async def test_all_of_jetstream_is_seen_at_once() -> None:
    """One answer gives the server's tiers, its streams and its consumers."""
    probe, answering = probe_of(answer(SAMPLE))
    seen = {one.subject: one for one in await probe.observe()}
    assert answering.paths == ["/jsz?accounts=true&streams=true&consumers=true&config=true&offset=0&limit=1024"]
    assert list(seen) == [SERVER, EVENTS, CONFIG, WORKER]
    assert {(one.source, one.outcome) for one in seen.values()} == {("nats_jetstream", Outcome.OK)}
    assert seen[SERVER].facts["jetstream_storage_used_bytes"] == 119_067
    assert seen[SERVER].facts["jetstream_streams_left_out"] == seen[SERVER].facts["jetstream_consumers_left_out"] == 0
    assert seen[EVENTS].facts["used_ratio"] == 0.0119
    assert "used_ratio" not in seen[CONFIG].facts
    assert seen[WORKER].facts["ack_pending"] == 30


async def test_jetstream_that_is_off_is_seen() -> None:
    """It is off, and what was known of its streams is unknown."""
    off = {"server_id": "X", "disabled": True, "config": {"max_memory": 0, "max_storage": 0}}
    _, after = await looks(answer(SAMPLE), answer(off))
    assert after[SERVER].facts == {"jetstream_enabled": False}
    assert after[SERVER].outcome is Outcome.OK
    assert set(after[EVENTS].facts.values()) == {Unknown("JetStream is off")}
    (alone,) = await looks(answer(off))
    assert list(alone) == [SERVER]


async def test_what_is_no_longer_there_is_gone() -> None:
    """A stream and a consumer that were deleted are told as gone, once."""
    fewer = told()
    del fewer["account_details"][0]["stream_detail"][0]
    _, after, later = await looks(answer(SAMPLE), answer(fewer), answer(fewer))
    assert (after[EVENTS].gone, after[WORKER].gone, after[CONFIG].gone) == (True, True, False)
    assert list(later) == [SERVER, CONFIG]


async def test_a_client_that_says_nothing_is_not_waited_for() -> None:
    """Both ways together have the time of one look."""

    async def hang() -> Sequence[StreamState]:
        await asyncio.Event().wait()
        raise AssertionError

    answering = Answering(Refused("refused"))
    probe = NatsJetStream(answering.clock, answering.endpoint, "nats", 0.3, streams_of_client=hang)
    (only,) = await probe.observe()
    assert (only.outcome, only.evidence) == (Outcome.DOWN, {"error": "refused"})


async def test_what_a_stream_lost_is_asked_for_in_turn() -> None:
    """Until it was asked for nothing is known of it, and an alert on it that fires is not over for that."""

    async def lost_of(name: str) -> Lost:
        return Lost(messages=None, bytes=7 if name == CONFIG.name else 0)

    answering = Answering(answer(SAMPLE), answer(SAMPLE))
    probe = NatsJetStream(answering.clock, answering.endpoint, "nats", 30.0, lost_of=lost_of)
    first = {one.subject: one for one in await probe.observe()}
    second = {one.subject: one for one in await probe.observe()}
    assert (first[EVENTS].facts["damage_told"], first[EVENTS].unsettled) == (False, frozenset())
    assert "damage_told" not in first[CONFIG].facts
    assert first[CONFIG].unsettled == {"damage_told"}
    assert (second[CONFIG].facts["damage_told"], second[CONFIG].unsettled) == (True, frozenset())


async def test_a_stream_that_went_back_with_a_start_is_told(tmp_path: Path) -> None:
    """With both of its ends; what is compared with nothing is not said to have held."""
    before, after = told(), {**told(), "server_id": "ANOTHER"}
    after["account_details"][0]["stream_detail"][0]["state"]["last_seq"] = 400
    probe, answering = probe_of(answer(before), answer(after))
    probe.baselines = Baselines(answering.clock, tmp_path / "stream-baselines", lambda *_: "")
    first, second = [{one.subject: one for one in await probe.observe()} for _ in range(2)]
    assert first[EVENTS].facts["went_back"] is False
    assert (second[EVENTS].facts["went_back"], second[CONFIG].facts["went_back"]) == (True, False)
    assert second[EVENTS].evidence["fall"].startswith("it ended at number 500 before and ends at 400 now")
    assert "went_back" not in (await looks(answer(SAMPLE)))[0][EVENTS].facts


async def test_no_stream_is_said_to_have_held_before_that_is_known(tmp_path: Path) -> None:
    """While the file is not read, or only the client tells of the streams: an alert that fires goes on."""

    async def own() -> Sequence[StreamState]:
        return [stream(name="EVENTS")]

    answering = Answering(answer(SAMPLE), Refused("refused"), answer(SAMPLE))
    probe = NatsJetStream(answering.clock, answering.endpoint, "nats", 120.0, streams_of_client=own)
    file = tmp_path / "stream-baselines"
    file.mkdir()
    probe.baselines = Baselines(answering.clock, file, lambda *_: "")
    unread, by_client = [{one.subject: one for one in await probe.observe()} for _ in range(2)]
    file.rmdir()
    read = {one.subject: one for one in await probe.observe()}
    for seen in (unread, by_client):
        assert "went_back" not in seen[EVENTS].facts
        assert seen[EVENTS].unsettled == {"went_back"}
    assert (read[EVENTS].facts["went_back"], read[EVENTS].unsettled) == (False, frozenset())


async def test_snapshots_that_hang_do_not_blind_the_probe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fall is told within the time of a look, and all else is seen."""
    free = threading.Event()
    after = {**told(), "server_id": "ANOTHER"}
    after["account_details"][0]["stream_detail"][0]["state"]["last_seq"] = 400
    answering = Answering(answer(SAMPLE), answer(after))
    probe = NatsJetStream(answering.clock, answering.endpoint, "nats", 120.0)
    probe.baselines = Baselines(answering.clock, tmp_path / "stream-baselines", lambda *_: str(free.wait(60)))
    try:
        await probe.observe()
        monkeypatch.setattr(nats_jetstream, "LOOK_SECONDS", 0.1)
        async with asyncio.timeout(30):
            seen = {one.subject: one for one in await probe.observe()}
    finally:
        free.set()
    assert (seen[EVENTS].facts["went_back"], seen[CONFIG].facts["went_back"]) == (True, False)
    assert seen[EVENTS].evidence["fall"].endswith("could not all be looked through for it yet")


async def test_what_the_client_tells_after_a_look_says_nothing_of_falls(tmp_path: Path) -> None:
    """The port alone tells when a stream was made; what it told before may have changed."""

    async def own() -> Sequence[StreamState]:
        return [stream(name="EVENTS")]

    answering = Answering(answer(SAMPLE), Refused("refused"))
    probe = NatsJetStream(answering.clock, answering.endpoint, "nats", 120.0, streams_of_client=own)
    probe.baselines = Baselines(answering.clock, tmp_path / "stream-baselines", lambda *_: "")
    first, second = [{one.subject: one for one in await probe.observe()} for _ in range(2)]
    assert first[EVENTS].facts["went_back"] is False
    assert second[EVENTS].unsettled == {"went_back"}


async def test_of_a_cluster_no_stream_is_judged(tmp_path: Path) -> None:
    """A server that is started anew there lags behind for a while, and has lost nothing."""
    before = {**told(), "meta_cluster": {"name": "C", "leader": "edge-a", "cluster_size": 3}}
    after = json.loads(json.dumps({**before, "server_id": "ANOTHER"}))
    after["account_details"][0]["stream_detail"][0]["state"]["last_seq"] = 400
    probe, answering = probe_of(answer(before), answer(after))
    probe.baselines = Baselines(answering.clock, tmp_path / "stream-baselines", lambda *_: "")
    for _ in range(2):
        seen = {one.subject: one for one in await probe.observe()}
        assert "went_back" not in seen[EVENTS].facts
        assert seen[EVENTS].unsettled == frozenset()


async def test_what_makes_room_for_others_was_not_removed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A consumer and a stream that are no longer among those looked at are said to be so, and are counted."""
    monkeypatch.setattr(jetstream, "MOST_CONSUMERS", 1)
    monkeypatch.setattr(jetstream, "MOST_STREAMS", 1)
    more = told()
    account = more["account_details"][0]
    events, worker = account["stream_detail"][0], account["stream_detail"][0]["consumer_detail"][0]
    worse = {**worker, "name": "full", "num_ack_pending": 1000}
    worse["config"] = {**worker["config"], "durable_name": "full"}
    events["consumer_detail"].append(worse)
    refuses = {**events, "name": "REFUSES", "config": {**events["config"], "max_bytes": 1, "discard": "new"}}
    account["stream_detail"].append({**refuses, "consumer_detail": []})
    _, after, later = await looks(answer(SAMPLE), answer(more), answer(more))
    for subject in (EVENTS, WORKER):
        assert after[subject].gone
        assert after[subject].condition.startswith(f"{subject} is still there")
    shown = {Subject(SubjectKind.STREAM, "REFUSES"), Subject(SubjectKind.CONSUMER, "EVENTS/full")}
    assert set(later) == {SERVER, *shown}
    facts = later[SERVER].facts
    assert (facts["jetstream_streams_left_out"], facts["jetstream_consumers_left_out"]) == (2, 1)


@pytest.mark.parametrize(
    ("outcome", "how", "evidence"),
    [
        (Refused("refused"), Outcome.DOWN, {"error": "refused"}),
        (Garbled("hunter2 is not HTTP"), Outcome.UNKNOWN, {"error": "*** is not HTTP"}),
        (TargetAbsent("no such service"), Outcome.NOT_OFFERED, {"error": "no such service"}),
        (answer(b"no", 404), Outcome.NOT_OFFERED, {"error": "the server does not offer /jsz (HTTP 404)"}),
        (answer(b"hunter2", 500), Outcome.UNKNOWN, {"error": "HTTP 500 in place of 200", "body": "***"}),
    ],
)
async def test_what_is_not_seen_is_unknown(outcome: Outcomes, how: Outcome, evidence: dict[str, str]) -> None:
    """Without an answer everything is unknown, streams and consumers that were known as well, again and again."""
    (first,) = await looks(outcome)
    assert first[SERVER].facts == dict.fromkeys(("jetstream_enabled", *ALWAYS), Unknown(evidence["error"]))
    assert (first[SERVER].outcome, first[SERVER].evidence) == (how, evidence)
    before, _, after, again = await looks(answer(SAMPLE), outcome, outcome, answer(SAMPLE))
    assert list(after) == list(before)
    for subject in (EVENTS, WORKER):
        assert after[subject].facts == dict.fromkeys(before[subject].facts, Unknown(evidence["error"]))
        assert after[subject].outcome is how
    assert again[EVENTS].facts == before[EVENTS].facts


async def test_a_server_with_too_much_to_tell_is_asked_for_less() -> None:
    """Where the consumers do not fit the rest is seen without them; they are unknown, and not gone."""
    without = told()
    del without["account_details"][0]["stream_detail"][0]["consumer_detail"]
    too_large = BodyTooLarge("too large", answer(b"x"))
    probe, answering = probe_of(answer(SAMPLE), too_large, answer(without))
    await probe.observe()
    seen = {one.subject: one for one in await probe.observe()}
    assert ["consumers=true" in path for path in answering.paths] == [True, True, False]
    assert seen[EVENTS].facts["messages"] == 500
    assert set(seen[WORKER].facts.values()) == {Unknown(TOO_MANY_CONSUMERS)}
    assert seen[SERVER].outcome is Outcome.OK
    assert "jetstream_consumers_left_out" not in seen[SERVER].facts


async def test_a_server_that_never_ends_is_unknown() -> None:
    """An answer that is too large even without the consumers says nothing."""
    too_large = BodyTooLarge("too large", answer(b"x"))
    (seen,) = await looks(too_large)
    assert seen[SERVER].outcome is Outcome.UNKNOWN
    assert seen[SERVER].evidence == {"error": "too large"}


async def test_accounts_come_in_pages() -> None:
    """Pages are asked for until one is not full; streams of other accounts have the account's name before theirs."""
    second = told()
    second["account_details"][0]["name"] = "APP"
    last = told()
    last["account_details"] = []
    probe, answering = probe_of(answer(SAMPLE), answer(second), answer(last), page=1)
    seen = {one.subject for one in await probe.observe()}
    assert [path.partition("offset=")[2] for path in answering.paths] == ["0&limit=1", "1&limit=1", "2&limit=1"]
    assert {
        EVENTS,
        Subject(SubjectKind.STREAM, "APP/EVENTS"),
        Subject(SubjectKind.CONSUMER, "APP/EVENTS/worker"),
    } < seen


async def test_a_consumer_is_stuck_only_while_it_is_followed() -> None:
    """The time without progress runs from look to look."""
    probe, answering = probe_of(answer(SAMPLE))
    await probe.observe()
    answering.clock.advance(301.0)
    seen = {one.subject: one for one in await probe.observe()}
    assert seen[WORKER].facts["stuck"] is True
    assert "not acknowledged" in seen[WORKER].evidence["why"]


async def test_a_probe_that_has_only_begun_does_not_say_that_a_stuck_consumer_goes_on() -> None:
    """What it has not looked at for long enough is unsettled until something is seen to move."""
    probe, _ = probe_of(answer(SAMPLE))
    seen = {one.subject: one for one in await probe.observe()}
    assert "stuck_seconds" in seen[WORKER].unsettled
    assert not seen[EVENTS].unsettled


async def test_what_others_take_does_not_follow_from_semstreams() -> None:
    """A consumer that goes on while SemStreams does not run is another program's; so is one that was stuck before."""
    further = told()
    worker = further["account_details"][0]["stream_detail"][0]["consumer_detail"][0]
    worker["delivered"]["consumer_seq"] += 1
    answering = Answering(answer(SAMPLE), answer(SAMPLE), answer(further))
    probe = NatsJetStream(answering.clock, answering.endpoint, "nats", 3.0, taker=lambda: Taker(works=False, run="a"))
    apart = [{one.subject: one.apart for one in await probe.observe()} for _ in range(3)]
    assert [one[WORKER] for one in apart] == [False, False, True]
    assert not any(one[EVENTS] for one in apart)
