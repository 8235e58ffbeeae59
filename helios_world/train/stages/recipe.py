"""What a training stage does, as data: a JSON file per run, whose unknown keys are errors.

The defaults are the values that Helios was trained with (arXiv 2603.04379 and its published configurations), of those
that were tried later by its authors the later ones, except for sizes and lengths of a run, which a recipe has to say.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter, ValidationError, model_validator

from helios_world.errors import CheckpointError
from helios_world.train.stages.parts import (
    AdapterPart,
    CorruptionPart,
    DroppingPart,
    LandsPart,
    LayoutPart,
    MatchingPart,
    OptimizerPart,
    Part,
    Positive,
    SchedulePart,
    ShardsPart,
    Share,
    TrajectoryPart,
)


class _Stage(Part):
    """What all stages have.

    Args:
        start: the folder of a world or of a transformer, or None for new weights of the shape in `transformer`.
        adapter: None trains all weights.
        batch: clips per step, of all processes together.
        precision: of the matrix products.
        recompute: keep the input of each block only and compute the rest again for the gradients.
    """

    name: str
    seed: int = 0
    start: str | None = None
    transformer: dict[str, Any] | None = None
    layout: LayoutPart = LayoutPart()
    source: Annotated[ShardsPart | LandsPart, Field(discriminator="kind")]
    adapter: AdapterPart | None = None
    batch: Positive
    steps: Positive
    save_every: Positive = 500
    report_every: Positive = 10
    precision: Literal["bfloat16", "float32"] = "bfloat16"
    recompute: bool = True
    dropping: DroppingPart = DroppingPart()
    corruption: CorruptionPart | None = CorruptionPart()
    caption_dropout: Share = 0.0

    @model_validator(mode="after")
    def _starts(self) -> _Stage:
        if (self.start is None) == (self.transformer is None):
            raise ValueError("a run begins with the weights of `start` or with new ones of `transformer`; give one")
        return self


class BaseRecipe(_Stage):
    """History injection and flow matching at one resolution."""

    stage: Literal["base"]
    optimizer: OptimizerPart = OptimizerPart(learning_rate=5e-5)
    levels: Literal["logit_normal", "uniform"] = "logit_normal"


class MidRecipe(_Stage):
    """Flow matching over a pyramid; `ratios` says how often each resolution is trained."""

    stage: Literal["mid"]
    optimizer: OptimizerPart = OptimizerPart(learning_rate=1e-4, warmup=1000)
    schedule: SchedulePart = SchedulePart()
    ratios: tuple[Positive, ...] = (1, 2, 1)

    @model_validator(mode="after")
    def _fits(self) -> MidRecipe:
        if len(self.ratios) != self.schedule.stages:
            raise ValueError(f"ratios are {self.ratios}; the pyramid has {self.schedule.stages} stages")
        return self


class DistillRecipe(_Stage):
    """Few steps instead of many: `trajectory` first, `matching` for the rest of the `steps`.

    Args:
        start: the frozen base that all roles share. Matching takes it for the real score, which sees full size at all
            noise levels: a model of the base stage. For `trajectory` alone a mid model does as well.
        adapter: of the generator and of the critic.
        mid: the adapter folder of the mid stage; None where `start` is a mid model itself.
    """

    stage: Literal["distill"]
    adapter: AdapterPart = AdapterPart(rank=256)
    mid: str | None = None
    schedule: SchedulePart = SchedulePart(dynamic_shift="linear")
    trajectory: TrajectoryPart | None = None
    matching: MatchingPart | None = None
    dropping: DroppingPart = DroppingPart(text=0.4, image=0.0, partial=0.5)

    @model_validator(mode="after")
    def _does_something(self) -> DistillRecipe:
        if self.trajectory is None and self.matching is None:
            raise ValueError("distill needs `trajectory`, `matching` or both")
        if self.matching is not None and self.start is not None and self.mid is None and self.schedule.stages > 1:
            raise ValueError(
                "matching needs a model of the base stage as `start` and the mid stage as an adapter in `mid`: a model"
                " that knows the pyramid's full size at the lowest noise levels only is no real score"
            )
        if self.adapter.full:
            raise ValueError(f"adapter.full is {self.adapter.full}; the roles of distill differ by adapters only")
        return self

    def optimizers(self) -> dict[str, OptimizerPart]:
        """Those of the learners, by name; the generator's first, where it has one for each part."""
        if self.matching is None:
            assert self.trajectory is not None
            return {"generator": self.trajectory.optimizer}
        first = self.matching.generator if self.trajectory is None else self.trajectory.optimizer
        return {"generator": first, "critic": self.matching.critic}


Recipe = BaseRecipe | MidRecipe | DistillRecipe
_ANY: TypeAdapter[Recipe] = TypeAdapter(Annotated[Recipe, Field(discriminator="stage")])
_SHIPPED = Path(__file__).parents[1] / "recipes"


def read_recipe(name: str | Path, stage: str | None = None) -> Recipe:
    """The recipe of a file, or of a name in the package.

    Args:
        stage: what the recipe's has to be.

    Raises:
        CheckpointError: there is none, or it is not valid; every wrong key is named.
    """
    shipped = _SHIPPED / f"{name}.json"
    path = shipped if shipped.is_file() else Path(name)
    try:
        recipe = _ANY.validate_json(path.read_bytes())
    except OSError as error:
        raise CheckpointError(f"the recipe {str(path)!r} cannot be read: {error.strerror}") from error
    except ValidationError as error:
        wrong = [f"{'.'.join(map(str, e['loc'])) or 'recipe'}: {e['msg']}" for e in error.errors()]
        raise CheckpointError(f"the recipe {str(path)!r} is not valid: {'; '.join(wrong)}") from error
    if stage not in (None, recipe.stage):
        raise CheckpointError(f"the recipe {str(path)!r} is one of the stage {recipe.stage!r}, not of {stage!r}")
    return recipe


def changed(recipe: Recipe, rank: int | None, start: Path | None) -> Recipe:
    """The recipe with adapters of another rank, or with other weights to start with; None leaves what it says."""
    values = recipe.model_dump()
    if rank is not None:
        values["adapter"] = {**(values["adapter"] or {}), "rank": rank}
    if start is not None:
        values |= {"start": str(start), "transformer": None}
    return _ANY.validate_python(values)
