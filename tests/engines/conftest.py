"""Clients in engines, each driven through its probe, and servers of every kind for them."""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pytest

from helios_runtime.bench_engines.engines import CSHARP_BUILD, Engine, engines, run_once
from helios_runtime.bench_engines.engines import godot as engine_program
from helios_runtime.bench_engines.probe import Probe, ProbeError

HERE = Path(__file__).parent
LEDGER = HERE.parent / "faults" / "ledger.py"
CLEAN = {name: value for name, value in os.environ.items() if not name.startswith("HELIOS_")} | {"OMP_NUM_THREADS": "1"}
PATIENCE = 30.0
CLIENTS = os.environ.get("HELIOS_ENGINE_CLIENTS", "csharp,godot").split(",")
"""With "python" among them, the client that the others are compared with shows that the tests can be passed."""
QUICK_TIMES = {"repeat_s": 0.35, "timeout": 3}
BAD_SIGNS = (
    *("SCRIPT ERROR", "Parse Error", "Unhandled Exception", "ObjectDisposedException", "leaked", "crashed"),
    *("handle_crash", "Traceback (most recent call last)"),
)
"""On the standard error of a client; nothing that a server does may lead to them."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.engines)


class Server:
    """A program that listens, as a process that can be killed and started again at the same address.

    Args:
        command: after Python; {port} in it is replaced.
        ready: with what the line begins that says that it listens.
    """

    def __init__(self, folder: Path, command: Sequence[str], environment: dict[str, str], ready: str) -> None:
        self.folder, self._ready = folder, ready
        self.port = free_port()
        self.address = f"tcp://127.0.0.1:{self.port}"
        self._command = [sys.executable, *(word.replace("{port}", str(self.port)) for word in command)]
        self._environment = {**CLEAN, "LEDGER": str(folder / "ledger"), **environment}
        self._process: subprocess.Popen[str] | None = None

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text(encoding="utf-8", errors="replace")

    @property
    def stepped(self) -> list[tuple[int, int]]:
        """Seed and index of every chunk that a ledger world made."""
        file = self.folder / "ledger"
        lines = file.read_text(encoding="ascii").splitlines() if file.exists() else []
        return [(int(seed), int(index)) for seed, index in map(str.split, lines)]

    @property
    def notes(self) -> list[dict[str, Any]]:
        """What a fake server has seen."""
        return [json.loads(line) for line in self.log.splitlines() if line.startswith("{")]

    def start(self) -> Server:
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                self._command, env=self._environment, stdout=subprocess.PIPE, stderr=log, text=True
            )
        assert self._process.stdout is not None
        assert self._process.stdout.readline().startswith(self._ready), self.log
        return self

    def tell(self, number: int) -> None:
        """Send a signal."""
        assert self._process is not None
        self._process.send_signal(number)

    def end(self, number: int = signal.SIGKILL) -> None:
        assert self._process is not None
        self.tell(number)
        with self._process:
            self._process.wait(PATIENCE)

    def replace_in(self, seconds: float, down: float = 0.0) -> threading.Thread:
        """Kill it and start another one, from another thread, while this one waits for a client."""

        def replace() -> None:
            time.sleep(seconds)
            self.end()
            time.sleep(down)
            self.start()

        thread = threading.Thread(target=replace)
        thread.start()
        return thread

    def close(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self.end()


class Fleet:
    """One running process of each client, for all tests; what a test leaves behind is dropped after it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._known = {engine.name: engine for engine in engines()}
        self._commands: dict[str, list[str]] = {}
        self._idle: dict[str, Probe] = {}

    def engine(self, name: str) -> Engine:
        return self._known[name]

    def command(self, name: str) -> list[str]:
        """Built once. Where the engine is missing the test is skipped, or fails where HELIOS_ENGINES is "required"."""
        missing = self._known[name].missing
        if missing is not None:
            (pytest.fail if os.environ.get("HELIOS_ENGINES") == "required" else pytest.skip)(missing)
        if name not in self._commands:
            self._commands[name] = self._known[name].prepare(self._folder)
        return self._commands[name]

    def take(self, name: str) -> Probe:
        idle = self._idle.pop(name, None)
        if idle is not None and idle.is_running:
            return idle
        return Probe(name, self.command(name))

    def give_back(self, probe: Probe) -> None:
        """Raises ProbeError where the client has misbehaved."""
        try:
            check_log(probe)
            probe.do("disconnect")
            probe.do("set", repeat_s=5, timeout=20)
            self._idle[probe.name] = probe
        except ProbeError:
            probe.close()
            raise

    def close(self) -> None:
        """All end as they should, and leave nothing behind."""
        for probe in self._idle.values():
            code, log = probe.end()
            assert code == 0, log
            check_log(probe, log)


def check_log(probe: Probe, log: str | None = None) -> None:
    text = probe.log if log is None else log
    bad = [line for line in text.splitlines() if any(sign in line for sign in BAD_SIGNS)]
    if bad:
        raise ProbeError(f"the {probe.name} client wrote {bad[:3]}\n{text[-4000:]}")


def free_port() -> int:
    """Not of those that the system gives to connections by itself: it is still free when a server is started anew."""
    while True:
        port = random.SystemRandom().randrange(20_000, 32_000)
        with suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
            return port


@pytest.fixture(scope="session")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    fleet = Fleet(tmp_path_factory.mktemp("clients"))
    yield fleet
    fleet.close()


@pytest.fixture(scope="session")
def mono_build(fleet: Fleet) -> Path:
    """The folder with the built C# client, its unit tests and its probe."""
    folder = Path(fleet.command("csharp")[-1]).parent
    run_once(["bash", str(CSHARP_BUILD), str(folder), "tests"], {})
    return folder


@pytest.fixture(scope="session")
def godot_command(fleet: Fleet) -> list[str]:
    """Godot with settings of its own, up to and including `--path` and the project, whose resources are imported."""
    return fleet.command("godot")[:-2]


@pytest.fixture(scope="session")
def godot(godot_command: list[str]) -> str:
    """The program of Godot 4."""
    return next(word for word in godot_command if word == engine_program())


@pytest.fixture(scope="session")
def godot_project(godot_command: list[str]) -> Path:
    """The project with the addon; its resources are imported."""
    return Path(godot_command[-1])


@pytest.fixture(params=CLIENTS)
def client(request: pytest.FixtureRequest) -> str:
    """The name of each client in turn."""
    return str(request.param)


@pytest.fixture
def probe(fleet: Fleet, client: str) -> Iterator[Probe]:
    """Each client in turn."""
    with lent(fleet, client) as probe:
        yield probe


@pytest.fixture
def reference(fleet: Fleet) -> Iterator[Probe]:
    """The Python client; another process than that of `probe`."""
    with lent(fleet, "python") as probe:
        yield probe


class lent:
    """A client for the time of a block, given back at its end."""

    def __init__(self, fleet: Fleet, name: str) -> None:
        self._fleet, self._probe = fleet, fleet.take(name)

    def __enter__(self) -> Probe:
        return self._probe

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        if kind is None and self._probe.is_running:
            self._fleet.give_back(self._probe)
        else:
            self._probe.close()


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Server]]:
    """Starts programs that listen; they are ended after the last test, or before by the test itself."""
    with ExitStack() as stack:

        def make(*command: str, ready: str = "ready", **environment: str) -> Server:
            server = Server(tmp_path_factory.mktemp("server"), command, environment, ready)
            stack.callback(server.close)
            return server.start()

        yield make


@pytest.fixture(scope="session")
def nano(servers: Callable[..., Server]) -> Server:
    """`helios-world serve nano`."""
    return servers(str(LEDGER), *serve_words("nano"))


@pytest.fixture(scope="session")
def serve(servers: Callable[..., Server]) -> Callable[..., Server]:
    """A real server of a world without weights that notes its steps; STEP_SECONDS is how long one takes."""

    def started(*words: str, **environment: str) -> Server:
        return servers(str(LEDGER), *serve_words("ledger"), *words, **environment)

    return started


@pytest.fixture(scope="session")
def pattern(serve: Callable[..., Server]) -> Server:
    """A quick real server for whatever needs no picture."""
    return serve()


@pytest.fixture(scope="session")
def fake(servers: Callable[..., Server]) -> Callable[..., Server]:
    """What is no server, or a bad one; fakes.py says which kinds there are."""

    def started(*words: str) -> Server:
        return servers(str(HERE / "fakes.py"), *words, "{port}")

    return started


def serve_words(world: str) -> list[str]:
    return ["serve", world, "--bind", "127.0.0.1:{port}", "--rate", "100000", "--max-sessions", "64"]


@pytest.fixture
def begin() -> Callable[..., dict[str, Any]]:
    """Connects a client, opens a session and resets it; the first chunk."""

    def begun(probe: Probe, server: Server, seed: int = 7, prompt: str | None = None, **choices: Any) -> dict[str, Any]:
        probe.do("connect", address=server.address)
        probe.do("open", **choices)
        return probe.do("reset", seed=seed, prompt=prompt)

    return begun


@pytest.fixture
def same() -> Callable[[dict[str, Any], dict[str, Any]], None]:
    """Whether two clients have been given the same chunk; the epochs may differ."""

    def compared(found: dict[str, Any], expected: dict[str, Any]) -> None:
        assert gist(found) == gist(expected)

    return compared


def gist(chunk: dict[str, Any]) -> dict[str, Any]:
    exact = ("index", "first_frame", "frames", "height", "width", "encoding", "sha256")
    return {
        **{name: chunk[name] for name in exact},
        "prompt": [[text, pytest.approx(share)] for text, share in chunk["prompt"]],
        "buttons": sorted(chunk["buttons"]),
        "axes": {name: pytest.approx(value) for name, value in chunk["axes"].items() if value},
    }


@pytest.fixture
def resident() -> Callable[[Probe], int]:
    """Bytes of memory that a client's process has, with those it has started."""
    psutil: Any = pytest.importorskip("psutil")

    def counted(probe: Probe) -> int:
        process = psutil.Process(probe.pid)
        total = 0
        for each in (process, *process.children(recursive=True)):
            with suppress(psutil.NoSuchProcess):
                total += each.memory_info().rss
        return int(total)

    return counted


@pytest.fixture
def quick() -> Callable[[Probe], None]:
    """Shortens a client's times, so that what waits in vain ends soon."""

    def set_times(probe: Probe) -> None:
        probe.do("set", **QUICK_TIMES)

    return set_times


@pytest.fixture
def elapsed() -> Callable[[], Callable[[], float]]:
    """A watch: call it to start, and what it returns for the seconds since."""

    def start() -> Callable[[], float]:
        begun = time.monotonic()
        return lambda: time.monotonic() - begun

    return start
