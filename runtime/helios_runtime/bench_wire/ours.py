"""Our own server and client, as `helios-world serve` and `helios_runtime.connect` are: raw frames, in lockstep."""

from __future__ import annotations

from collections.abc import Callable

from helios_runtime.bench_wire.way import InstantWorld, Way
from helios_world.spec import Action, Frames

UNLIMITED = 1e6
"""Requests per second; the limit that a server has by default is not what is measured."""


def serve(world: InstantWorld, announce: Callable[[str], None]) -> None:
    from helios_runtime.server.server import Server
    from helios_runtime.server.settings import ServeSettings

    settings = ServeSettings.model_validate({"world": world.spec.name, "bind": "127.0.0.1:0", "rate": UNLIMITED})
    with Server(settings, lambda name: world.fork()) as server:
        announce(server.address)
        server.serve_forever()


class Client:
    def __init__(self, address: str) -> None:
        from helios_runtime.client import connect

        self._world = connect(address)
        self._world.reset()

    def step(self, action: Action) -> Frames:
        return self._world.step(action).frames

    def close(self) -> None:
        self._world.close()


OURS = Way("helios-world", "ours: rgb24, lockstep", serve, Client)
