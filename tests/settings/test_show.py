"""The effective settings, shown."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import cast

import msgspec
import pytest

from semsupervisor.settings.forms import Section, Size
from semsupervisor.settings.load import Loaded, load
from semsupervisor.settings.model import Settings
from semsupervisor.settings.show import as_plain, as_text, entries

TEXT = """
[host]
name = 'edge "7" \\ ü'
[checks]
interval = "60s"
filesystems.paths = ["/data", "/backup"]
semstreams.health = "http://10.0.0.7:8080/health?token=SUPERSECRETTOKEN123"
nats.monitor = "container:a-server-of-nats:8222"
[rules.memory_high]
above = 0.85
for = "2m"
enabled = false
fix = ["free -h"]
[rules.big]
kind = "service"
fact = "memory_used_bytes"
above = "2GiB"
severity = "info"
title = "Big"
summary = '''two
lines'''
[receivers.mail]
type = "email"
host = "mail.example.org"
from = "edge7@example.org"
to = ["ops@example.org", "night@example.org"]
username = "edge7"
password_env = "MAIL_PASSWORD"
[receivers."hook"]
type = "webhook"
url = "https://hooks.example.org/T1?room=7"
secret_credential = "hook-secret"
"""
ENVIRONMENT = {"MAIL_PASSWORD": "hunter2"}


@pytest.fixture
def loaded(tmp_path: Path) -> Loaded:
    """Return settings with some of everything in them."""
    file = tmp_path / "semsupervisor.toml"
    file.write_text(TEXT)
    return load(file, ENVIRONMENT)


def test_a_secret_is_shown_as_the_reference_to_it(loaded: Loaded) -> None:
    """Neither text nor JSON holds the secret, both hold where it is."""
    for shown in (as_text(loaded), json.dumps(as_plain(loaded))):
        assert not {word for word in ("hunter2", "SUPERSECRET", "room") if word in shown}
        assert "MAIL_PASSWORD" in shown


def test_each_value_is_shown_with_its_origin(loaded: Loaded) -> None:
    """Given, default, derived and forced values say where they come from."""
    origins = {entry.key: entry.origin for entry in entries(loaded)}
    assert origins["checks.interval"] == str(loaded.path)
    assert origins["checks.timeout"] == "default"
    assert origins["stack.project"] == "the name of stack.directory"
    assert origins["receivers.hook.enabled"] == "what it needs is missing"
    assert origins["receivers.mail.password_env"] == str(loaded.path)


def test_what_may_be_a_secret_in_an_address_is_masked(loaded: Loaded) -> None:
    """Of a receiver's address only scheme and host show, of of a check's address no value of its query."""
    shown = {entry.key: entry.value for entry in entries(loaded)}
    assert shown["receivers.hook.url"] == "https://hooks.example.org/***"
    assert shown["checks.semstreams.health"] == "http://10.0.0.7:8080/health?token=***"
    assert shown["checks.nats.monitor"] == "container:a-server-of-nats:8222"


def test_the_text_is_a_settings_file_again(loaded: Loaded, tmp_path: Path) -> None:
    """Read again, what was shown makes the same settings, except for the masked addresses and the receiver at rest."""
    again = tmp_path / "again.toml"
    text = as_text(loaded).replace("token=***", "token=SUPERSECRETTOKEN123").replace("***", "T1?room=7")
    again.write_text(text)
    assert load(again, ENVIRONMENT).settings == loaded.settings


def test_the_text_names_the_file_and_the_findings(loaded: Loaded) -> None:
    """The first line is the file, the last ones are the findings."""
    lines = as_text(loaded).splitlines()
    assert lines[0] == f"# {loaded.path}"
    assert lines[-1].startswith("# finding: receivers.hook is disabled")


def test_durations_are_shown_as_they_are_written(loaded: Loaded) -> None:
    """A duration has its unit, whatever unit it was given in."""
    shown = {entry.key: entry.text for entry in entries(loaded)}
    assert shown["checks.interval"] == '"1m"'
    assert shown["delivery.give_up"] == '"7d"'
    assert shown["delivery.give_up_refused"] == '"1h"'
    assert shown["rules.memory_high.for"] == '"2m"'


def test_json_holds_plain_values(loaded: Loaded) -> None:
    """Every setting is found under its key path with value and origin."""
    plain = json.loads(json.dumps(as_plain(loaded)))
    assert plain["file"] == str(loaded.path)
    assert plain["settings"]["api.listen"] == {"value": "127.0.0.1:9797", "origin": "default"}
    assert plain["settings"]["receivers.mail.to"]["value"] == ["ops@example.org", "night@example.org"]
    assert plain["settings"]["rules.memory_high.enabled"]["value"] is False
    assert len(plain["findings"]) == 1


def test_defaults_can_be_shown_without_a_file(loaded: Loaded) -> None:
    """The head then says that there is no file, and the text is valid TOML all the same."""
    text = as_text(Loaded(settings=loaded.settings, path=None, origins=loaded.origins, references={}, findings=()))
    assert text.startswith("# no settings file")
    assert tomllib.loads(text)["log"]["level"] == "info"


def test_sizes_are_shown_as_they_are_written(loaded: Loaded) -> None:
    """A size stands in the largest unit that divides it."""

    class Cache(Section, frozen=True, kw_only=True):
        most: Size = Size(256 * 2**20)

    shown = entries(msgspec.structs.replace(loaded, settings=cast("Settings", Cache()), origins={"most": "default"}))
    assert [(entry.key, entry.text) for entry in shown] == [("most", '"256MiB"')]
