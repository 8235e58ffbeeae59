"""`helios-world train`: from a recipe to a world folder. Stop it at any time; the same command goes on.

The output folder holds `state.pt` (everything to go on from), `log.csv` (a row per report), `preview.csv` and `sheets/`
(dream below truth), `curves.png`, and `world/`, a checkpoint folder that `World.load` opens.
"""

from __future__ import annotations

import csv
import math
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from torch import Tensor

from helios_world.checkpoint import load_checkpoint
from helios_world.codec import LatentCodec
from helios_world.errors import CheckpointError
from helios_world.lands.captions import caption_batch
from helios_world.memory import HistoryLayout
from helios_world.model import HeliosTransformer, TransformerConfig
from helios_world.text import TextConfig, TextEncoder
from helios_world.text.pretrain import pretrain
from helios_world.train import parallel, preview
from helios_world.train.codec import build_codec, empty_codec, fit_residual
from helios_world.train.curves import draw_curves
from helios_world.train.objective import Hints, batch_loss, refine
from helios_world.train.optim import Average, build_optimizers, learning_rate_share, set_learning_rate
from helios_world.train.recipe import Recipe
from helios_world.train.streams import Streams

console = Console()
LAYOUT = HistoryLayout(long=16, mid=2, short=1, chunk=1)


def train(
    recipe: Path | str,
    out: Path,
    *,
    device: str = "auto",
    hours: float | None = None,
    threads: int = 0,
    start: Path | None = None,
) -> None:
    """Run a recipe until its last step, or for some hours; goes on by itself when `out` holds a state.

    Args:
        recipe: a recipe file, or the name of one in the package ("nano").
        threads: compute threads on a CPU; 0 leaves torch's own choice.
        start: a world folder whose weights a new run begins with, instead of random ones; its parts must have the
            recipe's sizes, or CheckpointError names what differs.
    """
    if threads:
        torch.set_num_threads(threads)
    rank, processes = parallel.join()
    run = Run(_read_recipe(recipe), out, _device(device), rank, processes)
    run.load(start)
    run.train(math.inf if hours is None else time.monotonic() + 3600 * hours)
    parallel.leave()


def _read_recipe(recipe: Path | str) -> Recipe:
    named = Path(__file__).parent / "recipes" / f"{recipe}.json"
    return Recipe.read(named if named.exists() else Path(recipe))


def _device(name: str) -> torch.device:
    return torch.device(("cuda" if torch.cuda.is_available() else "cpu") if name == "auto" else name)


class Run:
    """A training run: owns the modules, the optimisers and the walkers."""

    def __init__(self, recipe: Recipe, out: Path, device: torch.device, rank: int = 0, processes: int = 1) -> None:
        self.recipe, self.out, self.device, self.step = recipe, out, device, 0
        self.rank, self.processes = rank, processes
        (out / "sheets").mkdir(parents=True, exist_ok=True)
        torch.manual_seed(recipe.seed)
        self.model = HeliosTransformer(TransformerConfig.from_dict(recipe.transformer)).to(device)
        self.encoder = TextEncoder(TextConfig()).to(device)
        self.hints = Hints(self.model.config.width, self.model.config.text_dim).to(device)
        self.optimizers = build_optimizers(self.modules, self.model.blocks, recipe.optimizer)
        self.average = Average(self.model, recipe.optimizer.ema)
        self.text_average = Average(self.encoder, recipe.optimizer.ema)
        self.generator = torch.Generator().manual_seed(recipe.seed + rank)
        self.codec: LatentCodec | None = None
        self.sums: dict[str, list[float]] = defaultdict(list)

    @property
    def modules(self) -> tuple[torch.nn.Module, ...]:
        return self.model, self.encoder, self.hints

    def load(self, start: Path | None = None) -> None:
        """Go on from `state.pt`, or begin with the weights of a world, or prepare the codec and the words."""
        path = self.out / "state.pt"
        if not path.exists():
            if start is None:
                self._prepare()
            else:
                self._adopt(start)
            return
        state = torch.load(path, map_location=self.device, weights_only=True)
        for module, values in zip(self.modules, state["modules"], strict=True):
            module.load_state_dict(values)
        for optimizer, values in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(values)
        self.average.load_state_dict(state["average"])
        self.text_average.load_state_dict(state["text_average"])
        self.generator.manual_seed(self.recipe.seed + 7919 * state["step"] + self.rank)
        self.step = state["step"]
        self.codec = empty_codec(self.recipe, self.device)
        self.codec.load_state_dict(state["codec"])
        console.print(f"going on from step {self.step}")

    def save(self) -> None:
        assert self.codec is not None
        state = {
            "step": self.step,
            "modules": [module.state_dict() for module in self.modules],
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
            "average": self.average.state_dict(),
            "text_average": self.text_average.state_dict(),
            "codec": self.codec.state_dict(),
        }
        partial = self.out / "state.partial"
        torch.save(state, partial)
        partial.replace(self.out / "state.pt")

    def train(self, deadline: float) -> None:
        """Steps until the recipe's end or the deadline (monotonic seconds), then save and export."""
        assert self.codec is not None
        streams = Streams(self.recipe, self.codec, LAYOUT, self.recipe.seed + 1000 + self.step + 100_003 * self.rank)
        channel = self.codec.scale / self.codec.scale.mean()
        weights = {
            "channel": channel,
            "pose": torch.tensor(self.recipe.pose, device=self.device),
            "second": torch.tensor(self.recipe.second),
            "lowest": torch.tensor(self.recipe.lowest_sigma),
            "scene": torch.tensor(self.recipe.text.auxiliary, device=self.device),
        }
        began, first = time.monotonic(), self.step
        while self.step < self.recipe.steps and parallel.agree(time.monotonic() < deadline):
            self._step(streams, weights)
            self.step += 1
            if self.rank:
                continue
            if self.step % 25 == 0 or self.step == self.recipe.steps:
                self._report(streams, (time.monotonic() - began) / (self.step - first))
            if self.step % self.recipe.sheet_every == 0:
                self._preview()
            if self.step % self.recipe.save_every == 0:
                self.save()
        if self.rank:
            return
        self.save()
        if self.step >= self.recipe.steps:
            self._preview()
            self.finish()

    def finish(self) -> None:
        """Train the decoder's residual if that has not been done, and write the world folder."""
        from helios_world.train.export import export

        assert self.codec is not None
        done = self.out / "codec_done"
        if self.recipe.codec.blocks and not done.exists():
            fit_residual(self.codec, self.recipe, self.recipe.seed + 2, self._codec_report)
            self.save()
            done.touch()
        model, encoder = self.averaged()
        folder = export(self.out, self.recipe, LAYOUT, (model, self.codec, encoder))
        console.print(f"the world is in {folder}")

    def averaged(self) -> tuple[HeliosTransformer, TextEncoder]:
        """Copies with the averaged weights, in evaluation mode."""
        model = HeliosTransformer(self.model.config).to(self.device).eval()
        model.load_state_dict(self.model.state_dict())
        encoder = TextEncoder(self.encoder.config).to(self.device).eval()
        encoder.load_state_dict(self.encoder.state_dict())
        self.average.copy_to(model)
        self.text_average.copy_to(encoder)
        return model, encoder

    def _step(self, streams: Streams, weights: dict[str, Tensor]) -> None:
        recipe = self.recipe
        part = recipe.streams
        rise = (self.step - part.own_from) / (part.own_to - part.own_from)
        streams.own_share = recipe.streams.own * min(max(rise, 0.0), 1.0)
        set_learning_rate(self.optimizers, learning_rate_share(recipe, self.step))
        batch = streams.next(recipe.batch)
        with torch.autocast(self.device.type, torch.bfloat16):
            result = batch_loss(self.model, self.encoder, self.hints, batch, LAYOUT, weights, self.generator)
        result.loss.backward()  # type: ignore[no-untyped-call]
        parallel.average_gradients(self.modules, self.processes)
        norm = torch.nn.utils.clip_grad_norm_([p for m in self.modules for p in m.parameters()], recipe.optimizer.clip)
        if bool(torch.isfinite(norm)):
            for optimizer in self.optimizers:
                optimizer.step()
        for optimizer in self.optimizers:
            optimizer.zero_grad(set_to_none=True)
        with torch.autocast(self.device.type, torch.bfloat16):
            refined = refine(self.model, result, batch, LAYOUT, recipe.refined_sigmas)
        chosen = torch.rand(len(refined), generator=self.generator).to(refined) < recipe.refined
        streams.push(batch, torch.where(chosen[:, None, None, None, None], refined, result.clean))
        self.average.update(self.model)
        self.text_average.update(self.encoder)
        for name, value in {**result.parts, "norm": norm}.items():
            self.sums[name].append(float(value.detach()))

    def _report(self, streams: Streams, seconds: float) -> None:
        values = {name: _mean(numbers) for name, numbers in self.sums.items()}
        self.sums.clear()
        left = seconds * (self.recipe.steps - self.step)
        row: dict[str, Any] = {
            "step": self.step,
            "samples": self.step * self.recipe.batch * self.processes,
            "own_share": streams.own_share,
        }
        row |= {name: round(value, 5) for name, value in values.items()}
        row["seconds_per_step"] = round(seconds, 4)
        _append(self.out / "log.csv", row)
        shown = "  ".join(f"{name} {value:.4f}" for name, value in values.items())
        console.print(f"{self.step}/{self.recipe.steps}  {shown}  {seconds:.2f} s/step  {left / 60:.0f} min left")

    def _preview(self) -> None:
        assert self.codec is not None
        model, encoder = self.averaged()
        cases = preview.make_cases(self.recipe, 16, LAYOUT.length, 24, seed=99)
        with torch.autocast(self.device.type, torch.bfloat16):
            dreamt = preview.dream(model, encoder, self.codec, cases, LAYOUT, self.recipe.sigmas)
        result = preview.measure(cases, dreamt)
        preview.save_sheet(self.out / "sheets" / f"{self.step:06d}.png", cases, dreamt)
        _append(self.out / "preview.csv", {"step": self.step, **{k: round(v, 3) for k, v in result.items()}})
        console.print("  ".join(f"{name} {value:.2f}" for name, value in result.items()), style="bold")
        draw_curves(self.out)

    def _prepare(self) -> None:
        self.codec = build_codec(self.recipe, self.device, self._codec_report)

        trained = pretrain(TextConfig(), self.recipe.text.steps, self.recipe.seed, 64, caption_batch)
        self.encoder.load_state_dict(trained.state_dict())
        self.text_average = Average(self.encoder, self.recipe.optimizer.ema)

    def _adopt(self, folder: Path) -> None:
        """Take over a world's weights, its decoder too."""
        world = load_checkpoint(folder, self.device, torch.float32)
        self.codec = empty_codec(self.recipe, self.device)
        pairs = (
            (self.model, world.transformer),
            (self.encoder, world.text_encoder),
            (self.codec, world.codec),
        )
        for mine, theirs in pairs:
            try:
                mine.load_state_dict(theirs.state_dict())
            except RuntimeError as error:
                raise CheckpointError(
                    f"{str(folder)!r} does not fit the recipe {self.recipe.name!r}: {error}"
                ) from error
        self.average = Average(self.model, self.recipe.optimizer.ema)
        self.text_average = Average(self.encoder, self.recipe.optimizer.ema)
        (self.out / "codec_done").touch()

    def _codec_report(self, step: int, steps: int, values: dict[str, float]) -> None:
        shown = "  ".join(f"{name} {value:.4f}" for name, value in values.items())
        console.print(f"codec {step}/{steps}  {shown}")


def _mean(numbers: list[float]) -> float:
    valid = [number for number in numbers if math.isfinite(number)]
    return sum(valid) / len(valid) if valid else math.nan


def _append(path: Path, row: dict[str, Any]) -> None:
    fresh = not path.exists()
    with path.open("a", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=list(row), extrasaction="ignore")
        if fresh:
            writer.writeheader()
        writer.writerow(row)
