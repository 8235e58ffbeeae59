"""What can go wrong on the wire, and the codes that say so. A copy of the table stands in bindings/PROTOCOL.md."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from helios_world.errors import HeliosError


@dataclass(frozen=True, slots=True)
class Code:
    """What an error code means.

    Args:
        meaning: in a few words.
        retryable: the same may succeed later.
        answers: the error is the stored answer of its request, whose seq is used up. Otherwise the message
            changed nothing, and the seq that was next is still next.
    """

    meaning: str
    retryable: bool = False
    answers: bool = False


CODES: Mapping[str, Code] = MappingProxyType(
    {
        "action": Code("a button or an axis that the world does not have, or a value out of range", answers=True),
        "prompt": Code("a prompt that cannot be used", answers=True),
        "frame": Code("an image or a video of the wrong shape", answers=True),
        "state": Code("a request out of order, such as STEP before RESET", answers=True),
        "snapshot": Code("bytes that are no snapshot, or one of another world", answers=True),
        "option": Code("a choice that this world does not offer", answers=True),
        "checkpoint": Code("the world's files are incomplete or inconsistent", answers=True),
        "recording": Code("the recording cannot be written", answers=True),
        "dependency": Code("the server lacks an optional package", answers=True),
        "internal": Code("a fault of the server; its log has the details", answers=True),
        "version": Code("no common version of the protocol"),
        "auth": Code("a wrong token"),
        "route": Code("this connection has not opened or resumed the session; HELLO and RESUME do it"),
        "protocol": Code("a message that breaks the rules of this page"),
        "too_large": Code("a message, header or number of buffers above the limit"),
        "limit": Code("too many sessions or too many messages", retryable=True),
        "unknown_session": Code("no session with this sid is running; RESUME brings it back if it was saved"),
        "stale": Code("an epoch that is over, or a seq whose answer is no longer kept"),
        "gap": Code("a seq that skips one; the details say which is next"),
        "busy": Code("the request before this one is still being executed", retryable=True),
        "timeout": Code("the request waited too long for the device", retryable=True),
        "draining": Code("the server is about to stop", retryable=True),
    }
)


class ProtocolError(HeliosError):
    """A message or a buffer that cannot be used.

    Args:
        code: a key of CODES.
        message: for a person.
        seq, sid: of the message at fault, as far as they could be read.
    """

    # The tree's codes belong to classes; here one class has several.
    code: str  # type: ignore[misc]
    retryable: bool  # type: ignore[misc]

    def __init__(self, code: str, message: str, *, seq: int | None = None, sid: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.retryable = CODES[code].retryable
        self.seq = seq
        self.sid = sid
