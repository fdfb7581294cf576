"""What each path answers, and how a fault changes the answer."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import parse_qs

from semstreams_standin import health, metrics
from semstreams_standin.environment import Environment
from semstreams_standin.faults import FaultBook, FaultRefused, parse
from semstreams_standin.health import Condition, Flow
from semstreams_standin.http_server import Request, Response
from semstreams_standin.logs import LEVELS, Log, rfc3339, utc_now
from semstreams_standin.metrics import NAMES, Figures, Show
from semstreams_standin.misdeeds import Misdeeds
from semstreams_standin.traffic import Traffic

DIALECTS = ("shipped", "runbook", "offline")
FAILING = (500, 502, 503, 504)


class Routes:
    """The table of paths over the state of the program."""

    def __init__(
        self,
        environment: Environment,
        faults: FaultBook,
        figures: Figures,
        traffic: Traffic,
        misdeeds: Misdeeds,
        log: Log,
    ) -> None:
        self._environment = environment
        self._faults = faults
        self._figures = figures
        self._traffic = traffic
        self._misdeeds = misdeeds
        self._log = log
        self._begin = time.monotonic()
        self._table: dict[str, Callable[[], Awaitable[Response]]] = {
            "/health": self._health,
            "/healthz": self._healthz,
            "/readyz": self._readyz,
            "/services": self._services,
            "/services/health": self._services_health,
            "/api/config": self._config,
            "/api/flows": self._flows,
            "/flowservice/flows": self._flows,
            "/metrics": self._metrics,
        }

    async def handle(self, request: Request) -> Response:
        """Answer one request."""
        if request.path == "/_fault":
            return self._fault(request)
        return await self._spoiled(request.path) or await self._plain(request)

    async def _plain(self, request: Request) -> Response:
        found = self._table.get(request.path)
        if found is None:
            return self._json({"error": "not found"}, 404)
        if request.method not in ("GET", "HEAD"):
            return self._json({"error": "method not allowed"}, 405)
        return await found()

    async def _spoiled(self, path: str) -> Response | None:
        """The answer that a fault puts in place of the real one, if any; may wait for long, or for ever."""
        while self._faults.get("hang", path):
            await asyncio.sleep(0.1)
        if fault := self._faults.get("slow", path):
            await asyncio.sleep(fault["seconds"])
        if self._faults.get("not_offered", path):
            return self._json({"error": "not found"}, 404)
        if fault := self._faults.get("failing", path):
            return Response(fault["status"], fault["body"].encode(), "text/plain")
        if self._faults.get("garbage", path):
            return Response(200, b'{"status":"healt\x00\xff<html>')
        if fault := self._faults.get("huge", path):
            return Response(200, b'{"status":"' + b"x" * fault["bytes"] + b'"}')
        if fault := self._faults.get("redirect", path):
            return Response(302, headers={"Location": fault["location"]})
        return None

    def _fault(self, request: Request) -> Response:
        if request.method == "GET":
            return self._json({"active": self._faults.show()})
        if request.method == "DELETE":
            self._faults.clear(next(iter(parse_qs(request.query).get("fault", [])), None))
            return self._json({"active": self._faults.show()})
        if request.method != "POST":
            return self._json({"error": "method not allowed"}, 405)
        try:
            fault = parse(json.loads(request.body))
            _check_choice(fault.name, fault.parameters)
        except ValueError as error:
            return self._json({"error": str(error)}, 400)
        self._log.write("info", "fault", "Fault switched on", asked=fault.asked())
        if fault.name == "restart":
            self._begin = time.monotonic()
            self._figures.begin_anew()
        elif fault.name != "crash":
            self._faults.switch_on(fault)
        answer = self._json({"active": self._faults.show()}, 202)
        return Response(answer.status, answer.body, then=self._misdeeds.after_answer(fault))

    def _condition(self) -> Condition:
        wrong, dialect = self._faults.get("wrong_version"), self._faults.get("dialect")
        forced = "unhealthy" if self._faults.get("status_503") else "degraded" if self._faults.get("degraded") else ""
        return Condition(
            version=wrong["version"] if wrong else self._environment.version,
            timestamp=rfc3339(utc_now()),
            uptime_seconds=time.monotonic() - self._begin,
            nats_connected=self._traffic.connected,
            nats_failures=self._figures.failures,
            nats_rtt_seconds=self._figures.rtt_seconds,
            buffered=self._traffic.buffered,
            processed=self._figures.processed,
            errors=self._figures.errors,
            flows=self._running_flows(),
            flows_expected=len(self._configured_flows()),
            forced=forced,
            flows_word=dialect["flows"] if dialect else "",
        )

    def _configured_flows(self) -> list[str]:
        return [str(flow["name"]) for flow in self._traffic.configuration.get("flows", [])]

    def _running_flows(self) -> tuple[Flow, ...]:
        drop = self._faults.get("drop_flows")
        running = self._configured_flows()[: drop["keep"] if drop else None]
        slow = self._faults.get("slow_flow") is not None
        return tuple(Flow(name, "slow" if slow and index == 0 else "running") for index, name in enumerate(running))

    async def _health(self) -> Response:
        fault = self._faults.get("dialect")
        dialect = fault["value"] if fault else self._environment.dialect
        status, value = health.body(dialect, self._condition())
        return self._json(value, status, pretty=fault["pretty"] if fault else self._environment.pretty)

    async def _healthz(self) -> Response:
        return Response(200, b"OK", "text/plain")

    async def _readyz(self) -> Response:
        condition = self._condition()
        ready = condition.nats_connected and bool(condition.flows) and not self._faults.get("never_ready")
        return Response(200 if ready else 503, b"READY" if ready else b"NOT READY", "text/plain")

    async def _services(self) -> Response:
        services = [
            {"name": name, "status": "running", "healthy": healthy}
            for name, healthy in (("flow-engine", True), ("metrics", True), ("nats", self._traffic.connected))
        ]
        return self._json({"services": services, "count": len(services)})

    async def _services_health(self) -> Response:
        status, value = health.body("shipped", self._condition())
        return self._json(value, status)

    async def _config(self) -> Response:
        return self._json(self._traffic.configuration)

    async def _flows(self) -> Response:
        return self._json([{"name": flow.name, "status": flow.status} for flow in self._running_flows()])

    async def _metrics(self) -> Response:
        fault = self._faults.get("metrics")
        show = (
            Show(fault["names"], fault["openmetrics"], fault["values"])
            if fault
            else Show(self._environment.metrics_names)
        )
        flows, now = len(self._running_flows()), utc_now().timestamp()
        text = metrics.page(self._figures, self._traffic.connected, flows, now, show)
        return Response(200, text.encode(), show.content_type)

    def _json(self, value: object, status: int = 200, *, pretty: bool = False) -> Response:
        separators = (",", ": ") if pretty else (",", ":")
        text = json.dumps(value, indent=2 if pretty else None, separators=separators, ensure_ascii=False)
        return Response(status, text.encode())


def _check_choice(name: str, parameters: Any) -> None:
    """Refuse a value that the type alone does not rule out."""
    if name == "dialect" and parameters["value"] not in DIALECTS:
        raise FaultRefused(f"value of dialect must be one of {', '.join(DIALECTS)}")
    if name == "failing" and parameters["status"] not in FAILING:
        raise FaultRefused(f"status of failing must be one of {', '.join(map(str, FAILING))}")
    if name == "metrics" and parameters["names"] not in NAMES:
        raise FaultRefused(f"names of metrics must be one of {', '.join(NAMES)}")
    if name == "log_spam" and parameters["level"] not in LEVELS:
        raise FaultRefused(f"level of log_spam must be one of {', '.join(LEVELS)}")
