"""A client in a process of its own, which does what it is told, line by line."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any
from urllib.parse import quote

from helios_world.errors import HeliosError

ANSWER = "= "
PATIENCE = 60.0
QUIT_SECONDS = 5.0
LOG_SHOWN = 6000


class ProbeError(HeliosError):
    """The probe did not answer, has ended, or said something that is no answer; with the end of what it logged."""

    code = "probe"


class Probe:
    """One running client.

    Args:
        command: runs it.
        core: the only processor core that it may use, None for all.
    """

    def __init__(self, name: str, command: Sequence[str], core: int | None = None) -> None:
        self.name = name
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 (lives as long as the process)
        with on_core(core):
            self._process = subprocess.Popen(
                list(command),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._log,
                start_new_session=True,
                env={**os.environ, "PYTHONUNBUFFERED": "1", "LANG": "C.UTF-8"},
            )
        self._answers: queue.Queue[str | None] = queue.Queue()
        self._reader = threading.Thread(target=self._read, name=f"{name} probe", daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def is_running(self) -> bool:
        return self._process.poll() is None

    @property
    def log(self) -> str:
        """What it wrote to standard error, and what came on standard output besides answers."""
        self._log.flush()
        return os.pread(self._log.fileno(), os.fstat(self._log.fileno()).st_size, 0).decode(errors="replace")

    def ask(self, command: str, *, within: float = PATIENCE, **words: Any) -> dict[str, Any]:
        """Tell it to do something and wait for the answer, an error or not.

        Args:
            within: seconds that it may take.
            words: numbers, texts, lists of names, or None, which is left out; of a mapping `axes` each entry becomes
                a word of its own.

        Raises:
            ProbeError: there is no answer.
        """
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(f"{command} {' '.join(line_of(words))}".rstrip().encode() + b"\n")
            self._process.stdin.flush()
        except OSError as error:
            raise self._failure(f"cannot be told to {command!r}: {error}") from error
        return self._answer(command, time.monotonic() + within)

    def do(self, command: str, *, within: float = PATIENCE, **words: Any) -> dict[str, Any]:
        """As `ask`, for what has to succeed.

        Raises:
            ProbeError: it answered with an error, or not at all.
        """
        answer = self.ask(command, within=within, **words)
        if "error" in answer:
            raise self._failure(f"failed to {command!r}: {answer['error']}: {answer.get('message')}")
        return answer

    def close(self) -> int | None:
        """Ask it to end; its exit code, None if it had to be killed."""
        return self.end()[0]

    def end(self) -> tuple[int | None, str]:
        """As `close`; with all that it logged until it had ended."""
        code = None
        try:
            if self.is_running and self._process.stdin is not None:
                self._process.stdin.write(b"quit\n")
                self._process.stdin.flush()
            code = self._process.wait(QUIT_SECONDS)
        except (OSError, subprocess.TimeoutExpired):
            self.kill()
        self._reader.join(QUIT_SECONDS)
        log = self.log
        self._release()
        return code, log

    def kill(self) -> None:
        """End it and whatever it has started, such as a virtual display."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def _release(self) -> None:
        for stream in (self._process.stdin, self._process.stdout, self._log):
            if stream is not None:
                with suppress(OSError):  # what was left to be written to a process that is gone
                    stream.close()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            text = line.decode(errors="replace")
            if text.startswith(ANSWER):
                self._answers.put(text)
            else:
                os.write(self._log.fileno(), line)
        self._answers.put(None)

    def _answer(self, command: str, until: float) -> dict[str, Any]:
        try:
            line = self._answers.get(timeout=max(until - time.monotonic(), 0.01))
        except queue.Empty:
            self.kill()
            raise self._failure(f"had no answer to {command!r} in time, and was ended") from None
        if line is None:
            code = self._process.wait(QUIT_SECONDS)
            raise self._failure(f"has ended with exit code {code} before it answered {command!r}")
        try:
            answer = json.loads(line.removeprefix(ANSWER), strict=False)  # Godot does not escape control characters
        except ValueError as error:
            raise self._failure(f"answered {command!r} with {line[:200]!r}: {error}") from error
        if not isinstance(answer, dict):
            raise self._failure(f"answered {command!r} with {line[:200]!r}, which is no object")
        return answer

    def _failure(self, what: str) -> ProbeError:
        return ProbeError(f"the {self.name} client {what}\n{self.log[-LOG_SHOWN:]}")


def line_of(words: Mapping[str, Any]) -> Iterator[str]:
    """The arguments of a command: key=value, with every value percent-encoded."""
    for key, value in words.items():
        if isinstance(value, Mapping):
            yield from (f"axis.{name}={quote(str(amount), safe='')}" for name, amount in value.items())
        elif value is not None:
            yield f"{key}={quote(text_of(value), safe=',')}"


def text_of(value: Any) -> str:
    if isinstance(value, bool):
        return str(int(value))
    if isinstance(value, Iterable) and not isinstance(value, str):
        return ",".join(value)
    return str(value)


@contextmanager
def on_core(core: int | None) -> Iterator[None]:
    """What is started in this block may use this processor core only. Where the system cannot do that, any."""
    if core is None or not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
