"""A run of a training stage: what it trains, how far it is, and what it writes.

The folder of a run holds `state-…/` (everything to go on from), `log.csv` (a row per report) and, at the end,
`transformer/` or `adapter/`.
"""

from __future__ import annotations

import csv
import math
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path

import torch
from torch import Tensor

from helios_world.errors import HeliosError
from helios_world.model import HeliosTransformer
from helios_world.train import parallel
from helios_world.train.stages.adapters import Adapters
from helios_world.train.stages.clips import Source
from helios_world.train.stages.dice import Dice, Rows
from helios_world.train.stages.learner import Learner
from helios_world.train.stages.recipe import BaseRecipe, DistillRecipe, MidRecipe
from helios_world.train.stages.sharding import mean_of_processes
from helios_world.train.stages.states import load_state, save_state

_DTYPES = {"bfloat16": torch.bfloat16, "float32": torch.float32}


class Run:
    """Owns the step and the learners; the model and the source are given.

    Args:
        learners: by name; those of one run are always the same.
        until: when to stop early, by `time.monotonic`.
    """

    def __init__(
        self,
        recipe: BaseRecipe | MidRecipe | DistillRecipe,
        out: Path,
        model: HeliosTransformer,
        source: Source,
        learners: Mapping[str, Learner],
        *,
        device: torch.device,
        adapters: Adapters | None = None,
        until: float = math.inf,
    ) -> None:
        self.recipe, self.out, self.model, self.source = recipe, out, model, source
        self.learners, self.device, self.adapters, self.until = dict(learners), device, adapters, until
        self.rank, self.processes = parallel.join()
        self.rows = Rows.of(recipe.batch, self.rank, self.processes)
        self.step = 0
        self.losses: list[dict[str, float]] = []
        self._sums: dict[str, list[Tensor]] = {}

    @property
    def writes(self) -> bool:
        """Whether this process is the one that writes files."""
        return self.rank == 0

    def resume(self) -> None:
        """Go on from the newest state in the run's folder, if there is one."""
        told = load_state(self.out, self.learners, self.device)
        if told is not None:
            self.step = told["step"]
            self.source.load_state_dict(told["source"])

    def save(self) -> None:
        save_state(self.out, self.step, self.learners, {"source": self.source.state_dict()}, writes=self.writes)

    def steps(self, last: int | None = None) -> Iterator[Dice]:
        """The random numbers of each step up to the recipe's last, or up to `last`; saves on the way and at the end."""
        last = self.recipe.steps if last is None else min(last, self.recipe.steps)
        saved = self.step
        while self.step < last:
            yield Dice(self.recipe.seed, self.step, self.rows, self.device)
            self.step += 1
            if self.step % self.recipe.save_every == 0:
                self.save()
                saved = self.step
            if parallel.agree(time.monotonic() >= self.until):
                break
        if saved != self.step:
            self.save()

    def autocast(self) -> AbstractContextManager[None]:
        """Matrix products in the recipe's precision."""
        dtype = _DTYPES[self.recipe.precision]
        return torch.autocast(self.device.type, dtype, enabled=dtype != torch.float32)

    def learn(self, name: str, loss: Tensor) -> None:
        """One update of a learner; what the gradients left elsewhere is forgotten."""
        loss.backward()  # type: ignore[no-untyped-call]
        self.learners[name].update()
        for other in self.learners.values():
            other.forget()

    def report(self, **values: Tensor) -> None:
        """Remember a step's losses; every so many steps their means become a row of log.csv.

        Raises:
            HeliosError: a loss that is no number.
        """
        for name, value in values.items():
            self._sums.setdefault(name, []).append(value.detach())
        if (self.step + 1) % self.recipe.report_every and self.step + 1 != self.recipe.steps:
            return
        row = {name: float(mean_of_processes(torch.stack(own).mean())) for name, own in self._sums.items()}
        self._sums.clear()
        if not all(math.isfinite(value) for value in row.values()):
            raise HeliosError(f"step {self.step + 1}: the losses are {row}; try a lower learning_rate or clip")
        self.losses.append({"step": self.step + 1, **row})
        if self.writes:
            _append(self.out / "log.csv", self.losses[-1])


def _append(path: Path, row: dict[str, float]) -> None:
    """Losses begin and end with the parts of a stage, so that a row names what it has: step, name, value."""
    path.parent.mkdir(parents=True, exist_ok=True)
    begins = not path.exists()
    with path.open("a", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        if begins:
            writer.writerow(("step", "name", "value"))
        writer.writerows((row["step"], name, value) for name, value in row.items() if name != "step")
