"""`helios-world serve`: worlds for other processes, until a signal ends it."""

from __future__ import annotations

import inspect
import json
import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_args

import typer

from helios_runtime.cli.console import print_json
from helios_runtime.cli.options import Settings, settings_of
from helios_runtime.cli.signals import ending_with
from helios_runtime.server.notify import notify
from helios_runtime.server.settings import Configuration, ServeSettings, flag_of, read_settings

if TYPE_CHECKING:
    from helios_runtime.server.server import Server

_log = logging.getLogger(__name__)
INCOMPLETE = 1
"""The exit code if sessions were lost, because they took longer than drain_seconds."""
DEFAULT_WORLD: str = ServeSettings.model_fields["world"].default
_NOT_FLAGS = ("world", "options")


def with_flags(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command that ends with **keywords a flag per setting, None where it is not used."""
    signature = inspect.signature(command, eval_str=True)
    named = [entry for entry in signature.parameters.values() if entry.kind is not inspect.Parameter.VAR_KEYWORD]
    flags = [_flag(name) for name in ServeSettings.model_fields if name not in _NOT_FLAGS]
    command.__signature__ = signature.replace(parameters=[*named, *flags])  # type: ignore[attr-defined]
    return command


def _flag(name: str) -> inspect.Parameter:
    """All but switches are taken as text, so that a value is checked the same wherever it is from."""
    field = ServeSettings.model_fields[name]
    shown = False if field.default is None or field.default is False else f"{field.default}"
    kind = bool if field.annotation is bool else str
    metavar = None if kind is bool else _metavar(field.annotation)
    option = typer.Option(flag_of(name), metavar=metavar, help=field.description, show_default=shown)
    annotation = Annotated[kind | None, option]  # type: ignore[valid-type]
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)


def _metavar(kind: Any) -> str:
    choices = get_args(kind)
    if choices and all(isinstance(choice, str) for choice in choices):
        return "|".join(choices)
    return {str: "TEXT", int: "INTEGER", float: "NUMBER"}.get(kind, "FOLDER")


@with_flags
def serve(
    world: Annotated[
        str | None,
        typer.Argument(
            metavar="[WORLD]", help=ServeSettings.model_fields["world"].description, show_default=DEFAULT_WORLD
        ),
    ] = None,
    config: Annotated[Path | None, typer.Option(help="A TOML file of settings, or HELIOS_CONFIG.")] = None,
    print_config: Annotated[
        bool, typer.Option("--print-config", help="Print the settings, and where each is from, and leave.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the line that says ready, or the settings, as JSON.")
    ] = False,
    settings: Settings = None,
    **flags: Any,
) -> None:
    """Serve a world to other processes: engines, agents, helios-world play --connect.

    What no flag sets is taken from the environment (--max-sessions is HELIOS_MAX_SESSIONS), then from a TOML file
    (max_sessions). One line on standard output says when it is ready, and where; the log goes to standard error.

    The first SIGTERM or SIGINT lets running steps finish and saves all sessions; the second ends it at once.

    Example: helios-world serve nano

    Example: helios-world serve nano --bind 0.0.0.0:5555 --keys keys --state-dir sessions --metrics-port 9095
    """
    given = {"world": world, "options": settings_of(settings) or None, **flags}
    used = {name: value for name, value in given.items() if value is not None}
    configuration = read_settings(used, os.environ, config)
    if print_config:
        show(configuration, as_json)
    elif not run(configuration, as_json):
        raise typer.Exit(INCOMPLETE)


def show(configuration: Configuration, as_json: bool) -> None:
    if as_json:
        print_json(configuration.to_dict())
    else:
        print(configuration.to_toml())


def run(configuration: Configuration, as_json: bool) -> bool:
    """Serve until a signal comes; returns whether all sessions could be kept."""
    from helios_runtime.server.logs import logging_to

    settings = configuration.settings
    with logging_to(style=settings.log_format, level=settings.log_level):
        for name in configuration.unknown:
            _log.warning("%s is no setting and does nothing; helios-world serve --print-config lists them", name)
        server = started(settings)
        try:
            return wait(server, as_json)
        finally:
            server.close()


def started(settings: ServeSettings) -> Server:
    """A server that listens.

    Raises:
        HeliosError: what stands in its way.
        OSError: the address cannot be had.
    """
    import zmq

    from helios_runtime.server.server import Server

    _log.info("opening %s", settings.world)
    server = Server(settings)
    try:
        server.start()
    except zmq.ZMQError as error:
        raise OSError(f"cannot listen at {settings.bind}: {error}") from error
    return server


def wait(server: Server, as_json: bool) -> bool:
    """Say that it is ready, and serve until a signal comes."""
    kept: list[bool] = []

    def end() -> None:
        _log.info("ending: no new requests, running steps may take %g s", server.settings.drain_seconds)
        notify("STOPPING=1")
        kept.append(server.drain())

    with ending_with(end):
        announce(server, as_json)
        notify("READY=1")
        server.serve_forever()
    if kept == [True]:
        _log.info("ended in order")
    else:
        _log.error("ended before all sessions were saved; a larger drain_seconds gives them more time")
    return kept == [True]


def announce(server: Server, as_json: bool) -> None:
    world = server.settings.world
    if as_json:
        print(json.dumps({"ready": True, "address": server.address, "world": world, "pid": os.getpid()}), flush=True)
    else:
        print(f"ready: {world} at {server.address}", flush=True)
