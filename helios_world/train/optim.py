"""Optimisers and averages: Muon for the matrices inside the blocks, AdamW for everything else."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from helios_world.train.recipe import OptimizerPart, Recipe


def build_optimizers(
    modules: Iterable[nn.Module], blocks: nn.Module, part: OptimizerPart
) -> list[torch.optim.Optimizer]:
    """Muon over the 2-D weights of `blocks`, AdamW over all other parameters of `modules`."""
    inner = {id(p): p for p in blocks.parameters() if p.ndim == 2}
    every = {id(p): p for module in modules for p in module.parameters() if p.requires_grad}
    outer = [p for key, p in every.items() if key not in inner]
    muon = torch.optim.Muon(
        list(inner.values()), lr=part.muon, weight_decay=part.weight_decay, adjust_lr_fn="match_rms_adamw"
    )
    adamw = torch.optim.AdamW(outer, lr=part.adamw, betas=(0.9, 0.98), weight_decay=part.weight_decay)
    for optimizer in (muon, adamw):
        for group in optimizer.param_groups:
            group["initial_lr"] = group["lr"]
    return [muon, adamw]


def learning_rate_share(recipe: Recipe, step: int) -> float:
    """Share of the full rate at a step: a linear rise, a plateau, and a linear fall to 0 at the last step."""
    part = recipe.optimizer
    rise = min(1.0, (step + 1) / part.warmup)
    fall = min(1.0, max(recipe.steps - step, 0) / part.decay)
    return rise * fall


def set_learning_rate(optimizers: list[torch.optim.Optimizer], share: float) -> None:
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["lr"] = group["initial_lr"] * share


class Gradients:
    """The gradients of some modules in one piece of memory, `flat`, so that they are summed, clipped and sent at once.

    The modules' parameters keep views of it as their gradients; nobody may set those to None.
    """

    def __init__(self, modules: Iterable[nn.Module]) -> None:
        parameters = [p for module in modules for p in module.parameters() if p.requires_grad]
        first = parameters[0]
        self.flat = torch.zeros(sum(p.numel() for p in parameters), dtype=first.dtype, device=first.device)
        for p, part in zip(parameters, torch.split(self.flat, [p.numel() for p in parameters]), strict=True):
            p.grad = part.view_as(p)

    @torch.no_grad()
    def clip(self, limit: float) -> Tensor:
        """Scale them down to a norm of at most `limit`; returns the norm before.

        A norm that is not finite makes all of them 0. The device is not waited for.
        """
        norm: Tensor = torch.linalg.vector_norm(self.flat)
        self.flat.mul_((limit / (norm + 1e-6)).clamp(max=1.0))
        self.flat.nan_to_num_(0.0, 0.0, 0.0).mul_(torch.isfinite(norm))
        return norm

    def zero(self) -> None:
        self.flat.zero_()


class Average:
    """An exponential moving average of a module's parameters, started late enough to forget the beginning."""

    def __init__(self, module: nn.Module, decay: float) -> None:
        self.decay = decay
        self.values: dict[str, Tensor] = {name: p.detach().clone() for name, p in module.named_parameters()}
        self.count = 0

    @torch.no_grad()
    def update(self, module: nn.Module) -> None:
        self.count += 1
        decay = min(self.decay, (1 + self.count) / (10 + self.count))
        names, current = zip(*module.named_parameters(), strict=True)
        torch._foreach_lerp_([self.values[name] for name in names], [p.detach() for p in current], 1 - decay)

    def state_dict(self) -> dict[str, object]:
        return {"values": self.values, "count": self.count}

    @torch.no_grad()
    def load_state_dict(self, state: dict[str, object]) -> None:
        values, count = state["values"], state["count"]
        assert isinstance(values, dict)
        assert isinstance(count, int)
        self.count = count
        for name, value in self.values.items():
            value.copy_(values[name])

    @torch.no_grad()
    def copy_to(self, module: nn.Module) -> None:
        for name, parameter in module.named_parameters():
            parameter.copy_(self.values[name])
