"""What is observed of a container on a real engine when something happens to it, and what is not."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from semsupervisor.health.targets import TargetAbsent, TargetStopped
from semsupervisor.systems import cgroups
from tests.support.waiting import eventually
from tests.support.watcher import ENGINE, Services, Watcher

pytestmark = pytest.mark.integration

FOREVER = "trap 'exit 0' TERM; while :; do sleep 0.1; done"
DEAF = "exec sleep 1000"


async def test_the_engine_says_where_it_keeps_its_data(services: Services, tmp_path: Path) -> None:
    """The folder whose filesystem is watched is the engine's own one, as soon as it has answered."""
    async with Watcher(services.engine.socket, services.project, tmp_path) as watcher:
        root = await services.docker("info", "--format", "{{.DockerRootDir}}")
        assert watcher.watching.engine_root == root


async def test_a_crash_is_told_at_once_and_the_healing_after_it(services: Services, tmp_path: Path) -> None:
    """A container that crashes and is restarted by its policy has died with its exit code, and then runs."""
    script = "test -e /ran && exec sleep 1000; touch /ran; sleep 1; echo password=hunter2; exit 3"
    async with Watcher(services.engine.socket, services.project, tmp_path) as watcher:
        await services.start("app", script)
        await watcher.until("app", "died", True)
        await watcher.until("app", "died", False)
        record = watcher.record
        death = next(one for one in record.of("app") if one.facts.get("died") is True)
        assert death.facts["exit_code"] == 3
        assert "crashed" in death.evidence["cause"]
        assert True not in record.values("app", "stopped_on_request")
        await watcher.probe()
        assert record.last("app", "deaths_recent") == 1
        evidence = await watcher.watching.evidence("app")
        assert "hunter2" not in evidence["last_log_lines"]
        assert "password=***" in evidence["last_log_lines"]


async def test_an_end_with_code_0_that_nobody_asked_for_is_a_death(services: Services, tmp_path: Path) -> None:
    """A container that ends by itself with exit code 0 has died."""
    await services.start("app", "sleep 0.7; exit 0")
    async with Watcher(services.engine.socket, services.project, tmp_path) as watcher:
        await watcher.until("app", "died", True)
        death = next(one for one in watcher.record.of("app") if one.facts.get("died") is True)
        assert death.facts["exit_code"] == 0


@pytest.mark.parametrize(("number", "code"), [(signal.SIGKILL, 137), (signal.SIGTERM, 0)])
async def test_a_signal_from_the_host_is_a_death(
    services: Services, tmp_path: Path, number: signal.Signals, code: int
) -> None:
    """A container that is killed or ended from the host has died, whatever its exit code says."""
    await services.start("app", FOREVER)
    async with Watcher(services.engine.socket, services.project, tmp_path) as watcher:
        os.kill(await services.pid("app"), number)
        await watcher.until("app", "died", True)
        death = next(one for one in watcher.record.of("app") if one.facts.get("died") is True)
        assert death.facts["exit_code"] == code
        await watcher.until("app", "died", False)
        await watcher.settled()
        assert watcher.record.values("app", "stopped_on_request") == [False]


@pytest.mark.parametrize("act", [("stop",), ("kill",), ("kill", "--signal=TERM")])
async def test_a_stop_by_hand_is_told_as_such_after_it_settled(
    services: Services, tmp_path: Path, act: tuple[str, ...]
) -> None:
    """What an operator stops or kills through the engine never died: it was stopped on request."""
    await services.start("app", FOREVER)
    async with Watcher(services.engine.socket, services.project, tmp_path) as watcher:
        await services.do(act[0], "app", *act[1:])
        await watcher.until("app", "state", "exited")
        assert watcher.record.values("app", "stopped_on_request") == [False]
        await watcher.until("app", "stopped_on_request", True)
        assert watcher.record.values("app", "died") == [False]
        assert "through the Docker API" in watcher.watching.services["app"].intent
        await eventually(lambda: watcher.record.noted("service.stopped"))
        await services.do("start", "app")
        await watcher.until("app", "stopped_on_request", False)
        assert watcher.record.last("app", "state") == "running"


async def test_a_signal_that_does_not_end_is_no_request(services: Services, tmp_path: Path) -> None:
    """A container that was told to reload and crashes afterwards has died."""
    await services.start("app", "trap 'true' HUP; sleep 2 & wait; wait; exit 5")
    async with Watcher(services.engine.socket, services.project, tmp_path) as watcher:
        await services.do("kill", "app", "--signal=HUP")
        await watcher.until("app", "died", True)


async def test_a_stop_while_the_policy_waits_is_a_request(services: Services, tmp_path: Path) -> None:
    """A container that is stopped between two attempts of its restart policy was stopped on request."""
    await services.start("app", "exit 3")
    async with Watcher(services.engine.socket, services.project, tmp_path) as watcher:
        await watcher.until("app", "restarting", True)
        await eventually(lambda: watcher.record.last("app", "state") == "restarting")
        await services.do("stop", "app")
        await watcher.until("app", "stopped_on_request", True)
        assert watcher.record.last("app", "died") is False


async def test_a_crash_loop_is_told(services: Services, tmp_path: Path) -> None:
    """Three deaths within ten minutes are a loop, and each of them is counted."""
    await services.start("app", "sleep 0.3; exit 1")
    async with Watcher(services.engine.socket, services.project, tmp_path) as watcher:
        await watcher.until("app", "restarting", True)
        assert watcher.record.values("app", "deaths_recent")[:4] == [0, 1, 2, 3]
        await watcher.probe()
        restarts = watcher.record.last("app", "restarts")
        assert isinstance(restarts, int)
        assert restarts >= 3


async def test_evidence_is_of_the_end_that_it_is_asked_for(services: Services, tmp_path: Path) -> None:
    """What a container has said and gone through since a death is no evidence of that death."""
    script = "n=$(cat /n); echo $((n+1)) >/n; echo run $n; test $n = 3 && exec sleep 1000; sleep 0.7; exit $((n+4))"
    await services.start("app", f"test -e /n || echo 1 >/n; {script}")
    async with Watcher(services.engine.socket, services.project, tmp_path) as watcher:
        await watcher.until("app", "deaths_recent", 2)
        await watcher.until("app", "state", "running")
        deaths = [one.evidence for one in watcher.record.of("app") if one.facts.get("died") is True]
        first = next(one for one in deaths if one["exit_code"] == "5")
        gathered = await watcher.watching.evidence("app", first["ended_at"])
        assert gathered["last_log_lines"] == "run 1"
        assert not {"exit_code", "finished_at", "cause"} & gathered.keys()
        assert "run 2" in (await watcher.watching.evidence("app"))["last_log_lines"]


async def test_a_policy_that_gives_up_is_told_at_once(services: Services, tmp_path: Path) -> None:
    """The death after which nothing starts it again is one for good, and ends the loop that led to it."""
    async with Watcher(services.engine.socket, services.project, tmp_path) as watcher:
        await services.start("app", "sleep 0.3; exit 1", restart="on-failure:3")
        await watcher.until("app", "state", "exited")
        assert watcher.record.values("app", "restarting") == [False, True, False]
        last = watcher.record.of("app")[-1]
        assert last.facts["died"] is True
        assert last.evidence["cause"] == "crashed with exit code 1; Docker gave up after 3 tries"
        await watcher.settled()
        await watcher.probe()
        assert watcher.record.last("app", "died") is True
        assert watcher.watching.services["app"].cause.endswith("gave up after 3 tries")


async def test_a_restart_by_hand_is_noted_and_nothing_else(services: Services, tmp_path: Path) -> None:
    """`docker restart` is neither a death nor a stop, and stands in the timeline."""
    await services.start("app", FOREVER)
    async with Watcher(services.engine.socket, services.project, tmp_path) as watcher:
        await services.do("restart", "app")
        await watcher.until("app", "state", "running")
        await watcher.settled()
        await watcher.probe()
        assert watcher.record.values("app", "died") == [False]
        assert watcher.record.values("app", "stopped_on_request") == [False]
        assert watcher.record.values("app", "missing") == [False]
        await eventually(lambda: len(watcher.record.noted("service.restarted")) == 1)


async def test_pausing_is_told(services: Services, tmp_path: Path) -> None:
    """A paused container is paused until it goes on, and neither dead nor stopped."""
    await services.start("app", FOREVER)
    async with Watcher(services.engine.socket, services.project, tmp_path) as watcher:
        await services.do("pause", "app")
        await watcher.until("app", "paused", True)
        await watcher.probe()
        assert watcher.record.last("app", "state") == "paused"
        await services.do("unpause", "app")
        await watcher.until("app", "paused", False)
        assert watcher.record.values("app", "died") == [False]


async def test_running_out_of_memory_is_told_with_the_death(services: Services, tmp_path: Path) -> None:
    """Beyond its memory limit a main process died with code 137 and was killed for it, in whatever order told."""
    eat = "test -e /ran && exec sleep 1000; touch /ran; sleep 0.7; exec tail /dev/zero"
    await services.start("app", eat, "--memory=16m", "--memory-swap=16m")
    async with Watcher(services.engine.socket, services.project, tmp_path) as watcher:
        await watcher.until("app", "died", True)
        death = next(one for one in watcher.record.of("app") if one.facts.get("died") is True)
        assert death.facts["exit_code"] == 137
        await eventually(lambda: True in watcher.record.values("app", "oom_killed"))
        killed = next(one for one in watcher.record.of("app") if one.facts.get("oom_killed") is True)
        assert "memory limit" in killed.evidence["oom"]
        if killed.facts.get("died") is True:
            assert "killed for lack of memory" in killed.evidence["cause"]
        await watcher.until("app", "died", False)
        await eventually(lambda: watcher.record.noted("service.oom_killed"))

        async def calm() -> bool:
            await watcher.probe()
            return watcher.record.last("app", "oom_killed") is False

        await eventually(calm)
        assert watcher.record.values("app", "oom_killed") == [False, True, False]
        assert len(watcher.record.noted("service.oom_killed")) == 1


async def test_a_child_killed_for_lack_of_memory_is_told_though_the_container_runs(
    services: Services, tmp_path: Path
) -> None:
    """A child that exceeds the limit is found by the count of the control group, and only in the look after it."""
    script = "while :; do test -e /go && rm /go && tail /dev/zero; sleep 0.1; done"
    await services.start("app", script, "--memory=16m", "--memory-swap=16m")
    async with Watcher(services.engine.socket, services.project, tmp_path) as watcher:
        await watcher.probe()
        assert watcher.record.last("app", "oom_killed") is False
        await services.docker("exec", services.name("app"), "touch", "/go")

        async def killed() -> bool:
            return any(one.facts.get("oom_killed") is True for one in await watcher.probe())

        async def calm() -> bool:
            return not await killed()

        await eventually(killed)
        told = [one.source for one in watcher.record.of("app") if one.facts["oom_killed"] is True]
        assert "watching" in told, "it may not depend on what becomes of the look that found it"
        await eventually(calm)
        assert watcher.record.values("app", "died") == [False]
        used = watcher.record.last("app", "memory_used_ratio")
        assert isinstance(used, float)
        assert 0 < used <= 1
        assert watcher.record.last("app", "memory_limit_bytes") == 16 * 2**20


async def test_an_unhealthy_container_is_told_with_its_checks_output(services: Services, tmp_path: Path) -> None:
    """A failing health check makes a container unhealthy, its output is evidence, and passing again ends it."""
    check = ("--health-cmd=cat /fine", "--health-interval=200ms", "--health-retries=2", "--health-timeout=2s")
    await services.start("app", f"touch /fine; {FOREVER}", *check)
    async with Watcher(services.engine.socket, services.project, tmp_path) as watcher:
        await watcher.until("app", "unhealthy", False)
        await services.docker("exec", services.name("app"), "rm", "/fine")
        await watcher.until("app", "unhealthy", True)
        evidence = await watcher.watching.evidence("app")
        assert "can't open '/fine'" in evidence["health_log"]
        await services.docker("exec", services.name("app"), "touch", "/fine")
        await watcher.until("app", "unhealthy", False)
        assert watcher.record.values("app", "died") == [False]


async def test_a_container_without_a_health_check_has_no_health(services: Services, tmp_path: Path) -> None:
    """Nothing is said about the health of a container that has no check."""
    await services.start("app", FOREVER)
    async with Watcher(services.engine.socket, services.project, tmp_path) as watcher:
        await watcher.probe()
        assert watcher.record.values("app", "unhealthy") == []


async def test_a_removed_container_was_stopped_on_request(services: Services, tmp_path: Path) -> None:
    """What an operator removes is not missing: somebody asked for it."""
    await services.start("app", FOREVER)
    await services.start("other", FOREVER)
    async with Watcher(services.engine.socket, services.project, tmp_path) as watcher:
        await services.do("rm", "app", "--force")
        await watcher.until("app", "stopped_on_request", True)
        await watcher.probe()
        assert watcher.record.last("app", "state") == "missing"
        assert watcher.record.values("app", "missing") == [False]
        assert watcher.record.values("app", "died") == [False]
        assert watcher.record.values("other", "state") == ["running"]


async def test_what_was_removed_in_the_supervisors_absence_was_a_request(services: Services, tmp_path: Path) -> None:
    """As long as the engine remembers who removed a container, it is not missing."""
    await services.start("app", FOREVER)
    async with Watcher(services.engine.socket, services.project, tmp_path):
        pass
    await services.do("rm", "app", "--force")
    async with Watcher(services.engine.socket, services.project, tmp_path) as watcher:
        await watcher.until("app", "stopped_on_request", True)
        assert True not in watcher.record.values("app", "missing")


async def test_what_a_running_service_depends_on_is_missing_if_it_was_never_there(
    services: Services, tmp_path: Path
) -> None:
    """A service that another one depends on and that has no container is missing."""
    await services.start("app", FOREVER, "--label=com.docker.compose.depends_on=nats:service_healthy:false")
    async with Watcher(services.engine.socket, services.project, tmp_path) as watcher:
        await watcher.until("nats", "missing", True)
        await services.start("nats", FOREVER)
        await watcher.until("nats", "missing", False)


async def test_one_off_containers_and_other_projects_are_ignored(services: Services, tmp_path: Path) -> None:
    """`docker compose run` and containers of other projects are none of the project's services."""
    await services.start("app", FOREVER)
    async with Watcher(services.engine.socket, services.project, tmp_path) as watcher:
        await services.start("once", "exit 1", "--label=com.docker.compose.oneoff=True", restart="no")
        await services.start("alien", "exit 1", "--label=com.docker.compose.project=other", restart="no")
        await services.docker("rm", "--force", services.name("alien"))
        await watcher.probe()
        assert list(watcher.watching.services) == ["app"]


async def test_a_service_that_is_run_once_completes(services: Services, tmp_path: Path) -> None:
    """A service that ends well, and that nothing starts again, has not died, which is noted."""
    async with Watcher(services.engine.socket, services.project, tmp_path) as watcher:
        await services.start("init", "sleep 0.7; exit 0", restart="no")
        await watcher.until("init", "state", "exited")
        await watcher.settled()
        await watcher.probe()
        assert True not in watcher.record.values("init", "died")
        assert True not in watcher.record.values("init", "stopped_on_request")
        await eventually(lambda: watcher.record.noted("service.completed") == ["init completed with exit code 0"])


async def test_a_death_in_the_supervisors_absence_is_told_at_its_return(services: Services, tmp_path: Path) -> None:
    """What died and was healed by its policy while the supervisor was away is told with the engine's stamp."""
    await services.start("app", FOREVER)
    async with Watcher(services.engine.socket, services.project, tmp_path):
        pass
    os.kill(await services.pid("app"), signal.SIGKILL)
    await eventually(lambda: services.healed("app"))
    async with Watcher(services.engine.socket, services.project, tmp_path) as watcher:
        await watcher.until("app", "state", "running")
        assert watcher.record.values("app", "died") == [True, False]
        assert watcher.record.last("app", "deaths_recent") == 1


async def test_a_stop_in_the_supervisors_absence_is_a_request(services: Services, tmp_path: Path) -> None:
    """What was stopped by hand while the supervisor was away, and stays stopped, was stopped on request."""
    await services.start("app", FOREVER)
    async with Watcher(services.engine.socket, services.project, tmp_path):
        pass
    await services.do("stop", "app")
    async with Watcher(services.engine.socket, services.project, tmp_path) as watcher:
        await watcher.until("app", "stopped_on_request", True)
        assert True not in watcher.record.values("app", "died")


async def test_a_request_is_remembered(services: Services, tmp_path: Path) -> None:
    """The supervisor's own restart does not turn a stop on request into a death."""
    await services.start("app", FOREVER, restart="no")
    async with Watcher(services.engine.socket, services.project, tmp_path) as watcher:
        await services.do("stop", "app")
        await watcher.until("app", "stopped_on_request", True)
    async with Watcher(services.engine.socket, services.project, tmp_path) as watcher:
        await watcher.until("app", "stopped_on_request", True)
        await watcher.settled()
        assert watcher.record.values("app", "died") == [False]


async def test_a_death_is_remembered(services: Services, tmp_path: Path) -> None:
    """The supervisor's own restart does not forget a container that died and stays dead."""
    async with Watcher(services.engine.socket, services.project, tmp_path) as watcher:
        await services.start("app", "sleep 1; exit 3", restart="no")
        await watcher.until("app", "died", True)
    async with Watcher(services.engine.socket, services.project, tmp_path) as watcher:
        await watcher.until("app", "died", True)
        await watcher.settled()
        assert watcher.record.values("app", "died") == [True]
        assert watcher.record.last("app", "deaths_recent") == 1


async def test_the_engine_is_observed(services: Services, tmp_path: Path) -> None:
    """The engine that answers is reachable, and says its version."""
    async with Watcher(services.engine.socket, services.project, tmp_path) as watcher:
        await watcher.until(ENGINE, "reachable", True)
        assert watcher.record.last(ENGINE, "version")
        assert watcher.watching.stream.connected_since is not None


async def test_where_a_service_is(services: Services, tmp_path: Path) -> None:
    """A running service has the address of its container, a stopped one none, and an unknown one is not known."""
    await services.start("app", FOREVER, network="bridge")
    await services.start("island", FOREVER)
    form = "{{.NetworkSettings.Networks.bridge.IPAddress}}"
    async with Watcher(services.engine.socket, services.project, tmp_path) as watcher:
        address = services.engine.docker("inspect", "--format", form, services.name("app"))
        assert watcher.watching.address("app") == address
        assert watcher.watching.address("island") is None
        with pytest.raises(TargetAbsent, match="no container of the service nobody"):
            watcher.watching.address("nobody")
        await services.do("stop", "app")
        await watcher.until("app", "state", "exited")
        with pytest.raises(TargetStopped, match="stopped through the Docker API"):
            watcher.watching.address("app")


async def test_memory_where_control_groups_cannot_be_read(
    services: Services, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A supervisor that does not see the kernel's counts asks the engine for the memory."""
    await services.start("app", FOREVER, "--memory=64m")
    monkeypatch.setattr(cgroups, "read_use", lambda _: None)
    async with Watcher(services.engine.socket, services.project, tmp_path) as watcher:
        await watcher.probe()
        used = watcher.record.last("app", "memory_used_bytes")
        assert isinstance(used, int)
        assert 0 < used < 64 * 2**20
        assert watcher.record.last("app", "oom_killed") is False
