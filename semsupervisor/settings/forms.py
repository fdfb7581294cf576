"""The forms that values of the settings take, each with its bounds and the words that a refusal says them in."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from semsupervisor.kit import cron, zones
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
RareInterval = Annotated[Duration, between(1, 3600, "from 1s to 1h")]
Timeout = Annotated[Duration, between(0.1, 600, "from 100ms to 10m")]
Jitter = Annotated[Duration, between(0, 6 * 3600, "from 0s to 6h")]
Pause = Annotated[Duration, between(0.1, 86_400, "from 100ms to 1d")]
Settling = Annotated[Duration, between(0, 60, "from 0s to 1m")]
Patience = Annotated[Duration, between(1, 365 * 86_400, "from 1s to 365d")]
RefusedPatience = Annotated[Duration, between(0, 7 * 86_400, "from 0s to 7d")]
Holding = Annotated[Duration, between(0, 7 * 86_400, "from 0s to 7d")]
Window = Annotated[Duration, between(10, 7 * 86_400, "from 10s to 7d")]
Ahead = Annotated[Duration, between(60, 365 * 86_400, "from 1m to 365d")]

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
OptionalTargetAddress = Annotated[
    str,
    Allowed(
        'an http or https address without user and password, "container:<service>:<port><path>", or empty to find it',
        lambda text: not text or allowed.is_target(text),
    ),
]
EndpointAddress = Annotated[
    str,
    Allowed(
        'host:port such as "nats.lan:4222", or "container:<service>:<port>" such as "container:nats:4222"',
        allowed.is_endpoint,
    ),
]
OptionalEndpointAddress = Annotated[
    str,
    Allowed(
        'host:port such as "nats.lan:4222", "container:<service>:<port>", or empty for none',
        lambda text: not text or allowed.is_endpoint(text),
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
OptionalHostName = Annotated[
    str, Allowed("a host name or an IP address, or empty", lambda text: not text or allowed.is_host(text))
]
TimeZone = Annotated[
    str, Allowed('a time zone such as "Europe/Berlin", or empty', lambda text: not text or zones.is_known(text))
]
Schedule = Annotated[
    str,
    Allowed(
        'a time such as "02:00", a cron expression that is due some time such as "30 2 * * sun", or "off"',
        cron.is_schedule,
    ),
]
Pattern = Annotated[str, Allowed("a regular expression, or empty", allowed.is_pattern)]
Command = Annotated[
    tuple[str, ...],
    Allowed(
        'a program and its arguments such as ["/usr/lib/nagios/plugins/check_ntp_time", "-H", "10.0.0.1"]',
        allowed.is_command,
    ),
]
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
