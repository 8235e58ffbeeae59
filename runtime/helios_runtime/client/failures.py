"""From what a server says went wrong to the exception that a world in this process would raise."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from helios_runtime.protocol.errors import CODES, ProtocolError
from helios_runtime.protocol.messages import ErrorMessage
from helios_world import errors
from helios_world.errors import HeliosError, RemoteTimeoutError, ServerError

_KINDS: Mapping[str, type[HeliosError]] = MappingProxyType(
    {
        kind.code: kind
        for kind in (
            errors.ActionError,
            errors.PromptError,
            errors.FrameError,
            errors.StateError,
            errors.SnapshotError,
            errors.OptionError,
            errors.CheckpointError,
            errors.RecordingError,
            errors.DependencyError,
            RemoteTimeoutError,
        )
    }
)
_OF_THE_PROTOCOL = frozenset({"version", "auth", "route", "protocol", "too_large", "stale", "gap"})


def failure(error: ErrorMessage) -> HeliosError:
    """The exception for an ERROR, with the server's words."""
    if error.code in _KINDS:
        return _KINDS[error.code](error.message)
    if error.code in _OF_THE_PROTOCOL:
        return ProtocolError(error.code, error.message, seq=error.seq, sid=error.sid)
    return ServerError(error.message, code=error.code, retryable=error.retryable)


def uses_up(error: ErrorMessage) -> bool:
    """Whether the ERROR is the kept answer of its request, so that the request's number is taken."""
    return CODES.get(error.code, CODES["internal"]).answers


class Dropped(Exception):
    """The present connection is of no use any more; the message says why. Never leaves the client."""


class Ended(Exception):
    """The session is no more; the message says why. Becomes a StateError."""
