"""The status page."""

from __future__ import annotations

import base64
import hashlib
import re
from html.parser import HTMLParser

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from semsupervisor.alerts.lifecycle import AlertState
from semsupervisor.alerts.rules import Severity, Verdict
from semsupervisor.api import page, present
from semsupervisor.api.readings import StoreReading
from semsupervisor.health.observation import SubjectKind, Unknown
from semsupervisor.health.setup import SetupFinding
from semsupervisor.kit.tasks import LoopHealth
from tests.support.api_world import ServiceStandIn, World, alert, depth, message, probe

Attributes = list[tuple[str, str | None]]


class Reader(HTMLParser):
    """Collects the tags and the words of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, Attributes]] = []
        self._words: list[str] = []

    @property
    def words(self) -> str:
        """Return the words, each followed by one space."""
        return " ".join(" ".join(self._words).split())

    def handle_starttag(self, tag: str, attrs: Attributes) -> None:
        """Take a tag."""
        self.tags.append((tag, attrs))

    def handle_data(self, data: str) -> None:
        """Take words."""
        self._words.append(data)


def read(world: World) -> Reader:
    """Return the page of a world, read as a browser reads it."""
    reader = Reader()
    reader.feed(page.render(present.status(world.readings())).decode())
    return reader


def test_the_page_shows_what_status_shows() -> None:
    """Stack, services, endpoints, disks, receivers, the supervisor and findings are on the page, with their ages."""
    world = World()
    world.clock.advance(3)
    words = read(world).words
    for expected in (
        "edge-7 semstreams in /opt/semstreams healthy",
        "nats running for 2 h 5 min 350 MiB (34 %) 3 s ago",
        "semstreams healthy v1.2.0 3 s ago",
        "nats healthy 2.14.0 2 connected 3 s ago",
        "/ 42 % 8.0 GiB of 16 GiB 3 s ago",
        "ops 7 mail 7",
        "Supervisor healthy started 0 s ago",
        "Docker 20.10.24, events followed: since 3 s",
        "State database 64 KiB",
        "no receiver is set: set one",
        "2026-03-01 12:00:03 UTC, semsupervisor 0.1.0",
    ):
        assert expected in words


def test_alerts_stand_on_top() -> None:
    """With what follows from them, what to type, who was told; those that do not fire yet stand below."""
    world = World()
    cause = alert()
    world.alerts = [
        cause,
        msgspec.structs.replace(alert("nats_unreachable"), caused_by=cause.id, told=()),
        msgspec.structs.replace(
            alert("own", severity=Severity.WARNING), told=(), muted_by="no receiver", last_verdict=Verdict.UNKNOWN
        ),
        alert("memory_high", state=AlertState.PENDING),
    ]
    words = read(world).words
    assert "semstreams in /opt/semstreams unhealthy Alerts critical container died for 5 min" in words
    assert (
        "nats ended with code 137 From it follows: nats unreachable. its process ended docker logs nats "
        "Told ops. Evidence: semsupervisor alerts show container_died"
    ) in words
    assert "Told nobody: no receiver; not seen since 5 min. Evidence: semsupervisor alerts show own" in words
    assert "Not firing yet for 5 min: nats ended with code 137 Services" in words


def test_what_is_wrong_says_so() -> None:
    """States, reasons that no alert tells, errors, crash loops and who did it are in words."""
    world = World()
    world.services["nats"] = ServiceStandIn(None, "stopped by hand")
    world.see(SubjectKind.SERVICE, "nats", {"state": "exited", "stopped_on_request": True}, source="events")
    world.see(SubjectKind.SERVICE, "semstreams", {"unhealthy": True, "restarting": True}, source="events")
    told = {"healthy": False, "slow_consumers_total": 3}
    world.see(SubjectKind.NATS, "nats", told, source="x", evidence={"error": "bad"})
    world.see(SubjectKind.NATS, "leaf", {"reachable": False}, source="x")
    world.see(SubjectKind.SEMSTREAMS, "semstreams", {"latency_seconds": 0.01, "nats_connected": False}, source="x")
    world.loops["watching"] = LoopHealth("watching", 7, 7, "EngineError: gone")
    world.probes["containers"] = probe("containers", None)
    world.store = StoreReading(problem="", size_bytes=10, waiting_changes=0, set_aside="/x/broken.db")
    world.stream.connected_since = None
    words = read(world).words
    for expected in (
        "service:nats was stopped on request",
        "nats exited stopped by hand",
        "unhealthy restarts again and again",
        "nats unhealthy 2.14.0 2 connected, 3 slow consumers bad",
        "leaf unreachable",
        "answers in 10 ms, not connected to NATS",
        "Supervisor unhealthy started 0 s ago, not ready yet the loop watching failed 7 times",
        "events followed: no",
        "State database 10 B; a damaged one was set aside at /x/broken.db",
    ):
        assert expected in words


def test_what_is_not_known_says_so() -> None:
    """A fact that could not be read is unknown, with its reason where there is one."""
    world = World()
    world.see(SubjectKind.NATS, "nats", {"healthy": Unknown("no answer")}, source="look")
    world.see(SubjectKind.SERVICE, "new", {})
    world.see(SubjectKind.FILESYSTEM, "/", {"used_ratio": Unknown("hangs"), "size_bytes": Unknown("hangs")})
    words = read(world).words
    assert "nats: healthy is unknown (no answer)" in words
    assert "new unknown 0 s ago" in words
    assert "/ hangs 0 s ago" in words


def test_the_addresses_of_a_receiver_in_trouble_are_named() -> None:
    """Below their receiver, each with what waits and why; the others are counted only."""
    world = World()
    world.receivers = ["hook", "ops/a@example.org", "ops/b@example.org"]
    world.depths = {name: depth() for name in world.receivers}
    world.depths["hook"] = depth(dead=1)
    world.depths["ops/b@example.org"] = depth(queued=2)
    world.queued = [message(1, "ops/b@example.org", last_error="451 later")]
    words = read(world).words
    assert "hook 7 1 given up ops 14 to 2 addresses b@example.org: 2 waiting for 3 min: 451 later" in words
    assert "a@example.org" not in words


def test_an_empty_host_has_a_page_too() -> None:
    """With nothing known there are no empty tables."""
    world = World()
    world.latest, world.receivers, world.findings = {}, [], []
    reader = read(world)
    assert [tag for tag, _ in reader.tags].count("table") == 1
    assert "Docker not looked at yet" in reader.words


def test_the_page_runs_no_script_and_asks_nobody() -> None:
    """There is no script, nothing is fetched, links stay here, and the one style is the one that the policy allows."""
    world = World()
    world.alerts = [alert()]
    text = page.render(present.status(world.readings())).decode()
    tags = read(world).tags
    assert "article" in dict(tags)
    assert not dict(tags).keys() & {"script", "img", "iframe", "link", "form", "object", "svg", "base"}
    (style,) = re.findall(r"<style>(.*?)</style>", text, re.DOTALL)
    assert f"sha256-{base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()}" == page.STYLE_HASH
    assert not re.search(r"url\(|@import", style)
    attributes = [pair for _, attrs in tags for pair in attrs]
    assert not [name for name, _ in attributes if name in ("style", "src") or name.startswith("on")]
    assert all(re.fullmatch(r"/[\w/.]+", value or "") for name, value in attributes if name == "href")


@given(st.text(max_size=40))
def test_no_text_becomes_a_tag(text: str) -> None:
    """Whatever a container, a log line or a receiver is called, the page's tags stay the same."""
    assert read(told(text)).tags == read(told("x")).tags


def told(text: str) -> World:
    """Return a world in which a text stands wherever one comes from outside."""
    world, words = World(), f"{text}<script>&\"'"
    world.services["nats"] = ServiceStandIn(None, words)
    world.see(SubjectKind.SERVICE, "nats", {"state": "exited", "image": words})
    world.see(SubjectKind.NATS, "nats", {"reachable": False, "version": words}, evidence={"error": words})
    world.see(SubjectKind.FILESYSTEM, "/", {"used_ratio": 0.1, "note": text})
    world.findings = [SetupFinding("x", words, words)]
    world.queued = [message(1, last_error=words)]
    world.depths["ops"] = depth(queued=1)
    world.rules = [msgspec.structs.replace(one, diagnosis=words, fix=(words,)) for one in world.rules]
    world.alerts = [msgspec.structs.replace(alert(), title=words, summary=words, muted_by=words, told=())]
    return world


def test_the_host_is_on_the_page() -> None:
    """What is known of the host is shown, and nothing before the first look."""
    world = World()
    world.see(SubjectKind.HOST, "host", {"cpu_used_ratio": 0.38, "temperature_celsius": 61.3}, source="more")
    assert "Host Memory available Processors busy Temperature Seen 2.0 GiB 38 % 61 °C" in read(world).words
    world.latest.clear()
    assert "Memory available" not in read(world).words
