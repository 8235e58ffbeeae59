"""A set of weights that is trained: its optimiser, its rate, its average, and all of that as tensors to save."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from helios_world.train.stages.parts import OptimizerPart
from helios_world.train.stages.sharding import copy_into, gathered, own_part

_MOMENTS = ("exp_avg", "exp_avg_sq")


class Learner:
    """AdamW over named weights (Loshchilov and Hutter 2019, arXiv 1711.05101).

    Raises:
        ValueError: there is nothing to train.
    """

    def __init__(self, weights: Mapping[str, nn.Parameter], part: OptimizerPart) -> None:
        if not weights:
            raise ValueError("there are no weights to train")
        self.weights, self.part, self.updates = dict(weights), part, 0
        for weight in self.weights.values():
            weight.requires_grad_(True)
        self._optimizer = torch.optim.AdamW(
            self.weights.values(), lr=part.learning_rate, betas=part.betas, weight_decay=part.weight_decay
        )
        self.average: dict[str, Tensor] = {}

    @property
    def rate(self) -> float:
        """Of the next update."""
        rise = min(1.0, (self.updates + 1) / self.part.warmup) if self.part.warmup else 1.0
        return self.part.learning_rate * rise

    def begin(self, part: OptimizerPart) -> None:
        """Begin another part of a stage: weights and moments stay, updates count from 0, the average is a new one.

        An average of the part before would otherwise stand for this one until its own begins.
        """
        self.settle(part)
        self.updates, self.average = 0, {}

    def settle(self, part: OptimizerPart) -> None:
        """Go on with other settings; everything else stays."""
        self.part = part
        for group in self._optimizer.param_groups:
            group["betas"], group["weight_decay"] = part.betas, part.weight_decay

    def update(self) -> None:
        """Follow the gradients, whose norm is clipped, and forget them."""
        torch.nn.utils.clip_grad_norm_(list(self.weights.values()), self.part.clip)
        for group in self._optimizer.param_groups:
            group["lr"] = self.rate
        self._optimizer.step()
        self.forget()
        self.updates += 1
        self._follow()

    def forget(self) -> None:
        """Drop the gradients."""
        self._optimizer.zero_grad(set_to_none=True)

    def best(self) -> dict[str, Tensor]:
        """The averaged weights, or the present ones where there is no average yet; whole, in all processes."""
        chosen = self.average or self.weights
        return {name: gathered(weight.detach()) for name, weight in chosen.items()}

    def tensors(self) -> dict[str, Tensor]:
        """Everything to go on from but `updates`; whole, in all processes."""
        found = {f"weight/{name}": weight.detach() for name, weight in self.weights.items()}
        found |= {f"average/{name}": value for name, value in self.average.items()}
        for name, weight in self.weights.items():
            state = self._optimizer.state.get(weight, {})
            found |= {f"{what}/{name}": value for what, value in state.items()}
        return {key: gathered(tensor) for key, tensor in found.items()}

    def load(self, tensors: Mapping[str, Tensor], updates: int) -> None:
        """Become the learner that `tensors` and `updates` were taken from."""
        self.updates = updates
        for name, weight in self.weights.items():
            copy_into(weight, tensors[f"weight/{name}"])
            if f"step/{name}" in tensors:
                moments = {moment: torch.zeros_like(weight) for moment in _MOMENTS}
                for moment, value in moments.items():
                    copy_into(value, tensors[f"{moment}/{name}"])
                self._optimizer.state[weight] = {"step": tensors[f"step/{name}"].cpu(), **moments}
            if f"average/{name}" in tensors:
                self.average[name] = weight.detach().clone()
                copy_into(self.average[name], tensors[f"average/{name}"])

    @torch.no_grad()
    def _follow(self) -> None:
        decay = self.part.average
        if decay is None or self.updates < self.part.average_from:
            return
        if not self.average:
            self.average = {name: weight.detach().clone() for name, weight in self.weights.items()}
        for name, weight in self.weights.items():
            own_part(self.average[name]).lerp_(own_part(weight.detach()), 1 - decay)
