"""Where probes look: texts in, URLs out."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from semsupervisor.errors import EngineError, PermanentError, TemporaryError
from semsupervisor.health.targets import (
    ContainerTarget,
    Target,
    TargetAbsent,
    TargetStopped,
    TargetUnknown,
    UrlTarget,
    beside,
    parse,
    place,
    resolve,
    rests,
    written,
)


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("http://10.0.0.5:8080/health", UrlTarget("http://10.0.0.5:8080/health")),
        ("https://nats.lan/", UrlTarget("https://nats.lan/")),
        ("container:semstreams:8080/health", ContainerTarget("semstreams", 8080, "/health")),
        ("container:nats:8222", ContainerTarget("nats", 8222)),
        ("container:nats:8222/", ContainerTarget("nats", 8222, "/")),
        ("container:edge_nats-1.a:65535/a/b?c=d", ContainerTarget("edge_nats-1.a", 65535, "/a/b?c=d")),
    ],
)
def test_targets_are_read(text: str, target: Target) -> None:
    """Both forms are understood."""
    assert parse(text) == target


@pytest.mark.parametrize(
    "text",
    [
        "",
        "nats:8222",
        "container:nats",
        "container::8222",
        "container:nats:0",
        "container:nats:65536",
        "container:nats:http/x",
        "container:nats:8222x",
        "ftp://x",
        "http://",
        "https:///health",
        "http://two words",
    ],
)
def test_what_is_no_target_is_refused(text: str) -> None:
    """The error names what was found and what is allowed."""
    with pytest.raises(PermanentError, match="container:<service>:<port><path>") as refused:
        parse(text)
    assert repr(text) in str(refused.value)


@pytest.mark.parametrize(
    ("text", "path", "url"),
    [
        ("http://localhost:8222", "/varz", "http://localhost:8222/varz"),
        ("http://localhost:8222/", "/varz", "http://localhost:8222/varz"),
        ("http://localhost/health/", "", "http://localhost/health/"),
        ("container:nats:8222/", "/varz", "http://172.18.0.3:8222/varz"),
        ("container:nats:8222", "/varz", "http://172.18.0.3:8222/varz"),
        ("container:semstreams:8080/health", "", "http://172.18.0.2:8080/health"),
        ("container:six:80/x", "", "http://[fd00::2]:80/x"),
        ("container:named:80", "", "http://localhost:80"),
    ],
)
def test_a_target_becomes_a_url(text: str, path: str, url: str) -> None:
    """A container's address of now is put in, IPv6 in brackets, and the path goes behind the target's own."""
    addresses = {"nats": "172.18.0.3", "semstreams": "172.18.0.2", "six": "fd00::2", "named": "localhost"}
    assert resolve(parse(text), addresses.get, path) == url


def test_a_container_without_an_address_is_unknown() -> None:
    """Without an address nothing can be asked, and trying again may help."""
    with pytest.raises(TargetUnknown, match="the service nats has no network address") as unknown:
        resolve(ContainerTarget("nats", 8222), lambda _: None)
    assert isinstance(unknown.value, TemporaryError)
    assert not isinstance(unknown.value, TargetStopped)


@pytest.mark.parametrize("error", [EngineError("away"), TargetStopped("nats exited")])
def test_why_there_is_no_address_is_passed_on(error: Exception) -> None:
    """What the engine says of the container comes through."""

    def address_of(_: str) -> str | None:
        raise error

    with pytest.raises(type(error), match=str(error)):
        resolve(ContainerTarget("nats", 8222), address_of)
    assert resolve(UrlTarget("http://x"), address_of) == "http://x"


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    """Reading never fails in another way, and what was read can be asked."""
    try:
        target = parse(text)
    except PermanentError:
        return
    assert resolve(target, lambda _: "10.0.0.1").startswith(("http://", "https://"))


@pytest.mark.parametrize(
    ("text", "port", "there"),
    [
        ("container:semstreams:8080/health", None, "container:semstreams:8080/metrics"),
        ("container:semstreams:8080/health", 9090, "container:semstreams:9090/metrics"),
        ("http://edge7.lan/health?x=y", None, "http://edge7.lan/metrics"),
        ("http://edge7.lan:8080/health", 9090, "http://edge7.lan:9090/metrics"),
        ("https://[::1]:8080/a/b", 9090, "https://[::1]:9090/metrics"),
    ],
)
def test_another_path_and_port_of_the_same_host(text: str, port: int | None, there: str) -> None:
    """The host stays, the path and what was asked for are replaced, and the port if one is given."""
    assert written(beside(parse(text), "/metrics", port)) == there
    assert beside(parse(text), "/metrics", port) == parse(there)


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("nats.lan:4222", "nats.lan", 4222),
        ("[::1]:4222", "::1", 4222),
        ("container:nats:4222", "10.0.0.7", 4222),
    ],
)
def test_a_place_is_a_host_and_a_port(text: str, host: str, port: int) -> None:
    """What is given stands as it is, and a container is where it is now."""
    assert place(text, lambda _: "10.0.0.7") == (host, port)


def test_a_container_without_an_address_has_no_place() -> None:
    """Where it is cannot be said."""
    with pytest.raises(TargetUnknown, match="no network address"):
        place("container:nats:4222", lambda _: None)


def test_only_a_container_that_is_known_not_to_run_rests() -> None:
    """While the engine does not tell, and where there is no such service, nothing is known of it."""

    def raising(error: Exception) -> Callable[[str], str | None]:
        def address_of(_: str) -> str | None:
            raise error

        return address_of

    assert rests("nats", raising(TargetStopped("the container of nats does not run"))) != ""
    assert rests("nats", raising(TargetAbsent("no such service"))) == ""
    assert rests("nats", raising(EngineError("no answer"))) == ""
    assert rests("nats", lambda _: "10.0.0.2") == ""
