"""How commands speak: results on standard output, so that they can be piped, all else on standard error."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from rich.console import Console


def results() -> Console:
    """The console for what the user asked for."""
    from rich.console import Console

    return Console(highlight=False, soft_wrap=True)


def notes() -> Console:
    """The console for everything that is not the result."""
    from rich.console import Console

    return Console(stderr=True, highlight=False, soft_wrap=True)


def print_json(data: Mapping[str, Any]) -> None:
    print(json.dumps(data, indent=2, ensure_ascii=False))


def write_json(path: Path, data: Mapping[str, Any]) -> None:
    """Write what `print_json` prints to a file, in a folder that is made if need be."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(data, indent=2) + "\n", encoding="utf-8")


def print_rows(title: str, rows: Sequence[tuple[str, str]]) -> None:
    """A titled table of two columns. Lines are never broken, so that what they say can be copied."""
    from rich.text import Text

    console = results()
    console.print(Text(title, style="bold"))
    width = max((len(name) for name, _ in rows), default=0)
    for name, value in rows:
        console.print(Text(f"  {name:<{width}}  {value}"))


@contextmanager
def progress(label: str, total: int) -> Iterator[Callable[[], None]]:
    """Show a progress bar with the time left; call what is yielded once per item done."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=notes(), transient=True) as bar:
        task = bar.add_task(label, total=total)
        yield lambda: bar.advance(task)
