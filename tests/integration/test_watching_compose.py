"""What compose does to a project, as it is observed: recreated, another image, stopped, scaled, taken down."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from semsupervisor.health.leaving import NotForgotten
from tests.support.waiting import eventually
from tests.support.watcher import Services, Watcher

pytestmark = pytest.mark.integration

COMPOSE = """
services:
  app:
    image: {image}
    pull_policy: never
    network_mode: none
    restart: unless-stopped
    command: ["/bin/sh", "-c", "trap 'exit 0' TERM; while :; do sleep 0.1; done"]
    environment: {{GENERATION: "{generation}"}}
  worker:
    image: {image}
    pull_policy: never
    network_mode: none
    restart: unless-stopped
    command: ["/bin/sh", "-c", "trap 'exit 0' TERM; while :; do sleep 0.1; done"]
"""
CALM = {"died": [False], "missing": [False], "stopped_on_request": [False]}


class Project:
    """A compose project of two services, in a folder of its own."""

    def __init__(self, services: Services, folder: Path) -> None:
        self.services = services
        self.folder = folder / "project"
        self.folder.mkdir()
        self.write(services.images.first)

    def write(self, image: str, generation: int = 1) -> None:
        """Write the compose file anew."""
        text = COMPOSE.format(image=image, generation=generation)
        (self.folder / "compose.yaml").write_text(text)

    async def compose(self, *arguments: str) -> None:
        """Run `docker compose ARGUMENTS` while the watching goes on."""
        services = self.services
        await asyncio.to_thread(services.engine.compose, self.folder, *arguments, project=services.project)


@pytest.fixture
async def project(services: Services, tmp_path: Path) -> Project:
    """Return a compose project that is up."""
    made = Project(services, tmp_path)
    await made.compose("up", "--detach")
    return made


def watcher_of(project: Project, folder: Path) -> Watcher:
    """Return what watches a project."""
    return Watcher(project.services.engine.socket, project.services.project, folder)


async def test_a_recreation_is_noted_and_nothing_else(project: Project, tmp_path: Path) -> None:
    """A changed compose file recreates a container: one note, no death, no stop, nothing missing."""
    async with watcher_of(project, tmp_path) as watcher:
        before = watcher.watching.services["app"].container
        project.write(project.services.images.first, generation=2)
        await project.compose("up", "--detach")
        await eventually(lambda: watcher.record.noted("service.recreated"))
        await watcher.settled()
        await watcher.probe()
        assert {fact: watcher.record.values("app", fact) for fact in CALM} == CALM
        assert watcher.watching.services["app"].container not in ("", before)
        assert len(watcher.record.noted("service.recreated")) == 1
        assert watcher.record.noted("service.image_changed") == []
        assert watcher.record.noted("service.stopped") == []


async def test_another_image_is_noted(project: Project, tmp_path: Path) -> None:
    """An update to another image is noted with both images, and is neither a death nor a stop."""
    images = project.services.images
    async with watcher_of(project, tmp_path) as watcher:
        project.write(images.second)
        await project.compose("up", "--detach")
        await eventually(lambda: len(watcher.record.noted("service.image_changed")) == 2)
        await watcher.settled()
        assert {fact: watcher.record.values("app", fact) for fact in CALM} == CALM
        text = next(text for text in watcher.record.noted("service.image_changed") if text.startswith("app"))
        assert images.first in text
        assert images.second in text
        assert watcher.record.last("app", "image") == images.second


async def test_a_change_in_the_supervisors_absence_is_noted(project: Project, tmp_path: Path) -> None:
    """A recreation that nobody watched is found at the next start."""
    async with watcher_of(project, tmp_path):
        pass
    project.write(project.services.images.second)
    await project.compose("up", "--detach")
    async with watcher_of(project, tmp_path) as watcher:
        await eventually(lambda: len(watcher.record.noted("service.image_changed")) == 2)
        await watcher.settled()
        assert {fact: watcher.record.values("app", fact) for fact in CALM} == CALM


async def test_stopping_and_starting_the_project(project: Project, tmp_path: Path) -> None:
    """`compose stop` stops on request, `compose start` ends that."""
    async with watcher_of(project, tmp_path) as watcher:
        await project.compose("stop")
        for service in ("app", "worker"):
            await watcher.until(service, "stopped_on_request", True)
            assert watcher.record.values(service, "died") == [False]
        await project.compose("start")
        for service in ("app", "worker"):
            await watcher.until(service, "stopped_on_request", False)


async def test_a_quick_restart_of_the_project_is_no_stop(project: Project, tmp_path: Path) -> None:
    """`compose restart` is told to nobody, and stands in the timeline."""
    async with watcher_of(project, tmp_path) as watcher:
        await project.compose("restart")
        await eventually(lambda: len(watcher.record.noted("service.restarted")) == 2)
        await watcher.settled()
        assert {fact: watcher.record.values("app", fact) for fact in CALM} == CALM


async def test_taking_the_project_down_and_up(project: Project, tmp_path: Path) -> None:
    """`compose down` is a stop on request of all services, not their loss; `up` brings them back."""
    async with watcher_of(project, tmp_path) as watcher:
        await project.compose("down")
        for service in ("app", "worker"):
            await watcher.until(service, "stopped_on_request", True)
        await watcher.probe()
        assert watcher.record.values("app", "missing") == [False]
        assert watcher.record.values("app", "died") == [False]
        await project.compose("up", "--detach")
        for service in ("app", "worker"):
            await watcher.until(service, "stopped_on_request", False)
            await watcher.until(service, "state", "running")


async def test_what_the_compose_file_does_not_want_leaves_by_itself(project: Project, tmp_path: Path) -> None:
    """A replica too many, and then an orphan, are removed by compose: each is noted, neither is told nor missed."""
    async with watcher_of(project, tmp_path) as watcher:
        await project.compose("up", "--detach", "--scale", "worker=2")
        await watcher.until("worker@2", "state", "running")
        await project.compose("up", "--detach", "--scale", "worker=1")
        await eventually(lambda: "worker@2" not in watcher.watching.services, 30.0)
        file = project.folder / "compose.yaml"
        file.write_text(file.read_text().partition("  worker:")[0])
        await project.compose("up", "--detach", "--remove-orphans")
        await eventually(lambda: list(watcher.watching.services) == ["app"], 30.0)
        await eventually(lambda: len(watcher.record.noted("service.forgotten")) == 2, 30.0)
        assert watcher.record.noted("service.forgotten") == [
            f"{name} was removed, and {file} does not want it." for name in ("worker@2", "worker")
        ]
        for name in ("app", "worker", "worker@2"):
            assert {fact: watcher.record.values(name, fact) for fact in CALM} == CALM
        assert [one.condition for one in await watcher.probe() if one.gone] == watcher.record.noted("service.forgotten")


async def test_what_is_meant_to_be_gone_is_forgotten(project: Project, tmp_path: Path) -> None:
    """A service that was removed by hand is missed until the compose file has it no more, or somebody says so."""
    async with watcher_of(project, tmp_path) as watcher:
        with pytest.raises(NotForgotten, match="worker still has a container, which is running"):
            await watcher.watching.forget("worker", "root")
        await project.compose("rm", "--force", "--stop", "worker")
        await watcher.until("worker", "stopped_on_request", True, 30.0)
        with pytest.raises(NotForgotten, match="worker is still wanted by"):
            await watcher.watching.forget("worker", "root")
        (project.folder / "compose.yaml").unlink()
        await watcher.watching.forget("worker", "root")
        assert list(watcher.watching.services) == ["app"]
        assert watcher.record.of("worker")[-1].gone
        assert watcher.record.of("worker")[-1].condition == "worker was forgotten by root."


async def test_a_run_by_hand_is_no_service(project: Project, tmp_path: Path) -> None:
    """`compose run` of a command that fails is nobody's death."""
    async with watcher_of(project, tmp_path) as watcher:
        await project.compose("run", "--rm", "--no-deps", "app", "/bin/sh", "-c", "sleep 0.3")
        await watcher.settled()
        await watcher.probe()
        assert {fact: watcher.record.values("app", fact) for fact in CALM} == CALM
        assert sorted(watcher.watching.services) == ["app", "worker"]
