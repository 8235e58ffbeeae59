"""The Containerfile: a strict reading of it, and whether what it copies, sets and runs exists."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from helios_runtime.cli.signals import SIGNALS
from helios_runtime.server.settings import read_settings

ROOT = Path(__file__).parents[2]
FILE = ROOT / "packaging" / "Containerfile"
Parse = Callable[..., tuple[str, dict[str, Any]]]
IMAGE = re.compile(r"[a-z0-9.-]+\.[a-z]+/[a-z0-9/_-]+:(?P<tag>[A-Za-z0-9._-]+)")
INSTRUCTIONS = re.compile(
    "ARG|CMD|COPY|ENTRYPOINT|ENV|EXPOSE|FROM|HEALTHCHECK|LABEL|RUN|STOPSIGNAL|USER|VOLUME|WORKDIR"
)


@dataclass
class Stage:
    """One image, from its FROM to the next."""

    base: str
    name: str
    lines: list[tuple[str, str]] = field(default_factory=list)

    def all(self, instruction: str) -> list[str]:
        return [rest for found, rest in self.lines if found == instruction]

    def one(self, instruction: str) -> str:
        (rest,) = self.all(instruction)
        return rest


def instructions_of(text: str) -> list[tuple[str, str]]:
    """Logical lines: comments left out, continued lines joined."""
    kept = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n", " ", "\n".join(kept))
    if joined.rstrip().endswith("\\"):
        raise ValueError("the last line goes on nowhere")
    found = []
    for line in filter(str.strip, joined.splitlines()):
        instruction, _, rest = line.strip().partition(" ")
        if not INSTRUCTIONS.fullmatch(instruction) or not rest.strip():
            raise ValueError(f"no instruction: {line.strip()!r}")
        found.append((instruction, " ".join(rest.split())))
    return found


def read(text: str) -> list[Stage]:
    """The stages of a Containerfile; ValueError for what would not build, or not run safely."""
    stages: list[Stage] = []
    for instruction, rest in instructions_of(text):
        if instruction == "FROM":
            base, _, name = rest.partition(" AS ")
            check_base(base, {stage.name for stage in stages})
            stages.append(Stage(base, name))
        elif not stages:
            raise ValueError(f"{instruction} stands before FROM")
        else:
            check(instruction, rest, {stage.name for stage in stages[:-1]})
            stages[-1].lines.append((instruction, rest))
    if not stages:
        raise ValueError("there is no FROM")
    check_last(stages[-1])
    return stages


def check_base(base: str, stages: set[str]) -> None:
    image = IMAGE.fullmatch(base)
    if base not in stages and (image is None or image["tag"] == "latest"):
        raise ValueError(f"{base!r} is neither a stage nor registry/name:tag with a tag that says which")


def check(instruction: str, rest: str, stages: set[str]) -> None:
    if instruction == "COPY":
        check_copy(rest, stages)
    elif instruction in ("CMD", "ENTRYPOINT", "VOLUME"):
        words_in(rest)
    elif instruction == "ENV" and not all(re.fullmatch(r"[A-Z_]+=\S+", pair) for pair in shlex.split(rest)):
        raise ValueError(f"ENV takes NAME=VALUE: {rest!r}")
    elif instruction == "EXPOSE" and not re.fullmatch(r"\d+(/tcp)?", rest):
        raise ValueError(f"EXPOSE takes a port: {rest!r}")
    elif instruction == "HEALTHCHECK" and not re.fullmatch(r"(--[a-z-]+=\d+(s|m)? )*(--retries=\d+ )?CMD \[.*\]", rest):
        raise ValueError(f"no HEALTHCHECK: {rest!r}")


def check_copy(rest: str, stages: set[str]) -> None:
    words = rest.split()
    if words[0].startswith("--from="):
        if words[0].removeprefix("--from=") not in stages:
            raise ValueError(f"no stage: {words[0]!r}")
    elif gone := [word for word in words[:-1] if not (ROOT / word).exists()]:
        raise ValueError(f"there is no {gone}")
    if len(words) < 2:
        raise ValueError(f"COPY takes a source and a target: {rest!r}")


def check_last(stage: Stage) -> None:
    for instruction in ("CMD", "ENTRYPOINT", "EXPOSE", "HEALTHCHECK", "USER"):
        if len(stage.all(instruction)) != 1:
            raise ValueError(f"the last stage has {len(stage.all(instruction))} {instruction}")
    if not re.fullmatch(r"[1-9]\d*(:[1-9]\d*)?", stage.one("USER")):
        raise ValueError(f"USER is a number and not root, which runs as any user does: {stage.one('USER')!r}")


def words_in(rest: str) -> list[str]:
    """Of an instruction in the form that starts no shell: `["helios-world", "serve"]`."""
    words = json.loads(rest)
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        raise ValueError(f"no list of strings: {rest!r}")
    return words


@pytest.fixture(scope="module")
def last() -> Stage:
    return read(FILE.read_text())[-1]


@pytest.fixture(scope="module")
def environment(last: Stage) -> dict[str, str]:
    pairs = [pair.partition("=") for line in last.all("ENV") for pair in shlex.split(line)]
    return {name: value for name, _, value in pairs}


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("python:3.12-slim-bookworm", "python:latest"),
        ("python:3.12-slim-bookworm", "python"),
        ("FROM docker.io/library/python:3.12-slim-bookworm AS build", ""),
        ("AS build", "AS builder"),
        ("RUN python", "RNU python"),
        ("COPY runtime runtime", "COPY runtimes runtime"),
        ("COPY runtime runtime", "COPY runtime"),
        ("USER 10001:10001", "USER root"),
        ("USER 10001:10001", "USER 0:0"),
        ("USER 10001:10001\n", ""),
        ("EXPOSE 5555", "EXPOSE port"),
        ("EXPOSE 5555\n", ""),
        ('CMD ["nano"]', "CMD nano"),
        ('CMD ["nano"]', 'CMD ["nano"'),
        ("--interval=30s", "--interval=often"),
        ("HELIOS_BIND=0.0.0.0:5555", "HELIOS_BIND"),
    ],
)
def test_mistakes_are_found(right: str, wrong: str) -> None:
    text = FILE.read_text()
    assert right in text
    with pytest.raises(ValueError, match=r"."):
        read(text.replace(right, wrong))


def test_the_server_that_is_started_exists(last: Stage, parse: Parse) -> None:
    program, *words = [*words_in(last.one("ENTRYPOINT")), *words_in(last.one("CMD"))]
    assert program == "helios-world"
    name, parameters = parse(words)
    assert (name, parameters["world"]) == ("serve", "nano")


def test_its_settings_are_safe_and_fit(last: Stage, environment: dict[str, str]) -> None:
    configuration = read_settings({}, environment)
    assert not configuration.unknown
    settings = configuration.settings
    assert settings.bind == f"0.0.0.0:{last.one('EXPOSE')}"
    assert settings.keys is not None
    assert not settings.insecure
    assert str(settings.state_dir) in words_in(last.one("VOLUME"))


def test_the_health_check_asks_this_server(last: Stage, environment: dict[str, str], parse: Parse) -> None:
    program, *words = words_in(last.one("HEALTHCHECK").partition(" CMD ")[2])
    assert program == "helios-world"
    name, parameters = parse(words)
    assert name == "health"
    assert parameters["address"] == f"127.0.0.1:{last.one('EXPOSE')}"
    assert {parameters["key"].parent, parameters["server_key"].parent} == {Path(environment["HELIOS_KEYS"])}
    timeout = re.search(r"--timeout=(\d+)s", last.one("HEALTHCHECK"))
    assert timeout is not None
    assert parameters["timeout"] < int(timeout[1])


def test_it_is_stopped_by_a_signal_that_drains(last: Stage) -> None:
    assert last.one("STOPSIGNAL") in {number.name for number in SIGNALS}


def test_everything_that_is_installed_is_copied() -> None:
    build = read(FILE.read_text())[0]
    copied = {word for line in build.all("COPY") for word in line.split()[:-1]}
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    packages = re.search(r"^packages = \[(.*)\]$", project, re.M)
    assert packages is not None
    needed = {entry.strip(' "').split("/")[0] for entry in packages[1].split(",")}
    assert copied >= needed | {"pyproject.toml", "constraints.txt", "README.md", "LICENSE"}


@pytest.mark.skipif(os.name != "posix" or shutil.which("sh") is None, reason="there is no shell")
def test_the_shell_can_read_what_is_run() -> None:
    for stage in read(FILE.read_text()):
        for line in stage.all("RUN"):
            done = subprocess.run(["sh", "-n", "-c", line], capture_output=True, text=True)
            assert done.returncode == 0, done.stderr
