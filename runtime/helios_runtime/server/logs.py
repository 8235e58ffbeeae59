"""The server's log: a line of text or a JSON object per event, by the standard library's logging.

What is logged about a session has its id: as `extra={"sid": sid}`, or in the message as "session ID".
"""

from __future__ import annotations

import json
import logging
import re
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from typing import Any, Literal, TextIO

_log = logging.getLogger(__name__)
_SESSION = re.compile(r"\bsession ([0-9a-f]{32})\b")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class JsonFormatter(logging.Formatter):
    """One object per line: time (UTC), level, logger, message, sid, what `extra` added, and error with a traceback."""

    def format(self, record: logging.LogRecord) -> str:
        event: dict[str, Any] = {
            "time": _time(record).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if traceback := _traceback(self, record):
            event["error"] = traceback
        added = {name: value for name, value in fields_of(record).items() if name not in event}
        return json.dumps({**event, **added}, default=str)


class TextFormatter(logging.Formatter):
    """The time (UTC), level, message and what `extra` added in one line, then a traceback, indented."""

    def format(self, record: logging.LogRecord) -> str:
        message = record.getMessage()
        added = [f"{name}={value}" for name, value in fields_of(record).items() if str(value) not in message]
        line = " ".join([message, *added])
        time = _time(record).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]
        traceback = _traceback(self, record).replace("\n", "\n    ")
        return f"{time} {record.levelname:<7} {_one_line(line)}" + (f"\n    {traceback}" if traceback else "")


_FORMATTERS: dict[str, type[logging.Formatter]] = {"json": JsonFormatter, "text": TextFormatter}


@contextmanager
def logging_to(
    stream: TextIO | None = None,
    *,
    style: Literal["json", "text"] = "text",
    level: Literal["debug", "info", "warning", "error"] = "info",
) -> Iterator[None]:
    """Send the log of the whole process to `stream`, stderr by default, as long as the context lasts.

    Warnings of Python and errors that end a thread are in it too.
    """
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(_FORMATTERS[style]())
    root = logging.getLogger()
    handlers, threshold, hook = root.handlers[:], root.level, threading.excepthook
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    threading.excepthook = _log_thread
    logging.captureWarnings(True)
    try:
        yield
    finally:
        logging.captureWarnings(False)
        threading.excepthook = hook
        root.handlers[:] = handlers
        root.setLevel(threshold)


def fields_of(record: logging.LogRecord) -> dict[str, Any]:
    """What was logged besides the message: the session's id first, then whatever `extra` added."""
    added = {name: value for name, value in vars(record).items() if name not in _STANDARD}
    found = _SESSION.search(record.getMessage())
    sid = added.pop("sid", found and found[1])
    return {"sid": sid, **added} if sid else added


def _log_thread(ended: threading.ExceptHookArgs) -> None:
    name = ended.thread.name if ended.thread else "?"
    error = ended.exc_value or ended.exc_type()
    _log.critical("the thread %s ended with an error", name, exc_info=(ended.exc_type, error, ended.exc_traceback))


def _time(record: logging.LogRecord) -> datetime:
    return datetime.fromtimestamp(record.created, timezone.utc)


def _traceback(formatter: logging.Formatter, record: logging.LogRecord) -> str:
    return formatter.formatException(record.exc_info) if record.exc_info and record.exc_info[0] else ""


def _one_line(text: str) -> str:
    """With control characters escaped, so that what a client sends cannot look like another line."""
    return _CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode("ascii"), text)
