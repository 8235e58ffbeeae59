"""`helios-world replay`: make a recorded session again, and prove that it is the same."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from helios_runtime.cli.console import notes, print_json, progress, results
from helios_runtime.cli.options import AsJson, Device, Dtype, Settings, existing_file, settings_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from helios_world.recording import Log, Report
    from helios_world.spec import Action, Chunk, World

DIFFERENT = 1


def replay(
    log: Annotated[Path, typer.Argument(help="The .jsonl that was written beside the mp4.")],
    verify: Annotated[
        bool, typer.Option("--verify", help="Compare every chunk with the log; code 1 if one differs.")
    ] = False,
    output: Annotated[Path | None, typer.Option("-o", "--output", help="Write the session to this mp4.")] = None,
    world: Annotated[str | None, typer.Option(help="The world to replay in, if not the one named in the log.")] = None,
    settings: Settings = None,
    device: Device = "auto",
    dtype: Dtype = "auto",
    as_json: AsJson = False,
) -> None:
    """Make a recorded session again from its log, to compare it or to have its video.

    Example: helios-world replay walk.jsonl --verify
    """
    from helios_world.recording import read_log
    from helios_world.spec import World

    check_request(log, verify, output)
    read = read_log(existing_file(log))
    opened = World.load(world or read.header.spec.name, device=device, dtype=dtype, **settings_of(settings))
    report = play_again(read, opened, output, any_fingerprint=not verify)
    if as_json:
        print_json({**asdict(report), "same": report.same, "log_is_cut": read.cut})
    else:
        show(read, report, output)
    if verify and not report.same:
        raise typer.Exit(DIFFERENT)


def check_request(log: Path, verify: bool, output: Path | None) -> None:
    if not verify and output is None:
        raise typer.BadParameter("nothing to do; give --verify, or -o FILE, or both")
    if output is not None and output.with_suffix(".jsonl").resolve() == log.resolve():
        raise typer.BadParameter(f"{output} would replace the log that is replayed; give another name")


def play_again(log: Log, world: World, output: Path | None, *, any_fingerprint: bool) -> Report:
    """Replay the whole log, into a new recording if there is an output, and compare as it goes."""
    from helios_world.recording import RecordingWorld, verify

    with progress(log.header.video, log.chunks) as done:
        if output is None:
            return verify(log, counted(world, done), any_fingerprint=any_fingerprint)
        output.parent.mkdir(parents=True, exist_ok=True)
        with RecordingWorld(world, output) as recorded:
            return verify(log, counted(recorded, done), any_fingerprint=any_fingerprint)


class Counted:
    """The world inside, and a call for every chunk it makes."""

    def __init__(self, world: World, done: Callable[[], None]) -> None:
        self._world = world
        self._done = done

    def __getattr__(self, name: str) -> Any:
        return getattr(self._world, name)

    def reset(self, **start: Any) -> Chunk:
        chunk = self._world.reset(**start)
        self._done()
        return chunk

    def step(self, action: Action | None = None, prompt: str | None = None) -> Chunk:
        chunk = self._world.step(action, prompt)
        self._done()
        return chunk


def counted(world: World, done: Callable[[], None]) -> World:
    return cast("World", Counted(world, done))


def show(log: Log, report: Report, output: Path | None) -> None:
    if log.cut:
        notes().print("the log ends in the middle of a line; replayed up to there")
    if report.same:
        results().print(f"the same: {report.chunks} chunks")
    else:
        results().print(f"different: {len(report.mismatches)} of {report.chunks} chunks{first_of(report)}")
    if output is not None:
        notes().print(f"wrote {output} and {output.with_suffix('.jsonl')}")


def first_of(report: Report) -> str:
    return f", the first at position {report.mismatches[0].position}" if report.mismatches else ""
