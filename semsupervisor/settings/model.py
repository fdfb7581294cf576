"""Every setting with its default and its unit, as frozen structs.

Keys in the file are the field names without their unit: `timeout_seconds` is `timeout = "5s"`,
`bytes` fields take sizes as "256MiB". `load` turns TOML into these; nothing else makes them.
"""

from __future__ import annotations

from typing import Literal

import msgspec


class Duration(float):
    """Seconds, written in the file as "30s", "5m", "24h", "7d" or a sum such as "1h30m"."""


class Size(int):
    """Bytes, written in the file as "512KiB", "256MiB" or "2GiB"."""


class Secret(msgspec.Struct, frozen=True):
    """A secret that was read from a file, a systemd credential or the environment; never printed."""

    value: str
    origin: str

    def __repr__(self) -> str:
        return f"Secret({self.origin})"

    __str__ = __repr__


class Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The base of every table in the file: frozen, and unknown keys are refused."""


class HostSettings(Section, frozen=True, kw_only=True):
    """How this host is called in messages; empty means its host name."""

    name: str = ""


class StackSettings(Section, frozen=True, kw_only=True):
    """Where the compose project is and what its services are called; an empty project means the folder's name."""

    directory: str = "/opt/semstreams"
    project: str = ""
    semstreams_service: str = "semstreams"
    nats_service: str = "nats"


class DockerSettings(Section, frozen=True, kw_only=True):
    """How the engine is reached. The timeout bounds each call, `settle` waits before a stop by API is told."""

    socket: str = "/var/run/docker.sock"
    timeout_seconds: Duration = msgspec.field(default=Duration(5), name="timeout")
    ping_interval_seconds: Duration = msgspec.field(default=Duration(5), name="ping_interval")
    settle_seconds: Duration = msgspec.field(default=Duration(5), name="settle")


class SemstreamsCheck(Section, frozen=True, kw_only=True):
    """SemStreams' /health: a URL, or `container:<service>:<port><path>` resolved through Docker."""

    health: str = "container:semstreams:8080/health"


class NatsCheck(Section, frozen=True, kw_only=True):
    """The NATS server's monitoring address, without a path."""

    monitor: str = "container:nats:8222"


class FilesystemCheck(Section, frozen=True, kw_only=True):
    """Folders whose file systems are watched beside /, the stack's, Docker's and the state's."""

    paths: tuple[str, ...] = ()


class CheckSettings(Section, frozen=True, kw_only=True):
    """The probes: how often, how long one may take, and where they look."""

    interval_seconds: Duration = msgspec.field(default=Duration(10), name="interval")
    timeout_seconds: Duration = msgspec.field(default=Duration(5), name="timeout")
    semstreams: SemstreamsCheck = SemstreamsCheck()
    nats: NatsCheck = NatsCheck()
    filesystems: FilesystemCheck = FilesystemCheck()


class RuleSettings(Section, frozen=True, kw_only=True):
    """A change to a rule, or a rule of the operator's own, in the form of the shipped rules; absent = as it was."""

    kind: str | None = None
    subjects: tuple[str, ...] | None = None
    fact: str | None = None
    above: float | None = None
    below: float | None = None
    equals: bool | int | float | str | None = None
    absent: bool | None = None
    clear: float | None = None
    for_seconds: Duration | None = msgspec.field(default=None, name="for")
    clear_for_seconds: Duration | None = msgspec.field(default=None, name="clear_for")
    severity: Literal["critical", "warning", "info"] | None = None
    title: str | None = None
    summary: str | None = None
    diagnosis: str | None = None
    fix: tuple[str, ...] | None = None
    cause: bool | None = None
    consequence: bool | None = None
    inhibits: tuple[str, ...] | None = None
    enabled: bool | None = None


class DeliverySettings(Section, frozen=True, kw_only=True):
    """How hard a notification is tried: backoff from first to longest pause, dead letter after `give_up`.

    A receiver that refuses a message for good (not for now) is tried `refusals` times.
    """

    first_retry_seconds: Duration = msgspec.field(default=Duration(2), name="first_retry")
    longest_retry_seconds: Duration = msgspec.field(default=Duration(300), name="longest_retry")
    give_up_seconds: Duration = msgspec.field(default=Duration(7 * 86400), name="give_up")
    refusals: int = 5


class EmailReceiver(Section, frozen=True, kw_only=True, tag_field="type", tag="email"):
    """Mail by SMTP. `security`: starttls, tls (implicit) or none. Port 0 means the usual one for it."""

    host: str
    sender: str = msgspec.field(name="from")
    to: tuple[str, ...]
    port: int = 0
    security: Literal["starttls", "tls", "none"] = "starttls"
    username: str = ""
    password: Secret | None = None
    ca_file: str = ""
    timeout_seconds: Duration = msgspec.field(default=Duration(30), name="timeout")
    severity_at_least: Literal["critical", "warning", "info"] = "warning"
    enabled: bool = True


class WebhookReceiver(Section, frozen=True, kw_only=True, tag_field="type", tag="webhook"):
    """HTTP POST of JSON, signed by HMAC when a secret is given; `format` chooses the body."""

    url: str
    format: Literal["semsupervisor", "alertmanager"] = "semsupervisor"
    secret: Secret | None = None
    bearer_token: Secret | None = None
    ca_file: str = ""
    timeout_seconds: Duration = msgspec.field(default=Duration(10), name="timeout")
    severity_at_least: Literal["critical", "warning", "info"] = "info"
    enabled: bool = True


Receiver = EmailReceiver | WebhookReceiver


class StateSettings(Section, frozen=True, kw_only=True):
    """Where the state database lives and how many timeline entries it keeps (a count, since clocks jump)."""

    directory: str = "/var/lib/semsupervisor"
    timeline_entries: int = 20_000


class ApiSettings(Section, frozen=True, kw_only=True):
    """The sockets. `listen` is host:port, for reading only; empty turns TCP off. `hosts`: further Host headers allowed."""

    socket: str = "/run/semsupervisor/control.sock"
    listen: str = "127.0.0.1:9797"
    hosts: tuple[str, ...] = ()
    group: str = "semsupervisor"


class LogSettings(Section, frozen=True, kw_only=True):
    """The daemon's own log on standard output: JSON lines, or text for people."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["json", "text"] = "json"


class Settings(Section, frozen=True, kw_only=True):
    """All settings of one host, effective: the file's values over the defaults."""

    host: HostSettings = HostSettings()
    stack: StackSettings = StackSettings()
    docker: DockerSettings = DockerSettings()
    checks: CheckSettings = CheckSettings()
    rules: dict[str, RuleSettings] = {}
    delivery: DeliverySettings = DeliverySettings()
    receivers: dict[str, Receiver] = {}
    state: StateSettings = StateSettings()
    api: ApiSettings = ApiSettings()
    log: LogSettings = LogSettings()
