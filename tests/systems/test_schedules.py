"""Crontabs, cron's folders and systemd timers, in a folder that looks like a host's root."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from semsupervisor.systems.schedules import LONGEST_FILE_BYTES, Scheduled, commands, read


def write(root: Path, path: str, text: str) -> None:
    """Write a file of the pretended host."""
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


@pytest.mark.parametrize(
    ("line", "with_user", "found"),
    [
        (
            "0 2 * * * /opt/semstreams/backup.sh >> /var/log/x 2>&1",
            False,
            ["/opt/semstreams/backup.sh >> /var/log/x 2>&1"],
        ),
        ("*/5 * * * * root /opt/semstreams/healthcheck.sh", True, ["/opt/semstreams/healthcheck.sh"]),
        ("@daily /opt/semstreams/backup.sh", False, ["/opt/semstreams/backup.sh"]),
        ("@reboot root cd /opt/semstreams && ./backup.sh", True, ["cd /opt/semstreams && ./backup.sh"]),
        ("\t0\t2 * * 1-5\t/a b", False, ["/a b"]),
        ("# 0 2 * * * /opt/semstreams/backup.sh", False, []),
        ("MAILTO=ops@example.org", False, []),
        ("PATH = /usr/bin:/bin and more words here now", False, []),
        ("", False, []),
        ("0 2 * *", False, []),
    ],
)
def test_a_line_of_a_crontab_has_its_command(line: str, with_user: bool, found: list[str]) -> None:
    """The five fields or the nickname and the user are left out; comments and variables are no commands."""
    assert commands(line, with_user=with_user) == found


@given(st.text(), st.booleans())
def test_whatever_a_crontab_holds_is_read(text: str, with_user: bool) -> None:
    """No text breaks the reading."""
    assert all(command.strip() for command in commands(text, with_user=with_user))


def test_every_place_is_read(tmp_path: Path) -> None:
    """Crontabs of the system and of users, cron's folders, and timers that are switched on are found."""
    write(tmp_path, "etc/crontab", "SHELL=/bin/sh\n1 2 * * * root /a\n")
    write(tmp_path, "etc/cron.d/stack", "1 2 * * * root /b\n")
    write(tmp_path, "var/spool/cron/crontabs/root", "1 2 * * * /c\n")
    write(tmp_path, "var/spool/cron/admin", "1 2 * * * /d\n")
    write(tmp_path, "etc/cron.daily/stack", "#!/bin/sh\ncd /e\n./f\n")
    write(tmp_path, "etc/systemd/system/timers.target.wants/g.timer", "[Timer]\nOnCalendar=daily\n")
    write(tmp_path, "etc/systemd/system/g.service", "[Service]\nExecStart=-/g\nExecStart=/h i\n")
    write(tmp_path, "etc/systemd/system/timers.target.wants/j.timer", "[Timer]\nUnit=k.service\n")
    write(tmp_path, "lib/systemd/system/k.service", "[Service]\nExecStart=/k\n")
    write(tmp_path, "etc/systemd/system/off.timer", "[Timer]\n")
    write(tmp_path, "etc/systemd/system/off.service", "[Service]\nExecStart=/off\n")
    assert read(tmp_path) == (
        Scheduled("/etc/crontab", "/a"),
        Scheduled("/etc/cron.d/stack", "/b"),
        Scheduled("/var/spool/cron/crontabs/root", "/c"),
        Scheduled("/var/spool/cron/admin", "/d"),
        Scheduled("/etc/cron.daily/stack", "cd /e\n./f"),
        Scheduled("/etc/systemd/system/timers.target.wants/g.timer", "/g"),
        Scheduled("/etc/systemd/system/timers.target.wants/g.timer", "/h i"),
        Scheduled("/etc/systemd/system/timers.target.wants/j.timer", "/k"),
    )


def test_what_cannot_be_read_is_passed_over(tmp_path: Path) -> None:
    """A folder in the place of a file, a link that leads nowhere, a pipe and no folder at all hide nothing else."""
    write(tmp_path, "etc/cron.d/b", "1 2 * * * root /b\n")
    (tmp_path / "etc/cron.d/folder").mkdir()
    (tmp_path / "etc/cron.d/link").symlink_to(tmp_path / "nowhere")
    (tmp_path / "etc/crontab").symlink_to(tmp_path / "etc/crontab")
    os.mkfifo(tmp_path / "etc/cron.d/pipe")
    assert read(tmp_path) == (Scheduled("/etc/cron.d/b", "/b"),)
    assert read(tmp_path / "none") == ()


def test_a_huge_file_is_read_in_part(tmp_path: Path) -> None:
    """Only its beginning is looked at."""
    write(tmp_path, "etc/crontab", "1 2 * * * root /a\n" + "#" * LONGEST_FILE_BYTES + "\n1 2 * * * root /b\n")
    assert read(tmp_path) == (Scheduled("/etc/crontab", "/a"),)
