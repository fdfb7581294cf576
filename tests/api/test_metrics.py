"""The page for Prometheus."""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path

import pytest
from prometheus_client import REGISTRY
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from semsupervisor.api.metrics import OPENMETRICS, PROCESS_KEPT_SECONDS, MetricsPage
from semsupervisor.health.observation import SubjectKind, Unknown
from tests.support.api_world import World, alert, depth
from tests.support.commands import run

ACCEPT_OF_PROMETHEUS = (
    "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
    "text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
)


@pytest.mark.skipif(shutil.which("promtool") is None, reason="needs promtool")
async def test_promtool_finds_nothing_to_say() -> None:
    """The page, with something of everything on it, passes promtool's lint."""
    world = World()
    world.alerts = [alert()]
    world.depths["ops"] = depth(queued=2, dead=1)
    world.see(SubjectKind.HOST, "edge-7", {"load": 0.5, "uptime_seconds": Unknown("?")})
    page = await MetricsPage(world.readings()).render("")
    done = run(["promtool", "check", "metrics"], text_in=page.body.decode(), check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


async def test_prometheus_gets_what_it_asks_for() -> None:
    """OpenMetrics for who accepts it, the text format for everybody else, and both can be read back."""
    page = MetricsPage(World().readings())
    newer, older = await page.render(ACCEPT_OF_PROMETHEUS), await page.render("*/*")
    assert newer.content_type.startswith(OPENMETRICS)
    assert newer.body.endswith(b"\n# EOF\n")
    assert newer.body.count(b"# EOF") == 1
    assert older.content_type.startswith("text/plain; version=0.0.4")
    families = list(parse_openmetrics(newer.body.decode()))  # type: ignore[no-untyped-call]
    names = {sample.name for family in families for sample in family.samples}
    assert names == {sample.name for family in parse_text(older.body.decode()) for sample in family.samples}
    assert {"semsupervisor_alerts_firing", "semsupervisor_service_state", "process_cpu_seconds_total"} <= names


async def test_the_bytes_of_the_facts_are_kept_until_one_changes() -> None:
    """Without a new version facts are not rendered again, in either format; with one they are."""
    world = World()
    page = MetricsPage(world.readings())
    before = [await page.render(accept) for accept in ("", OPENMETRICS)]
    version = world.version
    world.see(SubjectKind.FILESYSTEM, "/", {"used_ratio": 0.97})
    world.version = version
    kept = [await page.render(accept) for accept in ("", OPENMETRICS)]
    world.version += 1
    after = [await page.render(accept) for accept in ("", OPENMETRICS)]
    line = b'semsupervisor_filesystem_used_ratio{mountpoint="/"} '
    assert [line + b"0.42" in one.body for one in (*before, *kept)] == [True] * 4
    assert [line + b"0.97" in one.body for one in after] == [True] * 2


async def test_what_ages_is_never_kept() -> None:
    """Alerts, queues and the daemon's own state are as they are now, whatever the version of the facts."""
    world = World()
    page = MetricsPage(world.readings())
    await page.render("")
    world.alerts = [alert()]
    world.depths["ops"] = depth(queued=9)
    body = (await page.render("")).body
    assert b'semsupervisor_alerts_firing{rule="container_died",severity="critical"} 1.0' in body
    assert b'semsupervisor_outbox_queued{receiver="ops"} 9.0' in body


async def test_the_process_is_looked_at_now_and_then(tmp_path: Path) -> None:
    """Two looks within a few seconds tell the same of it, a later one tells what is so then."""
    world = World()
    page = MetricsPage(world.readings())

    async def open_files() -> float:
        families = {family.name: family for family in parse_text((await page.render("")).body.decode())}
        return families["process_open_fds"].samples[0].value

    before = await open_files()
    with contextlib.ExitStack() as files:
        for number in range(100):
            files.enter_context((tmp_path / str(number)).open("w"))
        assert await open_files() == before
        world.clock.advance(PROCESS_KEPT_SECONDS)
        assert await open_files() > before + 50


async def test_the_process_wide_registry_is_left_alone() -> None:
    """Nothing of the supervisor is registered where other code of the process would find it."""
    before = set(REGISTRY._names_to_collectors)
    await MetricsPage(World().readings()).render("")
    assert set(REGISTRY._names_to_collectors) == before
