"""Worlds in other processes: `connect` gives one that is used like a local one, `aio.connect` its asynchronous twin.

No torch here. What is said is decided in generators that know no socket, so that both twins share it:

- `calls` (a world's calls), `core` (the session: numbers, epochs, resuming), `talk` (one request and its answer),
  `line` (one connection after the other), `exchange` (what they yield).
- `link` and `aiolink` run them over a socket (`sockets`); `remote` and `aio` are the worlds.
- streaming: `playback` (which frame, and when to ask for more), `player`, `inputs`.
- values: `chunks`, `options`, `failures`.
"""

from helios_runtime.client.chunks import Received
from helios_runtime.client.inputs import RemoteInputs
from helios_runtime.client.options import ClientKeys, ClientOptions
from helios_runtime.client.playback import ShownFrame, StreamFigures
from helios_runtime.client.player import FramePlayer
from helios_runtime.client.remote import RemoteWorld, connect

__all__ = [
    "ClientKeys",
    "ClientOptions",
    "FramePlayer",
    "Received",
    "RemoteInputs",
    "RemoteWorld",
    "ShownFrame",
    "StreamFigures",
    "connect",
]
