"""Families of metrics and their bytes."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import generate_latest
from prometheus_client.openmetrics import exposition as openmetrics
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
                (("_bucket", ("a", "+Inf")), ("_count", ("a",)), ("_sum", ("a",))),
                (2.0, 2.0, 0.5),
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
    """Another number is put in its place without prometheus-client, which is asked for series that come or go."""
    encoded: list[str] = []

    def encode(one: Collector) -> bytes:
        encoded.extend(metric.name for metric in one.collect())
        return generate_latest(one)

    rendering = Rendering(encode)
    steady = family("steady", "Always the same.", "gauge", (), [((), 1)])
    first = rendering.render([steady, free(10)])
    second = rendering.render([steady, free(11)])
    third = rendering.render([free(11)])
    assert encoded == ["semsupervisor_steady", "semsupervisor_disk_free"]
    assert second[0] is first[0]
    assert [first[0], first[1].replace(b" 10.0", b" 11.0")] == second
    assert third == second[1:]
    rendering.render([family("disk_free", "How much is free.", "gauge", DISKS, [(("/data",), 11)])])
    assert encoded[2:] == ["semsupervisor_disk_free"]


# No zero with a sign: it equals the other one, so that either may be written for both.
NUMBERS = st.one_of(st.floats(), st.integers(-3, 3).map(float)).map(lambda number: number + 0.0)
LABELS = st.text(st.characters(exclude_categories=["Cs"]), max_size=4)


@st.composite
def pages(draw: st.DrawFn) -> list[Family]:
    """Return families of a few names and series, so that the next page has much in common with this one."""
    words = st.sampled_from(["Some words.", "a\nb \\ 1.0"])
    rows = st.dictionaries(st.tuples(LABELS | st.just("x 1.0"), st.sampled_from("ab")), NUMBERS, max_size=4)
    kinds = st.sampled_from(["gauge", "counter", "info"])
    names = draw(st.lists(st.sampled_from("pqr"), unique=True))
    return [family(name, draw(words), draw(kinds), ("x", "y"), draw(rows).items()) for name in names]


@given(st.lists(pages(), min_size=2, max_size=4))
def test_a_page_made_from_an_earlier_one_is_what_prometheus_client_writes(pages: list[list[Family]]) -> None:
    """Whatever comes, goes and changes between two looks, every byte is as if it had been rendered anew."""
    for encode in (generate_latest, partial(openmetrics.generate_latest, escaping=openmetrics.ALLOWUTF8)):
        rendering = Rendering(_without_end(encode))
        for page in pages:
            anew = Rendering(_without_end(encode)).render(page)
            assert rendering.render(page) == anew


def _without_end(encode: Callable[[Collector], bytes]) -> Callable[[Collector], bytes]:
    return lambda one: encode(one).removesuffix(b"# EOF\n")
