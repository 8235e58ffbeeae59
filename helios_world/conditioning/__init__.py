"""What steers a world: words that fade into each other, and controls."""

from helios_world.conditioning.action import Control, ControlMap
from helios_world.conditioning.prompt import PromptTrack

__all__ = ["Control", "ControlMap", "PromptTrack"]
