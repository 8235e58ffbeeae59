"""Commands on a world behind a server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from helios_runtime.cli.app import app
from helios_runtime.server.server import Server
from helios_runtime.server.settings import ServeSettings
from helios_world.recording import read_log, verify
from helios_world.spec import World


@pytest.fixture
def address() -> Iterator[str]:
    with Server(ServeSettings(world="pattern", bind="127.0.0.1:0")) as server:
        yield server.address


def test_a_video_of_a_remote_world_is_that_of_a_local_one(address: str, tmp_path: Path) -> None:
    out = tmp_path / "remote.mp4"
    command = ["generate", "--connect", address, "--seed", "3", "--frames", "22", "-o", str(out)]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 0, result.output
    assert verify(read_log(out), World.load("pattern")).same


def test_a_session_behind_a_server_is_played(address: str, tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["play", "--headless", "--connect", address, "--seconds", "0.5"])
    assert result.exit_code == 0, result.output
    assert '"underruns"' in result.stdout


@pytest.mark.parametrize("command", ["play", "generate", "health"])
def test_one_key_is_not_enough(command: str) -> None:
    assert CliRunner().invoke(app, [command, "--key", "me.key_secret"]).exit_code == 2
