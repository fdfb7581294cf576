"""What readers are given of the running daemon."""

from __future__ import annotations

from semsupervisor.daemon.reading import is_shut
from semsupervisor.health.observation import FactValue, Observation, Subject, SubjectKind, Unknown
from semsupervisor.health.probes.reach import FORBIDDEN
from tests.support.clock import ManualClock
from tests.support.daemon_here import Surroundings
from tests.support.waiting import eventually


async def test_status_shows_the_state_and_what_is_missing(surroundings: Surroundings) -> None:
    """The size of the state, the way to each receiver and the settings' own weaknesses are there for readers."""
    async with surroundings.running():
        await eventually(lambda: surroundings.says("/readyz", "healthy"))
        status = await surroundings.get("/v1/status")
        settings = await surroundings.get("/v1/settings")
        metrics = await surroundings.text("/metrics")
    assert [receiver["name"] for receiver in status["receivers"]] == ["hook"]
    assert status["daemon"]["status"] == "healthy"
    assert "docker.socket" in str(settings)
    size = next(line for line in metrics.splitlines() if line.startswith("semsupervisor_store_size_bytes"))
    assert float(size.split()[1]) > 0


def test_whether_the_view_from_inside_is_shut() -> None:
    """Only a look that was not allowed is a weakness of the set-up; one that failed, or saw, is none."""

    def seen(value: FactValue) -> Observation:
        subject = Subject(SubjectKind.SEMSTREAMS, "semstreams")
        return Observation("semstreams_reach", subject, ManualClock().instant(), {"nats_reachable_inside": value})

    assert is_shut([seen(Unknown(FORBIDDEN)), seen(True)])
    assert not is_shut([seen(Unknown("the network is gone")), seen(False)])


async def test_facts_and_rules_are_those_of_the_running_daemon(surroundings: Surroundings) -> None:
    """Each fact is as old as its look, and the rules that look at courses have begun to see them."""
    async with surroundings.running():
        await eventually(lambda: surroundings.says("/readyz", "healthy"))
        known = await surroundings.get("/v1/facts?pattern=filesystem:/ used_ratio")
        rules = {one["name"]: one for one in (await surroundings.get("/v1/alerts/rules"))["rules"]}
    assert {(one["fact"], one["source"]) for one in known["facts"]} == {("used_ratio", "filesystems")}
    assert all(0 <= one["age_seconds"] < 60 for one in known["facts"])
    soon = rules["filesystem_full_soon"]["states"]
    assert {one["state"] for one in soon} == {"unknown"}
    assert len(soon) == len(rules["filesystem_filling"]["states"]) > 0
