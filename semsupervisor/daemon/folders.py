"""Which folders' file systems are looked at, by the settings and by what the containers write to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from semsupervisor.settings.model import Settings
from semsupervisor.systems.containers import Container

ENGINE_ROOT = "/var/lib/docker"


def paths(settings: Settings, engine_root: str, containers: Iterable[Container]) -> Mapping[str, bool]:
    """Return the folders whose file systems matter, and whether something has to write there.

    They are the root, the stack's, the settings', and those that are written to: by the engine, the containers, the
    backup and the supervisor itself.
    """
    read = ("/", settings.stack.directory, *settings.checks.filesystems.paths)
    own = (settings.state.directory, settings.backup.directory)
    written = (engine_root or ENGINE_ROOT, *own, *(folder for one in containers for folder in one.folders))
    return {**dict.fromkeys(read, False), **dict.fromkeys(written, True)}
