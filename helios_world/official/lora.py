"""Low-rank adapters, merged into the weights that they change: W + w · α/r · B A (Hu et al. 2021, arXiv 2106.09685).

An adapter is a safetensors file, or a folder with one, in the format of diffusers or PEFT: for a module `m`, the
tensors `m.lora_A.weight` [r, …inputs] and `m.lora_B.weight` [outputs, r], and α as `m.alpha`, or for all modules in
adapter_config.json or in the file's metadata. Without any α the factor is w alone.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, TypeVar

import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator
from torch import Tensor

from helios_world.errors import CheckpointError
from helios_world.official.names import module_name
from helios_world.official.settings import read_object
from helios_world.official.weights import Stored, header, opened

FILES = ("adapter_model.safetensors", "pytorch_lora_weights.safetensors")
"""What PEFT and diffusers call the file in a folder."""
CONFIG = "adapter_config.json"
METADATA = "lora_adapter_metadata"
_PREFIXES = ("base_model.model.", "diffusion_model.", "transformer.")
_KEY = re.compile(
    r"(?P<module>.+?)\.(?:lora_(?P<part>A|B|down|up)(?:\.default)?\.(?P<leaf>weight|bias)|(?P<alpha>alpha))"
)
_PARTS = {"A": "down", "B": "up"}

V = TypeVar("V", int, float)


@dataclass(frozen=True)
class LoraChoice:
    """An adapter and how much of it is wanted: 1 as trained, 0 nothing."""

    path: Path
    weight: float = 1.0


@dataclass(frozen=True)
class Change:
    """What is added to a weight: `factor` times `up` times `down`, or to a bias: `factor` times `up`."""

    factor: float
    up: Stored
    down: Stored | None = None

    def added_to(self, tensor: Tensor) -> Tensor:
        """`tensor`, float32 and of any device, with the change."""
        up = _load(self.up, tensor)
        if self.down is None:
            return tensor + self.factor * up
        product = up.flatten(1) @ _load(self.down, tensor).flatten(1)
        return tensor + self.factor * product.view_as(tensor)


class LoraSettings(BaseModel):
    """What an adapter's configuration says about the merge. The rest of it is about training."""

    model_config = ConfigDict(extra="ignore", frozen=True, strict=True, allow_inf_nan=False)

    r: Annotated[int, Field(gt=0)] | None = None
    lora_alpha: float | None = None
    rank_pattern: dict[str, int] = {}
    alpha_pattern: dict[str, float] = {}
    use_rslora: bool = False
    use_dora: bool = False
    peft_type: str = "LORA"
    init_lora_weights: bool | str = True

    def factor(self, module: str, rank: int, alpha: float | None) -> float:
        """α/r of `module`, with √r for rank-stabilised adapters (arXiv 2312.03732)."""
        told = _patterned(self.alpha_pattern, module, self.lora_alpha) if alpha is None else alpha
        return 1.0 if told is None else told / (math.sqrt(rank) if self.use_rslora else rank)

    def rank(self, module: str) -> int | None:
        return _patterned(self.rank_pattern, module, self.r)

    @field_validator("rank_pattern", "alpha_pattern")
    @classmethod
    def _patterns(cls, patterns: dict[str, V]) -> dict[str, V]:
        for pattern in patterns:
            try:
                re.compile(pattern)
            except re.error as error:
                raise ValueError(f"{pattern!r} is no regular expression: {error}") from error
        return patterns


_Module = dict[str, Stored]
"""An adapter's tensors for one module: down.weight, up.weight, up.bias and alpha."""


def changes(loras: Sequence[LoraChoice], shapes: Mapping[str, torch.Size]) -> dict[str, list[Change]]:
    """What the adapters add to each weight of a model with these `shapes`, in the order of `loras`.

    Reads headers only; the tensors are read when a change is applied.

    Raises:
        CheckpointError: an adapter that cannot be read, whose key is not known, or that does not fit the model.
    """
    found: dict[str, list[Change]] = {}
    for lora in loras:
        for name, change in _changes(lora, shapes):
            found.setdefault(name, []).append(change)
    return found


def adapter_file(path: Path) -> Path:
    """The safetensors file of an adapter given as a file or as a folder."""
    if path.is_file():
        return path
    if not path.is_dir():
        raise CheckpointError(f"there is no adapter {str(path)!r}; it is a safetensors file, or a folder with one")
    there = sorted(file.name for file in path.glob("*.safetensors"))
    known = [name for name in FILES if name in there] or there
    if len(known) != 1:
        raise CheckpointError(f"{str(path)!r} holds the files {there}; an adapter is one of them, give its path")
    return path / known[0]


def _changes(lora: LoraChoice, shapes: Mapping[str, torch.Size]) -> Iterator[tuple[str, Change]]:
    file = adapter_file(lora.path)
    settings = _settings(file)
    modules = _modules(file)
    for name, module in modules.items():
        up, down, alpha = _pair(file, name, module, shapes)
        rank = down.shape[0]
        told = settings.rank(name)
        if told not in (None, rank):
            raise CheckpointError(
                f"{str(file)!r}: {down.key!r} is of rank {rank}, the adapter's configuration says {told}"
            )
        factor = lora.weight * settings.factor(name, rank, alpha)
        yield f"{name}.weight", Change(factor, up, down)
        if "up.bias" in module:
            yield f"{name}.bias", Change(factor, module["up.bias"])


def _modules(file: Path) -> dict[str, _Module]:
    modules: dict[str, _Module] = {}
    for stored in header(file):
        match = _KEY.fullmatch(stored.key)
        if match is None:
            raise CheckpointError(f"{str(file)!r}: {stored.key!r} is no part of an adapter that is known here")
        part = "alpha" if match["alpha"] else f"{_PARTS.get(match['part'], match['part'])}.{match['leaf']}"
        tensors = modules.setdefault(_target(match["module"]), {})
        if part in tensors:
            raise CheckpointError(f"{str(file)!r}: {stored.key!r} and {tensors[part].key!r} are the same")
        tensors[part] = stored
    if not modules:
        raise CheckpointError(f"{str(file)!r} holds no tensors; an adapter has lora_A and lora_B weights")
    return modules


def _target(module: str) -> str:
    for prefix in _PREFIXES:
        module = module.removeprefix(prefix)
    return module_name(module)


def _pair(
    file: Path, name: str, tensors: _Module, shapes: Mapping[str, torch.Size]
) -> tuple[Stored, Stored, float | None]:
    """The two factors and α of a module, CheckpointError unless they fit the model's weight."""
    some = next(iter(tensors.values())).key
    weight = shapes.get(f"{name}.weight")
    if weight is None or len(weight) < 2:
        raise CheckpointError(f"{str(file)!r}: {some!r} changes {name!r}, which the model has no weight matrix for")
    missing = [part for part in ("down.weight", "up.weight") if part not in tensors]
    if missing or "down.bias" in tensors:
        raise CheckpointError(f"{str(file)!r}: {some!r} is half a pair; {name!r} needs lora_A.weight and lora_B.weight")
    up, down = tensors["up.weight"], tensors["down.weight"]
    rank = down.shape[0] if down.shape else 0
    _check_shape(file, down, (rank, *weight[1:]))
    _check_shape(file, up, (weight[0], rank, *(1,) * (len(up.shape) - 2)))
    if "up.bias" in tensors:
        _check_shape(file, tensors["up.bias"], tuple(shapes.get(f"{name}.bias", ())))
    if "alpha" in tensors and tensors["alpha"].shape not in ((), (1,)):
        raise CheckpointError(f"{str(file)!r}: {tensors['alpha'].key!r} is no single number")
    return up, down, float(_load(tensors["alpha"])) if "alpha" in tensors else None


def _check_shape(file: Path, stored: Stored, wanted: tuple[int, ...]) -> None:
    if stored.shape != wanted or 0 in wanted:
        raise CheckpointError(
            f"{str(file)!r}: {stored.key!r} has the shape {list(stored.shape)}, the model and its other half ask for"
            f" {list(wanted)}"
        )


def _settings(file: Path) -> LoraSettings:
    """Of adapter_config.json beside the file, or of the file's metadata."""
    source, data = file.parent / CONFIG, {}
    if source.is_file():
        data = read_object(source)
    else:
        source = file
        with opened(file) as handle:
            told: str = (handle.metadata() or {}).get(METADATA, "{}")
        data = {key.removeprefix("transformer."): value for key, value in _object(file, told).items()}
    try:
        settings = LoraSettings.model_validate_json(json.dumps({k: v for k, v in data.items() if v is not None}))
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, e['loc']))} is {e['input']!r}; {e['msg']}" for e in error.errors())
        raise CheckpointError(f"{str(source)!r} is not valid: {wrong}") from error
    _check_kind(source, settings)
    return settings


def _object(file: Path, told: str) -> dict[str, Any]:
    try:
        data = json.loads(told)
    except ValueError as error:
        raise CheckpointError(f"{str(file)!r}: its {METADATA} is no JSON: {error}") from error
    if not isinstance(data, dict):
        raise CheckpointError(f"{str(file)!r}: its {METADATA} is {told[:80]}; a JSON object belongs there")
    return data


def _check_kind(source: Path, settings: LoraSettings) -> None:
    """CheckpointError for adapters that are more than a low-rank sum."""
    start = settings.init_lora_weights
    # These begin by changing the weights below them, which the adapter's file does not hold.
    changed = isinstance(start, str) and start.startswith(("pissa", "olora", "corda", "loftq"))
    for key, value, wrong in (
        ("peft_type", settings.peft_type, settings.peft_type != "LORA"),
        ("use_dora", settings.use_dora, settings.use_dora),
        ("init_lora_weights", start, changed),
    ):
        if wrong:
            raise CheckpointError(f"{str(source)!r}: {key} is {value!r}; only plain LoRA can be merged")


def _patterned(patterns: Mapping[str, V], module: str, otherwise: V | None) -> V | None:
    """The value of the first pattern that `module` ends in, as PEFT finds it."""
    for pattern, value in patterns.items():
        if re.fullmatch(rf"(.*\.)?({pattern})", module):
            return value
    return otherwise


def _load(stored: Stored, like: Tensor | None = None) -> Tensor:
    with opened(stored.file) as handle:
        tensor: Tensor = handle.get_tensor(stored.key)
        return tensor.to("cpu" if like is None else like.device, torch.float32)
