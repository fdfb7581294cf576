"""SemStreams' /metrics in either set of names, folded into one vocabulary.

Of a page only the lines that matter are parsed: most of it is about the language's runtime, and a whole page of
200 KB would hold the loop up for 40 ms.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence

import msgspec
from prometheus_client import Metric
from prometheus_client.openmetrics import parser as openmetrics
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from semsupervisor.kit.text import shortened
from semsupervisor.systems.bodies import NotOffered, Unreadable, one_line, refuse_what_is_not_offered
from semsupervisor.systems.http import Answer

OK = 200
MOST_LINES = 2000
LONGEST_LINE = 2000
LONGEST_REASON = 120
FAILED_SERVICE = 4.0
OPENMETRICS = "application/openmetrics-text"
OPENMETRICS_END = b"# EOF"
FAILURES = frozenset({"error", "errors", "failed", "failure"})
BEGAN = "began"

Fold = Callable[[Sequence[Sample]], float]


class Figures(msgspec.Struct, frozen=True):
    """What a page of metrics says.

    `values` are the figures by their name in the common vocabulary; one that the page does not have is missing.
    `sources` has for each the metric that it was taken from, and `strange` why a figure that is there is no use.
    `counted` has for each counter what its values add up from, by the labels, and `began` when the process started, as
    far as it says so.
    """

    values: Mapping[str, float]
    sources: Mapping[str, str]
    strange: Mapping[str, str]
    counted: Mapping[str, Mapping[str, float]] = {}
    began: float | None = None


class _Rule(msgspec.Struct, frozen=True):
    """How one figure comes from the samples of one metric.

    With `label` only those are taken whose label has one of the `words`, if any sample has that label at all.
    """

    metric: str
    fold: Fold
    label: str = ""
    words: frozenset[str] = frozenset()

    def applies(self, samples: Sequence[Sample]) -> bool:
        """Tell whether a page with these samples of the metric has the figure."""
        return any(not self.label or self.label in sample.labels for sample in samples)

    def taken(self, samples: Sequence[Sample]) -> Sequence[Sample]:
        """Return the samples that count."""
        return [sample for sample in samples if not self.label or sample.labels.get(self.label) in self.words]


def _total(samples: Sequence[Sample]) -> float:
    return sum(float(sample.value) for sample in samples)


def _largest(samples: Sequence[Sample]) -> float:
    return max(sample.value for sample in samples)


def _least(samples: Sequence[Sample]) -> float:
    return min(sample.value for sample in samples)


def _failed(samples: Sequence[Sample]) -> float:
    return float(sum(sample.value == FAILED_SERVICE for sample in samples))


def _milliseconds(samples: Sequence[Sample]) -> float:
    return _largest(samples) / 1000


# The first metric that the page has is taken: the runbook's name, then the shipped software's.
_VOCABULARY: Mapping[str, tuple[_Rule, ...]] = {
    "messages_total": (
        _Rule("semstreams_messages_total", _total),
        _Rule("semstreams_messages_processed_total", _total),
        _Rule("semstreams_messages_received_total", _total),
    ),
    "errors_total": (
        _Rule("semstreams_messages_errors_total", _total),
        _Rule("semstreams_errors_total", _total),
        _Rule("semstreams_messages_processed_total", _total, "status", FAILURES),
    ),
    # An error need not be one of a message: the share of messages that failed is taken from these where they are told.
    "failed_total": (
        _Rule("semstreams_messages_errors_total", _total),
        _Rule("semstreams_messages_processed_total", _total, "status", FAILURES),
        _Rule("semstreams_errors_total", _total),
    ),
    "messages_pending": (_Rule("semstreams_messages_pending", _total),),
    "flows_active": (_Rule("semstreams_flow_active", _total), _Rule("semstreams_flow_active_flows", _total)),
    "nats_connected": (
        _Rule("semstreams_nats_connection_status", _least),
        _Rule("semstreams_nats_connected", _least),
    ),
    "nats_rtt_seconds": (_Rule("semstreams_nats_rtt_milliseconds", _milliseconds),),
    "nats_reconnects_total": (_Rule("semstreams_nats_reconnects_total", _total),),
    "resident_memory_bytes": (_Rule("process_resident_memory_bytes", _total),),
    "storage_pressure": (_Rule("semstreams_storage_resource_pressure", _largest),),
    "storage_report_at": (_Rule("semstreams_storage_report_collected_timestamp_seconds", _largest),),
    "log_errors_total": (_Rule("semstreams_log_entries_total", _total, "level", frozenset({"error"})),),
    "services_failed": (_Rule("semstreams_service_status", _failed),),
    BEGAN: (_Rule("process_start_time_seconds", _largest),),
}
_METRICS = sorted({rule.metric for rules in _VOCABULARY.values() for rule in rules}, key=len, reverse=True)
_WANTED = "|".join(_METRICS)
_FAMILIES = "|".join({*_METRICS, *(metric.removesuffix("_total") for metric in _METRICS)})
_REST = f"[^\n]{{0,{LONGEST_LINE}}}"
_LINES = re.compile(rf"^(?:(?:{_WANTED})(?=[{{ \t])|# TYPE (?:{_FAMILIES}) ){_REST}".encode(), re.MULTILINE)

_ANY_SAMPLE = re.compile(rb"^[a-zA-Z_:][a-zA-Z0-9_:]*(?:\{[^\n]{0,500}\})? [-+0-9NI]", re.MULTILINE)


def parse_metrics(answer: Answer) -> Figures:
    """Read a page of metrics, in Prometheus' text form or as OpenMetrics.

    Raises: NotOffered, also for a page of another program; Unreadable.
    """
    refuse_what_is_not_offered(answer.status, answer.headers.get("content-type", ""))
    if answer.status != OK:
        raise Unreadable(f"HTTP {answer.status} is not {OK}")
    families = _families(answer)
    samples: dict[str, list[Sample]] = {}
    for family in families:
        for sample in family.samples:
            samples.setdefault(sample.name, []).append(sample)
    if not any(name.startswith("semstreams_") for name in samples):
        raise _without(answer)
    return _figures(samples)


def _without(answer: Answer) -> NotOffered | Unreadable:
    """Return what a page without any of SemStreams' metrics is: another program's, or none at all."""
    if _ANY_SAMPLE.search(answer.body):
        return NotOffered("another program's page: none of SemStreams' metrics is on it")
    return Unreadable("no page of metrics" if answer.body.strip() else "the body is empty")


def _families(answer: Answer) -> Iterable[Metric]:
    lines = _LINES.findall(answer.body)
    if len(lines) > MOST_LINES:
        raise Unreadable(f"more than {MOST_LINES} lines of SemStreams' metrics")
    text = b"\n".join(lines).decode(errors="replace") + "\n"
    strictly = answer.headers.get("content-type", "").startswith(OPENMETRICS)
    if strictly and not answer.body.rstrip().endswith(OPENMETRICS_END):
        raise Unreadable("the metrics break off before their end")
    try:
        if strictly:
            return list(openmetrics.text_string_to_metric_families(f"{text}# EOF\n"))  # type: ignore[no-untyped-call]
        return list(text_string_to_metric_families(text))
    except (ValueError, KeyError, IndexError) as error:
        raise Unreadable(f"the metrics cannot be read: {shortened(one_line(str(error)), LONGEST_REASON)}") from error


def _figures(samples: Mapping[str, Sequence[Sample]]) -> Figures:
    values: dict[str, float] = {}
    sources: dict[str, str] = {}
    strange: dict[str, str] = {}
    counted: dict[str, Mapping[str, float]] = {}
    for name, rules in _VOCABULARY.items():
        rule = next((rule for rule in rules if rule.applies(samples.get(rule.metric, ()))), None)
        if rule is None:
            continue
        taken = rule.taken(samples[rule.metric])
        value = rule.fold(taken)
        if not math.isfinite(value) or value < 0:
            strange[name] = f"{rule.metric} is {value:g}"
            continue
        values[name], sources[name] = value, rule.metric
        if name.endswith("_total"):
            counted[name] = _by_labels(taken)
    sources.pop(BEGAN, None)
    return Figures(values, sources, strange, counted, values.pop(BEGAN, None))


def _by_labels(samples: Sequence[Sample]) -> Mapping[str, float]:
    found: dict[str, float] = {}
    for sample in samples:
        labels = str(sorted(sample.labels.items()))
        found[labels] = found.get(labels, 0.0) + float(sample.value)
    return found
