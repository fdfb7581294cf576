"""Which of the runbook's scripts are active."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from semsupervisor.health.predecessors import ActiveScript, active

TAB = "/var/spool/cron/crontabs/root"


@pytest.mark.parametrize(
    ("command", "script"),
    [
        ("/opt/semstreams/backup.sh >> /var/log/semstreams-backup.log 2>&1", "/opt/semstreams/backup.sh"),
        ("/opt/semstreams/healthcheck.sh >/dev/null", "/opt/semstreams/healthcheck.sh"),
        ("/srv/stack/alert.sh", "/srv/stack/alert.sh"),
        ("cd /srv/stack && ./maintenance.sh", "./maintenance.sh"),
        ("cd /srv/stack/; sh backup.sh", "backup.sh"),
        ("cd /opt/semstreams\nif true; then ./update.sh; fi", "./update.sh"),
        ('bash -c "/opt/semstreams/backup.sh"', "/opt/semstreams/backup.sh"),
        ("flock -n /run/x /opt/semstreams/backup.sh", "/opt/semstreams/backup.sh"),
    ],
)
def test_a_script_of_the_runbook_is_found(command: str, script: str) -> None:
    """Under the stack's directory or the runbook's, named in full or after a change of directory."""
    assert active([(TAB, command)], "/srv/stack") == (ActiveScript(script, TAB),)


@pytest.mark.parametrize(
    "command",
    [
        "/usr/local/bin/backup.sh",
        "/opt/other/backup.sh",
        "cd /opt/other && ./backup.sh",
        "/opt/semstreams/report.sh",
        "/opt/semstreams/backup.sh.disabled",
        "ls /opt/semstreams",
        "./backup.sh",
        "",
    ],
)
def test_what_does_not_act_on_the_stack_is_left_alone(command: str) -> None:
    """Scripts of other names, or of other folders, are somebody else's."""
    assert active([(TAB, command)], "/srv/stack") == ()


def test_each_is_said_once() -> None:
    """Two lines of one file that run the same script are one; two files are two."""
    line = "/opt/semstreams/backup.sh"
    found = active([(TAB, line), (TAB, f"{line} again"), ("/etc/crontab", line)], "/opt/semstreams/")
    assert found == (ActiveScript(line, "/etc/crontab"), ActiveScript(line, TAB))


def test_what_to_do_is_said() -> None:
    """A timer is switched off, a line removed."""
    assert (
        ActiveScript("x", "/etc/systemd/system/timers.target.wants/b.timer").ending == "systemctl disable --now b.timer"
    )
    assert ActiveScript("x", TAB).ending == f"remove its line from {TAB}"


@given(st.lists(st.tuples(st.text(), st.text())), st.text())
def test_no_command_breaks_the_search(scheduled: list[tuple[str, str]], directory: str) -> None:
    """Whatever stands in the files, what is found names a script of the runbook and the file."""
    for found in active(scheduled, directory):
        assert found.script.endswith(".sh")
        assert found.where in {where for where, _ in scheduled}
