"""What the commands that ask the daemon have in common."""

from __future__ import annotations

import argparse

import pytest

from semsupervisor.cli import WRONG_USAGE, main
from semsupervisor.cli.calling import add_common_options, ask


@pytest.fixture
def parser() -> argparse.ArgumentParser:
    """Return a parser with a command below it, both with the common options."""
    parser = argparse.ArgumentParser()
    add_common_options(parser)
    add_common_options(parser.add_subparsers().add_parser("below"), below=True)
    return parser


@pytest.mark.parametrize("words", [["--json", "below"], ["below", "--json"], ["--json", "below", "--json"]])
def test_an_option_may_stand_anywhere(parser: argparse.ArgumentParser, words: list[str]) -> None:
    """Before or behind the command below, --json holds."""
    assert parser.parse_args(words).json


def test_an_option_that_is_not_given_does_not_hold(parser: argparse.ArgumentParser) -> None:
    """Without --json there are words."""
    assert not parser.parse_args(["below"]).json


def test_the_socket_is_the_named_one(parser: argparse.ArgumentParser, monkeypatch: pytest.MonkeyPatch) -> None:
    """--socket goes before the environment, and that before the usual place."""
    monkeypatch.setenv("SEMSUPERVISOR_SOCKET", "/from/environment")
    assert ask(parser.parse_args(["below", "--socket", "/named"]))._path == "/named"
    assert ask(parser.parse_args(["--socket", "/named", "below"]))._path == "/named"
    assert ask(parser.parse_args(["below"]))._path == "/from/environment"


@pytest.mark.parametrize("words", [["jobs", "show"], ["alerts", "test"], ["facts"], ["facts", "--raw"]])
def test_what_is_no_text_is_wrong_usage(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """A byte that is no UTF-8 comes as a lone surrogate and cannot be asked for: a sentence says so."""
    assert main(["--socket", "/nowhere", *words, "caf\udce9"]) == WRONG_USAGE
    assert capsys.readouterr().err == "semsupervisor: 'caf\\udce9' is not text in UTF-8\n"
