"""A websockets server with msgpack, written as openpi's policy server is.

github.com/Physical-Intelligence/openpi, src/openpi/serving/websocket_policy_server.py and openpi-client: an asyncio
server whose handler calls the policy itself, a synchronous client, no compression, no limit of size; an array is a map
of its bytes, type and shape, and the reply says how long the policy took.
"""

from __future__ import annotations

import asyncio
import functools
import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import msgpack
import numpy as np

from helios_runtime.bench_wire.way import InstantWorld, Way
from helios_world.spec import Action, Frames

if TYPE_CHECKING:
    from websockets.asyncio.server import ServerConnection


def _pack_array(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return {b"__ndarray__": True, b"data": value.tobytes(), b"dtype": value.dtype.str, b"shape": value.shape}
    return value


def _unpack_array(value: Any) -> Any:
    if b"__ndarray__" in value:
        return np.ndarray(buffer=value[b"data"], dtype=np.dtype(value[b"dtype"]), shape=value[b"shape"])
    return value


Packer = functools.partial(msgpack.Packer, default=_pack_array)
unpack = functools.partial(msgpack.unpackb, object_hook=_unpack_array)


def serve(world: InstantWorld, announce: Callable[[str], None]) -> None:
    asyncio.run(_serve(world, announce))


async def _serve(world: InstantWorld, announce: Callable[[str], None]) -> None:
    from websockets.asyncio.server import serve as listen

    handler = functools.partial(_handle, world)
    async with listen(handler, "127.0.0.1", 0, compression=None, max_size=None) as server:
        host, port = server.sockets[0].getsockname()
        announce(f"ws://{host}:{port}")
        await server.serve_forever()


async def _handle(world: InstantWorld, socket: ServerConnection) -> None:
    from websockets.exceptions import ConnectionClosed

    packer = Packer()
    await socket.send(packer.pack(world.spec.to_dict()))
    while True:
        try:
            asked = unpack(await socket.recv())
            start = time.monotonic()
            chunk = world.step(Action.from_dict(asked))
            timing = {"infer_ms": 1000 * (time.monotonic() - start)}
            answer = {"frames": chunk.frames, "index": chunk.index, "server_timing": timing}
            await socket.send(packer.pack(answer))
        except ConnectionClosed:
            return


class Client:
    def __init__(self, address: str) -> None:
        from websockets.sync.client import connect

        self._packer = Packer()
        # A proxy from the environment is not for this machine.
        opened = connect(address, compression=None, max_size=None, proxy=None)
        self._stack = ExitStack()
        self._socket = self._stack.enter_context(opened)
        self._socket.recv()

    def step(self, action: Action) -> Frames:
        self._socket.send(self._packer.pack(action.to_dict()))
        frames: Frames = unpack(self._socket.recv())["frames"]
        return frames

    def close(self) -> None:
        self._stack.close()


OPENPI = Way("websockets, msgpack arrays", "openpi's policy server", serve, Client, "websockets", "websockets")
