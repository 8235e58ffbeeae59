"""What reset() and step() accept, checked the same way by every world. No torch here."""

from __future__ import annotations

from typing import Any

import numpy as np

from helios_world.errors import ActionError, FrameError, PromptError
from helios_world.spec import Frames, WorldSpec

MAX_PROMPT = 2_000
MAX_SIDE = 16_384


def check_seed(seed: int) -> int:
    """A seed in [0, 2**63), as an int."""
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or not 0 <= seed < 2**63:
        raise ActionError(f"seed is {seed!r}; allowed is an integer from 0 to 2**63 - 1")
    return int(seed)


def check_prompt(prompt: str) -> str:
    """Any text of at most MAX_PROMPT characters; the empty text means no words at all."""
    if not isinstance(prompt, str):
        raise PromptError(f"a prompt is a text; got {type(prompt).__name__}")
    if len(prompt) > MAX_PROMPT:
        raise PromptError(f"the prompt has {len(prompt)} characters; allowed are {MAX_PROMPT}")
    return prompt


def first_prompt(spec: WorldSpec, seed: int, prompt: str | None, from_frames: bool) -> str:
    """The prompt that a session begins with: what was given, else none beside frames, else one of the world's."""
    if prompt is not None:
        return check_prompt(prompt)
    return "" if from_frames or not spec.prompts else spec.prompts[seed % len(spec.prompts)]


def check_image(image: Frames) -> Frames:
    """uint8 [H, W, 3]."""
    return _check(image, "image", ("H", "W", "3"))


def check_video(video: Frames, least: int) -> Frames:
    """uint8 [T, H, W, 3] with at least `least` frames."""
    checked = _check(video, "video", ("T", "H", "W", "3"))
    if len(checked) < least:
        raise FrameError(f"the video has {len(checked)} frames; at least {least} are needed to continue it")
    return checked


def check_start(image: Frames | None, video: Frames | None) -> None:
    """At most one of the two may be given."""
    if image is not None and video is not None:
        raise FrameError("both an image and a video were given; a world starts from one of them")


def _check(frames: Any, what: str, axes: tuple[str, ...]) -> Frames:
    expected = f"the {what} must be a numpy array, uint8 [{', '.join(axes)}]"
    if not isinstance(frames, np.ndarray):
        raise FrameError(f"{expected}; got {type(frames).__name__}")
    if frames.dtype != np.uint8 or frames.ndim != len(axes) or frames.shape[-1] != 3:
        raise FrameError(f"{expected}; got {frames.dtype} {list(frames.shape)}")
    if frames.size == 0 or max(frames.shape[-3:-1]) > MAX_SIDE:
        raise FrameError(f"{expected}, not empty and at most {MAX_SIDE} wide and high; got {list(frames.shape)}")
    return frames
