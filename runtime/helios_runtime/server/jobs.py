"""What the loop asks of the engine, and what it gets back. No torch, no sockets.

The jobs of one seat are done in the order in which they were submitted, each answered exactly once. Which prompt a
step has is the session's to know. A session that comes back is Open, Restore, and its last Reset, Step or Restore
again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from helios_world.pending import PendingChunk
from helios_world.spec import Action, Chunk, Frames, WorldSpec


@dataclass(frozen=True, slots=True)
class StepInput:
    """What a chunk is made with.

    Args:
        prompt: None keeps the present one.
        applied: the number of the newest INPUT in it, None in lockstep.
    """

    action: Action
    prompt: str | None = None
    applied: int | None = None


Ahead = Callable[["bytes | None", "StepInput | None"], None]
"""Called with the bytes of the state before a job, None for a world that has not begun, and with a step's input."""


def nobody(outcome: Outcome) -> None:
    """For a job that nobody waits for."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Job:
    """One thing to do with one world.

    Args:
        seat: the session's id.
        done: called once, in a thread of the engine's; in that of submit() or close() if the engine is closed.
        ahead: of a Reset, Step or Restore: called in the worker's thread right before it is done, once its input is
            known. Does not raise.
    """

    seat: str
    done: Callable[[Outcome], None] = nobody
    ahead: Ahead | None = None


@dataclass(frozen=True, eq=False, kw_only=True)
class Open(Job):
    """A new seat, whose world has not begun. Gives its WorldSpec."""

    world: str


@dataclass(frozen=True, eq=False, kw_only=True)
class Reset(Job):
    """Gives the first Chunk, as Step does. At most one of image and video."""

    seed: int
    prompt: str | None = None
    image: Frames | None = None
    video: Frames | None = None


@dataclass(frozen=True, eq=False, kw_only=True)
class Step(Job):
    """Gives the next Chunk, or a PendingChunk: then the step has been made and its frames come by themselves.

    `sample` is called in the worker's thread when the chunk begins.
    """

    sample: Callable[[], StepInput]


@dataclass(frozen=True, eq=False, kw_only=True)
class TakeSnapshot(Job):
    """Gives the bytes of a Snapshot."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Restore(Job):
    """Continue from the bytes of a Snapshot. Gives the number of the present chunk."""

    state: bytes


@dataclass(frozen=True, eq=False, kw_only=True)
class Fork(Job):
    """A second seat in the same state, `twin`, not recorded. Gives None."""

    twin: str


@dataclass(frozen=True, eq=False, kw_only=True)
class Record(Job):
    """Begin or end a recording. Gives the path of the video, None if there was none to end."""

    on: bool


@dataclass(frozen=True, eq=False, kw_only=True)
class Close(Job):
    """Give up the seat; what was recorded is finished. Gives None, also for a seat that is gone already."""


Value = Chunk | PendingChunk | WorldSpec | bytes | str | int | None


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """How a job ended.

    Args:
        error: None if all went well. After anything but a HeliosError the seat is gone.
        queue_ms: from submit() to the begin of the work.
        compute_ms: of the work.
    """

    job: Job
    value: Value = None
    error: Exception | None = None
    queue_ms: float = 0.0
    compute_ms: float = 0.0
