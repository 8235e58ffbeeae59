"""Every command and every example in the documentation works.

A code block is preceded by `<!-- run -->` (it is run here, on the pattern world in place of nano) or by
`<!-- checked -->` (its commands, options and targets exist).
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

import pytest
import typer
import typer.main
from typer.testing import CliRunner

from helios_runtime.cli.app import app
from helios_world.train.__main__ import build_parser

ROOT = Path(__file__).parents[1]
DOCUMENTS = (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md")))
BLOCK = re.compile(r"^(?:<!-- (run|checked) -->\n)?```(bash|python)\n(.*?)^```$", re.M | re.S)
LINK = re.compile(r"\]\((?!https?://|#|mailto:)([^)#\s]+)")
USAGE_ERROR = typer.BadParameter.__bases__[0]
PLAIN_TOOLS = {"git", "cd", "source", "python", "python3", "py"}


@dataclass(frozen=True)
class Block:
    where: str
    mark: str
    language: str
    code: str

    @property
    def commands(self) -> list[list[str]]:
        lines = self.code.replace("\\\n", " ").splitlines()
        return [words for line in lines if (words := shlex.split(line, comments=True))]


def blocks_of(document: Path) -> list[Block]:
    text = document.read_text(encoding="utf-8")
    found = []
    for match in BLOCK.finditer(text):
        line = text.count("\n", 0, match.start()) + 1
        found.append(Block(f"{document.name}:{line}", *match.groups()))
    return found


BLOCKS = [block for document in DOCUMENTS for block in blocks_of(document)]


def marked(mark: str, language: str) -> list[Block]:
    return [block for block in BLOCKS if (block.mark, block.language) == (mark, language)]


def test_every_block_is_marked() -> None:
    assert BLOCKS
    assert not [block.where for block in BLOCKS if block.mark is None]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: document.name)
def test_linked_files_exist(document: Path) -> None:
    targets = LINK.findall(document.read_text(encoding="utf-8"))
    assert not [target for target in targets if not (document.parent / target).exists()]


@pytest.mark.parametrize("block", marked("checked", "bash") + marked("run", "bash"), ids=lambda block: block.where)
def test_commands_exist(block: Block) -> None:
    for words in block.commands:
        check(words)


@pytest.mark.parametrize("block", marked("run", "bash"), ids=lambda block: block.where)
def test_commands_run(block: Block, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for program, *words in block.commands:
        assert program == "helios-world", f"only helios-world is run here, not {program}"
        result = CliRunner().invoke(app, ["pattern" if word == "nano" else word for word in words])
        assert result.exit_code == 0, result.output


@pytest.mark.parametrize("block", marked("run", "python"), ids=lambda block: block.where)
def test_python_runs(block: Block, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    exec(compile(block.code.replace('"nano"', '"pattern"'), block.where, "exec"), {})


@pytest.mark.parametrize(
    "line",
    [
        "helios-world play --no-such-option",
        "helios-world fly",
        "helios-world bench nano --chunks many",
        "make no-such-target",
        ".venv/bin/pip install -c no-such-file.txt -e .",
        '.venv/bin/pip install -e ".[no-such-extra]"',
        ".venv/bin/no-such-tool",
        "no-such-program",
    ],
)
def test_what_does_not_exist_is_found(line: str) -> None:
    with pytest.raises((AssertionError, USAGE_ERROR)):
        check(shlex.split(line))


def check(words: list[str]) -> None:
    program, *rest = words
    if program == "helios-world":
        check_command(rest)
    elif program == "torchrun":
        check_training(rest)
    elif program == "make":
        check_target(rest)
    elif program.startswith(".venv/bin/") and Path(program).name != "pip":
        check_tool(Path(program).name)
    elif Path(program).name == "pip":
        check_install(rest)
    else:
        assert program in PLAIN_TOOLS, f"unknown program {program!r}"


def check_command(words: list[str]) -> None:
    group = typer.main.get_command(app)
    context = group.make_context("helios-world", list(words))
    while hasattr(group, "resolve_command"):
        # Of a group that puts a name before the words, the words are what it made of them.
        name, group, rest = group.resolve_command(context, [*context._protected_args, *context.args])
        context = group.make_context(name, rest, parent=context)


def check_training(words: list[str]) -> None:
    module = words.index("-m") + 1
    assert words[module] == "helios_world.train"
    build_parser().parse_args(words[module + 1 :])


def check_target(words: list[str]) -> None:
    targets = re.search(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M)
    assert targets is not None
    assert {word for word in words if "=" not in word} <= set(targets[1].split())


def check_install(words: list[str]) -> None:
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert words[0] == "install"
    if "-c" in words:
        assert (ROOT / words[words.index("-c") + 1]).is_file()
    for word in words:
        for extra in re.findall(r"^\.\[(.*)\]$", word):
            assert all(re.search(rf"^{name} = \[", project, re.M) for name in extra.split(",")), word


def check_tool(name: str) -> None:
    assert name in (ROOT / "pyproject.toml").read_text(encoding="utf-8")
