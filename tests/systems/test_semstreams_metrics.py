"""SemStreams' metrics: pages of either set of names in, one vocabulary out, and nothing out of garbage."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from semsupervisor.systems.bodies import NotOffered, Unreadable
from semsupervisor.systems.http import Answer
from semsupervisor.systems.semstreams_metrics import MOST_LINES, Figures, parse_metrics

TEXT = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"

RUNBOOK = b"""# HELP semstreams_messages_total Total messages processed
# TYPE semstreams_messages_total counter
semstreams_messages_total 900
semstreams_messages_errors_total 9
semstreams_messages_pending 4
semstreams_flow_active 3
semstreams_nats_connection_status 1
process_resident_memory_bytes 4.5e+07
"""
SHIPPED = b"""# TYPE semstreams_messages_received_total counter
semstreams_messages_received_total{component="udp"} 1000
semstreams_messages_processed_total{component="udp",status="success"} 800
semstreams_messages_processed_total{component="rule",status="success"} 95
semstreams_messages_processed_total{component="rule",status="error"} 5
semstreams_errors_total{component="udp",type="decode"} 17
semstreams_flow_active_flows 3
semstreams_nats_connected 1
semstreams_nats_rtt_milliseconds 0.312
semstreams_nats_reconnects_total 2
semstreams_log_entries_total{component="udp",level="warn"} 40
semstreams_log_entries_total{component="udp",level="error"} 6
semstreams_service_status{service="metrics"} 2
semstreams_service_status{service="graph"} 4
semstreams_storage_resource_pressure{resource="stream"} 0
semstreams_storage_resource_pressure{resource="disk"} 2
semstreams_storage_report_collected_timestamp_seconds 1.7e+09
"""


def page(body: bytes, content_type: str = TEXT, status: int = 200) -> Answer:
    """Return an answer with this page."""
    return Answer(status=status, headers={"content-type": content_type}, body=body, elapsed_seconds=0.01)


def test_the_runbooks_names_are_read() -> None:
    """Each of the runbook's metrics is a figure of the common vocabulary."""
    assert parse_metrics(page(RUNBOOK)).values == {
        "messages_total": 900,
        "errors_total": 9,
        "failed_total": 9,
        "messages_pending": 4,
        "flows_active": 3,
        "nats_connected": 1,
        "resident_memory_bytes": 45_000_000,
    }


def test_the_shipped_names_are_read() -> None:
    """Labels are summed up, of pressures the worst counts, and of messages only those that failed."""
    assert parse_metrics(page(SHIPPED)).values == {
        "messages_total": 900,
        "errors_total": 17,
        "failed_total": 5,
        "flows_active": 3,
        "nats_connected": 1,
        "nats_rtt_seconds": pytest.approx(0.000312),
        "nats_reconnects_total": 2,
        "log_errors_total": 6,
        "services_failed": 1,
        "storage_pressure": 2,
        "storage_report_at": 1.7e9,
    }


def test_with_both_sets_the_runbooks_counts() -> None:
    """A page with both names has each figure once, and says from which metric."""
    figures = parse_metrics(page(SHIPPED + RUNBOOK))
    assert (figures.values["messages_total"], figures.values["failed_total"]) == (900, 9)
    assert figures.sources["messages_total"] == "semstreams_messages_total"


def test_what_has_not_failed_yet_is_none() -> None:
    """Before the first failure its series is not there; the other errors are not taken for it."""
    body = b'semstreams_messages_processed_total{status="success"} 5\nsemstreams_errors_total 3\n'
    values = parse_metrics(page(body)).values
    assert (values["failed_total"], values["errors_total"]) == (0, 3)


def test_a_counter_is_there_in_its_parts() -> None:
    """Those that count for it, by their labels in any order; gauges are not, and the run is told by its begin."""
    body = b"""semstreams_messages_processed_total{flow="a",status="success"} 5
semstreams_messages_processed_total{status="error",flow="a"} 1
semstreams_messages_pending{flow="a"} 3
process_start_time_seconds 1.7e9
"""
    figures = parse_metrics(page(body))
    failed = {"[('flow', 'a'), ('status', 'error')]": 1.0}
    assert (figures.counted["failed_total"], len(figures.counted["messages_total"])) == (failed, 2)
    assert "messages_pending" not in figures.counted
    assert (figures.began, "began" in figures.values, "began" in figures.sources) == (1.7e9, False, False)


def test_openmetrics_is_read() -> None:
    """Exemplars and the end mark are OpenMetrics' own; a page without its end is not believed."""
    body = b"""# TYPE go_goroutines gauge
go_goroutines 9
# TYPE semstreams_messages counter
semstreams_messages_total 7.0 # {trace_id="x"} 1.0
# TYPE semstreams_flow_active gauge
semstreams_flow_active 2
# EOF
"""
    assert parse_metrics(page(body, OPENMETRICS)).values == {"messages_total": 7, "flows_active": 2}
    with pytest.raises(Unreadable, match="break off"):
        parse_metrics(page(body.removesuffix(b"# EOF\n"), OPENMETRICS))


@pytest.mark.parametrize("strange", ["NaN", "+Inf", "-Inf", "-1", "1e999"])
def test_what_is_no_count_is_strange(strange: str) -> None:
    """The figure is missing, with the reason; the others are there."""
    figures = parse_metrics(page(f"semstreams_errors_total {strange}\nsemstreams_messages_total 5\n".encode()))
    assert figures.values == {"messages_total": 5}
    assert figures.strange["errors_total"].startswith("semstreams_errors_total is ")


def test_opposite_infinities_are_strange() -> None:
    """A sum that is no number is said to be none."""
    figures = parse_metrics(page(b'semstreams_errors_total{a="x"} +Inf\nsemstreams_errors_total{a="y"} -Inf\n'))
    assert figures == Figures({}, {}, dict.fromkeys(("errors_total", "failed_total"), "semstreams_errors_total is nan"))


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "empty"),
        (b'{"status":"healt\x00\xff<html>', "no page of metrics"),
        (b"semstreams_errors_total many\n", "cannot be read"),
        (b'semstreams_errors_total{type="x 5\n', "cannot be read"),
        (b"semstreams_errors_total 1\n" * (MOST_LINES + 1), "more than"),
    ],
)
def test_what_is_no_page_of_metrics_is_unreadable(body: bytes, reason: str) -> None:
    """Garbage, or more than can be meant."""
    with pytest.raises(Unreadable, match=reason):
        parse_metrics(page(body))


@pytest.mark.parametrize(
    "answer",
    [
        page(b"prometheus_build_info 1\nprocess_resident_memory_bytes 5\n"),
        page(b"<html>welcome</html>", "text/html; charset=utf-8"),
    ],
)
def test_another_programs_page_is_not_offered(answer: Answer) -> None:
    """What answers on the usual port need not be SemStreams: Prometheus itself has that port."""
    with pytest.raises(NotOffered, match="another program"):
        parse_metrics(answer)


def test_the_reason_is_short() -> None:
    """A line without an end is not repeated to people as a whole."""
    with pytest.raises(Unreadable, match="cannot be read") as caught:
        parse_metrics(page(b"semstreams_messages_total{" * 20_000))
    assert len(str(caught.value)) < 200


def test_other_states_are_told_apart() -> None:
    """404 is not offered, another status unreadable."""
    with pytest.raises(NotOffered):
        parse_metrics(page(b"", status=404))
    with pytest.raises(Unreadable, match="HTTP 503"):
        parse_metrics(page(RUNBOOK, status=503))


@given(
    st.sampled_from([TEXT, OPENMETRICS]),
    st.lists(st.tuples(st.integers(0, len(SHIPPED) - 1), st.binary(max_size=3)), max_size=8),
)
def test_a_mutated_page_never_breaks_the_reader(content_type: str, changes: list[tuple[int, bytes]]) -> None:
    """Whatever is written over a page, it is read or unreadable, and every figure is a count."""
    body = bytearray(SHIPPED)
    for at, written in changes:
        body[at : at + len(written)] = written
    try:
        figures = parse_metrics(page(bytes(body) + b"# EOF\n", content_type))
    except (NotOffered, Unreadable):
        return
    assert all(0 <= value < float("inf") for value in figures.values.values())
