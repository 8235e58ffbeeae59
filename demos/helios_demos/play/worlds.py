"""Opens the worlds of a session."""

from __future__ import annotations

from importlib import import_module

from helios_demos.play.options import PlayOptions
from helios_runtime.lockstep import LockStep
from helios_world.errors import DependencyError
from helios_world.spec import World

__all__ = ["open_worlds"]


def open_worlds(options: PlayOptions) -> LockStep:
    """The world of the options, and beside it the truth if there is a window to show it."""
    lead = _open_lead(options)
    try:
        return LockStep([lead, *_open_truth(options)])
    except Exception:
        lead.close()
        raise


def _open_lead(options: PlayOptions) -> World:
    if options.connect is not None:
        return _connect(options.connect)
    compute = {"device": options.device, "dtype": options.dtype, "threads": options.threads}
    return World.load(options.world, **compute, **options.settings)  # type: ignore[arg-type]


def _open_truth(options: PlayOptions) -> list[World]:
    if options.truth is None or options.headless:
        return []
    return [World.load(options.truth)]


def _connect(address: str) -> World:
    try:
        client = import_module("helios_runtime.client")
    except ModuleNotFoundError as error:
        raise DependencyError(
            f"cannot connect to {address!r}: this version has no client for worlds in other processes; "
            "leave --connect out to open a world in this one"
        ) from error
    world: World = client.connect(address)
    return world
