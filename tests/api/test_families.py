"""Families of metrics and their bytes."""

from __future__ import annotations

from prometheus_client import generate_latest
from prometheus_client.registry import Collector

from semsupervisor.api.families import Family, Rendering, family

DISKS = ("mountpoint",)


def free(bytes_free: float) -> Family:
    """Return a family of one sample."""
    return family("disk_free", "How much is free.", "gauge", DISKS, [(("/",), bytes_free)])


def test_each_kind_has_the_names_that_prometheus_gives_it() -> None:
    """A counter ends in _total, an info in _info, and a sample without the last label goes without it."""
    page = Rendering(generate_latest).render(
        [
            family("tries", "Tries.", "counter", (), [((), 3)]),
            family("build", "Build.", "info", ("version",), [(("1.0",), 1)]),
            Family(
                "took_seconds",
                "Time.",
                "histogram",
                ("probe", "le"),
                (("_bucket", ("a", "+Inf"), 2.0), ("_count", ("a",), 2.0), ("_sum", ("a",), 0.5)),
            ),
        ]
    )
    assert b"".join(page).decode().splitlines() == [
        "# HELP semsupervisor_tries_total Tries.",
        "# TYPE semsupervisor_tries_total counter",
        "semsupervisor_tries_total 3.0",
        "# HELP semsupervisor_build_info Build.",
        "# TYPE semsupervisor_build_info gauge",
        'semsupervisor_build_info{version="1.0"} 1.0',
        "# HELP took_seconds Time.",
        "# TYPE took_seconds histogram",
        'took_seconds_bucket{le="+Inf",probe="a"} 2.0',
        'took_seconds_count{probe="a"} 2.0',
        'took_seconds_sum{probe="a"} 0.5',
    ]


def test_only_what_changed_is_rendered_again() -> None:
    """A family that is the same keeps its bytes, one that differs gets new ones, and one that left is gone."""
    encoded: list[str] = []

    def encode(one: Collector) -> bytes:
        encoded.extend(metric.name for metric in one.collect())
        return generate_latest(one)

    rendering = Rendering(encode)
    steady = family("steady", "Always the same.", "gauge", (), [((), 1)])
    first = rendering.render([steady, free(10)])
    second = rendering.render([steady, free(11)])
    third = rendering.render([free(11)])
    assert encoded == ["semsupervisor_steady", "semsupervisor_disk_free", "semsupervisor_disk_free"]
    assert [first[0], first[1].replace(b" 10.0", b" 11.0")] == second
    assert third == second[1:]
