"""Whether a window can be opened here, and what to do when it cannot."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping
from typing import ClassVar

from helios_demos.play.options import PlayOptions
from helios_world.errors import HeliosError

__all__ = ["DisplayError", "accepts_video", "headless_command", "why_no_display"]


class DisplayError(HeliosError):
    """No window can be opened on this machine."""

    code: ClassVar[str] = "display"


def why_no_display(environment: Mapping[str, str], platform: str) -> str | None:
    """Why this machine cannot show a window, None if it may. Only Linux tells before one is opened."""
    known = ("DISPLAY", "WAYLAND_DISPLAY", "SDL_VIDEODRIVER")
    if not platform.startswith("linux") or any(environment.get(name) for name in known):
        return None
    return "no display: neither DISPLAY nor WAYLAND_DISPLAY is set"


def headless_command(options: PlayOptions) -> str:
    """The command line that plays `options` without a window."""
    words = ["helios-world", "play"]
    if options.world != PlayOptions.world:
        words.append(options.world)
    words += ["--headless", "--script", str(options.script)]
    if options.prompt is not None:
        words += ["--prompt", options.prompt]
    if options.seed != PlayOptions.seed:
        words += ["--seed", str(options.seed)]
    if options.seconds is not None:
        words += ["--seconds", f"{options.seconds:g}"]
    return shlex.join([*words, "--record", str(options.record)])


def accepts_video(reason: str, options: PlayOptions) -> bool:
    """Ask at a terminal whether a video will do; without a terminal nobody can answer."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return False
    print(f"{reason}.\nInstead, this plays a script and writes it to a video:", file=sys.stderr)
    print(f"\n    {headless_command(options)}\n", file=sys.stderr)
    print("Do that now? [y/n] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")
