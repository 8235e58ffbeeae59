"""One step of the training after another: modules, optimisers and averages, and nothing that waits for the device."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from helios_world.memory import HistoryLayout
from helios_world.model import HeliosTransformer, TransformerConfig
from helios_world.text import TextConfig, TextEncoder
from helios_world.train import parallel
from helios_world.train.objective import Hints, Result, Weights, batch_loss, remembered
from helios_world.train.optim import Average, Gradients, build_optimizers, learning_rate_share, set_learning_rate
from helios_world.train.recipe import Recipe
from helios_world.train.streams import Batch

LAYOUT = HistoryLayout(long=16, mid=2, short=1, chunk=1)


class Learner:
    """Owns what is trained. The optimisers change it in `update`, `meter` counts what a report shows."""

    def __init__(self, recipe: Recipe, device: torch.device, rank: int = 0, processes: int = 1) -> None:
        self.recipe, self.device, self.processes = recipe, device, processes
        torch.manual_seed(recipe.seed)
        self.model = HeliosTransformer(TransformerConfig.from_dict(recipe.transformer)).to(device)
        self.encoder = TextEncoder(TextConfig()).to(device)
        self.hints = Hints(self.model.config.width, self.model.config.text_dim).to(device)
        self.optimizers = build_optimizers(self.modules, self.model.blocks, recipe.optimizer)
        self.gradients = Gradients(self.modules)
        self.average = Average(self.model, recipe.optimizer.ema)
        self.text_average = Average(self.encoder, recipe.optimizer.ema)
        self.generator = torch.Generator(device).manual_seed(recipe.seed + rank)
        self.meter = Meter()

    @property
    def modules(self) -> tuple[torch.nn.Module, ...]:
        return self.model, self.encoder, self.hints

    def forget_averages(self) -> None:
        """Begin the averages anew from the present weights."""
        self.average = Average(self.model, self.recipe.optimizer.ema)
        self.text_average = Average(self.encoder, self.recipe.optimizer.ema)

    def loss(self, batch: Batch, weights: Weights) -> Result:
        """The loss of a batch, ready for `backward`."""
        with self._autocast():
            return batch_loss(self.model, self.encoder, self.hints, batch, LAYOUT, weights, self.generator)

    def update(self, result: Result, step: int) -> None:
        """Change the weights by the gradients that are there; a step whose gradients are not finite changes little."""
        parallel.average(self.gradients.flat, self.processes)
        norm = self.gradients.clip(self.recipe.optimizer.clip)
        set_learning_rate(self.optimizers, learning_rate_share(self.recipe, step))
        for optimizer in self.optimizers:
            optimizer.step()
        self.gradients.zero()
        self.average.update(self.model)
        self.text_average.update(self.encoder)
        self.meter.add({**result.parts, "norm": norm})

    def remembered(self, result: Result, batch: Batch) -> Tensor:
        """What the model remembers of the batch as its own: [K, C, 1, h, w]."""
        recipe = self.recipe
        with self._autocast():
            return remembered(self.model, result, batch, LAYOUT, recipe.refined_sigmas, recipe.refined)

    def averaged(self) -> tuple[HeliosTransformer, TextEncoder]:
        """Copies with the averaged weights, in evaluation mode."""
        with torch.random.fork_rng(devices=[]):
            model = HeliosTransformer(self.model.config).to(self.device).eval()
            encoder = TextEncoder(self.encoder.config).to(self.device).eval()
        model.load_state_dict(self.model.state_dict())
        encoder.load_state_dict(self.encoder.state_dict())
        self.average.copy_to(model)
        self.text_average.copy_to(encoder)
        return model, encoder

    def state_dict(self) -> dict[str, Any]:
        return {
            "modules": [module.state_dict() for module in self.modules],
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
            "average": self.average.state_dict(),
            "text_average": self.text_average.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        for module, values in zip(self.modules, state["modules"], strict=True):
            module.load_state_dict(values)
        for optimizer, values in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(values)
        self.average.load_state_dict(state["average"])
        self.text_average.load_state_dict(state["text_average"])

    def chance(self) -> dict[str, Tensor]:
        """Where this process's random numbers are; a part of what an exact continuation needs."""
        states = {"torch": torch.get_rng_state(), "generator": self.generator.get_state()}
        if self.device.type == "cuda":
            states["cuda"] = torch.cuda.get_rng_state(self.device)
        return states

    def set_chance(self, states: dict[str, Tensor]) -> None:
        torch.set_rng_state(states["torch"])
        self.generator.set_state(states["generator"])
        if self.device.type == "cuda" and "cuda" in states:
            torch.cuda.set_rng_state(states["cuda"], self.device)

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self.device.type, torch.bfloat16)


class Meter:
    """Sums of what is logged, on the device, until somebody reads them."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.sums: Tensor | None = None

    def add(self, values: dict[str, Tensor]) -> None:
        """Count one step; values that are not finite are left out."""
        row = torch.stack([value.detach().float() for value in values.values()])
        valid = torch.isfinite(row)
        rows = torch.stack([torch.where(valid, row, 0.0), valid.float()])
        self.names = list(values)
        self.sums = rows if self.sums is None else self.sums + rows

    def read(self) -> dict[str, float]:
        """The means since the last reading (waits for the device); not a number where nothing was counted."""
        if self.sums is None:
            return {}
        total, count = self.sums.double()
        self.sums = None
        return dict(zip(self.names, (total / count).tolist(), strict=True))
