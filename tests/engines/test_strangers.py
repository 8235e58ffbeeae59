"""Whatever listens in place of a server: the client says what is wrong within its time, and lives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from helios_runtime.bench_engines.probe import Probe

Begin = Callable[..., dict[str, Any]]
UNREACHABLE = ("connection", "timeout", "protocol", "too_large", "version")
LIMIT = 12.0
SOME_MEMORY = 64 << 20
NO_ZMTP = ["silence", "http", "garbage", "curve", "half", "huge_command", "huge_frame"]


@pytest.fixture(scope="module", params=NO_ZMTP)
def stranger(request: pytest.FixtureRequest, fake: Any) -> Any:
    server = fake(request.param)
    yield server
    server.close()


def refused(probe: Probe, address: str, elapsed: Any, timeout: float = 1.2) -> dict[str, Any]:
    seconds = elapsed()
    answer = probe.ask("connect", address=address, timeout=timeout)
    assert answer["error"] in UNREACHABLE
    assert answer["message"]
    assert seconds() < LIMIT
    return answer


def test_nobody_listens(probe: Probe, pattern: Any, begin: Begin, elapsed: Any) -> None:
    answer = refused(probe, "tcp://127.0.0.1:9", elapsed)
    assert answer["error"] in ("connection", "timeout")
    assert "127.0.0.1:9" in answer["message"]
    assert begin(probe, pattern)["index"] == 0


def test_no_such_host(probe: Probe, elapsed: Any) -> None:
    refused(probe, "tcp://no-such-host.invalid:5555", elapsed)


@pytest.mark.parametrize("address", ["", "tcp://", "tcp://127.0.0.1", "127.0.0.1:port", "udp://127.0.0.1:5555"])
def test_addresses_that_cannot_be(probe: Probe, address: str) -> None:
    if probe.name == "python":
        pytest.skip("ZeroMQ judges the Python client's addresses")
    answer = probe.ask("connect", address=address, timeout=2)
    assert answer["error"] in ("usage", "connection")
    assert "host:port" in answer["message"] or address in answer["message"]


def test_what_is_no_server(
    probe: Probe, stranger: Any, pattern: Any, begin: Begin, resident: Callable[[Probe], int], elapsed: Any
) -> None:
    """Announced lengths are refused before anything is allocated for them."""
    begin(probe, pattern)
    probe.do("disconnect")
    before = resident(probe)
    refused(probe, stranger.address, elapsed)
    assert resident(probe) - before < SOME_MEMORY
    probe.do("disconnect")
    assert begin(probe, pattern)["index"] == 0


def test_an_older_server(probe: Probe, fake: Any, elapsed: Any) -> None:
    server = fake("version")
    answer = refused(probe, server.address, elapsed, timeout=5)
    assert answer["error"] == "version"
    assert "9" in answer["message"]
    server.close()


def test_a_server_that_answers_in_another_version(probe: Probe, fake: Any, elapsed: Any) -> None:
    server = fake("future")
    answer = refused(probe, server.address, elapsed)
    assert probe.name == "python" or answer["error"] in ("version", "protocol", "timeout", "connection")
    server.close()


def test_a_server_that_appears_while_the_client_tries(probe: Probe, serve: Any, begin: Begin) -> None:
    """Until its time-out a client goes on trying."""
    server = serve()
    reborn = server.replace_in(0, down=1)
    assert probe.do("connect", address=server.address, timeout=20)["version"] == 1
    assert begin(probe, server)["index"] == 0
    reborn.join()
    server.close()
