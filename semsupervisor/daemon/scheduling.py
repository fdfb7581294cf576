"""Jobs that nobody has to ask for: each schedule asks for one at its times, and once for all that it has missed.

A schedule of another kind is one more `Plan` in `daemon/plans.py` and one more setting.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta

import msgspec
import structlog

from semsupervisor.api.readings import ScheduleReading
from semsupervisor.daemon.acting import LAST_LOOKED_AT, Acting
from semsupervisor.errors import SupervisorError
from semsupervisor.health.clocks import DOUBTED_SECONDS, Doubts, Reading
from semsupervisor.jobs import due
from semsupervisor.jobs.calendar import Calendar, Counting
from semsupervisor.jobs.due import Verdict
from semsupervisor.jobs.record import JobRecord
from semsupervisor.jobs.runner import Asked
from semsupervisor.kit import cron
from semsupervisor.kit.blocking import BlockingCalls
from semsupervisor.kit.clock import Clock, Instant
from semsupervisor.kit.zones import zone

log = structlog.get_logger(__name__)

LOOK_SECONDS = 10.0
ZONE_SECONDS = 5.0
# The host's time zone may be another one by then.
ZONE_KEPT = timedelta(hours=1)
_NEVER = datetime.min.replace(tzinfo=UTC)
FAR_AHEAD = "the clock is far ahead of the last run: it gets a while to be set"


class When(msgspec.Struct, frozen=True):
    """When a schedule is due: a time or a cron expression in a time zone, put off by up to so many seconds."""

    schedule: str
    time_zone: str = ""
    jitter_seconds: float = 0.0

    @property
    def words(self) -> str:
        """Return what tells one schedule from another: when it changes, it counts anew."""
        return f"{self.schedule} {self.time_zone}"


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """One schedule, by its name: which kind of job it asks for, and when, as the settings have it.

    `obstacle` says why it has to wait although nothing is wrong with it, empty when nothing keeps it; it is told
    whether a job is owed now. `ask` asks for the job and `follow` does, once, what comes after its end; both are told
    who asks. Raises: SupervisorError; it is tried again at the next look.
    """

    name: str
    kind: str
    when: Callable[[], When]
    obstacle: Callable[[bool], Awaitable[str]]
    ask: Callable[[str], Awaitable[Asked]]
    follow: Callable[[JobRecord, str], Awaitable[None]] | None = None


class Course:
    """One schedule: since when it counts, what it got last, and why it waits."""

    def __init__(self, plan: Plan, host: Callable[[], str], calendar: Calendar, acting: Acting) -> None:
        self.plan = plan
        self._host = host
        self._calendar = calendar
        self._acting = acting
        self._calls = BlockingCalls()
        self._by = f"the schedule {plan.name}"
        self._loaded = False
        self._counting: Counting | None = None
        self._times: tuple[str, cron.Next | None] = ("", None)
        self._times_made_at = _NEVER
        self._next_at: datetime | None = None
        self._last: JobRecord | None = None
        self._waits = ""
        self._not_followed = ("", "")

    async def look(self, now: datetime, doubt: str, *, young: bool) -> None:
        """Look once what is owed; `doubt` is why the date is not to be believed, `young` that the clock may be set."""
        try:
            self._waits = doubt or await self._ask(now, young=young)
        except SupervisorError as error:
            if self._waits != str(error):
                log.warning("schedule.waits", schedule=self.plan.name, error=str(error))
            self._waits = str(error)

    def reading(self) -> ScheduleReading:
        """Return the schedule, when it is due next, what it has done last and why it does nothing now."""
        schedule = self.plan.when().schedule
        return ScheduleReading(
            name=self.plan.name,
            kind=self.plan.kind,
            schedule=schedule,
            next_at=self._next_at,
            last=self._last and (self._acting.remembered(self._last.id) or self._last),
            waits="" if schedule in cron.OFF else self._waits,
        )

    async def _ask(self, now: datetime, *, young: bool) -> str:
        """Ask for what is owed, and return why that has to wait."""
        await self._load(now)
        await self._follow()
        when = self.plan.when()
        following = await self._following(when, now)
        counting = self._counting
        if counting is None or counting.plan != when.words:
            return await self._count_anew(when, now)
        self._next_at = self._due(following, when, counting.since)
        decided = due.verdict(counting.since, now, self._next_at)
        if decided is Verdict.ANEW:
            return await self._count_anew(when, now)
        if decided is Verdict.DOUBTFUL and young:
            return FAR_AHEAD
        if self._next_at is None:
            return ""
        again = self._comes_again(counting, now) if decided is Verdict.LATER else False
        owed = again or decided is not Verdict.LATER
        why = await self.plan.obstacle(owed)
        if why or not owed:
            return why
        self._last = (await self.plan.ask(self._by)).job
        tries = counting.tries + 1 if again else 0
        await self._write(msgspec.structs.replace(counting, since=now, job=self._last.id, tries=tries))
        self._next_at = self._due(following, when, now)
        return ""

    def _comes_again(self, counting: Counting, now: datetime) -> bool:
        """Tell whether a run that has failed is to be asked for again now; it is shown as the next one until then."""
        if self._last is None or self._last.id != counting.job or self._next_at is None:
            return False
        again_at = due.again_at(self._last, counting.tries)
        if again_at is None or again_at >= self._next_at:
            return False
        self._next_at = again_at
        return again_at <= now

    async def _load(self, now: datetime) -> None:
        """Learn, once, since when the schedule counts and what it has got: the jobs know it where the row does not.

        Raises: StoreError.
        """
        if self._loaded:
            return
        counting = await self._calendar.find(self.plan.name)
        if counting is not None:
            asked = [job for job in await self._acting.newest(LAST_LOOKED_AT) if job.asked_by == self._by]
            last = next((job for job in asked if job.kind == self.plan.kind), None)
            if last and last.id > counting.job and counting.since < last.created_at <= now:
                counting = msgspec.structs.replace(counting, since=last.created_at, job=last.id)
            self._last = await self._acting.find(counting.job) if counting.job else None
        self._counting = counting
        self._loaded = True

    async def _following(self, when: When, now: datetime) -> cron.Next | None:
        """Return the times of the schedule in force. Raises: Hanging."""
        if self._times[0] != when.words or abs(now - self._times_made_at) >= ZONE_KEPT:
            made = await self._calls.run(
                "the time zone", lambda: cron.times(when.schedule, zone(when.time_zone)), ZONE_SECONDS
            )
            self._times, self._times_made_at = (when.words, made), now
        return self._times[1]

    def _due(self, following: cron.Next | None, when: When, since: datetime) -> datetime | None:
        put_off = due.delay(f"{self._host()} {self.plan.name}", when.jitter_seconds)
        return due.next_due(since, following, put_off) if following else None

    async def _count_anew(self, when: When, now: datetime) -> str:
        before = self._counting or Counting("", now)
        await self._write(msgspec.structs.replace(before, plan=when.words, since=now))
        self._next_at = self._due(self._times[1], when, now)
        return ""

    async def _write(self, counting: Counting) -> None:
        self._counting = counting
        await self._calendar.write(self.plan.name, counting)

    async def _follow(self) -> None:
        """Do what comes after the last job, once it has ended; what cannot be done now keeps no other job back."""
        counting = self._counting
        if counting is None or not counting.job or counting.followed == counting.job:
            return
        self._last = await self._acting.find(counting.job) or self._last
        if self._last is None or self._last.is_open:
            return
        try:
            if self.plan.follow is not None:
                await self.plan.follow(self._last, self._by)
        except SupervisorError as error:
            if self._not_followed != (counting.job, str(error)):
                log.warning("schedule.not_followed", schedule=self.plan.name, job=counting.job, error=str(error))
            self._not_followed = (counting.job, str(error))
        else:
            await self._write(msgspec.structs.replace(counting, followed=counting.job))


class Schedules:
    """All schedules; of a clock that may be wrong none concludes anything."""

    def __init__(
        self, clock: Clock, calendar: Calendar, acting: Acting, host: Callable[[], str], plans: Sequence[Plan]
    ) -> None:
        self._clock = clock
        self._doubts = Doubts()
        self._began: Instant | None = None
        self._courses = [Course(plan, host, calendar, acting) for plan in plans]

    async def look(self) -> None:
        """Look once what each schedule owes."""
        at = self._clock.instant()
        self._began = self._began or at
        doubt = self._doubts.why(Reading(at.wall, at.monotonic, self._clock.since_boot()))
        young = at.monotonic - self._began.monotonic < DOUBTED_SECONDS
        for course in self._courses:
            await course.look(at.wall, doubt, young=young)

    def readings(self) -> Sequence[ScheduleReading]:
        """Return each schedule as it is now."""
        return [course.reading() for course in self._courses]
