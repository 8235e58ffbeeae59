"""Several worlds that are given the same input at the same time, such as a dream and the truth beside it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeVar

from helios_runtime.inputs import Sample
from helios_world.errors import FrameError, PromptError, RecordingError
from helios_world.snapshot import Snapshot
from helios_world.spec import Chunk, Frames, World

__all__ = ["Beat", "LockStep", "Moment"]

R = TypeVar("R")


@dataclass(frozen=True, slots=True, eq=False)
class Beat:
    """One chunk of every world, made from one sample of the input. The first world leads.

    Args:
        chunks: one for each world, all of the same number of frames.
        changes: when the input changed that this beat is the first to show (monotonic seconds).
        complaints: what went wrong without stopping anything: a prompt that a world cannot use, a recording
            that ended early.
    """

    chunks: tuple[Chunk, ...]
    changes: tuple[float, ...] = ()
    complaints: tuple[str, ...] = ()

    @property
    def lead(self) -> Chunk:
        return self.chunks[0]

    def picture(self, world: int, frame: int) -> Frames:
        """Frame `frame` of a world, uint8 [H, W, 3]; the last one if there are not so many."""
        frames = self.chunks[world].frames
        chosen: Frames = frames[min(frame, len(frames) - 1)]
        return chosen

    def still(self) -> Beat:
        """The last frame of this beat, as a beat of one frame."""
        return Beat(tuple(_last_frame(chunk) for chunk in self.chunks))


@dataclass(frozen=True, slots=True, eq=False)
class Moment:
    """Where the worlds were, and the picture that was on screen then."""

    states: tuple[Snapshot, ...]
    picture: Beat

    @property
    def index(self) -> int:
        return self.picture.lead.index


class LockStep:
    """Worlds of the same geometry and controls, stepped together.

    Raises:
        FrameError: a world's frame rate, frame size or frames per chunk differ from the first one's.
    """

    def __init__(self, worlds: Sequence[World]) -> None:
        self._worlds = list(worlds)
        self._last: Beat | None = None
        self._complaints: list[str] = []
        for world in self._worlds[1:]:
            _check_geometry(self._worlds[0], world)

    @property
    def worlds(self) -> tuple[World, ...]:
        return tuple(self._worlds)

    @property
    def lead(self) -> World:
        return self._worlds[0]

    def replace_lead(self, world: World) -> None:
        """Put `world`, which is in the same state, in the leading place: a recorder around it, say."""
        self._worlds[0] = world

    def reset(self, seed: int, prompt: str | None) -> Beat:
        """Begin anew. The leading world's choice of a prompt goes for all."""
        first = self._recorded(lambda: self.lead.reset(seed=seed, prompt=prompt))
        said = prompt if prompt is not None else first.prompt[0].text if first.prompt else None
        others = [self._reset(world, seed, said) for world in self._worlds[1:]]
        return self._keep(Beat((first, *others), complaints=self._take_complaints()))

    def step(self, sample: Sample) -> Beat:
        """One chunk of every world. A prompt that a world cannot use leaves that world's prompt as it is."""
        chunks = tuple(self._step(world, sample) for world in self._worlds)
        return self._keep(Beat(chunks, sample.changes, self._take_complaints()))

    def prepare(self) -> None:
        for world in self._worlds:
            self._recorded(world.prepare)

    def moment(self) -> Moment:
        """Where all worlds are now; after the first reset."""
        states = tuple(self._recorded(world.snapshot) for world in self._worlds)
        assert self._last is not None, "a world that has no snapshot() before reset() has raised by now"
        return Moment(states, self._last.still())

    def go_to(self, moment: Moment) -> Beat:
        """Put all worlds where they were, and return the picture of that moment."""
        for world, state in zip(self._worlds, moment.states, strict=True):
            self._recorded(partial(world.restore, state))
        return self._keep(moment.picture)

    def close(self) -> None:
        for world in self._worlds:
            world.close()

    def _reset(self, world: World, seed: int, prompt: str | None) -> Chunk:
        try:
            return world.reset(seed=seed, prompt=prompt)
        except PromptError as error:
            self._complaints.append(f"{world.spec.name}: {error}")
            return world.reset(seed=seed)

    def _step(self, world: World, sample: Sample) -> Chunk:
        try:
            return self._recorded(lambda: world.step(sample.action, sample.prompt))
        except PromptError as error:
            self._complaints.append(f"{world.spec.name}: {error}")
            return self._recorded(lambda: world.step(sample.action))

    def _recorded(self, call: Callable[[], R]) -> R:
        """A recorder that has failed says so once and does nothing; the same call then goes through."""
        try:
            return call()
        except RecordingError as error:
            self._complaints.append(str(error))
            return call()

    def _take_complaints(self) -> tuple[str, ...]:
        taken, self._complaints = tuple(self._complaints), []
        return taken

    def _keep(self, beat: Beat) -> Beat:
        self._last = beat
        return beat


def _last_frame(chunk: Chunk) -> Chunk:
    first = chunk.first_frame + len(chunk.frames) - 1
    return replace(chunk, frames=chunk.frames[-1:].copy(), first_frame=first)


def _check_geometry(lead: World, other: World) -> None:
    mine, yours = lead.spec, other.spec
    for name in ("fps", "height", "width", "frames_per_chunk"):
        if getattr(mine, name) != getattr(yours, name):
            raise FrameError(
                f"{yours.name!r} cannot run beside {mine.name!r}: {name} is {getattr(yours, name)} and not "
                f"{getattr(mine, name)}"
            )
    missing = set(mine.actions.button_names) - set(yours.actions.button_names)
    if missing:
        raise FrameError(f"{yours.name!r} cannot run beside {mine.name!r}: it has no buttons {sorted(missing)}")
