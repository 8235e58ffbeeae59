"""The contract that every world satisfies: what goes in, what comes out. No torch here.

A world yields one `Chunk` of frames per `step`. Local worlds, remote worlds, recordings, the ground-truth game and the
public fake are all `World`s, so whatever is written against one runs on all of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from helios_world.actions import NO_ACTION as NO_ACTION
from helios_world.actions import STANDARD_BUTTONS as STANDARD_BUTTONS
from helios_world.actions import Action as Action
from helios_world.actions import ActionSpec as ActionSpec
from helios_world.actions import Axis as Axis
from helios_world.actions import Button as Button

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from helios_world.options import LoadOptions
    from helios_world.pending import PendingChunk
    from helios_world.snapshot import Snapshot

Frames = npt.NDArray[np.uint8]
Start = Literal["prompt", "image", "video"]
Fade = Literal["early", "late"]


@dataclass(frozen=True, slots=True)
class MemoryLayout:
    """How many latents the world remembers at each time scale, and how many a chunk adds. The anchor is one more."""

    long: int
    mid: int
    short: int
    latents_per_chunk: int


@dataclass(frozen=True, slots=True)
class WorldSpec:
    """What a client must know of a world before the first step.

    Args:
        name: "nano", "lands", or the checkpoint folder's name.
        fps: frames per second at which the frames are meant to be shown.
        height, width: of a frame, in pixels.
        frames_per_chunk: how many frames one step returns.
        actions: the controls.
        prompts: example prompts; without a prompt, reset(seed) takes one of them.
        blend: the number of chunks over which a changed prompt fades in.
        fingerprint: identifies weights and settings; equal fingerprints give equal frames on one machine.
        memory: the rolling memory's layout, None for a world that has none.
        starts: what reset() can begin from; any other start is a FrameError.
        fade: the share of a changed prompt in the n-th chunk, the change being made with the first. "early" is n/blend,
            "late" (n - 1)/(blend - 1): nothing of it in the first chunk. With a blend of 1 both are at once.
    """

    name: str
    fps: int
    height: int
    width: int
    frames_per_chunk: int
    actions: ActionSpec
    prompts: tuple[str, ...]
    blend: int
    fingerprint: str
    memory: MemoryLayout | None = None
    starts: tuple[Start, ...] = ("prompt", "image", "video")
    fade: Fade = "early"

    @property
    def chunk_seconds(self) -> float:
        return self.frames_per_chunk / self.fps

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> WorldSpec:
        values = dict(data)
        values["actions"] = ActionSpec.from_dict(values["actions"])
        values["prompts"] = tuple(values["prompts"])
        memory = values.get("memory")
        values["memory"] = None if memory is None else MemoryLayout(**memory)
        values["starts"] = tuple(values["starts"])
        return cls(**values)


@dataclass(frozen=True, slots=True)
class PromptWeight:
    """A prompt and its share in a chunk, in [0, 1]; the shares of a chunk sum to 1."""

    text: str
    weight: float


@dataclass(frozen=True, slots=True)
class Timing:
    """Where the time of a step went, in milliseconds. `denoise` has one entry per pyramid stage."""

    encode: float = 0.0
    denoise: tuple[float, ...] = ()
    decode: float = 0.0
    total: float = 0.0


@dataclass(frozen=True, slots=True, eq=False)
class Chunk:
    """Consecutive frames, and what they were made with.

    Args:
        frames: uint8 [T, H, W, 3], RGB, C-contiguous.
        index: 0 for the chunk that reset() returns, then 1, 2, …
        first_frame: the number of frames shown before this chunk.
        action: the action the chunk was made with.
        prompt: the prompts it was made with, with their weights.
        timing: milliseconds.
        groups: how many frames came at a time, where it was not all at once. See `World.begin_step`.
    """

    frames: Frames
    index: int
    first_frame: int
    action: Action
    prompt: tuple[PromptWeight, ...]
    timing: Timing
    groups: tuple[int, ...] = ()


@runtime_checkable
class World(Protocol):
    """A place that is generated while one walks through it. Implementations inherit from this class."""

    @property
    def spec(self) -> WorldSpec:
        """What the world is; constant."""
        ...

    def reset(
        self, *, seed: int = 0, prompt: str | None = None, image: Frames | None = None, video: Frames | None = None
    ) -> Chunk:
        """Begin anew and return the first chunk, made with no action.

        Args:
            seed: in [0, 2**63); the same seed and the same steps give the same frames on the same device and dtype.
            prompt: what the world is; None takes one of `spec.prompts`, chosen by the seed (or no words at all when
                an image or a video is given).
            image: uint8 [H, W, 3] to start from.
            video: uint8 [T, H, W, 3] to continue, the newest frame last. At most one of image and video.
        """
        ...

    def step(self, action: Action | None = None, prompt: str | None = None) -> Chunk:
        """Return the next chunk. A new prompt fades in over `spec.blend` chunks; None keeps the present one."""
        ...

    def begin_reset(
        self, *, seed: int = 0, prompt: str | None = None, image: Frames | None = None, video: Frames | None = None
    ) -> PendingChunk:
        """`reset`, whose frames come group by group; see `begin_step`."""
        from helios_world.pending import PendingChunk

        return PendingChunk.of(self.reset(seed=seed, prompt=prompt, image=image, video=video))

    def begin_step(self, action: Action | None = None, prompt: str | None = None) -> PendingChunk:
        """`step`, whose frames come group by group, where the world can give the first before it has made the last.

        The frames are those of `step`. The world has made the step when this returns: what it is asked for then, such
        as a snapshot or the next step, is of the time after it, and none of that waits for the frames. If these cannot
        be made, the step counts all the same, and whoever asks for them gets the error. A world makes the frames of
        one step at a time; the next step begins meanwhile.
        """
        from helios_world.pending import PendingChunk

        return PendingChunk.of(self.step(action, prompt))

    def prepare(self) -> None:
        """Do the part of the next step that does not depend on its input. Optional; changes no frame."""
        ...

    def snapshot(self) -> Snapshot:
        """Everything the session is, as a value."""
        ...

    def restore(self, state: Snapshot) -> None:
        """Continue from `state`, as if nothing had happened since."""
        ...

    def fork(self) -> World:
        """A second world in the same state; the two share weights and nothing else."""
        ...

    def close(self) -> None:
        """Release what the world holds. Closing twice is allowed."""
        ...

    @staticmethod
    def load(
        name: str | Path,
        *,
        device: str = "auto",
        dtype: str = "auto",
        threads: int = 1,
        **options: Unpack[LoadOptions],
    ) -> World:
        """Open a world by a preset's name ("nano", "lands") or by the path of a checkpoint folder.

        Args:
            device: "auto", "cpu", "cuda", "cuda:1", …
            dtype: "auto", "float32" or "bfloat16".
            threads: compute threads on a CPU. One is steady; more are faster on a quiet machine.
            options: for official Helios checkpoints, such as height, width, steps, guidance or offload;
                `helios_world.options.Options` lists them.
        """
        from helios_world.world import load

        return load(name, device=device, dtype=dtype, threads=threads, options=options)
