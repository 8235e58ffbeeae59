"""The JSON files of an official checkpoint, read strictly.

A key that begins with "_" is private to the program that wrote the file, and a key whose value is null is not set;
any other key that is not known is an error, and so is a known one whose value nothing here computes.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from helios_world.errors import CheckpointError
from helios_world.model import TransformerConfig
from helios_world.sampling.config import SchedulerConfig

TRANSFORMER_CLASS = "HeliosTransformer3DModel"
SCHEDULER_CLASSES = ("HeliosScheduler", "HeliosDMDScheduler")

Positive = Annotated[int, Field(gt=0)]
Three = tuple[Positive, Positive, Positive]


class _Settings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class SchedulerFile(_Settings):
    """scheduler_config.json. The names and the defaults are those of diffusers' two Helios schedulers.

    The Distilled checkpoint's scheduler has none of the multi-step settings; where its file has them, they are left
    over and not used.
    """

    num_train_timesteps: Positive
    shift: float
    stages: Positive
    stage_range: tuple[float, ...]
    gamma: float
    use_dynamic_shifting: bool
    time_shift_type: Literal["exponential", "linear"]
    scheduler_type: Literal["euler", "unipc", "dmd"]
    solver_order: Positive = 2
    solver_type: Literal["bh1", "bh2"] = "bh2"
    lower_order_final: bool = True
    disable_corrector: tuple[int, ...] = ()
    predict_x0: bool = True
    base_image_seq_len: Positive = 256
    max_image_seq_len: Positive = 4096
    base_shift: float = 0.5
    max_shift: float = 1.15
    thresholding: Literal[False] = False
    prediction_type: Literal["flow_prediction"] = "flow_prediction"
    use_flow_sigmas: Literal[True] = True

    def config(self) -> SchedulerConfig:
        values = self.model_dump(exclude={"thresholding", "prediction_type", "use_flow_sigmas"})
        moved, how = values.pop("use_dynamic_shifting"), values.pop("time_shift_type")
        if self.stages == 1:
            # A single stage is the whole flow; diffusers looks at no range then, and its default is one for three.
            values["stage_range"] = (0.0, 1.0)
        return SchedulerConfig(solver=values.pop("scheduler_type"), dynamic_shift=how if moved else None, **values)


class TransformerFile(_Settings):
    """transformer/config.json. What switches something on that no published checkpoint has may be left out.

    The settings of the authors' trainer about restricting the history are known too; they have to be off.
    """

    patch_size: Three
    num_attention_heads: Positive
    attention_head_dim: Positive
    in_channels: Positive
    out_channels: Positive
    text_dim: Positive
    freq_dim: Positive
    ffn_dim: Positive
    num_layers: Positive
    cross_attn_norm: bool
    qk_norm: Literal["rms_norm_across_heads"]
    eps: Annotated[float, Field(gt=0)]
    rope_dim: Three
    rope_theta: Annotated[float, Field(gt=0)]
    guidance_cross_attn: bool
    zero_history_timestep: bool
    has_multi_term_memory_patch: bool
    is_amplify_history: bool = False
    history_scale_mode: Literal["per_head", "scalar"] = "per_head"
    restrict_self_attn: bool = False
    restrict_lora: Literal[False] = False
    restrict_lora_rank: int = 0
    is_train_restrict_lora: Literal[False] = False

    def config(self) -> TransformerConfig:
        trainer = {"restrict_lora", "restrict_lora_rank", "is_train_restrict_lora"}
        return TransformerConfig(**self.model_dump(exclude=trainer), added_kv_proj_dim=None)


S = TypeVar("S", bound=_Settings)


def read_scheduler(path: Path, class_name: str) -> SchedulerConfig:
    """The scheduler of `class_name`, one of SCHEDULER_CLASSES.

    Raises:
        CheckpointError: names the file and every wrong key.
    """
    data = read_object(path)
    check_class(path, data, (class_name,))
    distilled = class_name == "HeliosDMDScheduler"
    kind = data.setdefault("scheduler_type", "dmd" if distilled else "unipc")
    if distilled and kind != "dmd":
        raise CheckpointError(f"{str(path)!r}: scheduler_type is {kind!r}; a {class_name} has only 'dmd'")
    file = validated(path, data, SchedulerFile)
    try:
        return file.config()
    except CheckpointError as error:
        raise CheckpointError(f"{str(path)!r}: {error}") from error


def read_transformer(path: Path) -> TransformerConfig:
    """As `read_scheduler`. An out_channels of null means as many as in_channels."""
    data = read_object(path)
    check_class(path, data, (TRANSFORMER_CLASS,))
    if data.get("out_channels") is None and "in_channels" in data:
        data["out_channels"] = data["in_channels"]
    file = validated(path, data, TransformerFile)
    try:
        return file.config()
    except CheckpointError as error:
        raise CheckpointError(f"{str(path)!r}: {error}") from error


def read_object(path: Path) -> dict[str, Any]:
    """The JSON object in a file; CheckpointError names the file that has none."""
    try:
        data = json.loads(path.read_bytes())
    except OSError as error:
        raise CheckpointError(f"{str(path)!r} cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{str(path)!r} is no JSON: {error}") from error
    if not isinstance(data, dict):
        raise CheckpointError(f"{str(path)!r} holds a {type(data).__name__}; a JSON object belongs there")
    return data


def check_class(path: Path, data: dict[str, Any], known: tuple[str, ...]) -> str:
    """The file's `_class_name`, CheckpointError unless it is one of `known`."""
    found = data.get("_class_name")
    if found not in known:
        raise CheckpointError(f"{str(path)!r}: _class_name is {found!r}; here it has to be {' or '.join(known)}")
    return str(found)


def validated(path: Path, data: dict[str, Any], settings: type[S]) -> S:
    """What is set in `data`, as `settings`; CheckpointError names the file and every wrong key."""
    present = {key: value for key, value in data.items() if not key.startswith("_") and value is not None}
    try:
        # As text, because only JSON's lists may become tuples in strict mode.
        return settings.model_validate_json(json.dumps(present))
    except ValidationError as error:
        wrong = "; ".join(_told(dict(e)) for e in error.errors())
        raise CheckpointError(f"{str(path)!r} is not valid: {wrong}") from error


def _told(error: dict[str, Any]) -> str:
    key = ".".join(map(str, error["loc"]))
    match error["type"]:
        case "extra_forbidden":
            return f"{key} is {error['input']!r}, a setting that is not known here"
        case "missing":
            return f"{key} is missing"
        case _:
            return f"{key} is {error['input']!r}; {error['msg']}"
