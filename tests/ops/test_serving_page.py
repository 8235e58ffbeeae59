"""What docs/serving.md says about settings, metrics and commands is what there is."""

from __future__ import annotations

import re
import shlex
import socket
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from helios_runtime.server.settings import ServeSettings, flag_of, variable_of

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "serving.md").read_text(encoding="utf-8")
COMMANDS = [
    line
    for block in re.findall(r"^```sh\n(.*?)^```$", PAGE, re.M | re.S)
    for line in block.replace("\\\n", " ").splitlines()
]
Parse = Callable[..., tuple[str, dict[str, Any]]]


def rows(first: str) -> dict[str, list[str]]:
    """Of the tables whose first column matches: the other columns."""
    lines = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in PAGE.splitlines() if line[:1] == "|"]
    return {cells[0].strip("` "): cells[1:] for cells in lines if re.fullmatch(first, cells[0].strip())}


def test_every_setting_is_in_the_table_with_its_default() -> None:
    table = rows(r"`(WORLD|--[a-z-]+)`")
    assert set(table) == {flag_of(name) for name in ServeSettings.model_fields}
    for name, field in ServeSettings.model_fields.items():
        variable, _, default = (cell.strip("` |") for cell in table[flag_of(name)])
        assert variable == variable_of(name)
        shown = "none" if field.default in (None, {}) else str(field.default).removesuffix(".0").lower()
        assert default == shown, name


def test_every_metric_is_in_the_table() -> None:
    pytest.importorskip("prometheus_client")
    from helios_runtime.server.server import Server

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with Server(ServeSettings(world="pattern", bind="127.0.0.1:0", metrics_port=port)):
        shown = urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10).read().decode()
    kinds = dict(re.findall(r"^# TYPE (helios_\w+) (\w+)$", shown, re.M))
    there_are = {name: kind for name, kind in kinds.items() if not name.endswith("_created")}
    assert {name: cells[0].split(",")[0] for name, cells in rows(r"`helios_\w+`").items()} == there_are


@pytest.mark.parametrize("line", COMMANDS)
def test_commands_of_the_system_name_what_there_is(line: str, parse: Parse) -> None:
    words = shlex.split(line)
    assert not [word for word in words if word.startswith("packaging/") and not (ROOT / word).is_file()]
    if words[0] == "helios-world":
        parse(words[1:])
    if words[:2] == ["docker", "run"]:
        image = next(word for word in words if word.startswith("helios-world:"))
        assert parse(["serve", *words[words.index(image) + 1 :]])[1]["world"] == "nano"
        mounted = {words[at + 1].split(":")[1] for at, word in enumerate(words) if word == "-v"}
        container = (ROOT / "packaging" / "Containerfile").read_text(encoding="utf-8")
        assert not [path for path in mounted if path not in container]
    if "useradd" in words:
        unit = (ROOT / "packaging" / "helios-world.service").read_text(encoding="utf-8")
        assert f"User={words[-1]}\n" in unit
