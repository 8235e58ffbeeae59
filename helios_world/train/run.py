"""`helios-world train`: from a recipe to a world folder. Stop it at any time; the same command goes on.

The output folder holds `state.pt` (the weights and what the optimisers know) and `walkers-RANK.pt` (where the
walkers are and what they remember): with both, a run goes on exactly where it stopped. Beside them `log.csv` (a row per
report), `preview.csv` and `sheets/` (dream below truth), `curves.png`, and `world/`, a checkpoint folder that
`World.load` opens.
"""

from __future__ import annotations

import csv
import math
import time
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from helios_world.checkpoint import load_checkpoint
from helios_world.codec import LatentCodec
from helios_world.errors import CheckpointError
from helios_world.lands.captions import caption_batch
from helios_world.lands.painters import Painter, painter_for
from helios_world.lands.tables import Look
from helios_world.text import TextConfig, TextEncoder
from helios_world.text.pretrain import pretrain
from helios_world.train import parallel, preview
from helios_world.train.atlas import empty_atlas, fit_atlas, fit_reader
from helios_world.train.codec import build_codec, empty_codec, fit_residual
from helios_world.train.curves import draw_curves
from helios_world.train.learner import LAYOUT, Learner
from helios_world.train.objective import Weights
from helios_world.train.recipe import Recipe
from helios_world.train.reports import atlas_report, codec_report, console, shown_values
from helios_world.train.streams import Streams

Painting = Callable[[Look, torch.device], Painter]


def train(
    recipe: Path | str,
    out: Path,
    *,
    device: str = "auto",
    hours: float | None = None,
    threads: int = 0,
    start: Path | None = None,
    steps: int | None = None,
    painting: Painting = painter_for,
) -> None:
    """Run a recipe until its last step, or for some hours; goes on by itself when `out` holds a state.

    Args:
        recipe: a recipe file, or the name of one in the package ("nano").
        threads: compute threads on a CPU; 0 leaves torch's own choice.
        start: a world folder whose weights a new run begins with, instead of random ones; its parts must have the
            recipe's sizes, or CheckpointError names what differs.
        steps: the recipe's plan in so many steps instead of its own; to be given again when the run goes on.
        painting: makes what paints the frames.
    """
    if threads:
        torch.set_num_threads(threads)
    rank, processes = parallel.join()
    run = Run(read_recipe(recipe, steps), out, device_named(device), rank, processes)
    run.painting = painting
    run.load(start)
    run.train(math.inf if hours is None else time.monotonic() + 3600 * hours)
    parallel.leave()


def prepare(recipe: Path | str, out: Path, *, device: str = "auto", threads: int = 0) -> Path:
    """What a run does before its first step, and the codec's residual: a world with an untrained model, for `start`.

    It can be made on one machine and carried to another, whose time then all goes into the model.
    """
    if threads:
        torch.set_num_threads(threads)
    run = Run(read_recipe(recipe), out, device_named(device))
    run.load()
    return run.finish()


def read_recipe(recipe: Path | str, steps: int | None = None) -> Recipe:
    """A recipe file, or one of the package by its name, in its own or another number of steps."""
    named = Path(__file__).parent / "recipes" / f"{recipe}.json"
    found = Recipe.read(named if named.exists() else Path(recipe))
    return found if steps is None else found.scaled(steps)


def device_named(name: str) -> torch.device:
    """A torch device; "auto" is a GPU where there is one."""
    return torch.device(("cuda" if torch.cuda.is_available() else "cpu") if name == "auto" else name)


def loss_weights(recipe: Recipe, codec: LatentCodec) -> Weights:
    """A channel counts by how much it moves pixels."""
    channel = codec.scale / codec.scale.mean()
    return Weights(channel, recipe.pose, recipe.text.auxiliary, recipe.second, recipe.lowest_sigma)


class Run:
    """A training run: owns the learner, the codec and the walkers, and the files of its folder."""

    def __init__(self, recipe: Recipe, out: Path, device: torch.device, rank: int = 0, processes: int = 1) -> None:
        self.recipe, self.out, self.device, self.step = recipe, out, device, 0
        self.rank, self.processes = rank, processes
        (out / "sheets").mkdir(parents=True, exist_ok=True)
        self.learner = Learner(recipe, device, rank, processes)
        self.codec = empty_codec(recipe, device)
        self.atlas = empty_atlas(recipe, self.codec, self.learner.encoder.config.text_dim)
        self.painting: Painting = painter_for
        self.kept: dict[str, Any] | None = None

    @cached_property
    def painter(self) -> Painter:
        world = self.recipe.world
        return self.painting(Look(world.height, world.width, world.detail), self.device)

    @cached_property
    def streams(self) -> Streams:
        """The walkers, where they were when the run was saved, or new ones."""
        seed = self.recipe.seed + 1000 + self.step + 100_003 * self.rank
        streams = Streams(self.recipe, self.codec, LAYOUT, self.painter, seed, self.atlas)
        if self.kept is not None:
            streams.load_state_dict(self.kept["streams"])
            self.learner.set_chance(self.kept["chance"])
            self.kept = None
        return streams

    def load(self, start: Path | None = None) -> None:
        """Go on from `state.pt`, or begin with the weights of a world, or prepare the codec and the words."""
        path = self.out / "state.pt"
        if not path.exists():
            if start is None:
                self._prepare()
            else:
                self._adopt(start)
            return
        # AdamW's step counts have to stay on the processor, where reading them waits for nobody.
        state = torch.load(path, map_location="cpu", weights_only=True)
        if ("atlas" in state) != (self.atlas is not None):
            have, wants = ("has an", "none") if "atlas" in state else ("has no", "one")
            raise CheckpointError(
                f"{str(path)!r} {have} atlas and the recipe {self.recipe.name!r} wants {wants}; begin in another folder"
            )
        self.learner.load_state_dict(state)
        self.learner.generator.manual_seed(self.recipe.seed + 7919 * state["step"] + self.rank)
        self.step = state["step"]
        self.codec.load_state_dict(state["codec"])
        if self.atlas is not None:
            self.atlas.load_state_dict(state["atlas"])
        self._load_walkers()
        how = "exactly" if self.kept else "with new walkers"
        console.print(f"going on from step {self.step}, {how}")

    def save(self) -> None:
        """Write the walkers first: a state without them can still be gone on from, not the other way round."""
        walkers = {"step": self.step, "streams": self.streams.state_dict(), "chance": self.learner.chance()}
        _write(walkers, self._walkers_file)
        if self.rank == 0:
            state = {"step": self.step, **self.learner.state_dict(), "codec": self.codec.state_dict()}
            if self.atlas is not None:
                state["atlas"] = self.atlas.state_dict()
            _write(state, self.out / "state.pt")

    def train(self, deadline: float) -> None:
        """Steps until the recipe's end or the deadline (monotonic seconds), then save and export."""
        weights, began, first = loss_weights(self.recipe, self.codec), time.monotonic(), self.step
        while self.step < self.recipe.steps and parallel.agree(time.monotonic() < deadline):
            self._step(weights)
            self.step += 1
            if self.rank == 0 and (self.step % 25 == 0 or self.step == self.recipe.steps):
                self._report((time.monotonic() - began) / (self.step - first))
            if self.rank == 0 and self.step % self.recipe.sheet_every == 0:
                self._preview()
            if self.step % self.recipe.save_every == 0:
                self.save()
        self.save()
        if self.rank == 0 and self.step >= self.recipe.steps:
            self._preview()
            self.finish()

    def finish(self) -> Path:
        """Train the decoder's residual if that has not been done, and write the world folder; returns it."""
        from helios_world.train.export import export

        done = self.out / "codec_done"
        if self.recipe.codec.blocks and not done.exists():
            fit_residual(self.codec, self.recipe, self.painter, self.recipe.seed + 2, codec_report)
            self.save()
            done.touch()
        model, encoder = self.learner.averaged()
        self._read_again(encoder)
        folder = export(self.out, self.recipe, LAYOUT, (model, self.codec, encoder, self.atlas))
        console.print(f"the world is in {folder}")
        return folder

    def _step(self, weights: Weights) -> None:
        part = self.recipe.streams
        rise = (self.step - part.own_from) / (part.own_to - part.own_from)
        self.streams.walkers.own_share = part.own * min(max(rise, 0.0), 1.0)
        batch = self.streams.next(self.recipe.batch)
        result = self.learner.loss(batch, weights)
        result.loss.backward()  # type: ignore[no-untyped-call]
        self.learner.update(result, self.step)
        self.streams.push(batch, self.learner.remembered(result, batch))

    @property
    def _walkers_file(self) -> Path:
        return self.out / f"walkers-{self.rank}.pt"

    def _load_walkers(self) -> None:
        """Keep what was saved of the walkers if it belongs to the step."""
        if self._walkers_file.exists():
            kept = torch.load(self._walkers_file, map_location="cpu", weights_only=True)
            self.kept = kept if kept["step"] == self.step else None

    def _report(self, seconds: float) -> None:
        values = self.learner.meter.read()
        left = seconds * (self.recipe.steps - self.step)
        row: dict[str, Any] = {
            "step": self.step,
            "samples": self.step * self.recipe.batch * self.processes,
            "own_share": self.streams.walkers.own_share,
        }
        row |= {name: round(value, 5) for name, value in values.items()}
        row["seconds_per_step"] = round(seconds, 4)
        _append(self.out / "log.csv", row)
        shown = f"{shown_values(values)}  {seconds:.2f} s/step  {left / 60:.0f} min left"
        console.print(f"{self.step}/{self.recipe.steps}  {shown}")

    @cached_property
    def _cases(self) -> preview.Cases:
        return preview.make_cases(self.recipe, 16, LAYOUT.length, 24, seed=99)

    def _preview(self) -> None:
        model, encoder = self.learner.averaged()
        with torch.autocast(self.device.type, torch.bfloat16):
            parts = model, self.codec, encoder, self.atlas
            dreamt = preview.dream(parts, self._cases, LAYOUT, self.recipe.sigmas)
        result = preview.measure(self._cases, dreamt)
        preview.save_sheet(self.out / "sheets" / f"{self.step:06d}.png", self._cases, dreamt)
        _append(self.out / "preview.csv", {"step": self.step, **{k: round(v, 3) for k, v in result.items()}})
        console.print("  ".join(f"{name} {value:.2f}" for name, value in result.items()), style="bold")
        draw_curves(self.out)

    def _prepare(self) -> None:
        self.codec = build_codec(self.recipe, self.device, self.painter, codec_report)
        trained = pretrain(TextConfig(), self.recipe.text.steps, self.recipe.seed, 64, caption_batch)
        self.learner.encoder.load_state_dict(trained.state_dict())
        self._chart()
        self.learner.forget_averages()

    def _adopt(self, folder: Path) -> None:
        """Take over a world's weights, its decoder too."""
        world = load_checkpoint(folder, self.device, torch.float32)
        unguided = world.atlas is None and self.atlas is not None
        model, weights = self.learner.model, world.transformer.state_dict()
        if unguided:
            weights |= {name: value for name, value in model.state_dict().items() if name.startswith("guide_layer.")}
        pairs: list[tuple[torch.nn.Module, dict[str, torch.Tensor]]] = [
            (model, weights),
            (self.learner.encoder, world.text_encoder.state_dict()),
            (self.codec, world.codec.state_dict()),
        ]
        if self.atlas is not None and world.atlas is not None:
            pairs.append((self.atlas, world.atlas.state_dict()))
        for mine, values in pairs:
            try:
                mine.load_state_dict(values)
            except RuntimeError as error:
                raise CheckpointError(
                    f"{str(folder)!r} does not fit the recipe {self.recipe.name!r}: {error}"
                ) from error
        if unguided:
            self._chart()
        self.learner.forget_averages()
        (self.out / "codec_done").touch()

    def _chart(self) -> None:
        """Make the atlas, if the recipe has one."""
        if self.atlas is None:
            return
        if self.rank == 0:
            fit_atlas(self.atlas, self.recipe, self.codec, self.learner.encoder, self.painter, atlas_report)
        parallel.share(self.atlas)

    def _read_again(self, encoder: TextEncoder) -> None:
        """Fit the atlas's reader to the words as they are now: the encoder was trained on with the model."""
        if self.atlas is not None and self.recipe.atlas is not None:
            fit_reader(self.atlas, encoder, self.recipe.atlas, self.recipe.seed, atlas_report)


def _write(state: dict[str, Any], path: Path) -> None:
    partial = path.with_suffix(".partial")
    torch.save(state, partial)
    partial.replace(path)


def _append(path: Path, row: dict[str, Any]) -> None:
    fresh = not path.exists()
    with path.open("a", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=list(row), extrasaction="ignore")
        if fresh:
            writer.writeheader()
        writer.writerow(row)
