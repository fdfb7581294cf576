"""The log's lines, own and foreign, in both forms."""

from __future__ import annotations

import io
import json
import logging
import warnings
from datetime import datetime
from typing import Any

import pytest
import structlog

from semsupervisor.kit.logging import configure

pytestmark = pytest.mark.usefixtures("logging_set_back")


@pytest.fixture
def out() -> io.StringIO:
    """Return where the log goes."""
    return io.StringIO()


def events(out: io.StringIO) -> list[dict[str, Any]]:
    """Return the lines of the log, read as JSON."""
    return [json.loads(line) for line in out.getvalue().splitlines()]


def own() -> Any:
    """Return a logger as a module of the package has it."""
    return structlog.get_logger("semsupervisor.health.probing")


def test_an_event_is_one_line_of_json(out: io.StringIO) -> None:
    """Time, level, logger and event come first, in this order, then the facts; the time is UTC."""
    configure("info", "json", out)
    own().info("probe.recovered", probe="nats_health", failures=3)
    (event,) = events(out)
    assert list(event) == ["timestamp", "level", "logger", "event", "probe", "failures"]
    assert (event["level"], event["logger"], event["failures"]) == ("info", "semsupervisor.health.probing", 3)
    assert datetime.fromisoformat(event["timestamp"]).utcoffset() is not None


def test_what_is_no_json_value_is_shown(out: io.StringIO) -> None:
    """A value that JSON has no form for appears as Python shows it, and loses no line."""
    configure("info", "json", out)
    own().info("thing.seen", thing=object)
    assert events(out)[0]["thing"] == "<class 'object'>"


@pytest.mark.parametrize(("level", "seen"), [("debug", 4), ("info", 3), ("warning", 2), ("error", 1)])
def test_the_level_counts_for_own_events(out: io.StringIO, level: Any, seen: int) -> None:
    """Own events below the level are not logged."""
    configure(level, "json", out)
    log = own()
    log.debug("a")
    log.info("b")
    log.warning("c")
    log.error("d")
    assert len(events(out)) == seen


@pytest.mark.parametrize("level", ["debug", "info", "warning"])
def test_libraries_are_heard_from_warning_on(out: io.StringIO, level: Any) -> None:
    """What a library logs by the standard library arrives in the same form, its chatter does not."""
    configure(level, "json", out)
    library = logging.getLogger("apscheduler.scheduler")
    library.info("Added job")
    library.warning("skipped: %s", "too late")
    (event,) = events(out)
    assert (event["event"], event["level"], event["logger"]) == (
        "skipped: too late",
        "warning",
        "apscheduler.scheduler",
    )


def test_python_warnings_are_logged(out: io.StringIO) -> None:
    """A deprecation that Python warns of is a line of the log."""
    configure("info", "json", out)
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        logging.captureWarnings(True)
        warnings.warn("old", DeprecationWarning, stacklevel=1)
    assert events(out)[0]["logger"] == "py.warnings"


@pytest.mark.parametrize("form", ["json", "text"])
def test_a_traceback_shows_no_values(out: io.StringIO, form: Any) -> None:
    """The traceback names where it happened, and not what the variables held."""
    configure("info", form, out)
    password = "hunter2"
    try:
        raise ValueError(len(password))
    except ValueError:
        own().exception("login.failed")
    assert "test_logging.py" in out.getvalue()
    assert "ValueError: 7" in out.getvalue()
    assert "hunter2" not in out.getvalue()


def test_text_is_for_people(out: io.StringIO) -> None:
    """A line of text holds level, event and facts, without colours where there is no terminal."""
    configure("info", "text", out)
    own().warning("probe.failed", probe="nats_health")
    line = out.getvalue()
    assert "warning" in line
    assert "probe.failed" in line
    assert "probe=nats_health" in line
    assert "\x1b" not in line


def test_setting_it_again_replaces(out: io.StringIO) -> None:
    """After a reload each event is logged once, at the new level, by loggers that were used before as well."""
    log = own()
    configure("info", "json", io.StringIO())
    log.debug("before")
    configure("debug", "json", out)
    log.debug("after")
    assert [event["event"] for event in events(out)] == ["after"]
