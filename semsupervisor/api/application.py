"""The table of routes as an aiohttp application: access, parameters, time limits, errors and headers for all alike."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import structlog
from aiohttp import hdrs, web

from semsupervisor.api import access
from semsupervisor.api.access import Access, Caller, Policy
from semsupervisor.api.answers import ErrorAnswer
from semsupervisor.api.asking import JSON, Ask, Refused, Reply, Route
from semsupervisor.api.metrics import MetricsPage
from semsupervisor.api.page import STYLE_HASH
from semsupervisor.api.readings import Readings
from semsupervisor.api.routes import ROUTES
from semsupervisor.errors import StoreError

log = structlog.get_logger(__name__)

LARGEST_BODY_BYTES = 16 * 1024
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        f"default-src 'none'; style-src '{STYLE_HASH}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "Server": "semsupervisor",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}

HttpHandler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def build(readings: Readings, policy: Policy) -> web.Application:
    """Return the application; `policy` says who is let in."""
    application = web.Application(
        middlewares=[_errors_as_json, _only_the_invited(policy)], client_max_size=LARGEST_BODY_BYTES
    )
    metrics = MetricsPage(readings)
    for route in ROUTES:
        handler = _bound(route, readings, metrics)
        application.router.add_route(route.method, route.path, handler)
        if route.method == hdrs.METH_GET:
            application.router.add_route(hdrs.METH_HEAD, route.path, handler)
    application.on_response_prepare.append(_add_headers)
    return application


def _bound(route: Route, readings: Readings, metrics: MetricsPage) -> HttpHandler:
    async def handle(request: web.Request) -> web.StreamResponse:
        ask = Ask(
            params=_params(route, request),
            accept=request.headers.get(hdrs.ACCEPT, ""),
            readings=readings,
            metrics=metrics,
            sender=access.named(_caller(request)),
        )
        async with asyncio.timeout(route.timeout_seconds):
            return _response(await route.handler(ask))

    return handle


def _params(route: Route, request: web.Request) -> Any:
    """Return what the route takes from path and query. Raises: Refused (400)."""
    if route.params is None:
        return None
    twice = sorted({name for name in request.query if len(request.query.getall(name)) > 1})
    if twice:
        raise Refused(400, f"given twice: {', '.join(twice)}", "give each parameter once")
    try:
        return msgspec.convert({**request.query, **request.match_info}, route.params, strict=False)
    except msgspec.ValidationError as error:
        allowed = ", ".join(field.encode_name for field in msgspec.structs.fields(route.params))
        raise Refused(400, f"a parameter is wrong: {error}", f"the parameters are: {allowed}") from error


def _response(reply: Reply) -> web.Response:
    body = reply.body if isinstance(reply.body, bytes) else msgspec.json.encode(reply.body)
    response = web.Response(body=body, status=reply.status)
    bare = reply.content_type in (JSON, "text/html")
    response.headers[hdrs.CONTENT_TYPE] = f"{reply.content_type}; charset=utf-8" if bare else reply.content_type
    return response


@web.middleware
async def _errors_as_json(request: web.Request, handler: HttpHandler) -> web.StreamResponse:
    try:
        return await handler(request)
    except Refused as refused:
        answer = ErrorAnswer(error=refused.error, what_to_do=refused.what_to_do, problems=refused.problems)
        return _error(refused.status, answer)
    except web.HTTPNotFound:
        text = f"there is nothing at {request.path}"
        return _error(404, ErrorAnswer(error=text, what_to_do="see /v1/openapi.json for what there is"))
    except web.HTTPMethodNotAllowed as error:
        allowed = ", ".join(sorted(error.allowed_methods))
        answer = ErrorAnswer(error=f"{request.path} does not take {request.method}", what_to_do=f"use {allowed}")
        response = _error(405, answer)
        response.headers[hdrs.ALLOW] = allowed
        return response
    except web.HTTPException as error:
        return _error(error.status, ErrorAnswer(error=error.reason))
    except StoreError as error:
        return _error(503, ErrorAnswer(error=str(error), what_to_do="see `semsupervisor status`"))
    except TimeoutError:
        return _error(503, ErrorAnswer(error="it took too long", what_to_do="try again; see `semsupervisor status`"))
    except Exception:
        log.exception("request.failed", method=request.method, path=request.path)
        return _error(500, ErrorAnswer(error="the supervisor failed to answer", what_to_do="see its log"))


def _error(status: int, answer: ErrorAnswer) -> web.Response:
    return _response(Reply(body=answer, status=status))


def _only_the_invited(policy: Policy) -> Any:
    access_of = {(route.method, route.path): route.access for route in ROUTES}

    @web.middleware
    async def check(request: web.Request, handler: HttpHandler) -> web.StreamResponse:
        resource = request.match_info.route.resource
        path = resource.canonical if resource else ""
        method = hdrs.METH_GET if request.method == hdrs.METH_HEAD else request.method
        needed = access_of.get((method, path), Access.READ)
        refusal = access.refusal(policy, needed, _caller(request))
        if refusal:
            raise Refused(403, refusal.error, refusal.remedy)
        return await handler(request)

    return check


def _caller(request: web.Request) -> Caller:
    connection = request.transport.get_extra_info("socket") if request.transport else None
    if connection is None:
        raise Refused(400, "the connection is gone")
    over_tcp = connection.family != socket.AF_UNIX
    return Caller(
        peer=None if over_tcp else access.peer_of(connection),
        local_address=connection.getsockname()[0] if over_tcp else "",
        host=request.headers.get(hdrs.HOST),
        origin=request.headers.get(hdrs.ORIGIN),
    )


async def _add_headers(request: web.Request, response: web.StreamResponse) -> None:  # noqa: ARG001 - aiohttp's signal
    response.headers.update(HEADERS)
