"""The probe of a NATS server's /jsz: JetStream's tiers, accounts, streams and consumers.

It is the one source of all these: the monitoring port needs no login and tells every account's. Only where it does not
answer the streams and consumers of the account of the supervisor's own client are asked of JetStream's API.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence

import msgspec

from semsupervisor.errors import SupervisorError
from semsupervisor.health import baseline, jetstream
from semsupervisor.health.baseline import Told
from semsupervisor.health.baselines import LOOK_SECONDS, Baselines
from semsupervisor.health.jetstream import ALWAYS, ApiCalls, Shown
from semsupervisor.health.losses import Losses, LostOf
from semsupervisor.health.observation import FactValue, Observation, Outcome, Subject, SubjectKind, Unknown
from semsupervisor.health.reaching import Endpoint, Unreachable
from semsupervisor.health.streams import (
    FollowedConsumer,
    FollowedStream,
    consumer_facts,
    follow_consumer,
    follow_stream,
    stream_facts,
)
from semsupervisor.health.taking import Taker, Takings
from semsupervisor.health.targets import TargetAbsent
from semsupervisor.kit.clock import Clock, Instant
from semsupervisor.systems.bodies import NotOffered, Unreadable
from semsupervisor.systems.http import Answer, BodyTooLarge
from semsupervisor.systems.jetstream_state import JetStreamState, StreamState
from semsupervisor.systems.nats_jsz import MOST_PAGES, PAGE, joined, parse_jsz, path

SHORTEST_TIMEOUT_SECONDS = 0.1
LEFT_OUT = "{} is still there, but no longer among those that are looked at one by one: others are worse off"
TOO_MANY_CONSUMERS = "the server has more consumers than are read at once"


StreamsOfClient = Callable[[], Awaitable[Sequence[StreamState]]]


class NatsJetStream:
    """Reads all of JetStream in one look; what is no longer there is told as gone.

    `endpoint` reads answers up to `nats_jsz.LARGEST_ANSWER_BYTES`; of a server with more than fits the consumers are
    left out, and unknown. While the port does not answer, `streams_of_client` tells of the streams of one account.
    `lost_of` tells what was lost of a stream of that account, which the port does not. `taker` tells how SemStreams is,
    whose consumers stand still while it does not run, and `baselines` which streams went back when their server was
    started anew.
    """

    name = "nats_jetstream"

    def __init__(
        self,
        clock: Clock,
        endpoint: Endpoint,
        service: str,
        timeout_seconds: float,
        *,
        streams_of_client: StreamsOfClient | None = None,
        lost_of: LostOf | None = None,
        taker: Callable[[], Taker] = Taker,
    ) -> None:
        self._clock = clock
        self._endpoint = endpoint
        self._subject = Subject(SubjectKind.NATS, service)
        self._timeout_seconds = timeout_seconds
        self._streams_of_client = streams_of_client
        self._losses = Losses(lost_of) if lost_of else None
        self.baselines: Baselines | None = None
        self._told: Told | None = None
        self._accounts: Mapping[str, str] = {}
        self.page = PAGE
        self._calls = ApiCalls()
        self._streams: Mapping[str, FollowedStream] = {}
        self._consumers: Mapping[str, FollowedConsumer] = {}
        self._taker = taker
        self._takings = Takings()
        self._shown: Mapping[Subject, tuple[str, ...]] = {}

    async def observe(self) -> Sequence[Observation]:
        """Ask once, page by page. Nothing is raised: what could not be seen is an observation as well."""
        until = self._clock.monotonic() + self._timeout_seconds
        try:
            state = await self._read(until)
        except Unreachable as error:
            return await self._by_client(Outcome.DOWN, str(error), until)
        except (TargetAbsent, NotOffered) as error:
            return await self._by_client(Outcome.NOT_OFFERED, str(error), until)
        except _Garbage as error:
            return self._unseen(Outcome.UNKNOWN, str(error), error.answer)
        except SupervisorError as error:
            return self._unseen(Outcome.UNKNOWN, str(error))
        if state is None:
            return self._off()
        self._told = await self._compared(state, until)
        return self._seen(await self._with_losses(state, until))

    async def _compared(self, state: JetStreamState, until: float) -> Told | None:
        """Return which streams went back, in half of the time at most; of a cluster none is judged.

        There a server that was started anew lags behind the others for a while, and has lost nothing.
        """
        if self.baselines is None or state.clustered:
            return Told()
        left = max(SHORTEST_TIMEOUT_SECONDS, until - self._clock.monotonic())
        return await self.baselines.look(state.server_id, state.streams, min(LOOK_SECONDS, left / 2))

    async def _with_losses(self, state: JetStreamState, until: float) -> JetStreamState:
        if self._losses is None:
            return state
        left = max(SHORTEST_TIMEOUT_SECONDS, until - self._clock.monotonic())
        return msgspec.structs.replace(state, streams=tuple(await self._losses.look(state.streams, left)))

    async def _by_client(self, outcome: Outcome, error: str, until: float) -> Sequence[Observation]:
        """Return what a client sees of its own account where the monitoring port tells nothing.

        What it does not see is unknown as it would be without it: that may be another account's.
        """
        unseen = self._unseen(outcome, error)
        if self._streams_of_client is None:
            return unseen
        try:
            async with asyncio.timeout(max(SHORTEST_TIMEOUT_SECONDS, until - self._clock.monotonic())):
                streams = await self._streams_of_client()
        except (SupervisorError, TimeoutError):
            return unseen
        at, self._told = self._clock.instant(), None
        renamed = [self._renamed(one) for one in streams]
        seen = self._of_shown(self._follow(self._losses.known(renamed) if self._losses else renamed, at), at)
        known = {one.subject for one in seen}
        others = [one for one in unseen if one.subject not in known]
        self._shown = {**self._shown, **{one.subject: tuple(one.facts) for one in seen}}
        return [*others, *seen]

    def _renamed(self, stream: StreamState) -> StreamState:
        """Give a stream the account with which the monitoring port told it, if it did."""
        return msgspec.structs.replace(stream, account=self._accounts.get(stream.name, stream.account))

    async def _read(self, until: float) -> JetStreamState | None:
        """Return the whole state, without consumers if they are too many; None when JetStream is off."""
        try:
            return await self._pages(until, consumers=True)
        except BodyTooLarge:
            return await self._pages(until, consumers=False)

    async def _pages(self, until: float, *, consumers: bool) -> JetStreamState | None:
        pages: list[JetStreamState] = []
        while len(pages) < MOST_PAGES:
            left = max(SHORTEST_TIMEOUT_SECONDS, until - self._clock.monotonic())
            asked = path(consumers=consumers, offset=len(pages) * self.page, page=self.page)
            answer = await self._endpoint.ask(left, asked)
            try:
                page = parse_jsz(answer.status, answer.body)
            except Unreadable as error:
                raise _Garbage(str(error), answer) from error
            if page is None:
                return None
            pages.append(page)
            if len(page.accounts) < self.page:
                break
        return joined(pages, consumers_told=consumers)

    def _seen(self, state: JetStreamState) -> Sequence[Observation]:
        at = self._clock.instant()
        self._calls.add(at.monotonic, state.api_requests, state.api_errors)
        self._accounts = {one.name: one.account for one in state.streams}
        shown = self._follow(state.streams, at)
        observations = [self._of_server(state, shown, at), *self._of_shown(shown, at)]
        if not state.consumers_told:
            lost = [subject for subject in self._shown if subject.kind is SubjectKind.CONSUMER]
            observations += self._unknown(lost, Outcome.UNKNOWN, TOO_MANY_CONSUMERS, at)
        return [*observations, *self._gone(observations, at)]

    def _follow(self, states: Iterable[StreamState], at: Instant) -> Shown:
        streams = {one.subject_name: one for one in states}
        self._streams = {name: follow_stream(one, self._streams.get(name)) for name, one in streams.items()}
        before, self._consumers = self._consumers, {}
        self._consumers = {
            f"{name}/{one.name}": follow_consumer(one, stream, before.get(f"{name}/{one.name}"), at.monotonic)
            for name, stream in streams.items()
            for one in stream.consumers
        }
        self._takings.look(at.monotonic, self._taker(), self._consumers)
        shown_before = {subject.name for subject in self._shown}
        return jetstream.choose(self._streams, self._consumers, shown_before, at.monotonic)

    def _of_shown(self, shown: Shown, at: Instant) -> list[Observation]:
        return [
            *(self._of_stream(name, one, at) for name, one in shown.streams.items()),
            *(self._of_consumer(name, one, at) for name, one in shown.consumers.items()),
        ]

    def _of_server(self, state: JetStreamState, shown: Shown, at: Instant) -> Observation:
        left_out = {"jetstream_streams_left_out": shown.streams_left_out}
        if state.consumers_told:
            left_out["jetstream_consumers_left_out"] = shown.consumers_left_out
        facts = {**jetstream.facts(state, self._calls, at.monotonic), **left_out}
        evidence = self._endpoint.evidence(jetstream.fullest(state))
        return Observation(self.name, self._subject, at, self._endpoint.facts(facts), evidence)

    def _of_stream(self, name: str, one: FollowedStream, at: Instant) -> Observation:
        facts, evidence = stream_facts(one)
        back, fall, unasked = baseline.shown(self._told if self.baselines else Told(), name)
        if self._losses and one.state.lost is None:
            unasked |= {"damage_told"}
        subject = Subject(SubjectKind.STREAM, name)
        return Observation(self.name, subject, at, {**facts, **back}, {**evidence, **fall}, unsettled=unasked)

    def _of_consumer(self, name: str, one: FollowedConsumer, at: Instant) -> Observation:
        facts, evidence = consumer_facts(one, at.monotonic)
        subject = Subject(SubjectKind.CONSUMER, name)
        apart = self._takings.is_apart(name)
        return Observation(self.name, subject, at, facts, evidence, unsettled=one.unsettled, apart=apart)

    def _gone(self, observations: Sequence[Observation], at: Instant) -> Sequence[Observation]:
        """Return that what was shown before and is not now is gone, and remember what is shown.

        What is there all the same has only made room for others that are worse off.
        """
        now = {one.subject: tuple(one.facts) for one in observations if one.subject != self._subject}
        gone = [subject for subject in self._shown if subject not in now]
        self._shown = now
        return [
            Observation(self.name, subject, at, {}, gone=True, condition=self._still_there(subject)) for subject in gone
        ]

    def _still_there(self, subject: Subject) -> str:
        known = self._streams if subject.kind is SubjectKind.STREAM else self._consumers
        return LEFT_OUT.format(subject) if subject.name in known else ""

    def _off(self) -> Sequence[Observation]:
        """Return that JetStream is off, which leaves nothing to be known of its streams."""
        at = self._clock.instant()
        why = "JetStream is off"
        off = Observation(self.name, self._subject, at, {"jetstream_enabled": False}, {"error": why})
        return [off, *self._unknown(self._shown, Outcome.UNKNOWN, why, at)]

    def _unseen(self, outcome: Outcome, error: str, answer: Answer | None = None) -> Sequence[Observation]:
        at = self._clock.instant()
        evidence = self._endpoint.evidence({"error": error}, answer)
        facts: dict[str, FactValue] = dict.fromkeys(("jetstream_enabled", *ALWAYS), Unknown(error))
        server = Observation(self.name, self._subject, at, self._endpoint.facts(facts), evidence, outcome)
        return [server, *self._unknown(self._shown, outcome, error, at)]

    def _unknown(
        self, subjects: Sequence[Subject] | Mapping[Subject, object], outcome: Outcome, why: str, at: Instant
    ) -> list[Observation]:
        masked = self._endpoint.evidence({"error": why})
        reason = Unknown(masked["error"])
        return [
            Observation(self.name, one, at, dict.fromkeys(self._shown[one], reason), masked, outcome)
            for one in subjects
        ]


class _Garbage(Unreadable):
    """An answer that is none of JetStream's, kept as evidence."""

    def __init__(self, message: str, answer: Answer) -> None:
        self.answer = answer
        super().__init__(message)
