"""What the tests of the server's operation share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest
import typer.main

from helios_runtime.cli.app import app

Parse = Callable[[Sequence[str]], tuple[str, dict[str, Any]]]


@pytest.fixture
def parse() -> Parse:
    """Reads the words after `helios-world`: the command and its parameters, or click's error."""
    group: Any = typer.main.get_command(app)

    def parsed(words: Sequence[str]) -> tuple[str, dict[str, Any]]:
        context = group.make_context("helios-world", list(words))
        name, command, rest = group.resolve_command(context, list(words))
        return name, command.make_context(name, rest, parent=context).params

    return parsed
