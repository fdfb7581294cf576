"""The real daemon on a state directory whose disk answers nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.daemon_process import DaemonProcess
from tests.support.hung_filesystem import hung_filesystem
from tests.support.waiting import eventually_sync

pytestmark = pytest.mark.integration

SETTINGS = """
[docker]
socket = "{folder}/absent.sock"

[state]
directory = "{folder}/state"

[api]
socket = "{folder}/control.sock"
listen = ""
group = ""
"""


def test_a_disk_that_hangs_holds_up_neither_the_start_nor_the_end(tmp_path: Path) -> None:
    """The daemon sees and answers, says what is wrong with its state, and ends in order when it is asked to."""
    (tmp_path / "state").mkdir()
    daemon = DaemonProcess(tmp_path, SETTINGS.format(folder=tmp_path))
    with hung_filesystem(tmp_path / "state"):
        try:
            daemon.launch()
            eventually_sync(lambda: "daemon.ready" in daemon.log, within_seconds=60)
            eventually_sync(lambda: "supervisor_store_not_writable" in rules(daemon), within_seconds=60)
            daemon.stop()
        finally:
            daemon.kill()


def rules(daemon: DaemonProcess) -> set[str]:
    """Return the rules of the alerts that are open."""
    return {alert["rule"] for alert in daemon.alerts()}
