"""`helios-world serve` as a process: ready, healthy, told to end. And what it says when it cannot begin."""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from typer.testing import CliRunner

from helios_runtime.cli import serve as command
from helios_runtime.cli.app import app
from helios_runtime.cli.health import ask
from helios_runtime.server.notify import notify
from helios_runtime.server.settings import ServeSettings, flag_of

pytest.importorskip("zmq")
posix = pytest.mark.skipif(os.name != "posix", reason="signals are sent as on POSIX")
HELIOS = [sys.executable, "-c", "from helios_runtime.cli import main; main()"]
CLEAN = {name: value for name, value in os.environ.items() if not name.startswith("HELIOS_")}


@contextmanager
def process(*words: str, **environment: str) -> Iterator[subprocess.Popen[str]]:
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen([*HELIOS, "serve", *words], env={**CLEAN, **environment}, **pipes) as running:
        try:
            yield running
        finally:
            running.kill()


def invoke(*words: str) -> Any:
    return CliRunner().invoke(app, ["serve", *words], env={name: None for name in os.environ if "HELIOS_" in name})


@posix
def test_a_server_is_ready_healthy_and_ends_in_order(tmp_path: Path) -> None:
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    listening.bind(str(tmp_path / "systemd"))
    listening.settimeout(20)
    words = ("pattern", "--bind", "127.0.0.1:0", "--json", "--state-dir", str(tmp_path / "sessions"))
    environment = {"HELIOS_LOG_FORMAT": "json", "HELIOS_LOG_LEVL": "", "NOTIFY_SOCKET": str(tmp_path / "systemd")}
    with listening, process(*words, **environment) as running:
        assert running.stdout is not None
        ready = json.loads(running.stdout.readline())
        assert ready["ready"] is True
        assert (ready["world"], ready["pid"]) == ("pattern", running.pid)
        assert listening.recv(64) == b"READY=1"
        found = ask(ready["address"], timeout=20)
        assert found.problem is None
        assert (found.sessions, found.queue, found.busy_seconds) == (0, 0, None)
        running.send_signal(signal.SIGTERM)
        rest, log = running.communicate(timeout=30)
        assert listening.recv(64) == b"STOPPING=1"
    assert running.returncode == 0
    assert rest == ""
    events = [json.loads(line) for line in log.splitlines()]
    assert {event["level"] for event in events} == {"info", "warning"}
    (warning,) = [event["message"] for event in events if event["level"] == "warning"]
    assert warning.startswith("HELIOS_LOG_LEVL is no setting")
    assert events[-1]["message"] == "ended in order"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("no-such-world", "--bind", "127.0.0.1:0"), "there is no world 'no-such-world'"),
        (("pattern", "--bind", "0.0.0.0:0"), "--insecure"),
        (("pattern", "--bind", "127.0.0.1:0", "--keys", "no-such-folder"), "no server keys in 'no-such-folder'"),
        (("pattern", "--max-sessions", "0"), "--max-sessions: '0'"),
        (("pattern", "--config", "no-such-file.toml"), "no-such-file.toml"),
        (("pattern", "--set", "steps"), "--set takes NAME=VALUE"),
    ],
)
def test_what_cannot_begin_says_why(words: tuple[str, ...], said: str) -> None:
    result = invoke(*words)
    assert result.exit_code == 2
    assert said in result.stderr
    assert "Traceback" not in result.stderr
    assert result.stdout == ""


def test_an_address_that_is_taken() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        result = invoke("pattern", "--bind", address)
    assert result.exit_code == 2
    assert f"cannot listen at {address}: Address already in use" in result.stderr


def test_every_setting_is_a_flag() -> None:
    words = [flag_of(name) for name in ServeSettings.model_fields if name not in ("world", "options")]
    helped = invoke("--help").stdout
    assert not [flag for flag in [*words, "--set", "--config"] if flag not in helped]


def test_the_settings_are_shown_with_their_origin(tmp_path: Path) -> None:
    file = tmp_path / "serve.toml"
    file.write_text('world = "lands"\nrate = 7')
    result = invoke("pattern", "--config", str(file), "--insecure", "--set", "steps=1,1,1", "--print-config", "--json")
    shown = json.loads(result.stdout)
    assert list(shown) == list(ServeSettings.model_fields)
    assert shown["world"] == {"value": "pattern", "from": "WORLD"}
    assert shown["rate"] == {"value": 7.0, "from": str(file)}
    assert shown["insecure"] == {"value": True, "from": "--insecure"}
    assert shown["options"] == {"value": {"steps": [1, 1, 1]}, "from": "--set"}
    assert shown["keys"] == {"value": None, "from": "default"}


@posix
@pytest.mark.parametrize("kept", [True, False])
def test_sessions_that_are_lost_are_reported(
    kept: bool, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    server: Any = SimpleNamespace(
        settings=ServeSettings(world="pattern"),
        address="tcp://127.0.0.1:7",
        serve_forever=lambda: signal.raise_signal(signal.SIGTERM),
        drain=lambda: kept,
    )
    assert command.wait(server, as_json=False) is kept
    assert capsys.readouterr().out == "ready: pattern at tcp://127.0.0.1:7\n"
    assert any(entry.levelname == "ERROR" for entry in caplog.records) is not kept


@posix
def test_nobody_needs_to_listen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    assert not notify("READY=1")
    assert not notify("READY=1", str(tmp_path / "gone"))


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="abstract sockets are of Linux")
def test_abstract_sockets() -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(f"\0helios-test-{os.getpid()}")
        assert notify("READY=1", f"@helios-test-{os.getpid()}")
        assert listening.recv(64) == b"READY=1"


@posix
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_session_outlives_the_server(number: int, tmp_path: Path) -> None:
    """The client notices nothing but a pause, whether the first server ended in order or was killed."""
    import helios_runtime
    from helios_world.spec import Action
    from helios_world.testing import PatternWorld

    walk = Action(buttons=frozenset({"forward"}))
    words = ("pattern", "--bind", f"127.0.0.1:{free_port()}", "--state-dir", str(tmp_path), "--json")
    expected = PatternWorld()
    frames = [expected.reset(seed=7).frames, expected.step(walk).frames, expected.step().frames]
    with process(*words) as first:
        address = ready(first)["address"]
        with helios_runtime.connect(address, timeout=30, retry_seconds=0.2) as world:
            assert (world.reset(seed=7).frames == frames[0]).all()
            assert (world.step(walk).frames == frames[1]).all()
            first.send_signal(number)
            first.communicate(timeout=30)
            with process(*words) as second:
                ready(second)
                chunk = world.step()
                assert (chunk.frames == frames[2]).all()
                assert chunk.index == 2
                assert ask(address, timeout=10).sessions == 1


def ready(running: subprocess.Popen[str]) -> dict[str, Any]:
    assert running.stdout is not None
    return dict(json.loads(running.stdout.readline()))


def free_port() -> int:
    """Not of those that the system gives to connections by itself: it is still free when a server is started anew."""
    while True:
        port = random.SystemRandom().randrange(20_000, 32_000)
        with suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
            return port
