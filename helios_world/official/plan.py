"""How a checkpoint samples: what its files say, what the user chose, and our defaults for the rest."""

from __future__ import annotations

from helios_world.errors import OptionError
from helios_world.official.layout import OfficialFolder
from helios_world.options import Options
from helios_world.sampling.config import Guidance, SamplingPlan

STEPS = {"base": 50, "mid": 20, "distilled": 2}
"""Per stage; what the authors publish for each kind."""
GUIDANCE = {"base": 5.0, "mid": 5.0, "distilled": 1.0}


def sampling_plan(folder: OfficialFolder, options: Options) -> SamplingPlan:
    """The plan of all of a session's chunks.

    Raises:
        OptionError: a choice that this kind of checkpoint does not have.
    """
    stages = folder.scheduler.stages
    steps = options.steps or (STEPS[folder.kind],) * stages
    scale = GUIDANCE[folder.kind] if options.guidance is None else options.guidance
    if len(steps) != stages:
        raise OptionError(f"steps is {steps}: this checkpoint has {stages} stages, one number for each is needed")
    if folder.distilled and scale > 1:
        raise OptionError(f"guidance is {scale}; a distilled checkpoint knows only 1, guidance is part of its training")
    if options.amplify_first and not folder.distilled:
        raise OptionError("amplify_first doubles the first chunk's steps of a distilled checkpoint; this one is none")
    amplify = folder.distilled if options.amplify_first is None else options.amplify_first
    guidance = Guidance(scale, folder.zero_star, options.zero_init, options.zero_steps)
    return SamplingPlan(folder.scheduler, steps, guidance, amplify, options.shift_resolution)


def check_size(folder: OfficialFolder, options: Options) -> None:
    """OptionError unless frames of this size are whole tokens in every stage; it names the nearest size that is."""
    _, y, x = folder.transformer.patch_size
    halvings = 2 ** (folder.scheduler.stages - 1)
    for name, pixels, patch in (("height", options.height, y), ("width", options.width, x)):
        step = folder.spatial * patch * halvings
        if pixels % step:
            nearest = max(1, round(pixels / step)) * step
            raise OptionError(f"{name} is {pixels}; this checkpoint needs a multiple of {step}, such as {nearest}")
