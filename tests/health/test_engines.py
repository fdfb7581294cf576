"""Whether it is the same engine, and what is told of one that was away."""

from __future__ import annotations

import pytest

from semsupervisor.health.engines import Bookmark, Change, Return, changed, story
from semsupervisor.systems.containers import Engine

ENGINE = Engine(version="1", api_version="1.41", root_directory="/", identity="process 7")


@pytest.mark.parametrize(
    ("bookmark", "identity", "change"),
    [
        (None, "process 7", Change.FIRST),
        (Bookmark(boot_id="boot", engine="process 7"), "process 7", Change.SAME),
        (Bookmark(boot_id="boot", engine="process 7"), "process 8", Change.ENGINE),
        (Bookmark(boot_id="boot", engine=""), "", Change.ENGINE),
        (Bookmark(boot_id="another", engine="process 7"), "process 7", Change.HOST),
    ],
)
def test_what_is_new_about_an_engine(bookmark: Bookmark | None, identity: str, change: Change) -> None:
    """Another boot is another engine, whatever its process's number; what cannot be told apart counts as another."""
    engine = Engine(version="1", api_version="1.41", root_directory="/", identity=identity)
    assert changed(bookmark, engine, "boot") is change
    assert change.is_new == (change in (Change.ENGINE, Change.HOST))


@pytest.mark.parametrize(
    ("found", "kind", "words"),
    [
        (Return(change=Change.FIRST), None, ""),
        (Return(change=Change.SAME), None, ""),
        (Return(change=Change.SAME, away_seconds=12.4), "engine.back", "after 12 s"),
        (Return(change=Change.HOST), None, ""),
        (Return(change=Change.HOST, left=["nats"]), "engine.left", "not started again after the host's restart: nats"),
        (Return(change=Change.ENGINE), "engine.restarted", "was restarted"),
        (Return(change=Change.ENGINE, stopped_before=["a"]), "engine.restarted", "and stopped its containers"),
        (Return(change=Change.ENGINE, stopped_before=["a"], left=["b"]), "engine.restarted", "; left stopped: b"),
        (Return(change=Change.ENGINE, stopped_after=["a"], left=["a"]), "engine.killed", "running: a; left stopped: a"),
        (Return(change=Change.ENGINE, kept=["a"]), "engine.restarted", "kept running"),
    ],
)
def test_what_is_noted_of_its_return(found: Return, kind: str | None, words: str) -> None:
    """Each way of coming back has its own words; a first meeting, and the same engine all along, has none."""
    note = story(found)
    assert (note.kind if note else None) == kind
    assert words in (note.text if note else "")


def test_the_engine_has_a_subject() -> None:
    """What is told of the engine's process is about the engine."""
    note = story(Return(change=Change.ENGINE))
    assert note is not None
    assert str(note.subject) == "engine:docker"
    assert ENGINE.identity
