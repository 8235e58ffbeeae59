"""Worlds in other processes: `connect` gives one that is used like a local one, `aio.connect` its asynchronous twin.

No torch here.
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
