"""The settings of the probes: how often each looks, how long it may take, and where."""

from __future__ import annotations

import msgspec

from semsupervisor.settings.forms import (
    AbsolutePath,
    Duration,
    Interval,
    RootTargetAddress,
    Section,
    TargetAddress,
    Timeout,
)


class SemstreamsCheck(Section, frozen=True, kw_only=True):
    """SemStreams' /health: a URL, or `container:<service>:<port><path>` resolved through Docker.

    If it is not given it follows `stack.semstreams_service`.
    """

    health: TargetAddress = "container:semstreams:8080/health"


class NatsCheck(Section, frozen=True, kw_only=True):
    """The NATS server's monitoring address, without a path. If it is not given it follows `stack.nats_service`."""

    monitor: RootTargetAddress = "container:nats:8222"


class FilesystemCheck(Section, frozen=True, kw_only=True):
    """Folders whose file systems are watched beside /, the stack's, Docker's and the state's."""

    paths: tuple[AbsolutePath, ...] = ()


class CheckSettings(Section, frozen=True, kw_only=True):
    """The probes: how often, how long one may take, and where they look."""

    interval_seconds: Interval = msgspec.field(default=Duration(10), name="interval")
    timeout_seconds: Timeout = msgspec.field(default=Duration(5), name="timeout")
    semstreams: SemstreamsCheck = SemstreamsCheck()
    nats: NatsCheck = NatsCheck()
    filesystems: FilesystemCheck = FilesystemCheck()
