"""The contract that every world satisfies: what goes in, what comes out. No torch here.

A world yields one `Chunk` of frames per `step`. Local worlds, remote worlds, recordings, the ground-truth game and the
public fake are all `World`s, so whatever is written against one runs on all of them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from helios_world.errors import ActionError

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from helios_world.options import LoadOptions
    from helios_world.snapshot import Snapshot

Frames = npt.NDArray[np.uint8]
Start = Literal["prompt", "image", "video"]
Fade = Literal["early", "late"]

STANDARD_BUTTONS = (
    "forward",
    "back",
    "strafe_left",
    "strafe_right",
    "turn_left",
    "turn_right",
    "look_up",
    "look_down",
    "jump",
    "use",
    "attack",
)


@dataclass(frozen=True, slots=True)
class Button:
    """A control that is either held or not. `meaning` says what it does, with its unit."""

    name: str
    meaning: str


@dataclass(frozen=True, slots=True)
class Axis:
    """A continuous control in [low, high], 0 at rest.

    `combine` says how samples that arrive within one chunk become one value: their sum, or the latest.
    """

    name: str
    meaning: str
    unit: str
    low: float
    high: float
    combine: Literal["sum", "latest"] = "latest"


@dataclass(frozen=True)
class Action:
    """What is held while a chunk is made. The same for every frame of the chunk.

    >>> Action(buttons={"forward"}, axes={"turn": 0.3})
    """

    buttons: frozenset[str] = frozenset()
    axes: Mapping[str, float] = field(default_factory=dict)

    def __init__(self, buttons: Iterable[str] = (), axes: Mapping[str, float] | None = None) -> None:
        if isinstance(buttons, str):
            raise ActionError(f"buttons is a collection of names; got the string {buttons!r}, write {{{buttons!r}}}")
        object.__setattr__(self, "buttons", frozenset(buttons))
        values = {name: float(value) for name, value in sorted((axes or {}).items())}
        object.__setattr__(self, "axes", MappingProxyType(values))

    def __hash__(self) -> int:
        return hash((self.buttons, tuple(self.axes.items())))

    def __reduce__(self) -> tuple[type[Action], tuple[list[str], dict[str, float]]]:
        return Action, (sorted(self.buttons), dict(self.axes))

    def __repr__(self) -> str:
        return f"Action(buttons={sorted(self.buttons)}, axes={dict(self.axes)})"

    def to_dict(self) -> dict[str, Any]:
        return {"buttons": sorted(self.buttons), "axes": dict(self.axes)}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Action:
        unknown = set(data) - {"buttons", "axes"}
        if unknown:
            raise ActionError(f"an action has the keys 'buttons' and 'axes'; got also {sorted(unknown)}")
        return cls(data.get("buttons", ()), data.get("axes"))


NO_ACTION = Action()


@dataclass(frozen=True, slots=True)
class ActionSpec:
    """The controls of a world.

    `steering` is "trained" when the model was trained on these controls, and "prompt" when they are turned into words.
    """

    buttons: tuple[Button, ...]
    axes: tuple[Axis, ...] = ()
    steering: Literal["trained", "prompt"] = "trained"

    @property
    def button_names(self) -> tuple[str, ...]:
        return tuple(button.name for button in self.buttons)

    @property
    def axis_names(self) -> tuple[str, ...]:
        return tuple(axis.name for axis in self.axes)

    def check(self, action: Action) -> Action:
        """Return `action`, or raise ActionError naming what is allowed."""
        unknown = action.buttons - set(self.button_names)
        if unknown:
            raise ActionError(f"unknown button {sorted(unknown)}; this world has {list(self.button_names)}")
        known = {axis.name: axis for axis in self.axes}
        for name, value in action.axes.items():
            if name not in known:
                raise ActionError(f"unknown axis {name!r}; this world has {list(known)}")
            axis = known[name]
            if not math.isfinite(value) or not axis.low <= value <= axis.high:
                raise ActionError(f"axis {name!r} is {value}; allowed is {axis.low} to {axis.high} ({axis.unit})")
        return action

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> ActionSpec:
        return cls(
            buttons=tuple(Button(**button) for button in data["buttons"]),
            axes=tuple(Axis(**axis) for axis in data["axes"]),
            steering=data["steering"],
        )


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
    """

    frames: Frames
    index: int
    first_frame: int
    action: Action
    prompt: tuple[PromptWeight, ...]
    timing: Timing


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
