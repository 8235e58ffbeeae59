"""What a conversation with a server needs done: send, receive until then, begin with a fresh socket.

The client's logic is generators that yield these commands and get events back. So the same logic runs over a socket,
in an event loop and, in tests, over nothing at all.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from helios_runtime.protocol.wire import Buffer

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Send:
    """Send a message, or drop it if there is no room. No event."""

    parts: Sequence[Buffer]


@dataclass(frozen=True, slots=True)
class Receive:
    """Wait for a message until then, in monotonic seconds. The event None may also come earlier: look again."""

    until: float


@dataclass(frozen=True, slots=True)
class Renew:
    """Close the socket with all that it holds, and connect a fresh one. No event."""


@dataclass(frozen=True, slots=True)
class Parted:
    """The connection has ended. `refused`: the server did not accept the keys, and never will."""

    reason: str
    refused: bool = False


Command = Send | Receive | Renew
Event = Sequence[memoryview] | Parted | None
Exchange = Generator[Command, Event, T]
