"""The application: the list of commands, and how their errors are shown."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from helios_runtime.cli.bench import bench
from helios_runtime.cli.data import data
from helios_runtime.cli.doctor import doctor
from helios_runtime.cli.evaluate import evaluate
from helios_runtime.cli.generate import generate
from helios_runtime.cli.health import health
from helios_runtime.cli.info import info
from helios_runtime.cli.keys import keys
from helios_runtime.cli.play import play
from helios_runtime.cli.replay import replay
from helios_runtime.cli.serve import serve
from helios_runtime.cli.train import train
from helios_world.errors import HeliosError

USER_ERROR = 2


class Commands(TyperGroup):
    """Shows an error that was raised on purpose as one line, without a traceback."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            raise
        except (HeliosError, OSError) as error:
            print(f"helios-world: {error}", file=sys.stderr)
            raise typer.Exit(USER_ERROR) from error


app = typer.Typer(
    name="helios-world",
    cls=Commands,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def show_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        print(version("helios-world"))
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool,
        typer.Option("--version", callback=show_version, is_eager=True, help="Print the version and leave."),
    ] = False,
) -> None:
    """Walk through a world while a video model generates it.

    Begin with: helios-world play
    """


app.command()(play)
app.command()(generate)
app.command()(replay)
app.command()(serve)
app.command()(health)
app.command()(keys)
app.command()(train)
app.command("eval")(evaluate)
app.add_typer(data)
app.add_typer(bench)
app.command()(info)
app.command()(doctor)
