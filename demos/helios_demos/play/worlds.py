"""Opens the worlds of a session."""

from __future__ import annotations

import helios_runtime
from helios_demos.play.options import PlayOptions
from helios_runtime.client import ClientKeys
from helios_runtime.lockstep import LockStep
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
        return _connect(options.connect, options)
    compute = {"device": options.device, "dtype": options.dtype, "threads": options.threads}
    return World.load(options.world, **compute, **options.settings)  # type: ignore[arg-type]


def _open_truth(options: PlayOptions) -> list[World]:
    if options.truth is None or options.headless:
        return []
    return [World.load(options.truth)]


def _connect(address: str, options: PlayOptions) -> World:
    return helios_runtime.connect(address, keys=ClientKeys.given(options.key, options.server_key))
