"""Every error that the package raises on purpose.

HeliosError
├── ActionError        (ValueError)   a button or an axis that the world does not have
├── PromptError        (ValueError)   a prompt that cannot be used
├── FrameError         (ValueError)   an image or a video of the wrong shape or type
├── StateError         (RuntimeError) a call out of order, for example step() before reset()
├── SnapshotError      (ValueError)   bytes that are no snapshot, or one of another world
├── OptionError        (ValueError)   a choice that cannot be made when a world is opened
├── CheckpointError    (ValueError)   a checkpoint folder that is incomplete or inconsistent
├── RecordingError     (ValueError)   a recording that cannot be read or does not match
├── DependencyError    (ImportError)  an optional package is missing; the message has the pip command
├── RemoteTimeoutError (TimeoutError) a world in another process does not answer in time
├── ConnectionLostError (ConnectionError) there is no connection to a world in another process
└── ServerError        (RuntimeError) the server of a world refuses for a reason of its own, or has failed

`code` is stable and goes over the wire; `retryable` says whether the same call may succeed later.
"""

from __future__ import annotations

from typing import ClassVar


class HeliosError(Exception):
    """Base of all errors raised on purpose."""

    code: ClassVar[str] = "helios"
    retryable: ClassVar[bool] = False


class ActionError(HeliosError, ValueError):
    """A button or an axis that the world does not have, or a value out of range."""

    code = "action"


class PromptError(HeliosError, ValueError):
    """A prompt that cannot be used."""

    code = "prompt"


class FrameError(HeliosError, ValueError):
    """An image or a video of the wrong shape or type."""

    code = "frame"


class StateError(HeliosError, RuntimeError):
    """A call out of order."""

    code = "state"


class SnapshotError(HeliosError, ValueError):
    """Bytes that are no snapshot, or a snapshot of another world."""

    code = "snapshot"


class OptionError(HeliosError, ValueError):
    """A choice that cannot be made when a world is opened."""

    code = "option"


class CheckpointError(HeliosError, ValueError):
    """A checkpoint folder that is incomplete or inconsistent."""

    code = "checkpoint"


class RecordingError(HeliosError, ValueError):
    """A recording that cannot be read, or that does not match the world."""

    code = "recording"


class DependencyError(HeliosError, ImportError):
    """An optional package is missing."""

    code = "dependency"


class RemoteTimeoutError(HeliosError, TimeoutError):
    """A world in another process does not answer in time. The same call again waits for the same answer."""

    code = "timeout"
    retryable = True


class ConnectionLostError(HeliosError, ConnectionError):
    """There is no connection to a world in another process. The same call again goes on where this one ended."""

    code = "connection"
    retryable = True


class ServerError(HeliosError, RuntimeError):
    """The server of a world refuses for a reason of its own, such as too many sessions, or has failed.

    Args:
        message: the server's.
        code, retryable: as the server says.
    """

    code = "server"

    def __init__(self, message: str, *, code: str = "server", retryable: bool = False) -> None:
        super().__init__(message)
        # The tree's codes belong to classes; here the server has one for each reason.
        self.code, self.retryable = code, retryable  # type: ignore[misc]
