"""gRPC with the frames as raw bytes: what it can do at best, without protobuf's own copies.

A generic handler on a pool of threads, as grpc's examples have it, and no limit of size. The reply is nothing but the
frames; their shape is asked for once.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgpack
import numpy as np

from helios_runtime.bench_wire.way import InstantWorld, Way
from helios_world.spec import Action, Frames

SERVICE = "helios.World"
THREADS = 8
OPTIONS = (
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", -1),
    # A proxy from the environment is not for this machine.
    ("grpc.enable_http_proxy", 0),
)


def serve(world: InstantWorld, announce: Callable[[str], None]) -> None:
    import grpc

    def step(request: bytes, context: Any) -> bytes:
        return world.step(Action.from_dict(msgpack.unpackb(request))).frames.tobytes()

    def shape(request: bytes, context: Any) -> bytes:
        packed: bytes = msgpack.packb([world.spec.frames_per_chunk, world.spec.height, world.spec.width, 3])
        return packed

    methods = {name: grpc.unary_unary_rpc_method_handler(call) for name, call in (("Step", step), ("Shape", shape))}
    server = grpc.server(ThreadPoolExecutor(THREADS), options=OPTIONS)
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, methods),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    announce(f"127.0.0.1:{port}")
    server.wait_for_termination()


class Client:
    def __init__(self, address: str) -> None:
        import grpc

        self._channel = grpc.insecure_channel(address, options=OPTIONS)
        self._step = self._channel.unary_unary(f"/{SERVICE}/Step")
        self._shape = msgpack.unpackb(self._channel.unary_unary(f"/{SERVICE}/Shape")(b""))

    def step(self, action: Action) -> Frames:
        return np.frombuffer(self._step(msgpack.packb(action.to_dict())), np.uint8).reshape(self._shape)

    def close(self) -> None:
        self._channel.close()


GRPC = Way("gRPC, raw bytes", "a unary call of grpcio", serve, Client, "grpc", "grpcio")
