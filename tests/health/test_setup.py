"""The findings about the set-up."""

from __future__ import annotations

import msgspec
import pytest

from semsupervisor.health.headroom import Overcommitted, Store
from semsupervisor.health.predecessors import ActiveScript
from semsupervisor.health.setup import Surroundings, findings
from semsupervisor.settings.model import BackupSettings, Settings, WebhookReceiver

WITH_RECEIVER = Settings(receivers={"hook": WebhookReceiver(url="http://localhost/")})
ALL_THERE = Surroundings(directory_exists=True, project="semstreams", services=("nats", "semstreams"))


def around(services: tuple[str, ...] | None, *, directory_exists: bool = True) -> Surroundings:
    """Make surroundings with these services."""
    return Surroundings(directory_exists=directory_exists, project="semstreams", services=services)


def test_whole_set_up_has_no_finding() -> None:
    """A stack with both services and a receiver is nothing to complain of."""
    assert not findings(WITH_RECEIVER, ALL_THERE)


@pytest.mark.parametrize(
    ("settings", "surroundings", "names"),
    [
        (Settings(), ALL_THERE, ["no_receiver"]),
        (
            Settings(receivers={"hook": WebhookReceiver(url="http://localhost/", enabled=False)}),
            ALL_THERE,
            ["no_receiver"],
        ),
        (WITH_RECEIVER, around(()), ["no_project"]),
        (WITH_RECEIVER, around((), directory_exists=False), ["no_project"]),
        (WITH_RECEIVER, around(("web", "nats")), ["no_service_semstreams"]),
        (WITH_RECEIVER, around(("web",)), ["no_service_semstreams", "no_service_nats"]),
        (WITH_RECEIVER, around(None), []),
    ],
)
def test_each_weakness_is_named(settings: Settings, surroundings: Surroundings, names: list[str]) -> None:
    """What is missing is named; what could not be looked at is not called missing."""
    assert [finding.name for finding in findings(settings, surroundings)] == names


def test_scripts_of_the_runbook_that_still_run_are_a_weakness() -> None:
    """They are one finding, which names each with its file, and each way to end it once."""
    scripts = (
        ActiveScript("/opt/semstreams/backup.sh", "/etc/crontab"),
        ActiveScript("/opt/semstreams/healthcheck.sh", "/etc/crontab"),
    )
    (found,) = findings(WITH_RECEIVER, msgspec.structs.replace(ALL_THERE, scripts=scripts))
    assert found.name == "runbook_scripts"
    assert "/opt/semstreams/backup.sh (/etc/crontab), /opt/semstreams/healthcheck.sh (/etc/crontab)" in found.text
    assert found.fix == "remove its line from /etc/crontab"
    assert found.text.endswith("scheduled backups wait until it is gone")


def test_only_scheduled_backups_are_said_to_wait() -> None:
    """For the script that takes backups too, and for no other."""
    other = (ActiveScript("/opt/semstreams/update.sh", "/etc/crontab"),)
    backup = (ActiveScript("backup.sh", "/etc/crontab"),)
    off = msgspec.structs.replace(WITH_RECEIVER, backup=BackupSettings(schedule="off"))
    for settings, scripts in ((WITH_RECEIVER, other), (off, backup)):
        (found,) = findings(settings, msgspec.structs.replace(ALL_THERE, scripts=scripts))
        assert "scheduled" not in found.text


def test_a_store_that_may_outgrow_its_room_is_a_weakness() -> None:
    """What it may hold, what there is room for and what to set are named for each store."""
    stores = (
        Overcommitted(Store.MEMORY, 18 * 2**30, 2**30, "the container of nats"),
        Overcommitted(Store.STORAGE, 20 * 2**30, 2**30, "/data"),
    )
    memory, storage = findings(WITH_RECEIVER, msgspec.structs.replace(ALL_THERE, overcommitted=stores))
    assert (memory.name, storage.name) == ("jetstream_memory_limit", "jetstream_storage_limit")
    assert memory.text == ("JetStream may hold 18 GiB in memory, and the container of nats has room for 1.0 GiB in all")
    assert storage.text == "JetStream may hold 20 GiB in files, and /data has room for 1.0 GiB in all"
    assert storage.fix == "set max_file_store below that in the jetstream section of the NATS configuration"


def test_what_is_too_much_to_be_looked_at_is_a_finding() -> None:
    """Nobody takes what is only counted for watched."""
    (found,) = findings(WITH_RECEIVER, msgspec.structs.replace(ALL_THERE, left_out={"streams": 3, "consumers": 800}))
    assert found.name == "jetstream_too_many"
    assert "3 streams and 800 consumers are only counted" in found.text


def test_what_may_not_be_seen_is_a_weakness() -> None:
    """Without the right to look from inside the containers' networks there is one finding, which names the right."""
    (found,) = findings(WITH_RECEIVER, msgspec.structs.replace(ALL_THERE, inside_is_shut=True))
    assert found.name == "no_view_from_inside"
    assert "CAP_SYS_ADMIN" in found.fix


def test_a_host_without_a_backup_is_a_weakness() -> None:
    """And one whose backups are lost with what they are of; each says what to do."""
    around = msgspec.structs.replace(ALL_THERE, without_backup=True, backup_beside_data=True)
    without, beside = findings(WITH_RECEIVER, around)
    assert (without.name, without.fix) == ("no_backup", "take one with: semsupervisor backup now")
    assert (beside.name, "/backup/semstreams" in beside.text) == ("backup_beside_data", True)


def test_missing_folder_is_said() -> None:
    """With no project and no folder the text names the folder that was looked for."""
    text = findings(WITH_RECEIVER, around((), directory_exists=False))[0].text
    assert "no folder /opt/semstreams" in text
