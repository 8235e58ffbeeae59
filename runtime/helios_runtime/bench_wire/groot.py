"""A REP server with msgpack and np.save, written as GR00T's policy server is.

github.com/NVIDIA/Isaac-GR00T, gr00t/policy/server_client.py: one msgpack map per request and per reply, arrays in them
as the bytes of a .npy file, sockets with pyzmq's defaults.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import msgpack
import numpy as np
import zmq

from helios_runtime.bench_wire.way import InstantWorld, Way
from helios_world.spec import Action, Frames


def pack(data: Any) -> bytes:
    packed: bytes = msgpack.packb(data, default=_pack_array)
    return packed


def unpack(data: bytes) -> Any:
    return msgpack.unpackb(data, object_hook=_unpack_array)


def _pack_array(value: Any) -> Any:
    if not isinstance(value, np.ndarray):
        return value
    file = io.BytesIO()
    np.save(file, value, allow_pickle=False)
    return {"__ndarray_class__": True, "as_npy": file.getvalue()}


def _unpack_array(value: Any) -> Any:
    if "__ndarray_class__" in value:
        return np.load(io.BytesIO(value["as_npy"]), allow_pickle=False)
    return value


def serve(world: InstantWorld, announce: Callable[[str], None]) -> None:
    def get_action(observation: dict[str, Any], options: None) -> tuple[dict[str, Any], dict[str, Any]]:
        chunk = world.step(Action.from_dict(observation))
        return {"frames": chunk.frames}, {"index": chunk.index}

    endpoints = {"get_action": get_action}
    with zmq.Context() as context, context.socket(zmq.REP) as socket:
        socket.bind("tcp://127.0.0.1:*")
        announce(socket.getsockopt_string(zmq.LAST_ENDPOINT))
        while True:
            request = unpack(socket.recv())
            result = endpoints[request["endpoint"]](**request["data"])
            socket.send(pack(result))


class Client:
    def __init__(self, address: str) -> None:
        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.REQ)
        self._socket.connect(address)

    def step(self, action: Action) -> Frames:
        data = {"observation": action.to_dict(), "options": None}
        self._socket.send(pack({"endpoint": "get_action", "data": data}))
        made, _ = unpack(self._socket.recv())
        frames: Frames = made["frames"]
        return frames

    def close(self) -> None:
        self._socket.close(linger=0)
        self._context.term()


GROOT = Way("pyzmq REP, msgpack with np.save", "GR00T's policy server", serve, Client)
