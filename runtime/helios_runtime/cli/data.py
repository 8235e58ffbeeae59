"""`helios-world data`: recordings of any game become training shards, and a trained transformer its world."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from helios_runtime.cli.console import notes, print_json, print_rows, progress
from helios_runtime.cli.options import AsJson
from helios_world.errors import OptionError

if TYPE_CHECKING:
    from pydantic import BaseModel

    from helios_world.data.game import GymPart, LeRobotPart, RecordingsPart

M = TypeVar("M", bound="BaseModel")

data = typer.Typer(name="data", no_args_is_help=True)

SourcePath = Annotated[
    Path | None, typer.Argument(metavar="[SOURCE]", help="An mp4 with its log, a folder of them, or a LeRobot dataset.")
]
Gym = Annotated[
    str | None,
    typer.Option("--gym", metavar="ID", help="A Gymnasium environment; package:Name-v0 imports its package."),
]
Camera = Annotated[str | None, typer.Option(help="Of a LeRobot dataset with several: the feature to use.")]
Shards = Annotated[Path, typer.Argument(metavar="SHARDS", help="The folder of an import.")]


@data.callback()
def root() -> None:
    """Bring the recordings of a game into training, and make its world.

    Example: helios-world data import recordings/ -o shards
    """


@data.command("table")
def write_table(
    source: SourcePath = None,
    gym: Gym = None,
    camera: Camera = None,
    output: Annotated[Path, typer.Option("-o", "--output", help="The JSON file to write.")] = Path("table.json"),
) -> None:
    """Write a first table of a game's actions, to be edited: what they are called, and which a random player takes.

    Example: helios-world data table --gym minigrid:MiniGrid-Empty-8x8-v0 -o table.json
    """
    from helios_world.data.sources import open_source

    table = open_source(_part(source, gym, camera)).table()
    output.write_text(table.model_dump_json(indent=2) + "\n", encoding="utf-8")
    notes().print(f"wrote {output}; name the buttons and give it to data import with --table")


@data.command("import")
def import_data(
    source: SourcePath = None,
    gym: Gym = None,
    camera: Camera = None,
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder of the shards; goes on if stopped.")] = Path(
        "shards"
    ),
    table: Annotated[Path | None, typer.Option(help="What the game's actions mean, as data table writes it.")] = None,
    name: Annotated[str | None, typer.Option(help="Of the world; the folder's name if none is given.")] = None,
    size: Annotated[str, typer.Option(metavar="HxW", help="Of the world's frames, multiples of 16.")] = "64x64",
    fps: Annotated[int | None, typer.Option(min=1, help="Of the world; the recordings' own if none is given.")] = None,
    frames_per_chunk: Annotated[int | None, typer.Option(min=1, help="Frames of one step of the world.")] = None,
    sections: Annotated[int, typer.Option(min=1, help="Chunks of a clip at least; shorter ones are left out.")] = 24,
    held_out: Annotated[float, typer.Option(min=0, max=0.9, help="Share of the recordings to measure with.")] = 0.1,
    parts: Annotated[str | None, typer.Option(help="A world whose codec and words are used, to train it on.")] = None,
    channels: Annotated[int, typer.Option(min=1, help="Of a latent, without --parts.")] = 16,
    codec_steps: Annotated[int, typer.Option(min=0, help="Of training the decoder, without --parts.")] = 300,
    episodes: Annotated[int, typer.Option(min=1, help="Of a Gymnasium environment.")] = 100,
    steps: Annotated[int, typer.Option(min=1, help="Of one of its episodes at most.")] = 1000,
    seed: Annotated[int, typer.Option(min=0, help="Of its first episode.")] = 0,
    policy: Annotated[str, typer.Option(help='Its player: "random", or package.module:function.')] = "random",
    skip_broken: Annotated[bool, typer.Option(help="Leave recordings out that cannot be read, and name them.")] = False,
    as_json: AsJson = False,
) -> None:
    """Turn recordings, robot episodes or a Gymnasium environment into shards for `train --stage`.

    Example: helios-world data import recordings/ -o shards --size 64x128

    Example: helios-world data import --gym minigrid:MiniGrid-Empty-8x8-v0 --episodes 80 --table table.json -o shards
    """
    from helios_world.data.game import GameFile
    from helios_world.data.importing import import_game
    from helios_world.data.sources import open_source
    from helios_world.data.table import read_table

    part = _part(source, gym, camera, episodes=episodes, steps=steps, seed=seed, policy=policy)
    opened = open_source(part)
    height, width = _size(size)
    game = _checked(
        GameFile,
        name=name or output.resolve().name,
        fps=fps or max(1, round(opened.fps)),
        height=height,
        width=width,
        frames_per_chunk=frames_per_chunk or opened.frames_per_chunk,
        sections=sections,
        held_out=held_out,
        parts=parts,
        channels=channels,
        codec_steps=codec_steps,
        source=part,
        table=opened.table() if table is None else read_table(table),
    )
    with progress("recordings", len(opened)) as done:
        report = import_game(game, output, skip_broken=skip_broken, source=opened, advance=done)
    if as_json:
        print_json(asdict(report))
        return
    for broken in report.broken:
        notes().print(f"left out: {broken}")
    notes().print(
        f"{report.train} clips of {report.chunks} chunks to train on, {report.held_out} held out, {report.short} too"
        f" short; next: helios-world train {output / 'base.json'} --stage base"
    )


@data.command()
def info(shards: Shards, as_json: AsJson = False) -> None:
    """Tell what an import holds.

    Example: helios-world data info shards
    """
    from helios_world.data.summary import summarise

    told = summarise(shards)
    if as_json:
        print_json(told)
    else:
        print_rows(str(told["name"]), [(key.replace("_", " "), str(value)) for key, value in told.items()])


@data.command()
def show(
    shards: Shards,
    output: Annotated[Path, typer.Option("-o", "--output", help="The PNG to write.")] = Path("sheet.png"),
    clips: Annotated[int, typer.Option(min=1, help="Rows.")] = 6,
    chunks: Annotated[int, typer.Option(min=1, help="Pictures of a row.")] = 10,
) -> None:
    """Draw clips of an import with the actions under them: look at it before you train on it.

    Example: helios-world data show shards -o sheet.png
    """
    from helios_world.data.sheet import save_sheet

    save_sheet(shards, output, clips, chunks)
    notes().print(f"wrote {output}")


@data.command()
def world(
    shards: Shards,
    transformer: Annotated[Path, typer.Argument(metavar="RUN", help="The folder of a run of the base stage.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder of the world.")] = Path("world"),
    sigmas: Annotated[str, typer.Option(help="Noise levels of the sampler, from 1 to 0.")] = "1,0.75,0.5,0.25,0",
) -> None:
    """Put a trained transformer and an import together: a world that play, generate and serve open.

    Example: helios-world data world shards runs/base -o worlds/minigrid
    """
    from helios_world.data.export import write_world

    try:
        levels = tuple(float(level) for level in sigmas.split(","))
    except ValueError as error:
        raise typer.BadParameter(f"--sigmas is {sigmas!r}; write numbers from 1 to 0, such as 1,0.5,0") from error
    write_world(shards, transformer, output, sigmas=levels)
    notes().print(f"wrote {output}; next: helios-world play {output}")


@data.command()
def check(
    shards: Shards,
    world: Annotated[Path, typer.Argument(metavar="WORLD", help="The world's folder.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder for the figures and the sheet.")] = Path(
        "check"
    ),
    rollouts: Annotated[int, typer.Option(min=1, help="Rollouts from held-out recordings.")] = 32,
    threads: Annotated[int, typer.Option(min=1, help="Compute threads.")] = 1,
    as_json: AsJson = False,
) -> None:
    """Hold a world against the held-out recordings: PSNR against repeating a picture, and control.

    Example: helios-world data check shards worlds/minigrid -o check
    """
    from helios_world.data.figures import save_figures
    from helios_world.data.game import GameFile
    from helios_world.data.measure import Player, held_out, measure
    from helios_world.data.store import load_episode

    game = GameFile.read(shards)
    clips = [load_episode(path) for path in held_out(shards)]
    with progress("rollouts", rollouts) as done:
        figures, rolled = measure(Player(world, game, threads), game, clips, rollouts, done)
    save_figures(figures, rolled, output)
    if as_json:
        print_json(asdict(figures))
        return
    rows = [
        (f"PSNR after {n} chunks", f"{d:.1f} dB; repeating {figures.repeating[n]:.1f}") for n, d in figures.psnr.items()
    ]
    rows.append(("control", f"{figures.control:.1%} of {figures.trials} chunks; chance {1 / figures.actions:.0%}"))
    rows.append(("gain of the action", f"{figures.gain:.1f} dB"))
    print_rows(str(output), rows)


def _part(
    source: Path | None, gym: str | None, camera: str | None, **play: int | str
) -> RecordingsPart | LeRobotPart | GymPart:
    """What is imported: a path or an environment."""
    from helios_world.data.game import GymPart, LeRobotPart
    from helios_world.data.sources import detect

    if (source is None) == (gym is None):
        raise typer.BadParameter("give a SOURCE or --gym, one of the two")
    if gym is not None:
        if camera is not None:
            raise typer.BadParameter("--camera is for LeRobot datasets")
        return _checked(GymPart, **{"environment": gym, "episodes": 1, **play})
    assert source is not None
    part = detect(source)
    if camera is None:
        return part
    if not isinstance(part, LeRobotPart):
        raise typer.BadParameter("--camera is for LeRobot datasets")
    return LeRobotPart(path=part.path, camera=camera)


def _size(text: str) -> tuple[int, int]:
    try:
        height, width = (int(side) for side in text.split("x"))
    except ValueError as error:
        raise typer.BadParameter(f"--size is {text!r}; write height and width, such as 64x128") from error
    return height, width


def _checked(model: type[M], **values: object) -> M:
    """A part of game.json; OptionError names what is wrong."""
    from pydantic import ValidationError

    from helios_world.worldfile import wrong_keys

    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise OptionError("; ".join(wrong_keys(error))) from error
