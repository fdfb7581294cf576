"""The settings of the probes: how often each looks, how long it may take, and where."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from semsupervisor.settings.allowed import between
from semsupervisor.settings.forms import (
    AbsolutePath,
    Command,
    Duration,
    EndpointAddress,
    Interval,
    Line,
    OptionalEndpointAddress,
    OptionalHostName,
    OptionalLine,
    OptionalPath,
    OptionalTargetAddress,
    Pattern,
    RareInterval,
    RootTargetAddress,
    Secret,
    Section,
    TargetAddress,
    Timeout,
)

FlowCount = Annotated[int, between(0, 10_000, "from 0 to 10000")]
HttpStatus = Annotated[int, between(100, 599, "from 100 to 599")]


class SemstreamsCheck(Section, frozen=True, kw_only=True):
    """SemStreams' /health, its metrics, its flows: URLs, or `container:<service>:<port><path>`, asked of Docker.

    If `health` is not given it follows `stack.semstreams_service`. Empty `metrics` and `flows` are found by
    themselves: on the host of `health`, the metrics on its port or on 9090. Without `expected_flows` the flows that
    are stored in NATS are expected, or else those that used to run.
    """

    health: TargetAddress = "container:semstreams:8080/health"
    metrics: OptionalTargetAddress = ""
    flows: OptionalTargetAddress = ""
    expected_flows: FlowCount | None = None


class NatsCheck(Section, frozen=True, kw_only=True):
    """The NATS server: its monitoring address without a path, and where it takes clients, empty to be none of them.

    What is not given of the two follows `stack.nats_service`. The client logs in by user and password, by token or by a
    file of credentials (JWT and seed), or as nobody; `client_ca_file` is trusted in place of the system's certificates.
    To a server that wants a certificate of its clients it shows `client_certificate`, whose key is in `client_key`, or
    in the same file if that is empty.
    `expected_clients` are shell patterns of the names of clients that should be connected.
    """

    monitor: RootTargetAddress = "container:nats:8222"
    client: OptionalEndpointAddress = "container:nats:4222"
    client_username: OptionalLine = ""
    client_password: Secret | None = None
    client_token: Secret | None = None
    client_credentials: OptionalPath = ""
    client_ca_file: OptionalPath = ""
    client_certificate: OptionalPath = ""
    client_key: OptionalPath = ""
    expected_clients: tuple[Line, ...] = ()


class FilesystemCheck(Section, frozen=True, kw_only=True):
    """Folders whose file systems are watched beside /, the stack's, Docker's and the state's."""

    paths: tuple[AbsolutePath, ...] = ()


class CertificateCheck(Section, frozen=True, kw_only=True):
    """A TLS endpoint whose certificate is watched.

    `server_name` is the name that the certificate has to be for, the address's host if empty. `ca_file` holds the
    certificates to trust in place of the system's. With `starttls = "nats"` TLS begins after the server's greeting,
    as NATS has it. `client_certificate` and `client_key` are shown to a server that wants a certificate of its clients,
    as in `checks.nats`; without them such a server notes each look as an error in its log.
    """

    address: EndpointAddress
    server_name: OptionalHostName = ""
    ca_file: OptionalPath = ""
    starttls: Literal["", "nats"] = ""
    client_certificate: OptionalPath = ""
    client_key: OptionalPath = ""


class HttpCheck(Section, frozen=True, kw_only=True, tag_field="type", tag="http"):
    """A URL or container target that must answer with a status and, if given, a body that the pattern is found in."""

    address: TargetAddress
    status: HttpStatus = 200
    pattern: Pattern = ""
    interval_seconds: RareInterval = msgspec.field(default=Duration(60), name="interval")
    timeout_seconds: Timeout = msgspec.field(default=Duration(10), name="timeout")


class TcpCheck(Section, frozen=True, kw_only=True, tag_field="type", tag="tcp"):
    """A port that must take connections."""

    address: EndpointAddress
    interval_seconds: RareInterval = msgspec.field(default=Duration(60), name="interval")
    timeout_seconds: Timeout = msgspec.field(default=Duration(10), name="timeout")


class CommandCheck(Section, frozen=True, kw_only=True, tag_field="type", tag="command"):
    """A program, run without a shell, whose exit code says how it is: 0 fine, 1 warning, 2 critical, 3 unknown."""

    command: Command
    interval_seconds: RareInterval = msgspec.field(default=Duration(60), name="interval")
    timeout_seconds: Timeout = msgspec.field(default=Duration(10), name="timeout")


CustomCheck = HttpCheck | TcpCheck | CommandCheck


class CheckSettings(Section, frozen=True, kw_only=True):
    """The probes: how often, how long one may take, and where they look."""

    interval_seconds: Interval = msgspec.field(default=Duration(10), name="interval")
    timeout_seconds: Timeout = msgspec.field(default=Duration(5), name="timeout")
    semstreams: SemstreamsCheck = SemstreamsCheck()
    nats: NatsCheck = NatsCheck()
    filesystems: FilesystemCheck = FilesystemCheck()
    certificates: dict[str, CertificateCheck] = msgspec.field(default_factory=dict)
    custom: dict[str, CustomCheck] = msgspec.field(default_factory=dict)
