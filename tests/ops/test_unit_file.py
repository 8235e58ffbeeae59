"""The systemd unit: every line means something, and the command in it exists."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from helios_runtime.server.settings import ServeSettings, read_settings

PACKAGING = Path(__file__).parents[2] / "packaging"
UNIT = PACKAGING / "helios-world.service"
Parse = Callable[..., tuple[str, dict[str, Any]]]

ANYTHING = r".+"
YES_OR_NO = "yes|no"
NUMBER = r"\d+"
NAME = r"[a-z][a-z0-9-]*"
TIME = r"(\d+(min|s|h)\s?)+"
UNITS = r"[a-z-]+\.target( [a-z-]+\.target)*"
KEYS: dict[str, dict[str, str]] = {
    "Unit": {
        "After": UNITS,
        "Description": ANYTHING,
        "StartLimitBurst": NUMBER,
        "StartLimitIntervalSec": TIME,
        "Wants": UNITS,
    },
    "Service": {
        "CacheDirectory": NAME,
        "CapabilityBoundingSet": "",
        "ConfigurationDirectory": NAME,
        "Environment": r"([A-Z_]+=\S+ ?)+",
        "ExecStart": r"/\S+( \S+)*",
        "Group": NAME,
        "KillMode": "mixed",
        "LimitNOFILE": NUMBER,
        "LockPersonality": YES_OR_NO,
        "NoNewPrivileges": YES_OR_NO,
        "PrivateTmp": YES_OR_NO,
        "ProtectClock": YES_OR_NO,
        "ProtectControlGroups": YES_OR_NO,
        "ProtectHome": YES_OR_NO,
        "ProtectHostname": YES_OR_NO,
        "ProtectKernelLogs": YES_OR_NO,
        "ProtectKernelModules": YES_OR_NO,
        "ProtectKernelTunables": YES_OR_NO,
        "ProtectSystem": "strict|full|yes|no",
        "Restart": "no|always|on-failure|on-abnormal",
        "RestartPreventExitStatus": NUMBER,
        "RestartSec": TIME,
        "RestrictAddressFamilies": r"AF_[A-Z0-9]+( AF_[A-Z0-9]+)*",
        "RestrictNamespaces": YES_OR_NO,
        "RestrictRealtime": YES_OR_NO,
        "RestrictSUIDSGID": YES_OR_NO,
        "StateDirectory": NAME,
        "StateDirectoryMode": r"0[0-7]{3}",
        "SystemCallArchitectures": "native",
        "SystemCallFilter": r"@[a-z-]+",
        "TimeoutStartSec": TIME,
        "TimeoutStopSec": TIME,
        "Type": "notify",
        "UMask": r"0[0-7]{3}",
        "User": NAME,
    },
    "Install": {"WantedBy": UNITS},
}
"""The keys that are used, with what may stand behind them; systemd ignores those that it does not know."""
REPEATED = {"Environment"}


@dataclass(frozen=True)
class Line:
    section: str
    key: str
    value: str


def read_unit(text: str) -> list[Line]:
    """The lines of a unit; ValueError for what systemd would ignore or refuse."""
    section, lines = "", list[Line]()
    for number, raw in enumerate(text.splitlines(), 1):
        line = raw.strip()
        if not line or line[0] in "#;":
            continue
        if line.startswith("["):
            section = line.strip("[]")
            if line != f"[{section}]" or section not in KEYS:
                raise ValueError(f"line {number}: no section {line}")
            continue
        key, separator, value = line.partition("=")
        expected = KEYS.get(section, {}).get(key)
        if not separator or expected is None:
            raise ValueError(f"line {number}: no key {key!r} in [{section}]")
        if not re.fullmatch(expected, value):
            raise ValueError(f"line {number}: {key} cannot be {value!r}")
        if key not in REPEATED and (section, key) in {(known.section, known.key) for known in lines}:
            raise ValueError(f"line {number}: {key} is set twice")
        lines.append(Line(section, key, value))
    return lines


@pytest.fixture(scope="module")
def unit() -> dict[str, str]:
    return {line.key: line.value for line in read_unit(UNIT.read_text()) if line.key not in REPEATED}


@pytest.fixture(scope="module")
def environment() -> dict[str, str]:
    values = [line.value for line in read_unit(UNIT.read_text()) if line.key == "Environment"]
    pairs = [pair.partition("=") for value in values for pair in shlex.split(value)]
    return {name: value for name, _, value in pairs}


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("[Service]", "[Servce]"),
        ("[Service]", "[Service"),
        ("[Install]", ""),
        ("Restart=on-failure", "Restrat=on-failure"),
        ("Restart=on-failure", "Restart=on-failures"),
        ("Restart=on-failure", "Restart"),
        ("Type=notify", "Type=notfy"),
        ("ExecStart=/opt", "ExecStart=opt"),
        ("TimeoutStopSec=90s", "TimeoutStopSec=90 seconds or so"),
        ("UMask=0077", "UMask=0079"),
        ("RestartSec=2s", "RestartSec=2s\nRestartSec=3s"),
    ],
)
def test_mistakes_are_found(right: str, wrong: str) -> None:
    text = UNIT.read_text()
    assert right in text
    with pytest.raises(ValueError, match="line"):
        read_unit(text.replace(right, wrong))


def test_the_command_exists(unit: dict[str, str], parse: Parse) -> None:
    program, *words = shlex.split(unit["ExecStart"])
    assert program.endswith("/helios-world")
    name, parameters = parse(words)
    assert name == "serve"
    assert parameters["config"] == Path("/etc") / unit["ConfigurationDirectory"] / "serve.toml"


def test_the_environment_has_settings(unit: dict[str, str], environment: dict[str, str]) -> None:
    filled = {name: value.replace("%S", "/var/lib").replace("%C", "/var/cache") for name, value in environment.items()}
    read = read_settings({}, filled, PACKAGING / "serve.toml")
    assert not read.unknown
    assert read.settings.state_dir == Path("/var/lib") / unit["StateDirectory"] / "sessions"
    assert read.settings.log_format == "json"
    caches = [value for name, value in filled.items() if not name.startswith("HELIOS_")]
    assert caches
    assert all(value.startswith(f"/var/cache/{unit['CacheDirectory']}") for value in caches)


def test_there_is_time_to_drain(unit: dict[str, str]) -> None:
    assert float(unit["TimeoutStopSec"].removesuffix("s")) > 2 * ServeSettings().drain_seconds


def test_wrong_settings_are_not_tried_again(unit: dict[str, str]) -> None:
    from helios_runtime.cli.app import USER_ERROR

    assert unit["RestartPreventExitStatus"] == str(USER_ERROR)


def test_the_settings_in_the_example_are_the_safe_ones() -> None:
    read = read_settings({}, {}, PACKAGING / "serve.toml")
    assert read.settings.bind.startswith("127.0.0.1:")
    assert not read.settings.insecure


def test_what_is_commented_out_in_the_example_works(tmp_path: Path) -> None:
    text = (PACKAGING / "serve.toml").read_text()
    shown = re.sub(r"^# (?=(\w+ = |\[))", "", text.replace('bind = "127.0.0.1:5555"\n', ""), flags=re.M)
    shown = re.sub(r"^# Beyond this machine: (.*) and$", r"\1", shown, flags=re.M).replace('world = "nano"\n', "")
    file = tmp_path / "serve.toml"
    file.write_text(shown)
    read = read_settings({}, {}, file)
    changed = {name for name, origin in read.origins.items() if origin != "default"}
    assert changed >= {"bind", "keys", "world", "options"}


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
def test_systemd_has_nothing_to_say(tmp_path: Path) -> None:
    file = tmp_path / UNIT.name
    file.write_text(UNIT.read_text().replace("/opt/helios-world/bin/helios-world", sys.executable))
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", str(file)], capture_output=True, text=True)
    said = [line for line in (done.stdout + done.stderr).splitlines() if UNIT.name in line]
    assert not said
