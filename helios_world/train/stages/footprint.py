"""How much memory training needs: measured on a GPU, counted on a CPU."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from helios_world.train.stages.adversarial import Discriminator
from helios_world.train.stages.base import flow_loss, prepare
from helios_world.train.stages.dice import place
from helios_world.train.stages.distill import Distillation, matching_step
from helios_world.train.stages.recipe import DistillRecipe
from helios_world.train.stages.run import Run


def peak_bytes(work: Callable[[], object], tensors: Sequence[Tensor], device: torch.device) -> int:
    """The most bytes that `work` holds at a time, `tensors` (weights, optimiser states) included.

    On a CPU, where no allocator counts: the bytes of `tensors`, their gradients, and the largest sum of what was kept
    for a backward pass and not yet given back.
    """
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        work()
        return torch.cuda.max_memory_allocated(device)
    fixed = {_memory(tensor): tensor.untyped_storage().nbytes() for tensor in tensors}
    gradients = sum(tensor.nbytes for tensor in tensors if tensor.requires_grad)
    kept = _Kept(set(fixed))
    with torch.autograd.graph.saved_tensors_hooks(kept.pack, kept.unpack):
        work()
    return sum(fixed.values()) + gradients + kept.most


def distill_footprint(run: Run, recipe: DistillRecipe, heads: Discriminator | None) -> dict[str, float]:
    """Bytes of a step of distribution matching with its four roles, of one role trained alone, and their ratio.

    Trains the run by a step: for a run that is made to be measured.

    Raises:
        ValueError: the recipe has no matching.
    """
    if recipe.matching is None:
        raise ValueError("the recipe has no matching, and so no four roles to measure")
    part, layout = recipe.matching, recipe.layout.layout()
    weights = dict(run.model.named_parameters())
    others = [] if heads is None else list(heads.parameters())
    alone = [weight for name, weight in weights.items() if ".adapters.generator." not in name]
    dice = next(iter(run.steps()))
    window, given = prepare(recipe, run.source.next(dice.rows), run.source.empty_text, layout, dice)
    work = Distillation(run, recipe, heads)

    def one() -> None:
        with work.switch.using(*work.roles.fake), run.autocast():
            sigma = place(dice.uniform(), run.device)
            loss = flow_loss(run.model, given, window.target, dice.normal(*window.target.shape[1:]), sigma)
        loss.backward()  # type: ignore[no-untyped-call]
        run.learners["critic"].forget()

    single = peak_bytes(one, alone, run.device) + _moments(alone)
    every = [*weights.values(), *others]
    four = peak_bytes(lambda: matching_step(work, part, dice), every, run.device) + _moments(every)
    return {"one": single, "four": four, "ratio": four / single}


def _moments(weights: Sequence[Tensor]) -> int:
    """Bytes of the optimiser's two averages."""
    return 2 * sum(weight.nbytes for weight in weights if weight.requires_grad)


class _Box:
    """A tensor that autograd keeps; counted until autograd lets go of it."""

    def __init__(self, tensor: Tensor, kept: _Kept) -> None:
        self.tensor, self._kept = tensor, kept
        kept.add(tensor)

    def __del__(self) -> None:
        self._kept.remove(self.tensor)


class _Kept:
    def __init__(self, known: set[int]) -> None:
        self._known, self._users, self._bytes, self.most = known, dict[int, int](), 0, 0

    def pack(self, tensor: Tensor) -> _Box:
        return _Box(tensor, self)

    def unpack(self, box: _Box) -> Tensor:
        return box.tensor

    def add(self, tensor: Tensor) -> None:
        key = _memory(tensor)
        if key in self._known:
            return
        self._users[key] = self._users.get(key, 0) + 1
        if self._users[key] == 1:
            self._bytes += tensor.untyped_storage().nbytes()
            self.most = max(self.most, self._bytes)

    def remove(self, tensor: Tensor) -> None:
        key = _memory(tensor)
        if key in self._known:
            return
        self._users[key] -= 1
        if not self._users[key]:
            self._bytes -= tensor.untyped_storage().nbytes()


def _memory(tensor: Tensor) -> int:
    return tensor.untyped_storage().data_ptr()
