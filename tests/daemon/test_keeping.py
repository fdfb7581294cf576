"""Which snapshots of a host are kept, as its settings say."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

from semsupervisor.daemon.keeping import policy
from semsupervisor.settings.forms import Duration, Size
from semsupervisor.settings.model import KeepSettings
from tests.support.daemon_here import Surroundings
from tests.support.snapshot_folder import taken
from tests.support.waiting import eventually


async def test_old_snapshots_go_when_asked(surroundings: Surroundings) -> None:
    """What is pinned stays, until it is unpinned; the timeline says what went and why."""
    folder = surroundings.folder / "backup"
    await asyncio.to_thread(folder.mkdir)
    now = datetime.now(UTC)
    ids = [await asyncio.to_thread(taken, folder, now - timedelta(days=day), host="edge-7") for day in range(3)]
    keep = "[backup.keep]\ndaily = 0\nlast = 1\n"
    surroundings.write(f'[host]\nname = "edge-7"\n[backup]\ndirectory = "{folder}"\n{keep}')
    async with surroundings.running():
        await surroundings.post(f"/v1/backups/{ids[1]}/pin?note=before%20v2")
        decided = (await surroundings.get("/v1/backups/keeping"))["snapshots"]
        assert [one["keep"] for one in decided] == [True, True, False]
        await pruned(surroundings)
        listed = (await surroundings.get("/v1/backups"))["snapshots"]
        assert [(one["id"], one["pinned"]) for one in listed] == [(ids[0], None), (ids[1], "before v2")]
        await surroundings.post(f"/v1/backups/{ids[1]}/unpin")
        job = await pruned(surroundings)
        assert ids[1] in job["outcome"]
        texts = [entry["text"] for entry in (await surroundings.get("/v1/timeline"))["entries"]]
        assert any(f"removal of old snapshots is done; removed {ids[2]}" in text for text in texts)
        assert "there is no snapshot" in (await surroundings.post(f"/v1/backups/{ids[1]}/pin"))["error"]


async def pruned(surroundings: Surroundings) -> Any:
    """Have the old ones removed and return the job at its end."""
    asked = await surroundings.post("/v1/backups/prune")

    async def look() -> Any:
        job = (await surroundings.get(f"/v1/jobs/{asked['job']['id']}"))["job"]
        return None if job["open"] else job

    job = await eventually(look)
    assert job["fine"], job
    return job


def test_the_settings_are_the_policy() -> None:
    """Each place, the span and the bytes."""
    keep = KeepSettings(last=1, hourly=2, daily=3, weekly=4, monthly=5, within_seconds=Duration(6), size_bytes=Size(7))
    made = policy(keep)
    assert (made.last, made.hourly, made.daily, made.weekly, made.monthly) == (1, 2, 3, 4, 5)
    assert (made.within_seconds, made.most_bytes) == (6.0, 7)
