"""Every setting with its default, its unit and what it may be, as frozen structs.

Keys in the file are the field names without their unit: `timeout_seconds` is `timeout = "5s"`,
`bytes` fields take sizes as "256MiB". `load` turns TOML into these; nothing else makes them.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from semsupervisor.settings import allowed
from semsupervisor.settings.allowed import Allowed, between, matching


class Duration(float):
    """Seconds, written in the file as "30s", "5m", "24h", "7d" or a sum such as "1h30m"."""


class Size(int):
    """Bytes, written in the file as "512KiB", "256MiB" or "2GiB"."""


class Secret(msgspec.Struct, frozen=True):
    """A secret that was read from a file, a systemd credential or the environment; never printed.

    `origin` says from where, in words.
    """

    value: str
    origin: str

    def __repr__(self) -> str:
        return f"Secret({self.origin})"

    __str__ = __repr__


# An alert's `for` counts the time between two looks only if they are at most two minutes apart (alerts.lifecycle);
# with a longer interval nothing would ever fire.
Interval = Annotated[Duration, between(1, 60, "from 1s to 1m")]
Timeout = Annotated[Duration, between(0.1, 600, "from 100ms to 10m")]
Pause = Annotated[Duration, between(0.1, 86_400, "from 100ms to 1d")]
Settling = Annotated[Duration, between(0, 60, "from 0s to 1m")]
Patience = Annotated[Duration, between(1, 365 * 86_400, "from 1s to 365d")]
RefusedPatience = Annotated[Duration, between(0, 7 * 86_400, "from 0s to 7d")]
Holding = Annotated[Duration, between(0, 7 * 86_400, "from 0s to 7d")]

Line = Annotated[str, Allowed("one line of text", allowed.is_line)]
OptionalLine = Annotated[str, Allowed("one line of text", lambda text: not text or allowed.is_line(text))]
Paragraph = Annotated[str, Allowed("a text that is not empty", lambda text: bool(text.strip()))]
AbsolutePath = Annotated[str, Allowed('a path that begins with "/"', allowed.is_absolute_path)]
OptionalPath = Annotated[
    str, Allowed('a path that begins with "/"', lambda text: not text or allowed.is_absolute_path(text))
]
SocketPath = Annotated[str, Allowed('a path that begins with "/", at most 107 bytes long', allowed.is_socket_path)]
ServiceName = Annotated[str, matching("[A-Za-z0-9][A-Za-z0-9._-]*", "the name of a service in the compose file")]
ProjectName = Annotated[
    str, matching("(?:[a-z0-9][a-z0-9_-]*)?", "a compose project (a-z, 0-9, _ and -), or empty for the folder's name")
]
GroupName = Annotated[
    str, matching(r"(?:[A-Za-z0-9_][A-Za-z0-9_.-]*\$?)?", "the name of a group of users, or empty for none")
]
TargetAddress = Annotated[
    str,
    Allowed(
        'an http or https address without user and password, or "container:<service>:<port><path>" such as '
        '"container:semstreams:8080/health"',
        allowed.is_target,
    ),
]
RootTargetAddress = Annotated[
    str,
    Allowed(
        'an http or https address without user, password and path, or "container:<service>:<port>" such as '
        '"container:nats:8222"',
        allowed.is_root_target,
    ),
]
ListenAddress = Annotated[
    str,
    Allowed(
        'host:port such as "127.0.0.1:9797" or "[::1]:9797", or empty for no TCP',
        lambda text: not text or allowed.is_listen_address(text),
    ),
]
HostHeader = Annotated[str, Allowed('a host as in a Host header such as "edge7.lan"', allowed.is_host_header)]
HostName = Annotated[str, Allowed("a host name or an IP address", allowed.is_host)]
MailAddress = Annotated[str, Allowed('an e-mail address such as "ops@example.org"', allowed.is_mail_address)]
Recipients = Annotated[
    tuple[MailAddress, ...],
    Allowed(
        "one e-mail address or more, each only once",
        lambda addresses: len(addresses) > 0 and allowed.each_once(addresses),
    ),
]
WebAddress = Annotated[
    str, Allowed("an address that begins with http:// or https://, without user and password", allowed.is_url)
]
SomePatterns = Annotated[
    tuple[Line, ...], Allowed("one pattern or more; leave the key out for all subjects", lambda all_: len(all_) > 0)
]
SeverityName = Literal["critical", "warning", "info"]


class Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The base of every table in the file: frozen, and unknown keys are refused."""


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


class RuleSettings(Section, frozen=True, kw_only=True):
    """A change to a rule, or a rule of the operator's own, in the form of the shipped rules; absent = as it was.

    `above`, `below` and `clear` are numbers; for facts in bytes or seconds also sizes and durations as text.
    """

    kind: str | None = None
    subjects: SomePatterns | None = None
    fact: str | None = None
    above: float | str | None = None
    below: float | str | None = None
    equals: bool | int | float | str | None = None
    absent: Literal[True] | None = None
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
    rules: dict[str, RuleSettings] = {}
    delivery: DeliverySettings = DeliverySettings()
    receivers: dict[str, Receiver] = {}
    state: StateSettings = StateSettings()
    api: ApiSettings = ApiSettings()
    log: LogSettings = LogSettings()
