"""What readers are given of the running daemon."""

from __future__ import annotations

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
