"""Changed settings take the place of those in force, or are refused."""

from __future__ import annotations

import asyncio
import os
import signal

from semsupervisor.daemon.parts import SLOW_TIMES
from tests.support.daemon_here import Received, Surroundings, kinds
from tests.support.logs import Logs
from tests.support.waiting import eventually


async def test_refused_reload_keeps_the_settings_and_tells(surroundings: Surroundings, received: Received) -> None:
    """A broken settings file changes nothing but an alert; a good one afterwards takes effect and ends it."""
    async with surroundings.running():
        surroundings.write("[checks.nonsense]\nx = 1\n")
        os.kill(os.getpid(), signal.SIGHUP)
        await eventually(lambda: ("supervisor_settings_refused", "firing") in kinds(received))
        surroundings.write('[host]\nname = "edge-7"\n')
        os.kill(os.getpid(), signal.SIGHUP)
        await eventually(lambda: ("supervisor_settings_refused", "resolved") in kinds(received))
        status = await surroundings.get("/v1/status")
    assert status["host"] == "edge-7"


async def test_good_settings_at_the_start_end_what_was_said_of_refused_ones(
    surroundings: Surroundings, received: Received
) -> None:
    """Settings that were refused at a reload, and mended before a restart, are told to be good by the next run."""
    async with surroundings.running():
        surroundings.write("[checks.nonsense]\nx = 1\n")
        os.kill(os.getpid(), signal.SIGHUP)
        await eventually(lambda: ("supervisor_settings_refused", "firing") in kinds(received), within_seconds=30)
    surroundings.write()
    async with surroundings.running():
        await eventually(lambda: ("supervisor_settings_refused", "resolved") in kinds(received), within_seconds=30)


async def test_receiver_is_tested_at_once(surroundings: Surroundings, received: Received) -> None:
    """A test message goes to the receiver past the outbox, marked as a test."""
    async with surroundings.running():
        answer = await surroundings.post("/v1/alerts/test/hook")
    assert "hook" in str(answer)
    assert [message["kind"] for message in received if not message["alerts"]] == ["test"]


async def test_what_needs_a_restart_is_said(surroundings: Surroundings) -> None:
    """A change of what is read only at the start is named as waiting, and nothing that follows from it changes."""
    async with surroundings.running():
        before = (await surroundings.get("/v1/settings"))["settings"]
        surroundings.write('[stack]\ndirectory = "/srv/elsewhere"\nnats_service = "bus"\n')
        answers = [await surroundings.post("/v1/settings/reload") for _ in range(2)]
        after = (await surroundings.get("/v1/settings"))["settings"]
    wanted = ["stack: stays as it was until the next start", "all other settings are in force"]
    assert [answer["done"] for answer in answers] == [wanted] * 2
    assert {one["key"]: one["value"] for one in before} == {one["key"]: one["value"] for one in after}


async def test_reload_schedules_what_the_new_settings_say(surroundings: Surroundings) -> None:
    """A changed interval holds from the reload on."""
    async with surroundings.running():
        await eventually(lambda: surroundings.says("/readyz", "healthy"))
        surroundings.settings.write_text(
            surroundings.settings.read_text().replace('interval = "1s"', 'interval = "7s"')
        )
        await surroundings.post("/v1/settings/reload")
        probes = (await surroundings.get("/v1/status"))["probes"]
    assert {probe["interval_seconds"] for probe in probes} == {7.0, SLOW_TIMES * 7.0}


async def test_a_receiver_that_lacks_its_secret_rests_loudly(
    surroundings: Surroundings, received: Received, logs: Logs
) -> None:
    """The daemon starts and tells the others; a reload is refused until the file is there, and then all is well."""
    secret = surroundings.folder / "secret"
    surroundings.write(
        f'[receivers.night]\ntype = "webhook"\nurl = "{surroundings.receiver}"\nsecret_file = "{secret}"\n'
    )
    async with surroundings.running():
        await eventually(lambda: ("receiver_resting", "firing") in kinds(received))
        findings = [one["text"] for one in (await surroundings.get("/v1/status"))["findings"]]
        assert any(text.startswith("receivers.night is disabled: secret_file") for text in findings)
        assert "receiver.off" in [entry["event"] for entry in logs]
        answer = await surroundings.post("/v1/alerts/test/night")
        assert answer["error"] == "the receiver night is switched off"
        answer = await surroundings.post("/v1/settings/reload")
        assert "receivers.night.secret_file" in answer["problems"][0]
        await asyncio.to_thread(secret.write_text, "hunter2")
        await asyncio.to_thread(secret.chmod, 0o600)
        await surroundings.post("/v1/settings/reload")
        await eventually(lambda: ("receiver_resting", "resolved") in kinds(received))
        assert "night took the test" in str(await surroundings.post("/v1/alerts/test/night"))
