"""What holds for every route alike."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_from_bytes

import aiohttp
import msgspec
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from structlog.testing import capture_logs
from yarl import URL

from semsupervisor.alerts import book
from semsupervisor.alerts.book import Book
from semsupervisor.alerts.lifecycle import AlertState
from semsupervisor.api import asking
from semsupervisor.api.access import Access
from semsupervisor.api.answers import Answer, DoneAnswer
from semsupervisor.api.application import HEADERS
from semsupervisor.api.jobs import AskedAnswer
from semsupervisor.api.routes import ROUTES
from semsupervisor.jobs.record import JobState
from semsupervisor.store.database import Store
from tests.support.api_world import World, alert, depth, entry, message, served
from tests.support.clock import ManualClock
from tests.support.job_world import job, snapshot

Answered = tuple[int, Any]


class Doors:
    """Both doors of a served world."""

    def __init__(self, tcp: aiohttp.ClientSession, control: aiohttp.ClientSession, address: str) -> None:
        self._tcp = tcp
        self._control = control
        self.address = address

    async def tcp(self, method: str, path: str, **headers: str) -> Answered:
        """Ask over TCP."""
        async with self._tcp.request(method, f"http://{self.address}{path}", headers=headers) as answer:
            return answer.status, await answer.json(content_type=None)

    async def control(self, method: str, path: str, **headers: str) -> Answered:
        """Ask over the control socket."""
        async with self._control.request(method, f"http://localhost{path}", headers=headers) as answer:
            return answer.status, await answer.json(content_type=None)

    async def status(self, method: str, path: str) -> int:
        """Ask over TCP for no more than the status."""
        async with self._tcp.request(method, f"http://{self.address}{path}") as answer:
            return answer.status

    async def raw(self, path: str) -> Answered:
        """Ask over TCP for a path whose quoting is left as it is."""
        async with self._tcp.get(URL(f"http://{self.address}{path}", encoded=True)) as answer:
            return answer.status, await answer.json(content_type=None)

    async def headers(self, path: str, method: str = "GET") -> tuple[dict[str, str], bytes]:
        """Return the headers and the body of an answer over TCP."""
        async with self._tcp.request(method, f"http://{self.address}{path}") as answer:
            return dict(answer.headers), await answer.read()


@asynccontextmanager
async def doors(world: World, folder: Path, hosts: tuple[str, ...] = ()) -> AsyncIterator[Doors]:
    """Serve a world and open clients on both of its doors."""
    connector = aiohttp.UnixConnector(str(folder / "control.sock"))
    async with (
        served(world, folder, hosts=hosts) as server,
        aiohttp.ClientSession() as tcp,
        aiohttp.ClientSession(connector=connector) as control,
    ):
        yield Doors(tcp, control, server.tcp_addresses[0])


def world_with_work() -> World:
    """Return a world in which a job and a snapshot have the id of the examples."""
    world = World()
    world.work.jobs = [job("3", JobState.RUNNING)]
    world.work.snapshots = [snapshot("3")]
    return world


def example_path(path: str) -> str:
    """Return a route's path with its parameters filled in."""
    return path.replace("{receiver}", "ops").replace("{id}", "3").replace("{source}", "varz").replace("{name}", "nats")


async def test_reading_is_open_to_both_doors(tmp_path: Path) -> None:
    """Every reading route answers on both doors; what it answers is the same but for the metrics of the process."""
    async with doors(world_with_work(), tmp_path) as asked:
        for route in ROUTES:
            if route.access is Access.READ and route.content_type == asking.JSON:
                by_tcp = await asked.tcp("GET", example_path(route.path))
                assert by_tcp == await asked.control("GET", example_path(route.path))
                assert by_tcp[0] == 200


async def test_control_is_for_the_control_socket(tmp_path: Path) -> None:
    """No act can be asked for over TCP, and nothing of it is done."""
    world = World()
    async with doors(world, tmp_path) as asked:
        for route in ROUTES:
            if route.access is Access.CONTROL:
                status, body = await asked.tcp(route.method, example_path(route.path))
                assert status == 403
                assert "control socket" in body["error"]
                assert body["what_to_do"]
    assert world.asked == []


async def test_a_head_needs_what_its_get_needs(tmp_path: Path) -> None:
    """Whether there is something to read behind the control socket is not told over TCP either."""
    async with doors(World(), tmp_path) as asked:
        assert await asked.status("HEAD", "/v1/facts/raw/varz") == 403
        assert await asked.status("HEAD", "/v1/facts") == 200


def test_what_changes_something_is_a_post() -> None:
    """And on the control socket, so that no link and no image can ask for it; the other routes only read."""
    acts = {(route.method, route.access) for route in ROUTES if route.answer in (DoneAnswer, AskedAnswer)}
    assert acts == {("POST", Access.CONTROL)}
    assert {route.access for route in ROUTES if route.method == "POST"} == {Access.CONTROL}
    assert {route.method for route in ROUTES} == {"GET", "POST"}
    acting = {route.handler for route in ROUTES if route.method == "POST"}
    assert not acting & {route.handler for route in ROUTES if route.method == "GET"}


async def test_an_act_knows_who_asks(tmp_path: Path) -> None:
    """By the credentials of the control socket's other end."""
    world = world_with_work()
    async with doors(world, tmp_path) as asked:
        status, body = await asked.control("POST", "/v1/backups?note=before%20v2")
    who = "root" if os.geteuid() == 0 else f"the user with the number {os.geteuid()}"
    assert (status, body["joined"], world.work.asked) == (200, False, [f"back up hot 'before v2' by {who}"])


@pytest.mark.parametrize("host", ["evil.example", "evil.example:9797", "localhost.evil.example", "", "[evil"])
@pytest.mark.parametrize("path", ["/", "/healthz", "/metrics", "/v1/status", "/no/such/path"])
async def test_a_rebound_name_reads_nothing(tmp_path: Path, host: str, path: str) -> None:
    """A foreign Host header gets 403 from every path, also from those that do not exist."""
    async with doors(World(), tmp_path) as asked:
        status, body = await asked.tcp("GET", path, Host=host)
    assert status == 403
    assert set(body) == {"error", "what_to_do", "problems"}


async def test_names_in_the_settings_are_let_in(tmp_path: Path) -> None:
    """A name in `api.hosts` is the daemon's own."""
    async with doors(World(), tmp_path, hosts=("edge-7.example",)) as asked:
        assert (await asked.tcp("GET", "/healthz", Host="edge-7.example"))[0] == 200


async def test_other_sites_pages_get_nothing(tmp_path: Path) -> None:
    """Origin of another site is refused on both doors, the daemon's own is not."""
    world = World()
    async with doors(world, tmp_path) as asked:
        assert (await asked.tcp("GET", "/v1/status", Origin="http://evil.example"))[0] == 403
        assert (await asked.control("POST", "/v1/settings/reload", Origin="http://evil.example"))[0] == 403
        assert (await asked.tcp("GET", "/v1/status", Origin=f"http://{asked.address}"))[0] == 200
    assert world.asked == []


@pytest.mark.parametrize("path", ["/", "/healthz", "/metrics", "/no/such/path", "/v1/timeline?limit=x"])
async def test_every_answer_has_the_headers_that_browsers_obey(tmp_path: Path, path: str) -> None:
    """Pages, data and errors are not framed, not sniffed, not kept, and do not name the library."""
    async with doors(World(), tmp_path) as asked:
        headers, _ = await asked.headers(path)
    assert {name: headers.get(name) for name in HEADERS} == HEADERS
    assert "unsafe" not in headers["Content-Security-Policy"]


async def test_head_is_get_without_a_body(tmp_path: Path) -> None:
    """Uptime monitors may ask by HEAD."""
    async with doors(World(), tmp_path) as asked:
        headers, body = await asked.headers("/healthz", "HEAD")
    assert body == b""
    assert headers["Content-Type"] == "application/json; charset=utf-8"


@pytest.mark.parametrize(
    ("method", "path", "status", "words"),
    [
        ("GET", "/v1/nothing", 404, "there is nothing at /v1/nothing"),
        ("GET", "/v1/%2e%2e/%2e%2e/etc/passwd", 404, "there is nothing at"),
        ("POST", "/v1/status", 405, "does not take POST"),
        ("DELETE", "/v1/outbox/3/retry", 405, "does not take DELETE"),
        ("GET", "/v1/timeline?limit=0", 400, "limit"),
        ("GET", "/v1/timeline?limit=1001", 400, "limit"),
        ("GET", "/v1/timeline?limit=ten", 400, "limit"),
        ("GET", "/v1/timeline?limit=1&limit=2", 400, "given twice: limit"),
        ("GET", "/v1/timeline?lmit=3", 400, "lmit"),
        ("GET", "/v1/timeline?before=99999999999999999999", 400, "before"),
        ("GET", "/v1/timeline?since=yesterday", 400, "neither a time nor a duration"),
        ("GET", "/v1/timeline?since=2026-03-01T12:00:00", 400, "neither a time nor a duration"),
        ("GET", "/v1/timeline?since=999999999d", 400, "neither a time nor a duration"),
        ("GET", "/v1/timeline?since=0001-01-01T00:00:00%2B23:59", 400, "neither a time nor a duration"),
        ("POST", "/v1/outbox/x/retry", 400, "id"),
        ("POST", "/v1/outbox/4/retry", 404, "there is no dead letter 4"),
    ],
)
async def test_what_cannot_be_answered_says_why_and_what_to_do(
    tmp_path: Path, method: str, path: str, status: int, words: str
) -> None:
    """Every error is JSON with the reason and the remedy."""
    async with doors(World(), tmp_path) as asked:
        answered, body = await asked.control(method, path)
    assert answered == status
    assert words in body["error"]
    assert body["what_to_do"]


async def test_a_store_that_fails_is_a_503_with_its_reason(tmp_path: Path) -> None:
    """Readings from the disk fail with the store's own words, the others still answer."""
    world = World()
    world.store_fails = True
    async with doors(world, tmp_path) as asked:
        status, body = await asked.tcp("GET", "/v1/timeline")
        assert status == 503
        assert "disk I/O error" in body["error"]
        assert (await asked.tcp("GET", "/v1/status"))[0] == 200


async def test_a_reading_that_hangs_has_an_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A handler that takes too long is given up with a 503."""
    world = World()

    async def hang(*_: object) -> list[object]:
        await asyncio.Event().wait()
        return []

    monkeypatch.setattr(world, "_history", hang)
    monkeypatch.setattr(asyncio, "timeout", lambda _, within=asyncio.timeout: within(0.05))
    async with doors(world, tmp_path) as asked:
        status, body = await asked.tcp("GET", "/v1/alerts/history")
    assert (status, body["error"]) == (503, "it took too long")


async def test_a_fault_of_our_own_tells_strangers_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bug is a 500 without its traceback; the log has it."""
    world = World()

    def broken() -> list[object]:
        raise ZeroDivisionError("secret detail")

    monkeypatch.setattr(type(world), "alerts", property(lambda _: broken()), raising=False)
    with capture_logs() as logged:
        async with doors(world, tmp_path) as asked:
            status, body = await asked.tcp("GET", "/v1/alerts")
    assert status == 500
    assert "secret detail" not in json.dumps(body)
    assert [line["path"] for line in logged if line["event"] == "request.failed"] == ["/v1/alerts"]


async def test_every_answer_is_what_its_route_says(tmp_path: Path) -> None:
    """Each body reads back as the type that describes it, with nothing lost and nothing besides."""
    world = world_with_work()
    world.alerts = [alert(), alert("memory_high", state=AlertState.PENDING)]
    world.episodes = [alert(state=AlertState.RESOLVED)]
    world.entries = [entry(1), entry(2)]
    world.queued, world.dead = [message(1)], [message(2, last_error="550")]
    world.receivers = ["hook", "ops/a@example.org", "ops/b@example.org"]
    world.depths = {name: depth(queued=1) for name in world.receivers}
    async with doors(world, tmp_path) as asked:
        for route in ROUTES:
            if route.access is Access.READ and route.answer and issubclass(route.answer, Answer):
                _, body = await asked.headers(example_path(route.path))
                read = msgspec.json.decode(body, type=route.answer)
                assert json.loads(msgspec.json.encode(read)) == json.loads(body)


NAMES = ["limit", "before", "after", "subject", "kind", "since", "alert"]
VALUES = (
    st.text(max_size=20).map(lambda text: quote(text, safe=""))
    | st.binary(max_size=6).map(quote_from_bytes)
    | st.integers(-2, 2**65).map(str)
    | st.sampled_from(["", "null", "1h", "0s", "9999999d", "2026-03-01T12:00:00Z", "0001-01-01T00:00:00%2B23:59"])
    | st.sampled_from(["service:nats", "alert.firing", "%00", "%ED%A0%80", "1e3", "+1", quote("٣")])
)


@pytest.fixture
def ask_for(tmp_path: Path) -> Iterator[Callable[[str], Answered]]:
    """Return what asks for a path, of an API that reads a real database."""
    store = Store(tmp_path / "state.db", book.MIGRATIONS, ManualClock())
    world, kept = World(), Book(store)
    world._timeline, world._history = kept.timeline, kept.history  # type: ignore[method-assign]
    with asyncio.Runner() as runner:
        stack = AsyncExitStack()
        runner.run(store.open())
        stack.push_async_callback(store.close)
        runner.run(store.write(lambda connection: book.save_timeline(connection, [entry(1), entry(2)])))
        runner.run(store.write(lambda connection: book.save_alerts(connection, [alert()])))
        asked = runner.run(stack.enter_async_context(doors(world, tmp_path)))
        yield lambda path: runner.run(asked.raw(path))
        runner.run(stack.aclose())


@hypothesis_settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    path=st.sampled_from(["/v1/timeline", "/v1/alerts/history"]),
    query=st.lists(st.tuples(st.sampled_from(NAMES), VALUES), max_size=3),
)
def test_no_query_is_a_fault_of_the_server(
    ask_for: Callable[[str], Answered], path: str, query: list[tuple[str, str]]
) -> None:
    """Any query is answered from the database, or told what is wrong about it, whatever its bytes are."""
    status, body = ask_for(f"{path}?{'&'.join(f'{name}={value}' for name, value in query)}")
    assert status in {200, 400}, body
    assert ("error" in body) == (status == 400)
