"""Every setting with its default, its unit and what it may be, as frozen structs.

Keys in the file are the field names without their unit: `timeout_seconds` is `timeout = "5s"`,
`bytes` fields take sizes as "256MiB". `load` turns TOML into these; nothing else makes them.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from semsupervisor.settings.allowed import between
from semsupervisor.settings.checks import CheckSettings
from semsupervisor.settings.forms import (
    AbsolutePath,
    Ahead,
    Duration,
    GroupName,
    Holding,
    HostHeader,
    HostName,
    Interval,
    Jitter,
    Line,
    ListenAddress,
    MailAddress,
    OptionalLine,
    OptionalPath,
    Paragraph,
    Patience,
    Pause,
    ProjectName,
    Recipients,
    RefusedPatience,
    Schedule,
    Secret,
    Section,
    ServiceName,
    Settling,
    SeverityName,
    Size,
    SocketPath,
    SomePatterns,
    Timeout,
    TimeZone,
    WebAddress,
    Window,
)


class HostSettings(Section, frozen=True, kw_only=True):
    """How this host is called in messages; empty means its host name."""

    name: OptionalLine = ""


class StackSettings(Section, frozen=True, kw_only=True):
    """Where the compose project is and what its services are called; an empty project means the folder's name."""

    directory: AbsolutePath = "/opt/semstreams"
    project: ProjectName = ""
    semstreams_service: ServiceName = "semstreams"
    nats_service: ServiceName = "nats"


class DockerSettings(Section, frozen=True, kw_only=True):
    """How the engine is reached. The timeout bounds each call, `settle` waits before a stop by API is told."""

    socket: SocketPath = "/var/run/docker.sock"
    timeout_seconds: Timeout = msgspec.field(default=Duration(5), name="timeout")
    ping_interval_seconds: Interval = msgspec.field(default=Duration(5), name="ping_interval")
    settle_seconds: Settling = msgspec.field(default=Duration(5), name="settle")


class RuleSettings(Section, frozen=True, kw_only=True):
    """A change to a rule, or a rule of the operator's own, in the form of the shipped rules; absent = as it was.

    `above`, `below` and `clear` are numbers; for facts in bytes or seconds also sizes and durations as text.
    `rate_above` is a rise per second, or a text such as "5/m" or "10MiB/h"; `full_within` looks ahead so far. Both
    look at the course of the fact in the window `over` that ends now.
    """

    kind: str | None = None
    subjects: SomePatterns | None = None
    fact: str | None = None
    above: float | str | None = None
    below: float | str | None = None
    equals: bool | int | float | str | None = None
    absent: Literal[True] | None = None
    rate_above: float | str | None = None
    full_within: Ahead | None = None
    over_seconds: Window | None = msgspec.field(default=None, name="over")
    clear: float | str | None = None
    for_seconds: Holding | None = msgspec.field(default=None, name="for")
    clear_for_seconds: Holding | None = msgspec.field(default=None, name="clear_for")
    severity: SeverityName | None = None
    title: Line | None = None
    summary: Paragraph | None = None
    resolved: Paragraph | None = None
    diagnosis: str | None = None
    fix: tuple[Line, ...] | None = None
    cause: bool | None = None
    consequence: bool | None = None
    inhibits: tuple[str, ...] | None = None
    enabled: bool | None = None


class DeliverySettings(Section, frozen=True, kw_only=True):
    """How hard a notification is tried: backoff from first to longest pause, dead letter after `give_up`.

    A message that a receiver refuses for good (not for now) is dead after `refusals` of them and `give_up_refused`
    since the first one: what is being redeployed refuses as well. That long it holds up what waits behind it.
    """

    first_retry_seconds: Pause = msgspec.field(default=Duration(2), name="first_retry")
    longest_retry_seconds: Pause = msgspec.field(default=Duration(300), name="longest_retry")
    give_up_seconds: Patience = msgspec.field(default=Duration(7 * 86400), name="give_up")
    refusals: Annotated[int, between(1, 100, "from 1 to 100")] = 5
    give_up_refused_seconds: RefusedPatience = msgspec.field(default=Duration(3600), name="give_up_refused")


class EmailReceiver(Section, frozen=True, kw_only=True, tag_field="type", tag="email"):
    """Mail by SMTP. `security`: starttls, tls (implicit) or none. Port 0 means the usual one for it."""

    host: HostName
    sender: MailAddress = msgspec.field(name="from")
    to: Recipients
    port: Annotated[int, between(0, 65535, "from 1 to 65535, or 0 for the usual one")] = 0
    security: Literal["starttls", "tls", "none"] = "starttls"
    username: OptionalLine = ""
    password: Secret | None = None
    ca_file: OptionalPath = ""
    timeout_seconds: Timeout = msgspec.field(default=Duration(30), name="timeout")
    severity_at_least: SeverityName = "warning"
    enabled: bool = True


class WebhookReceiver(Section, frozen=True, kw_only=True, tag_field="type", tag="webhook"):
    """HTTP POST of JSON, signed by HMAC when a secret is given; `format` chooses the body."""

    url: WebAddress
    format: Literal["semsupervisor", "alertmanager"] = "semsupervisor"
    secret: Secret | None = None
    bearer_token: Secret | None = None
    ca_file: OptionalPath = ""
    timeout_seconds: Timeout = msgspec.field(default=Duration(10), name="timeout")
    severity_at_least: SeverityName = "info"
    enabled: bool = True


Receiver = EmailReceiver | WebhookReceiver


class StateSettings(Section, frozen=True, kw_only=True):
    """Where the state database lives, and how many timeline entries it keeps: a count, since clocks jump."""

    directory: AbsolutePath = "/var/lib/semsupervisor"
    timeline_entries: Annotated[int, between(1000, 1_000_000, "from 1000 to 1000000")] = 20_000


Places = Annotated[int, between(0, 10_000, "from 0 to 10000")]


class KeepSettings(Section, frozen=True, kw_only=True):
    """How many snapshots are kept: of each hour, day, week and month the newest, of so many that have one.

    `within_seconds` keeps all that are younger; with 0 for all of them nothing goes for want of a place. `size_bytes`
    is what all together may take, 0B for no bound. What is pinned, and the newest that was read back, is kept anyway.
    """

    last: Places = 0
    hourly: Places = 0
    daily: Places = 7
    weekly: Places = 0
    monthly: Places = 0
    within_seconds: Annotated[Duration, between(0, 3650 * 86_400, "from 0s to 3650d")] = msgspec.field(
        default=Duration(0), name="within"
    )
    size_bytes: Size = msgspec.field(default=Size(0), name="size")


class VerifySettings(Section, frozen=True, kw_only=True):
    """When the newest snapshot is verified by itself, and up to which level."""

    schedule: Schedule = "30 3 * * sun"
    level: Annotated[int, between(0, 3, "from 0 to 3")] = 3


class BackupSettings(Section, frozen=True, kw_only=True):
    """Where backups are kept, how many, and when one is taken by itself: at a time or by a cron expression.

    Empty `time_zone` is the host's: days begin and end by it. Empty or "off", a `schedule` does nothing; each run of
    one is put off by up to `jitter_seconds`, the same for the same host and time.
    """

    directory: AbsolutePath = "/backup/semstreams"
    schedule: Schedule = "02:00"
    time_zone: TimeZone = ""
    jitter_seconds: Jitter = msgspec.field(default=Duration(0), name="jitter")
    keep: KeepSettings = KeepSettings()
    verify: VerifySettings = VerifySettings()


class ApiSettings(Section, frozen=True, kw_only=True):
    """The sockets. `listen` is host:port for reading only; empty turns TCP off.

    `hosts` are Host headers allowed besides it. `group` may use the control socket.
    """

    socket: SocketPath = "/run/semsupervisor/control.sock"
    listen: ListenAddress = "127.0.0.1:9797"
    hosts: tuple[HostHeader, ...] = ()
    group: GroupName = "semsupervisor"


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
    rules: dict[str, RuleSettings] = msgspec.field(default_factory=dict)
    delivery: DeliverySettings = DeliverySettings()
    receivers: dict[str, Receiver] = msgspec.field(default_factory=dict)
    state: StateSettings = StateSettings()
    backup: BackupSettings = BackupSettings()
    api: ApiSettings = ApiSettings()
    log: LogSettings = LogSettings()
