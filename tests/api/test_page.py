"""The status page."""

from __future__ import annotations

import base64
import hashlib
import re
from html.parser import HTMLParser

from hypothesis import given
from hypothesis import strategies as st

from semsupervisor.alerts.lifecycle import AlertState
from semsupervisor.api import page, present
from semsupervisor.health.observation import SubjectKind, Unknown
from semsupervisor.health.setup import SetupFinding
from tests.support.api_world import World, alert, depth


class Reader(HTMLParser):
    """Collects the tags and the words of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.words = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take a tag."""
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        """Take words."""
        self.words += f"{data}\n"


def read(world: World) -> Reader:
    """Return the page of a world, read as a browser reads it."""
    reader = Reader()
    reader.feed(page.render(present.status(world.readings())).decode())
    return reader


def test_the_page_shows_what_status_shows() -> None:
    """Stack, alerts, services, disks, receivers and findings are on the page, with their ages."""
    world = World()
    world.alerts = [alert(), alert("memory_high", state=AlertState.PENDING)]
    world.depths["ops"] = depth(queued=3)
    words = read(world).words
    for expected in (
        "edge-7: the stack semstreams is",
        "unhealthy",
        "container died: nats ended with code 137",
        "critical (pending)",
        "running for 2 h 5 min",
        "350.0 MiB, 34 % of its limit",
        "used_ratio: 42 %",
        "no receiver is set",
        "5 min ago",
    ):
        assert expected in words


def test_what_is_not_known_says_so() -> None:
    """An unknown fact is shown with its reason; a service that was never seen in a state is unknown."""
    world = World()
    world.see(SubjectKind.NATS, "nats", {"healthy": Unknown("no answer")}, source="look")
    world.see(SubjectKind.SERVICE, "new", {})
    words = read(world).words
    assert "healthy: unknown (no answer)" in words
    assert "unknown" in words


def test_an_empty_host_has_a_page_too() -> None:
    """With nothing known there are no empty tables."""
    world = World()
    world.latest, world.receivers, world.findings = {}, [], []
    assert "table" not in read(world).tags


def test_the_page_runs_no_script() -> None:
    """There is no script, nothing is fetched, and the one style is the one that the policy allows."""
    text = page.render(present.status(World().readings())).decode()
    assert not set(Reader().tags) & {"script", "img", "iframe", "link", "form"}
    (style,) = re.findall(r"<style>(.*?)</style>", text, re.DOTALL)
    assert f"sha256-{base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()}" == page.STYLE_HASH
    assert not re.search(r"""\s(?:style|src|href|on\w+)=""", text)


@given(st.text(max_size=40))
def test_no_text_becomes_a_tag(text: str) -> None:
    """Whatever a container, a log line or a receiver is called, the page's tags stay the same."""
    world = World()
    plain = read_tags(world, "x")
    assert read_tags(world, text) == plain


def read_tags(world: World, text: str) -> list[str]:
    """Return the page's tags with a text put wherever one comes from outside."""
    world.see(SubjectKind.FILESYSTEM, "/", {"used_ratio": 0.1, "note": text})
    world.findings = [SetupFinding("x", f"{text}<script>", f"<b>{text}")]
    return read(world).tags
