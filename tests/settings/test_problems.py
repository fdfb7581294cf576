"""Problems in words."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

from semsupervisor.settings.problems import Problem, found_text, join, told


def test_a_problem_names_file_key_found_and_allowed() -> None:
    """One line says where, what was found and what is allowed."""
    problem = Problem("checks.interval", '"0s"', "1s or more")
    assert problem.of(Path("/etc/s.toml")) == '/etc/s.toml: checks.interval: found "0s"; allowed: 1s or more'
    assert problem.of(None) == 'checks.interval: found "0s"; allowed: 1s or more'
    assert told(Path("/x"), [Problem("", "no such file", "a file")]) == ("/x: found no such file; allowed: a file",)


@pytest.mark.parametrize(
    ("path", "key", "joined"),
    [
        ("", "checks", "checks"),
        ("checks", "interval", "checks.interval"),
        ("receivers", "my mail", 'receivers."my mail"'),
    ],
)
def test_a_key_path_is_written_as_in_toml(path: str, key: str, joined: str) -> None:
    """A key that TOML wants quoted is quoted."""
    assert join(path, key) == joined


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (True, "true"),
        (False, "false"),
        (5, "5"),
        (80.0, "80"),
        (0.5, "0.5"),
        (float("inf"), "inf"),
        ("a", '"a"'),
        ("a\nb", '"a\\nb"'),
        ({"a": 1}, "a table"),
        (["a", 1], '["a", 1]'),
        (dt.date(2026, 1, 2), "the date or time 2026-01-02"),
        (None, "None"),
        ("https://u:secret@h/x", '"https://***@h/***"'),
    ],
)
def test_a_value_is_told_as_it_stands_in_the_file(value: object, text: str) -> None:
    """Values are told as TOML writes them, secrets in addresses masked."""
    assert found_text(value) == text


def test_a_long_value_is_cut() -> None:
    """A page of text in the place of a word does not fill the screen."""
    assert len(found_text("x" * 1000)) < 100
    assert len(found_text(["x" * 1000])) < 100
