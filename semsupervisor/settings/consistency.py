"""What has to fit together across several settings. Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Iterator, Mapping
from urllib.parse import urlsplit

from semsupervisor.settings.checks import CertificateCheck, CheckSettings, NatsCheck
from semsupervisor.settings.durations import format_duration
from semsupervisor.settings.model import DeliverySettings, EmailReceiver, Receiver, Settings, WebhookReceiver
from semsupervisor.settings.problems import Problem, join
from semsupervisor.settings.references import how, references


def contradictions(
    settings: Settings, receivers: Mapping[str, Mapping[str, object]], refused: Collection[str]
) -> tuple[Problem, ...]:
    """Return what is possible by itself and impossible together.

    `receivers` are their tables as they stand in the file, so that one that was refused is looked at as well.
    `refused` are the keys of the problems known already: nothing is said of what stands in the place of their values.
    """
    return (*_delivery(settings.delivery, refused), *_logins(receivers), *_keys(settings.checks))


def weaknesses(settings: Settings) -> tuple[str, ...]:
    """Return what is allowed but exposes a secret: sent in clear text to another host."""
    found = []
    for name, receiver in settings.receivers.items():
        secret, host = _sent_in_clear(receiver)
        if secret and not _is_here(host):
            found.append(f"{join('receivers', name)}: the {secret} goes to {host} unencrypted; use TLS")
    return tuple(found)


def _delivery(delivery: DeliverySettings, refused: Collection[str]) -> Iterator[Problem]:
    known = not {"delivery.first_retry", "delivery.longest_retry"} & set(refused)
    if known and delivery.longest_retry_seconds < delivery.first_retry_seconds:
        first = format_duration(delivery.first_retry_seconds)
        longest = format_duration(delivery.longest_retry_seconds)
        yield Problem("delivery.longest_retry", f'"{longest}"', f'no less than first_retry, which is "{first}"')


def _logins(receivers: Mapping[str, Mapping[str, object]]) -> Iterator[Problem]:
    for name, table in receivers.items():
        path = join("receivers", name)
        has_name = table.get("username", "") != ""
        has_password = any(reference in table for reference in references("password"))
        if has_name and not has_password and "password" not in table:
            yield Problem(f"{path}.username", "a user name without a password", f"both or none: {how('password')}")
        if has_password and not has_name:
            yield Problem(f"{path}.password", "a password without a user name", "both or none: username as well")


def _keys(checks: CheckSettings) -> Iterator[Problem]:
    tables: dict[str, NatsCheck | CertificateCheck] = {"checks.nats": checks.nats}
    tables |= {join("checks.certificates", name): one for name, one in checks.certificates.items()}
    for path, table in tables.items():
        if table.client_key and not table.client_certificate:
            allowed = "both or none: client_certificate as well"
            yield Problem(f"{path}.client_key", "a key without a certificate", allowed)


def _sent_in_clear(receiver: Receiver) -> tuple[str, str]:
    match receiver:
        case EmailReceiver(security="none", password=password, host=host) if password:
            return "password", host
        case WebhookReceiver(url=url, bearer_token=token) if token and url.startswith("http://"):
            return "bearer token", urlsplit(url).hostname or ""
        case _:
            return "", ""


def _is_here(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
