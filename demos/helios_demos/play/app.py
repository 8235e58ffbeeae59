"""The entry of `helios-world play`: opens the worlds, and plays them in a window or from a script."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import replace
from pathlib import Path

from helios_demos.play.display import DisplayError, accepts_video, headless_command, why_no_display
from helios_demos.play.headless import load_script, play_script
from helios_demos.play.options import PlayOptions
from helios_demos.play.recorder import Recorder
from helios_demos.play.report import Report
from helios_demos.play.worlds import open_worlds
from helios_runtime.lockstep import LockStep
from helios_runtime.script import Script
from helios_world.errors import DependencyError

__all__ = ["DEFAULT_SCRIPT", "run"]

DEFAULT_SCRIPT = "tour"


def run(options: PlayOptions) -> Report:
    """Play one session and return what was measured; a headless one also prints it as JSON.

    Raises:
        DisplayError: no window can be opened here; at a terminal the user is first offered an mp4.
        DependencyError: a window needs pygame, and it is not installed.
        HeliosError: what the worlds, the script or the record raise.
    """
    if options.headless:
        return _play_headless(options)
    reason = why_no_display(os.environ, sys.platform)
    if reason is not None:
        return _without_display(options, reason)
    return _play_in_window(options)


def _play_headless(options: PlayOptions) -> Report:
    name = options.script or DEFAULT_SCRIPT
    script = load_script(name)
    worlds = open_worlds(options)
    try:
        report = _play_recorded(worlds, script, replace(options, script=name))
    finally:
        worlds.close()
    print(json.dumps(report.to_dict(), indent=2))
    return report


def _play_recorded(worlds: LockStep, script: Script, options: PlayOptions) -> Report:
    recorder = Recorder()
    if options.record is not None:
        recorder.start(worlds, options.record)
    try:
        return play_script(worlds, script, options)
    finally:
        recorder.stop(worlds)


def _play_in_window(options: PlayOptions) -> Report:
    os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")
    try:
        from helios_demos.play.window import play_in_window
    except ModuleNotFoundError as error:
        if error.name != "pygame":
            raise
        raise DependencyError(
            "a window needs pygame: pip install 'helios-world[play]'; or play --headless --script tour"
        ) from error
    try:
        return play_in_window(options)
    except DisplayError as error:
        return _without_display(options, str(error))


def _without_display(options: PlayOptions, reason: str) -> Report:
    instead = replace(
        options,
        headless=True,
        script=options.script or DEFAULT_SCRIPT,
        record=options.record or Path("session.mp4"),
    )
    if accepts_video(reason, instead):
        return _play_headless(instead)
    raise DisplayError(f"{reason}. To write the same session to a video instead: {headless_command(instead)}")
