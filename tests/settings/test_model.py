"""The defaults are the runbook's numbers."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from semsupervisor.settings import values
from semsupervisor.settings.durations import format_duration, format_size
from semsupervisor.settings.forms import Duration, Section, Size
from semsupervisor.settings.model import EmailReceiver, Settings, WebhookReceiver


def sections(kind: type[Section]) -> list[type[Section]]:
    """Return a table's struct and those of the tables in it."""
    inner = [
        field.type
        for field in msgspec.structs.fields(kind)
        if isinstance(field.type, type) and issubclass(field.type, Section)
    ]
    return [kind, *(section for one in inner for section in sections(one))]


def written(default: object) -> object:
    """Return a default as it would stand in a file; None for one that is no single value."""
    match default:
        case Duration():
            return format_duration(default)
        case Size():
            return format_size(default)
        case tuple():
            return list(default)
        case bool() | int() | str():
            return default
        case _:
            return None


def test_the_defaults_are_the_runbooks() -> None:
    """The stack in /opt/semstreams, Docker's usual socket, and nobody to tell."""
    settings = Settings()
    assert settings.stack.directory == "/opt/semstreams"
    assert (settings.stack.semstreams_service, settings.stack.nats_service) == ("semstreams", "nats")
    assert settings.docker.socket == "/var/run/docker.sock"
    assert settings.api.listen == "127.0.0.1:9797"
    assert settings.receivers == {}
    assert settings.rules == {}


@pytest.mark.parametrize(
    "kind", [*sections(Settings), EmailReceiver, WebhookReceiver], ids=lambda kind: str(kind.__name__)
)
def test_every_default_is_itself_allowed(kind: type[Section]) -> None:
    """What holds without a file could as well be written into one."""
    for field in msgspec.structs.fields(kind):
        default: Any = field.default
        as_written = written(default)
        if as_written is not None:
            assert values.read(field.type, as_written) == default, field.name


def test_a_setting_cannot_be_changed() -> None:
    """Settings are frozen: a reload makes new ones."""
    with pytest.raises(AttributeError):
        Settings().checks.interval_seconds = 5  # type: ignore[misc, assignment]


def test_keys_carry_no_unit() -> None:
    """In the file a duration says its unit itself."""
    names = [field.encode_name for kind in sections(Settings) for field in msgspec.structs.fields(kind)]
    assert [name for name in names if name.endswith(("_seconds", "_bytes"))] == []
