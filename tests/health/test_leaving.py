"""How a service leaves the project, by its compose file or by somebody's word."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from semsupervisor.health.leaving import LARGEST_FILE, Leaving, NotForgotten, UnknownService
from semsupervisor.health.looking import Circumstances
from semsupervisor.health.roster import Roster
from semsupervisor.health.services import ServiceState
from semsupervisor.systems.containers import Action, Container, Owner
from tests.support.container_words import container, event, instant, moment, names

UNTOLD = Circumstances(told_from=moment(10**6))
WITHOUT_APP = "services:\n  nats:\n    image: nats\n"
WITH_APP = f"{WITHOUT_APP}  app:\n    image: app\n"


class Project:
    """A roster of containers that were made from one compose file, and what lets them leave."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.roster = Roster()
        self.leaving = Leaving(self.roster)
        self._seconds = 1.0

    def made(self, name: str = "app", number: int = 1, **more: Any) -> Container:
        """Return a container that was made from the file."""
        owner = Owner("project", name, number)
        return container(id=f"{name}{number}", owner=owner, compose_files=(str(self.file),), **more)

    def see(self, *containers: Container) -> None:
        """Take in a list that no events explain."""
        self._seconds += 1
        self.roster.see(containers, instant(self._seconds).monotonic, instant(self._seconds), UNTOLD)

    async def leave(self, text: str) -> list[str]:
        """Return who leaves when the file holds that."""
        self.file.write_text(text)
        return names(service for service, _ in (await self.leaving.unwanted()).gone)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """Return a project of `app` and `nats`, of which `app` is gone and nobody knows why."""
    made = Project(tmp_path / "compose.yaml")
    made.file.write_text(WITH_APP)
    made.see(made.made(), made.made("nats"))
    made.see(made.made("nats"))
    return made


# --- by itself -------------------------------------------------------------------------------------------------------


async def test_what_the_file_does_not_want_leaves(project: Project) -> None:
    """It is gone with the reason, once noted, and is not known any more; what is wanted stays."""
    assert await project.leave(WITH_APP) == []
    project.file.write_text(WITHOUT_APP)
    turn = await project.leaving.unwanted()
    ((service, because),) = turn.gone
    assert (service.name, because) == ("app", f"app was removed, and {project.file} does not want it.")
    assert [(note.kind, note.text) for note in turn.notes] == [("service.forgotten", because)]
    assert list(project.roster.services) == ["nats"]
    assert (await project.leaving.unwanted()).gone == []


async def test_what_runs_stays_whatever_the_file_says(project: Project) -> None:
    """An orphan that was not removed is watched on, also where its settlement is asked for."""
    project.file.write_text("services:\n  other:\n    image: a\n")
    assert names(service for service, _ in (await project.leaving.unwanted(["nats", "nobody"])).gone) == []


@pytest.mark.parametrize("text", ["", "services: {nats: {image: nats}}", "x" * (LARGEST_FILE + 1), "services:\n\tx:\n"])
async def test_a_file_that_does_not_tell_lets_nobody_go(project: Project, text: str) -> None:
    """An empty, large or strange file is no reason."""
    assert await project.leave(text) == []


async def test_a_file_that_is_away_lets_nobody_go(project: Project) -> None:
    """Neither one that is gone, nor one that may not or cannot be read."""
    project.file.unlink()
    assert (await project.leaving.unwanted()).gone == []
    project.file.mkdir()
    assert (await project.leaving.unwanted()).gone == []
    project.file.rmdir()
    project.file.write_bytes(b"services:\n  \xff\n")
    assert (await project.leaving.unwanted()).gone == []


async def test_of_several_files_any_may_want_it(tmp_path: Path) -> None:
    """A further file that is not there any more wants nothing; one that is there does."""
    project = Project(tmp_path / "compose.yaml")
    more = tmp_path / "more.yaml"
    both = (str(project.file), str(more))
    project.see(container(compose_files=both), project.made("nats"))
    project.see(project.made("nats"))
    more.write_text(WITH_APP)
    assert await project.leave(WITHOUT_APP) == []
    more.unlink()
    assert await project.leave(WITHOUT_APP) == ["app"]


async def test_a_replica_too_many_leaves(tmp_path: Path) -> None:
    """As many as the file wants are missed, whatever their numbers are."""
    project = Project(tmp_path / "compose.yaml")
    project.see(project.made(), project.made(number=2), project.made(number=3))
    project.see(project.made(), project.made(number=3))
    assert await project.leave(f"{WITH_APP}    scale: 3\n") == []
    assert await project.leave(f"{WITH_APP}    scale: $N\n") == []
    assert await project.leave(f"{WITH_APP}    scale: 2\n") == ["app@2"]


async def test_what_something_depends_on_never_leaves(project: Project) -> None:
    """It is missed as long as the other runs, unless another replica stands in for it."""
    needy = project.made("needy", depends_on={"app": ""})
    project.see(needy)
    assert await project.leave(WITHOUT_APP.replace("nats:", "needy:")) == ["nats"]
    project.see(needy, project.made(number=2))
    assert await project.leave(f"{WITH_APP}    scale: 1\n") == ["app"]


async def test_what_was_stopped_leaves_before_it_is_told(project: Project) -> None:
    """A removal that was asked for is not believed yet; the one who asks what is due is told who leaves."""
    project.file.write_text("services:\n  app:\n    image: a\n")
    project.roster.hear(event(Action.DESTROY, 5, of="nats1", owner=Owner("project", "nats")), instant(5))
    assert (await project.leaving.unwanted()).gone == []
    assert names(service for service, _ in (await project.leaving.unwanted(["nats"])).gone) == ["nats"]


async def test_a_farewell_is_said_once(project: Project) -> None:
    """To whoever may have looked before it left; who has come back was not away."""
    assert await project.leave(WITHOUT_APP) == ["app"]
    assert names(service for service, _ in project.leaving.farewell()) == ["app"]
    assert project.leaving.farewell() == []
    project.see(project.made(), project.made("nats"))
    project.see(project.made("nats"))
    assert await project.leave(WITHOUT_APP) == ["app"]
    project.see(project.made(), project.made("nats"))
    assert project.leaving.farewell() == []


# --- by somebody's word ----------------------------------------------------------------------------------------------


async def test_a_removed_service_is_forgotten(project: Project) -> None:
    """Who said so stands in the reason and in the note."""
    project.file.write_text(WITHOUT_APP)
    turn = await project.leaving.forget("app", "root")
    assert [(service.name, because) for service, because in turn.gone] == [("app", "app was forgotten by root.")]
    assert [(note.kind, note.text) for note in turn.notes] == [("service.forgotten", "app was forgotten by root.")]
    assert "app" not in project.roster.services


async def test_a_word_counts_where_the_file_does_not_tell(project: Project) -> None:
    """What cannot be read is no reason to miss what is meant to be gone."""
    project.file.unlink()
    assert names(service for service, _ in (await project.leaving.forget("app", "root")).gone) == ["app"]


async def test_an_unknown_name_is_refused_with_the_known(project: Project) -> None:
    """The known ones are named, or that there are none."""
    with pytest.raises(UnknownService, match="'web'") as refused:
        await project.leaving.forget("web", "root")
    assert refused.value.what_to_do == "known are: app, nats"
    with pytest.raises(UnknownService) as refused:
        await Leaving(Roster()).forget("web", "root")
    assert refused.value.what_to_do == "known are: none"


async def test_a_service_with_a_container_is_refused(project: Project) -> None:
    """Whether it runs or not, and also while another container is made for it."""
    with pytest.raises(NotForgotten, match="nats still has a container, which is running"):
        await project.leaving.forget("nats", "root")
    project.roster.hear(event(Action.CREATE, 9, of="new"), instant(9))
    assert project.roster.services["app"].state is ServiceState.CREATED
    with pytest.raises(NotForgotten, match="app still has a container, which is created"):
        await project.leaving.forget("app", "root")


async def test_a_needed_service_is_refused(project: Project) -> None:
    """It is said who needs it."""
    project.see(project.made("needy", depends_on={"app": ""}))
    with pytest.raises(NotForgotten, match="needy runs, and depends on app"):
        await project.leaving.forget("app", "root")


async def test_a_wanted_service_is_refused(project: Project) -> None:
    """It is said which file wants it."""
    with pytest.raises(NotForgotten, match=f"app is still wanted by {project.file}"):
        await project.leaving.forget("app", "root")
