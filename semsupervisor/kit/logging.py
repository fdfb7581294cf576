"""The daemon's own log: one line an event, as JSON or as text, the libraries' loggers included.

Own events are logged from the level that is set; the libraries are heard from WARNING on, as what they say below that
is of use to nobody who runs the daemon.
"""

from __future__ import annotations

import logging
import sys
from typing import Literal, TextIO

import msgspec
import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

Level = Literal["debug", "info", "warning", "error"]
Format = Literal["json", "text"]

OWN_LOGGER = "semsupervisor"
FIRST_KEYS = ("timestamp", "level", "logger", "event")


def configure(level: Level, form: Format, stream: TextIO | None = None) -> None:
    """Log from `level` on to `stream` (standard output if None); called again, it replaces what was set.

    Tracebacks never show the values of variables: among them may be secrets.
    """
    threshold = logging.getLevelNamesMapping()[level.upper()]
    before: list[Processor] = [
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.contextvars.merge_contextvars,
            *before,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        # Loggers are made at import time; a cached one would keep the level that was set before a reload.
        cache_logger_on_first_use=False,
    )
    handler = _Handler(stream or sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *_rendering(form, handler.stream)],
            foreign_pre_chain=before,
        )
    )
    root = logging.getLogger()
    root.handlers = [other for other in root.handlers if not isinstance(other, _Handler)] + [handler]
    root.setLevel(max(threshold, logging.WARNING))
    logging.getLogger(OWN_LOGGER).setLevel(threshold)
    logging.captureWarnings(True)


class _Handler(logging.StreamHandler[TextIO]):
    """Ours, to be told from those that others put on the root logger."""


def _rendering(form: Format, stream: TextIO) -> list[Processor]:
    if form == "text":
        return [
            structlog.dev.ConsoleRenderer(
                colors=stream.isatty(), exception_formatter=structlog.dev.plain_traceback, pad_event_to=0
            )
        ]
    return [structlog.processors.format_exc_info, _ordered, _as_json]


def _ordered(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    first = {key: event.pop(key) for key in FIRST_KEYS if key in event}
    return {**first, **event}


def _as_json(_: WrappedLogger, __: str, event: EventDict) -> str:
    return msgspec.json.encode(event, enc_hook=repr).decode()
