"""Contact sheets: the dream above the truth, for every land and every control, at growing times."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from helios_world.evaluate import rollout
from helios_world.evaluate.control import WAYS, can_go
from helios_world.evaluate.drawing import Block, Row, save_small, sheet, strip
from helios_world.evaluate.journeys import Journey
from helios_world.evaluate.long_walk import Curves
from helios_world.evaluate.truth import Controls, Start, Truth, generator, hold
from helios_world.lands.physics import FPS
from helios_world.lands.scene import LANDS, MOMENTS, Scene, canonical
from helios_world.spec import Frames, World

TIMES = (0.0, 0.17, 0.5, 1.0, 2.0, 4.0)  # seconds
TRIALS: dict[str, tuple[float, float, float]] = {
    "forward": (1, 0, 0),
    "back": (-1, 0, 0),
    "strafe left": (0, -1, 0),
    "strafe right": (0, 1, 0),
    "turn left": (0, 0, -1),
    "turn right": (0, 0, 1),
    "turn +0.4": (0, 0, 0.4),
    "nothing": (0, 0, 0),
}
OVERVIEW_SCENES = (Scene(0, 0), Scene(1, 1), Scene(2, 3), Scene(3, 2))
OVERVIEW_TIMES = (0.0, 0.5, 1.0, 2.0, 4.0)
OVERVIEW_LIMIT = 600_000  # bytes


def draw_land(
    world: World,
    truth: Truth,
    land: int,
    seconds: float,
    seed: int,
    advance: Callable[[], None] = lambda: None,
) -> list[Block]:
    """One block per control, each from its own place, the moments in turn."""
    rng = generator(seed, f"sheet {land}")
    scenes = [Scene(land, number % len(MOMENTS)) for number in range(len(TRIALS))]
    starts = truth.starts(rng, scenes, can_go(truth, WAYS))
    blocks = []
    for (name, control), start in zip(TRIALS.items(), starts, strict=True):
        controls = hold(control, round(seconds * FPS / truth.chunk))
        blocks.append(_compare(world, truth, start, controls, (name, times_within(TIMES, seconds))))
        advance()
    return blocks


def save_land(blocks: Sequence[Block], land: int, seconds: float, path: Path) -> None:
    """Write the sheet of one land."""
    columns = [f"{time:g} s" for time in times_within(TIMES, seconds)]
    sheet([f"{LANDS[land]}, {columns[0]}", *columns[1:]], blocks).quantize(256).save(path, optimize=True)


def draw_overview(world: World, truth: Truth, advance: Callable[[], None] = lambda: None) -> list[Block]:
    """Each land at a moment of its own: walk on, turn on the way, the dream above the truth."""
    second = round(FPS / truth.chunk)
    controls = np.concatenate([hold((1, 0, 0), second), hold((1, 0, 0.5), second), hold((0, 0, 1), 2 * second)])
    blocks = []
    for number, scene in enumerate(OVERVIEW_SCENES):
        start = truth.gate(scene)
        block = _compare(world, truth, start, controls, ("", OVERVIEW_TIMES), number)
        blocks.append(Block(block.rows, f"{canonical(scene)}: forward, forward and right, right"))
        advance()
    return blocks


def save_overview(blocks: Sequence[Block], path: Path) -> None:
    """Write the overview, small enough for a README."""
    columns = [f"{time:g} s" for time in OVERVIEW_TIMES]
    save_small(sheet(columns, blocks, margin=64), path, OVERVIEW_LIMIT)


def save_turns(pairs: Sequence[tuple[Frames, Frames]], starts: Sequence[Start], path: Path) -> None:
    """Full turns: dream and truth every 45 degrees."""
    columns = [f"{degrees}°" for degrees in range(0, 361, 45)]
    blocks = [
        Block(
            (Row("dream", "", strip(dream, len(columns))), Row("truth", "", strip(true, len(columns)))),
            canonical(s.scene),
        )
        for (dream, true), s in zip(pairs, starts, strict=True)
    ]
    sheet(columns, blocks, scale=1, margin=64).quantize(256).save(path, optimize=True)


def save_journeys(dreams: Sequence[tuple[Journey, Frames]], path: Path) -> None:
    """One journey of each kind: home, half way, the far end, half way back, home again."""
    shown = {journey.kind: (journey, frames) for journey, frames in reversed(dreams)}
    blocks = []
    for kind, (journey, frames) in reversed(shown.items()):
        end = len(frames) - 1
        picks = [0, journey.far // 2, journey.far, (journey.far + end) // 2, end]
        rows = (Row("dream", "", list(frames[picks])), Row("truth", "", list(journey.frames[picks])))
        blocks.append(Block(rows, f"{kind}: {canonical(journey.start.scene)}"))
    columns = ("home", "half way", "far end", "half way back", "home again")
    sheet(columns, blocks, margin=64).quantize(256).save(path, optimize=True)


def save_walks(curves: Sequence[Curves], path: Path) -> None:
    """Long walks: the dream at equal distances in time, from the first frame to the last."""
    count = len(curves[0].shown)
    columns = [f"{share:.0%} of the walk" for share in np.linspace(0, 1, count)]
    blocks = [Block((Row("dream", "", list(curve.shown)),), canonical(curve.scene)) for curve in curves]
    sheet(columns, blocks, scale=1, margin=64).quantize(256).save(path, optimize=True)


def times_within(times: Sequence[float], seconds: float) -> tuple[float, ...]:
    """Those of `times` that a rollout of so many seconds reaches."""
    return tuple(time for time in times if time <= seconds)


def _compare(
    world: World,
    truth: Truth,
    start: Start,
    controls: Controls,
    what: tuple[str, Sequence[float]],
    case: int = 0,
) -> Block:
    label, times = what
    dream = rollout.from_video(world, start, controls, case)[truth.chunk - 1 :]
    true = np.concatenate([start.last[None], truth.rollout(start.state, start.scene, controls)[1]])
    picks = [round(time * FPS) for time in times]
    moment = MOMENTS[start.scene.moment] if label else ""
    return Block(
        (
            Row(label or "dream", "dream" if label else "", list(dream[picks])),
            Row(moment or "truth", "truth" if label else "", list(true[picks])),
        )
    )
