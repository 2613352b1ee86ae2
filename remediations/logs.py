"""Logs: one event a line, as JSON for machines or coloured for a terminal; no secret and no forged line in either.

Everything that is logged by `logging` or `structlog` in this process goes through the same processors. A value under a
key that sounds like a secret, and every value that was registered as one, shows as ***; control characters are escaped,
so that text from an alert cannot pass for a line of its own or move a terminal's cursor. What Prefect writes to its own
handlers is cleared of registered secrets too. Inside a run, our events also appear in the run's log in Prefect's UI.
"""

from __future__ import annotations

import logging
import sys
import traceback
from collections.abc import MutableMapping
from typing import Any, TextIO

import structlog

from remediations.redaction import BLOCKS, clean, hide, register_secret

__all__ = ["configure", "hide", "register_secret"]

Event = MutableMapping[str, Any]


def configure(*, pretty: bool | None = None, level: str = "INFO", stream: TextIO | None = None) -> None:
    """Send every log of this process to `stream` (standard output if left out), from `level` on.

    `pretty` writes for people, else one JSON object a line; if left out, a terminal gets the first and a pipe the second.
    May be called again: the last call counts.
    """
    target = stream if stream is not None else sys.stdout
    people = target.isatty() if pretty is None else pretty
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.stdlib.PositionalArgumentsFormatter(),
            *_SHARED,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    for_people = [_indent, structlog.dev.ConsoleRenderer(colors=target.isatty())]
    handler = logging.StreamHandler(target)
    handler.setFormatter(_formatter(*(for_people if people else [structlog.processors.JSONRenderer(ensure_ascii=False)])))
    root = logging.getLogger()
    root.handlers = [handler, _RunHandler()]
    root.setLevel(level)
    logging.captureWarnings(capture=True)
    logging.setLogRecordFactory(_record)


def _add_run(_logger: object, _method: str, event: Event) -> Event:
    """Inside a Prefect run, say which."""
    context = sys.modules.get("prefect.context")
    if context is None:  # a process that never imported Prefect is in no run
        return event
    flow, task = context.FlowRunContext.get(), context.TaskRunContext.get()
    if task is not None:
        event.setdefault("task_run", task.task_run.name)
        event.setdefault("flow_run_id", str(task.task_run.flow_run_id))
    if flow is not None and flow.flow_run is not None:
        event.setdefault("flow_run", flow.flow_run.name)
        event.setdefault("flow_run_id", str(flow.flow_run.id))
    return event


def _clean(_logger: object, _method: str, event: Event) -> Event:
    return {str(clean(key)): clean(value, key) for key, value in event.items()}


def _indent(_logger: object, _method: str, event: Event) -> Event:
    """A traceback's lines cannot pass for events: they do not start where events do."""
    for key in BLOCKS & event.keys():
        event[key] = "\n".join(f"    {line}" for line in str(event[key]).split("\n"))
    return event


def _for_run(_logger: object, _method: str, event: Event) -> str:
    """One event for the run's log in Prefect's UI, which adds time, level and run by itself."""
    shown = {key: value for key, value in event.items() if key not in _KNOWN_TO_PREFECT}
    blocks = [f"\n{shown.pop(key)}" for key in sorted(BLOCKS & shown.keys())]
    return " ".join([str(shown.pop("event", "")), *(f"{key}={value}" for key, value in shown.items())]) + "".join(blocks)


_KNOWN_TO_PREFECT = frozenset({"timestamp", "level", "logger", "flow_run", "flow_run_id", "task_run"})
_SHARED: list[structlog.typing.Processor] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    _add_run,
]


def _formatter(*last: structlog.typing.Processor) -> logging.Formatter:
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=_SHARED,
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.StackInfoRenderer(),
            structlog.processors.format_exc_info,
            _clean,
            *last,
        ],
    )


class _RunHandler(logging.Handler):
    """Shows our events in the log of the Prefect run that they happen in; outside a run it does nothing."""

    def __init__(self) -> None:
        super().__init__()
        self._api: logging.Handler | None = None

    def emit(self, record: logging.LogRecord) -> None:
        context = sys.modules.get("prefect.context")
        if context is None or record.name.partition(".")[0] not in ("remediations", "flows"):
            return
        if context.FlowRunContext.get() is None and context.TaskRunContext.get() is None:
            return
        if self._api is None:
            from prefect.logging.handlers import APILogHandler  # noqa: PLC0415 (never imported outside a run)

            self._api = APILogHandler()
            self._api.setFormatter(_formatter(_for_run))
        self._api.handle(record)


def _record(*args: Any, **kwargs: Any) -> logging.LogRecord:
    """A record whose text every handler may write, also those that others installed (Prefect's send to its server)."""
    record = logging.LogRecord(*args, **kwargs)
    if not isinstance(record.msg, dict):  # ours is a dict, which only our formatters write
        record.msg = hide(str(record.msg))
        if isinstance(record.args, tuple):
            record.args = tuple(hide(each) if isinstance(each, str) else each for each in record.args)
        try:
            message = record.getMessage()
        except (TypeError, ValueError):  # arguments that do not fit: the handler reports that
            return record
        if hide(message) != message:  # an argument that is no text, as an exception
            record.msg, record.args = hide(message), None
    if record.exc_info and record.exc_info[0] is not None:
        record.exc_text = hide("".join(traceback.format_exception(*record.exc_info)).rstrip())
    return record
