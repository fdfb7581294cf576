"""Secrets by reference."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from semsupervisor.settings.secret import Absent, Refused, fetch


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Return a file that holds a secret and that only its owner can read."""
    path = tmp_path / "password"
    path.write_text("hunter2\n")
    path.chmod(0o600)
    return path


def test_a_secret_is_read_from_a_file(file: Path) -> None:
    """The line break that editors add is no part of the secret."""
    fetched = fetch("password_file", str(file), {})
    assert fetched.secret is not None
    assert fetched.secret.value == "hunter2"
    assert str(file) in fetched.secret.origin
    assert (fetched.missing, fetched.weakness) == ("", "")


def test_a_file_that_everybody_can_read_is_a_weakness(file: Path) -> None:
    """It is told with the command that ends it, and the secret is used nevertheless."""
    file.chmod(0o644)
    fetched = fetch("password_file", str(file), {})
    assert fetched.secret is not None
    assert f"chmod 600 {file}" in fetched.weakness


def test_a_missing_file_is_told_by_name(tmp_path: Path) -> None:
    """The message names the file and what the system said of it."""
    with pytest.raises(Absent) as caught:
        fetch("password_file", str(tmp_path / "none"), {})
    assert str(tmp_path / "none") in caught.value.found
    assert "No such file" in caught.value.found


@pytest.mark.parametrize("reference", ["password_file", "password_credential"])
def test_a_file_that_cannot_be_opened_is_refused(reference: str, tmp_path: Path) -> None:
    """The message says what the system said: here the file is a link to itself, which not even root can read."""
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    where = str(tmp_path / "loop") if reference == "password_file" else "loop"
    with pytest.raises(Absent) as caught:
        fetch(reference, where, {"CREDENTIALS_DIRECTORY": str(tmp_path)})
    assert "symbolic links" in caught.value.found


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"", "empty"),
        (b"\n", "empty"),
        (b"one\ntwo\n", "line breaks"),
        (b"a\x00b", "control characters"),
        (b"\xff\xfe", "UTF-8"),
        (b"x" * 65537, "64 KiB"),
    ],
)
def test_a_file_without_one_line_of_text_is_refused(file: Path, content: bytes, found: str) -> None:
    """What fits no header and no login is found before it is used."""
    file.write_bytes(content)
    with pytest.raises(Absent) as caught:
        fetch("password_file", str(file), {})
    assert found in caught.value.found


def test_a_file_must_be_a_file(tmp_path: Path) -> None:
    """A folder is refused, and a pipe that nobody writes to does not hold anything up."""
    os.mkfifo(tmp_path / "pipe")
    for name in (".", "pipe"):
        with pytest.raises(Absent):
            fetch("password_file", str(tmp_path / name), {})


def test_a_file_is_named_from_the_root() -> None:
    """The daemon's working folder is nobody's business."""
    with pytest.raises(Refused) as caught:
        fetch("password_file", "password", {})
    assert caught.value.found == '"password"'
    assert not isinstance(caught.value, Absent)


def test_a_secret_is_read_from_a_credential(file: Path) -> None:
    """The credential is a file in the folder that systemd names; that its group can read it is no weakness."""
    file.chmod(0o444)
    fetched = fetch("password_credential", file.name, {"CREDENTIALS_DIRECTORY": str(file.parent)})
    assert fetched.secret is not None
    assert fetched.secret.value == "hunter2"
    assert fetched.secret.origin == "credential password"
    assert fetched.weakness == ""


@pytest.mark.parametrize("name", ["", "..", ".", "a/b", "/etc/passwd", "a b"])
def test_a_credential_is_a_name_without_a_path(name: str, tmp_path: Path) -> None:
    """A credential cannot lead out of its folder."""
    with pytest.raises(Refused):
        fetch("password_credential", name, {"CREDENTIALS_DIRECTORY": str(tmp_path)})


def test_a_missing_credential_refuses_nothing(file: Path) -> None:
    """Without systemd, without the file, or with an empty fallback there is no secret, and a reason for it."""
    here = {"CREDENTIALS_DIRECTORY": str(file.parent)}
    file.write_text("")
    for name, environment, reason in (
        ("other", {}, "set by systemd"),
        ("other", here, "LoadCredential=other"),
        (file.name, here, "empty"),
    ):
        fetched = fetch("password_credential", name, environment)
        assert fetched.secret is None
        assert reason in fetched.missing


def test_a_secret_is_read_from_the_environment() -> None:
    """The variable is named, its value used."""
    fetched = fetch("password_env", "MAIL_PASSWORD", {"MAIL_PASSWORD": "hunter2"})
    assert fetched.secret is not None
    assert fetched.secret.value == "hunter2"
    assert fetched.secret.origin == "environment variable MAIL_PASSWORD"


@pytest.mark.parametrize(
    ("name", "environment", "found"),
    [
        ("X", {}, "not set"),
        ("X", {"X": ""}, "empty"),
        ("X", {"X": "a\nb"}, "line breaks"),
        ("no name", {}, '"no name"'),
        ("", {}, '""'),
    ],
)
def test_a_variable_without_a_secret_is_refused(name: str, environment: dict[str, str], found: str) -> None:
    """The message says what is the matter with the variable, and never what is in it."""
    with pytest.raises(Refused) as caught:
        fetch("password_env", name, environment)
    assert found in caught.value.found
