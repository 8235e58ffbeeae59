"""A session without a window: a script is played in real time, and what it looked like is measured."""

from __future__ import annotations

import sys
import time
from importlib.resources import files
from pathlib import Path

from helios_demos.play.options import PlayOptions
from helios_demos.play.report import Report
from helios_runtime.inputs import InputSampler
from helios_runtime.lockstep import Beat, LockStep
from helios_runtime.pacing import Shown
from helios_runtime.pump import ChunkPump
from helios_runtime.script import Script, ScriptPlayer
from helios_world.errors import ActionError

__all__ = ["load_script", "play_script", "script_names"]

_SHORTEST_WAIT = 0.0005  # seconds; below that a sleep costs more than it saves


def script_names() -> list[str]:
    """The scripts that come with the demo."""
    folder = files("helios_demos").joinpath("scripts")
    return sorted(Path(entry.name).stem for entry in folder.iterdir() if entry.name.endswith(".jsonl"))


def load_script(name: str) -> Script:
    """Read a script by the name of one that comes with the demo, or a file by its path."""
    if name in script_names():
        text = files("helios_demos").joinpath("scripts", f"{name}.jsonl").read_text(encoding="utf-8")
        return Script.parse(text.splitlines(), name)
    if not Path(name).is_file():
        raise ActionError(f"there is no script {name!r}; give a file or one of {script_names()}")
    return Script.load(name)


def play_script(worlds: LockStep, script: Script, options: PlayOptions) -> Report:
    """Play `script` in real time from a new beginning, for `seconds` or until a second after its last event.

    What the worlds complain about goes to standard error.
    """
    spec = worlds.lead.spec
    script.check(spec.actions)
    inputs = InputSampler(spec.actions)
    pump = ChunkPump(worlds, inputs)
    pump.after_each(_print_complaints)
    length = script.seconds + 1.0 if options.seconds is None else options.seconds
    try:
        pump.start(options.seed, options.prompt).result()
        _run(pump, inputs, script, length)
        return Report(spec.name, options.script, options.record, pump.figures())
    finally:
        pump.close()


def _print_complaints(worlds: LockStep, beat: Beat) -> None:
    for text in beat.complaints:
        print(text, file=sys.stderr)


def _run(pump: ChunkPump, inputs: InputSampler, script: Script, length: float) -> None:
    start = time.monotonic()
    player = ScriptPlayer(script, inputs, start)
    newest: Shown[Beat] | None = None
    while (now := time.monotonic()) < start + length:
        player.play_until(now)
        newest = _show(pump, newest)
        due = player.next_at if player.next_at is not None else start + length
        wait = min(due, start + length) - time.monotonic()
        pump.wait_for_frame(max(wait, _SHORTEST_WAIT))


def _show(pump: ChunkPump, newest: Shown[Beat] | None) -> Shown[Beat] | None:
    """Poll, and report the frame as presented if it is a new one."""
    shown = pump.poll()
    is_new = shown is not None and (newest is None or shown.item is not newest.item or shown.frame != newest.frame)
    if shown is not None and is_new:
        pump.presented(shown)
    return shown
