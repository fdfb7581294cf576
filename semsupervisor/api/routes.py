"""The one table of what can be asked: path, method, the access that it needs, and who answers."""

from __future__ import annotations

from typing import Any

from semsupervisor.api import (
    answers,
    backup_handlers,
    fact_handlers,
    handlers,
    job_handlers,
    keeping_handlers,
    openapi,
    service_handlers,
)
from semsupervisor.api.access import Access
from semsupervisor.api.asking import Ask, Handler, Params, Reply, Route
from semsupervisor.api.backups import OneSnapshotAnswer, PlanAnswer, SnapshotsAnswer
from semsupervisor.api.facts import FactsAnswer, RawAnswer
from semsupervisor.api.jobs import AskedAnswer, JobsAnswer, OneJobAnswer
from semsupervisor.api.keeping_handlers import KeepingAnswer
from semsupervisor.api.rules import RulesAnswer
from semsupervisor.api.status_answers import StatusAnswer

RECEIVER_TIMEOUT_SECONDS = 90.0
RELOAD_TIMEOUT_SECONDS = 60.0
JOB_TIMEOUT_SECONDS = 30.0
RAW_TIMEOUT_SECONDS = 12.0
ENGINE_TIMEOUT_SECONDS = 60.0


async def _document(ask: Ask[Any]) -> Reply:  # noqa: ARG001 - every handler is asked the same way
    return Reply(body=openapi.document(ROUTES))


def _read(path: str, handler: Handler, answer: type, summary: str, params: type[Params] | None = None) -> Route:
    return Route(
        method="GET", path=path, access=Access.READ, handler=handler, answer=answer, summary=summary, params=params
    )


def _show(path: str, handler: Handler, content_type: str, summary: str) -> Route:
    return Route(
        method="GET", path=path, access=Access.READ, handler=handler, content_type=content_type, summary=summary
    )


def _act(
    path: str,
    handler: Handler,
    timeout_seconds: float,
    summary: str,
    params: type[Params] | None = None,
    answer: type = answers.DoneAnswer,
) -> Route:
    return Route(
        method="POST",
        path=path,
        access=Access.CONTROL,
        handler=handler,
        answer=answer,
        summary=summary,
        params=params,
        timeout_seconds=timeout_seconds,
    )


ROUTES: tuple[Route, ...] = (
    _show("/", handlers.status_page, "text/html", "The status page"),
    _read("/healthz", handlers.healthz, answers.VerdictAnswer, "Whether the daemon itself is well: 200 or 503"),
    _read("/readyz", handlers.readyz, answers.VerdictAnswer, "Whether the first look is over: 200 or 503"),
    _show("/metrics", handlers.metrics, "text/plain", "Metrics for Prometheus"),
    _read("/v1/health", handlers.stack_health, answers.VerdictAnswer, "Whether the stack is well: 200 or 503"),
    _read("/v1/status", handlers.status, StatusAnswer, "Everything on one screen"),
    _read("/v1/alerts", handlers.alerts, answers.AlertsAnswer, "The alerts that are pending or firing"),
    _read("/v1/alerts/rules", handlers.rules, RulesAnswer, "The rules in force, and how each stands"),
    _read(
        "/v1/alerts/history",
        handlers.history,
        answers.AlertsAnswer,
        "The newest episodes, open ones included",
        handlers.HistoryParams,
    ),
    _read(
        "/v1/timeline",
        handlers.timeline,
        answers.TimelineAnswer,
        "What was seen, decided and done, newest first",
        handlers.TimelineParams,
    ),
    _read(
        "/v1/facts",
        fact_handlers.known_facts,
        FactsAnswer,
        "Every fact with its value, its age and its source",
        fact_handlers.FactsParams,
    ),
    Route(
        method="GET",
        path="/v1/facts/raw/{source}",
        access=Access.CONTROL,  # a body may hold anything: not for whoever reaches the TCP port
        handler=fact_handlers.raw_answer,
        answer=RawAnswer,
        summary="What an endpoint last answered, secrets masked",
        params=fact_handlers.RawParams,
        timeout_seconds=RAW_TIMEOUT_SECONDS,
    ),
    _read("/v1/settings", handlers.settings, answers.SettingsAnswer, "The effective settings, secrets masked"),
    _read("/v1/outbox", handlers.outbox, answers.OutboxAnswer, "Messages that wait, and dead letters"),
    _read("/v1/openapi.json", _document, dict, "This description"),
    _act(
        "/v1/alerts/test/{receiver}",
        handlers.test_receiver,
        RECEIVER_TIMEOUT_SECONDS,
        "Send a marked test to a receiver",
        handlers.ReceiverParams,
    ),
    _act("/v1/settings/reload", handlers.reload, RELOAD_TIMEOUT_SECONDS, "Read the settings again"),
    _act(
        "/v1/outbox/{id}/retry",
        handlers.retry,
        RELOAD_TIMEOUT_SECONDS,
        "Queue a dead letter again",
        handlers.MessageParams,
    ),
    _act(
        "/v1/outbox/{id}/drop",
        handlers.drop,
        RELOAD_TIMEOUT_SECONDS,
        "Forget a dead letter",
        handlers.MessageParams,
    ),
    _act(
        "/v1/services/{name}/forget",
        service_handlers.forget,
        ENGINE_TIMEOUT_SECONDS,
        "Forget a service that was removed, as somebody says that this is meant",
        service_handlers.ServiceParams,
    ),
    _read("/v1/jobs", job_handlers.jobs, JobsAnswer, "The newest jobs", job_handlers.JobsParams),
    _read("/v1/jobs/{id}", job_handlers.job, OneJobAnswer, "One job, and how far it is", job_handlers.JobParams),
    _act(
        "/v1/jobs/{id}/cancel",
        job_handlers.cancel,
        JOB_TIMEOUT_SECONDS,
        "End a job as soon as its present step allows, and undo it",
        job_handlers.JobParams,
        OneJobAnswer,
    ),
    _act(
        "/v1/jobs/{id}/settle",
        job_handlers.settle,
        JOB_TIMEOUT_SECONDS,
        "Try a stuck job once more, or give it up",
        job_handlers.SettleParams,
        OneJobAnswer,
    ),
    _read("/v1/backups", backup_handlers.backups, SnapshotsAnswer, "All snapshots, newest first"),
    _read("/v1/backups/keeping", keeping_handlers.plan, KeepingAnswer, "Which snapshots would be kept now, and why"),
    _read(
        "/v1/backups/plan",
        backup_handlers.backup_plan,
        PlanAnswer,
        "What a backup would do",
        backup_handlers.PlanParams,
    ),
    _read(
        "/v1/backups/{id}",
        backup_handlers.backup,
        OneSnapshotAnswer,
        "One snapshot, with all that it holds",
        backup_handlers.SnapshotParams,
    ),
    _act(
        "/v1/backups",
        backup_handlers.back_up,
        JOB_TIMEOUT_SECONDS,
        "Take a backup, as a job",
        backup_handlers.BackUpParams,
        AskedAnswer,
    ),
    _act(
        "/v1/backups/prune",
        keeping_handlers.prune,
        JOB_TIMEOUT_SECONDS,
        "Remove the snapshots that are not kept, as a job",
        answer=AskedAnswer,
    ),
    _act(
        "/v1/backups/{id}/pin",
        keeping_handlers.pin,
        JOB_TIMEOUT_SECONDS,
        "Keep a snapshot whatever the settings say",
        keeping_handlers.PinParams,
    ),
    _act(
        "/v1/backups/{id}/unpin",
        keeping_handlers.unpin,
        JOB_TIMEOUT_SECONDS,
        "Let the settings decide about a snapshot again",
        backup_handlers.SnapshotParams,
    ),
    _act(
        "/v1/backups/{id}/verify",
        backup_handlers.verify,
        JOB_TIMEOUT_SECONDS,
        "Look whether a snapshot is what its manifest says, as a job",
        backup_handlers.VerifyParams,
        AskedAnswer,
    ),
)
