"""The server's log, in text and in JSON."""

from __future__ import annotations

import io
import json
import logging
import threading
import warnings
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helios_runtime.server.logs import JsonFormatter, TextFormatter, logging_to

SID = "00112233445566778899aabbccddeeff"
log = logging.getLogger("helios_runtime.server.somewhere")


def record(message: str, *args: object, **extra: Any) -> logging.LogRecord:
    made = logging.makeLogRecord({"name": log.name, "msg": message, "args": args, "levelname": "WARNING", **extra})
    made.created = 1_700_000_000.25
    return made


def events(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_an_event_in_json() -> None:
    (event,) = events(JsonFormatter().format(record("session %s was resumed", SID, chunks=3)))
    assert event == {
        "time": "2023-11-14T22:13:20.250Z",
        "level": "warning",
        "logger": "helios_runtime.server.somewhere",
        "message": f"session {SID} was resumed",
        "sid": SID,
        "chunks": 3,
    }


def test_an_event_in_text() -> None:
    line = TextFormatter().format(record("resumed", sid=SID, chunks=3))
    assert line == f"2023-11-14 22:13:20.250 WARNING resumed sid={SID} chunks=3"
    line = TextFormatter().format(record("session %s was resumed", SID))
    assert line == f"2023-11-14 22:13:20.250 WARNING session {SID} was resumed"


def test_extra_fields_do_not_hide_the_event() -> None:
    (event,) = events(JsonFormatter().format(record("it", level="none", time=None, error=None)))
    assert (event["level"], event["time"][:4]) == ("warning", "2023")


@given(st.text())
def test_an_event_is_one_line_whatever_it_says(text: str) -> None:
    assert len(TextFormatter().format(record("%s", text)).splitlines()) == 1
    (event,) = events(JsonFormatter().format(record("%s", text, said=text)))
    assert event["message"] == event["said"] == text


@pytest.mark.parametrize("style", ["json", "text"])
def test_tracebacks(style: Any) -> None:
    stream = io.StringIO()
    with logging_to(stream, style=style):
        try:
            raise KeyError("the reason")
        except KeyError:
            log.exception("a fault in session %s", SID)
    written = stream.getvalue()
    assert "KeyError: 'the reason'" in written
    if style == "json":
        (event,) = events(written)
        assert event["sid"] == SID
        assert event["error"].startswith("Traceback")
    else:
        first, *rest = written.splitlines()
        assert SID in first
        assert rest
        assert all(line.startswith("    ") for line in rest)


def test_less_than_the_level_is_left_out() -> None:
    stream = io.StringIO()
    with logging_to(stream, style="json", level="warning"):
        log.info("left out")
        log.warning("kept")
    assert [event["message"] for event in events(stream.getvalue())] == ["kept"]


def test_warnings_and_threads_that_end_are_logged() -> None:
    stream = io.StringIO()
    thread = threading.Thread(target=lambda: 1 / 0, name="worker")
    with logging_to(stream, style="json"), warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn("old", DeprecationWarning, stacklevel=1)
        thread.start()
        thread.join()
    warned, ended = events(stream.getvalue())
    assert "DeprecationWarning: old" in warned["message"]
    assert ended["message"] == "the thread worker ended with an error"
    assert "ZeroDivisionError" in ended["error"]


def test_everything_is_as_before_afterwards() -> None:
    root = logging.getLogger()
    before = (list(root.handlers), root.level, threading.excepthook, warnings.showwarning)
    with suppress(RuntimeError), logging_to(io.StringIO(), level="debug"):
        assert len(root.handlers) == 1
        raise RuntimeError
    assert (list(root.handlers), root.level, threading.excepthook, warnings.showwarning) == before
