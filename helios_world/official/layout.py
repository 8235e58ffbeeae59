"""What an official checkpoint folder holds.

model_index.json          the kind of checkpoint, and the classes of its parts
transformer/              config.json and weights; transformer_init/, transformer_ode/ are others of the same shape
scheduler/                scheduler_config.json
vae/  text_encoder/       config.json and weights
tokenizer/
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from helios_world.errors import CheckpointError
from helios_world.model import TransformerConfig
from helios_world.official.settings import (
    SCHEDULER_CLASSES,
    TRANSFORMER_CLASS,
    check_class,
    read_object,
    read_scheduler,
    read_transformer,
)
from helios_world.sampling.config import SchedulerConfig

Kind = Literal["base", "mid", "distilled"]

INDEX = "model_index.json"
PIPELINES = ("HeliosPipeline", "HeliosPyramidPipeline")
PARTS: dict[str, tuple[str, ...]] = {
    "transformer": (TRANSFORMER_CLASS,),
    "scheduler": SCHEDULER_CLASSES,
    "vae": ("AutoencoderKLWan",),
    "text_encoder": ("UMT5EncoderModel",),
    "tokenizer": ("T5Tokenizer", "T5TokenizerFast"),
}
"""The folders of a checkpoint, and the classes that each may be of."""
SPATIAL = 8
"""What a VAE compresses by, along a side, whose configuration does not say; as in diffusers."""
FLAGS = ("is_cfg_zero_star", "is_distilled")


@dataclass(frozen=True)
class OfficialFolder:
    """An official checkpoint folder that was found, checked and parsed. No weight has been read yet.

    Args:
        pipeline: the class that model_index.json names.
        kind: "base" samples in one stage, "mid" in a pyramid, "distilled" in a pyramid and few steps.
        zero_star: guidance is CFG-Zero*.
        transformer: the configuration of the variant that was asked for, whose folder is `transformer_path`.
        spatial: pixels along a side of what the VAE makes one latent of.
    """

    path: Path
    pipeline: str
    kind: Kind
    zero_star: bool
    distilled: bool
    scheduler: SchedulerConfig
    transformer: TransformerConfig
    spatial: int
    transformer_path: Path
    vae_path: Path
    text_encoder_path: Path
    tokenizer_path: Path

    @classmethod
    def read(cls, path: str | Path, variant: str = "transformer") -> OfficialFolder:
        """Parse a folder.

        Args:
            variant: the folder of the transformer, such as "transformer_ode".

        Raises:
            CheckpointError: names the file and the key that is wrong or missing.
        """
        path = Path(path)
        index = _read_index(path)
        classes = _check_parts(path, index)
        home = _variant(path, variant)
        scheduler = read_scheduler(path / "scheduler" / "scheduler_config.json", classes["scheduler"])
        transformer = read_transformer(home / "config.json")
        zero_star, distilled = (index.get(flag, False) for flag in FLAGS)
        _check_kind(path / INDEX, index, scheduler)
        _check_sizes(path, home, transformer)
        return cls(
            path=path,
            pipeline=index["_class_name"],
            kind="base" if index["_class_name"] == PIPELINES[0] else "distilled" if distilled else "mid",
            zero_star=zero_star,
            distilled=distilled,
            scheduler=scheduler,
            transformer=transformer,
            spatial=_spatial(path / "vae" / "config.json"),
            transformer_path=home,
            vae_path=path / "vae",
            text_encoder_path=path / "text_encoder",
            tokenizer_path=path / "tokenizer",
        )


def _read_index(path: Path) -> dict[str, Any]:
    if not path.is_dir():
        raise CheckpointError(f"{str(path)!r} is no folder; an official checkpoint is one, with {INDEX} in it")
    if not (path / INDEX).is_file():
        raise CheckpointError(f"{str(path)!r} is no complete official checkpoint: {_instead(path)}")
    index = read_object(path / INDEX)
    check_class(path / INDEX, index, PIPELINES)
    known = {"_class_name", *PARTS, *FLAGS}
    unknown = [key for key, value in index.items() if not _unset(key, value) and key not in known]
    if unknown:
        raise CheckpointError(f"{str(path / INDEX)!r}: unknown keys {sorted(unknown)}; known are {sorted(known)}")
    for flag in FLAGS:
        if not isinstance(index.get(flag, False), bool):
            raise CheckpointError(f"{str(path / INDEX)!r}: {flag} is {index[flag]!r}; it has to be true or false")
    return index


def _unset(key: str, value: object) -> bool:
    return key.startswith("_") or value is None or value == [None, None]


def _instead(path: Path) -> str:
    """What a folder without an index is, and what it lacks."""
    missing = [INDEX, *(f"{part}/" for part in PARTS if not (path / part).is_dir())]
    if (path / "config.json").is_file():
        found = read_object(path / "config.json").get("_class_name")
        return f"its config.json is that of a single {found}; the whole checkpoint has also {missing}"
    if (path / "modular_model_index.json").is_file():
        return (
            f"it has only modular_model_index.json, which lists parts that may lie elsewhere; it lacks {missing}:"
            " save the pipeline with save_pretrained, which writes all of them"
        )
    return f"it lacks {missing}"


def _check_parts(path: Path, index: Mapping[str, Any]) -> dict[str, str]:
    """The class of every part, CheckpointError unless each is listed and there."""
    classes = {}
    for part, known in PARTS.items():
        match index.get(part):
            case [str(), str(name)] if name in known:
                classes[part] = name
            case found:
                wanted = " or ".join(known)
                raise CheckpointError(f"{str(path / INDEX)!r}: {part} is {found!r}; its class has to be {wanted}")
    missing = [f"{part}/" for part in PARTS if not (path / part).is_dir()]
    if missing:
        raise CheckpointError(f"{str(path)!r} is no complete official checkpoint: it lacks {missing}")
    return classes


def _variant(path: Path, variant: str) -> Path:
    there = sorted(config.parent.name for config in path.glob("transformer*/config.json"))
    if variant not in there:
        raise CheckpointError(f"{str(path)!r} has no {variant!r} with a config.json; its transformers are {there}")
    return path / variant


def _check_kind(path: Path, index: Mapping[str, Any], scheduler: SchedulerConfig) -> None:
    """CheckpointError where the index and the scheduler are not of the same kind of checkpoint."""
    name, distilled = index["_class_name"], index.get("is_distilled", False)
    pyramid = name == PIPELINES[1]
    on = [flag for flag in FLAGS if index.get(flag)]
    if pyramid != (scheduler.stages > 1):
        raise CheckpointError(
            f"{str(path)!r}: _class_name is {name} and the scheduler's stages are {scheduler.stages}; one stage"
            f" belongs to {PIPELINES[0]}, several to {PIPELINES[1]}"
        )
    if on and not pyramid:
        raise CheckpointError(f"{str(path)!r}: {on} set; only a {PIPELINES[1]} has that")
    if distilled != (scheduler.solver == "dmd"):
        raise CheckpointError(
            f"{str(path)!r}: is_distilled is {distilled} and the scheduler's scheduler_type {scheduler.solver!r};"
            " 'dmd' belongs to the distilled checkpoints and to no others"
        )


def _check_sizes(path: Path, home: Path, transformer: TransformerConfig) -> None:
    """CheckpointError where the parts do not fit together."""
    config = home / "config.json"
    if transformer.out_channels != transformer.in_channels:
        raise CheckpointError(
            f"{str(config)!r}: out_channels is {transformer.out_channels} and in_channels {transformer.in_channels};"
            " the velocity of a latent has as many channels as the latent"
        )
    if not transformer.has_multi_term_memory_patch:
        raise CheckpointError(f"{str(config)!r}: has_multi_term_memory_patch is false; a world needs the history")
    for part, key, wanted, why in (
        ("vae", "_class_name", "AutoencoderKLWan", "the class of this part"),
        ("vae", "z_dim", transformer.in_channels, f"in_channels of {str(config)!r}"),
        ("text_encoder", "model_type", "umt5", "the class of this part"),
        ("text_encoder", "d_model", transformer.text_dim, f"text_dim of {str(config)!r}"),
    ):
        other = path / part / "config.json"
        found = read_object(other).get(key)
        if found != wanted:
            raise CheckpointError(f"{str(other)!r}: {key} is {found!r}; it has to be {wanted!r}, {why}")


def _spatial(config: Path) -> int:
    found = read_object(config).get("scale_factor_spatial")
    if found is None:
        return SPATIAL
    if isinstance(found, bool) or not isinstance(found, int) or found < 1:
        raise CheckpointError(
            f"{str(config)!r}: scale_factor_spatial is {found!r}; it has to be a whole number above 0"
        )
    return found
