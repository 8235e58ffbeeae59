"""Checkpoint folders: a world as files.

world.json                                            what the world is (helios_world.worldfile)
transformer/config.json   diffusion_pytorch_model.safetensors
codec/config.json         model.safetensors
text_encoder/config.json  model.safetensors
atlas/config.json         model.safetensors           only for a guided transformer
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as to_safetensors
from torch import Tensor, nn

from helios_world.codec import CodecConfig, LatentCodec
from helios_world.errors import CheckpointError, HeliosError
from helios_world.model import HeliosTransformer, TransformerConfig
from helios_world.model.transformer import KEPT_IN_FLOAT32
from helios_world.places import Atlas, AtlasConfig
from helios_world.snapshot import write_atomically
from helios_world.text import TextConfig, TextEncoder
from helios_world.worldfile import NAME, WorldFile

TRANSFORMER = ("transformer", "diffusion_pytorch_model.safetensors")
CODEC = ("codec", "model.safetensors")
TEXT_ENCODER = ("text_encoder", "model.safetensors")
ATLAS = ("atlas", "model.safetensors")


def _files_of(*places: tuple[str, str]) -> tuple[str, ...]:
    return tuple(f"{folder}/{file}" for folder, weights in places for file in ("config.json", weights))


FILES = (NAME, *_files_of(TRANSFORMER, CODEC, TEXT_ENCODER))
ATLAS_FILES = _files_of(ATLAS)
CLASS_NAME = "HeliosTransformer3DModel"
"""What diffusers calls the architecture, so that it can open the transformer's folder."""


class _Config(Protocol):
    def to_dict(self) -> dict[str, Any]: ...


C = TypeVar("C")
M = TypeVar("M", bound=nn.Module)


@dataclass(frozen=True)
class Checkpoint:
    """A world that was read: its file, its parts, and a digest of all of it."""

    world: WorldFile
    transformer: HeliosTransformer
    codec: LatentCodec
    text_encoder: TextEncoder
    digest: str
    atlas: Atlas | None = None


def load_checkpoint(folder: str | Path, device: torch.device, dtype: torch.dtype) -> Checkpoint:
    """Read a folder.

    Args:
        device: where the weights go.
        dtype: of the transformer's and the decoder's weights; the text encoder and what the transformer needs
            in float32 stay so.

    Raises:
        CheckpointError: names the file and the key that is wrong or missing.
    """
    folder = Path(folder)
    check_files(folder)
    world = WorldFile.read(folder)
    transformer = _read(folder, TRANSFORMER, TransformerConfig.from_dict, HeliosTransformer)
    codec = _read(folder, CODEC, CodecConfig.from_dict, LatentCodec)
    text_encoder = _read(folder, TEXT_ENCODER, TextConfig.from_dict, TextEncoder)
    atlas = _read(folder, ATLAS, AtlasConfig.from_dict, Atlas) if _has_atlas(folder) else None
    _check_parts(
        folder, world, transformer.config, codec.config, text_encoder.config, None if atlas is None else atlas.config
    )
    transformer.cast(dtype).to(device).eval().requires_grad_(False)
    codec.to(device).eval().requires_grad_(False)
    if codec.residual is not None:
        codec.residual.to(dtype)
    text_encoder.to(device).eval().requires_grad_(False)
    if atlas is not None:
        atlas.to(device, torch.float32).eval().requires_grad_(False)
    return Checkpoint(world, transformer, codec, text_encoder, digest_of(folder), atlas)


def save_world(
    folder: str | Path,
    world: WorldFile,
    transformer: HeliosTransformer,
    codec: LatentCodec,
    text_encoder: TextEncoder,
    atlas: Atlas | None = None,
) -> None:
    """Write a folder, weights in bfloat16 except for those that need float32; existing files are replaced."""
    folder = Path(folder)
    _check_parts(
        folder, world, transformer.config, codec.config, text_encoder.config, None if atlas is None else atlas.config
    )
    parts: tuple[tuple[tuple[str, str], nn.Module, _Config, Callable[[str], bool]], ...] = (
        (TRANSFORMER, transformer, transformer.config, _kept_in_transformer),
        (CODEC, codec, codec.config, lambda name: not name.startswith("residual.")),
        (TEXT_ENCODER, text_encoder, text_encoder.config, lambda name: False),
    )
    for place, module, config, exact in parts:
        _write(folder, place, module, config, exact)
    if atlas is None:
        for name in ATLAS_FILES:
            (folder / name).unlink(missing_ok=True)
    else:
        _write(folder, ATLAS, atlas, atlas.config, _kept_in_atlas)
    write_atomically(folder / NAME, world.to_bytes())


def check_files(folder: Path) -> None:
    """Raise CheckpointError unless every file is there."""
    missing = [name for name in files_of(folder) if not (folder / name).is_file()]
    if missing:
        raise CheckpointError(f"{str(folder)!r} is no complete checkpoint folder; it lacks {missing}")


def files_of(folder: Path) -> tuple[str, ...]:
    """The names of a checkpoint folder's files."""
    return FILES + ATLAS_FILES if _has_atlas(folder) else FILES


def _has_atlas(folder: Path) -> bool:
    return any((folder / name).is_file() for name in ATLAS_FILES)


def digest_of(folder: Path) -> str:
    """SHA-256 over the names, the sizes and the contents of the folder's files."""
    digest = hashlib.sha256()
    for name in files_of(folder):
        path = folder / name
        digest.update(f"{name} {path.stat().st_size}\n".encode())
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()


def _read(
    folder: Path, place: tuple[str, str], configure: Callable[[Mapping[str, Any]], C], build: Callable[[C], M]
) -> M:
    config_path = folder / place[0] / "config.json"
    try:
        config = configure(json.loads(config_path.read_bytes()))
    except (HeliosError, ValueError, TypeError, AttributeError, KeyError) as error:
        raise CheckpointError(f"{str(config_path)!r} is not valid: {error}") from error
    # Fresh weights are drawn from the global generator; whoever loads a world keeps their own random numbers.
    with torch.random.fork_rng(devices=[]):
        module = build(config)
    module.load_state_dict(_read_tensors(folder / place[0] / place[1], module.state_dict()))
    return module


def _read_tensors(path: Path, expected: Mapping[str, Tensor]) -> dict[str, Tensor]:
    try:
        with safe_open(path, framework="pt") as file:
            found = set(file.keys())
            _check_keys(path, found, set(expected))
            return {name: _fitting(path, name, file.get_tensor(name), like) for name, like in expected.items()}
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{str(path)!r} cannot be read, it is damaged or incomplete: {error}") from error


def _check_keys(path: Path, found: set[str], expected: set[str]) -> None:
    for what, names in (("lacks", expected - found), ("has the unknown", found - expected)):
        if names:
            listed = sorted(names)
            more = f" and {len(listed) - 5} more" if len(listed) > 5 else ""
            raise CheckpointError(f"{str(path)!r} {what} weights {listed[:5]}{more}; does config.json belong to it?")


def _fitting(path: Path, name: str, tensor: Tensor, like: Tensor) -> Tensor:
    if tensor.shape != like.shape or tensor.is_floating_point() != like.is_floating_point():
        raise CheckpointError(
            f"{str(path)!r}: {name!r} is {tensor.dtype} {list(tensor.shape)}, config.json asks for "
            f"{like.dtype} {list(like.shape)}"
        )
    return tensor


def _write(
    folder: Path, place: tuple[str, str], module: nn.Module, config: _Config, exact: Callable[[str], bool]
) -> None:
    home = folder / place[0]
    home.mkdir(parents=True, exist_ok=True)
    tensors = {name: _stored(tensor, exact(name)) for name, tensor in module.state_dict().items()}
    named = {"_class_name": CLASS_NAME} if place == TRANSFORMER else {}
    write_atomically(home / place[1], to_safetensors(tensors, metadata={"format": "pt"}))
    write_atomically(home / "config.json", json.dumps({**named, **config.to_dict()}, indent=2).encode() + b"\n")


def _stored(tensor: Tensor, exact: bool) -> Tensor:
    dtype = torch.float32 if exact else torch.bfloat16
    return tensor.detach().to("cpu", dtype if tensor.is_floating_point() else tensor.dtype).contiguous()


def _kept_in_transformer(name: str) -> bool:
    return any(part in KEPT_IN_FLOAT32 for part in name.split("."))


def _kept_in_atlas(name: str) -> bool:
    """Buffers, and the free motion: what it is wrong by adds up."""
    return "." not in name or name.startswith(("odometry.straight.", "odometry.bend.", "odometry.bounds"))


def _check_parts(
    folder: Path,
    world: WorldFile,
    transformer: TransformerConfig,
    codec: CodecConfig,
    text: TextConfig,
    atlas: AtlasConfig | None,
) -> None:
    """Raise CheckpointError where two files contradict each other."""
    told = 2 * len(world.controls) or None
    step = codec.spatial * transformer.patch_size[1]
    world.control_map()
    for what, found, expected in (
        ("transformer in_channels and codec latent_channels", transformer.in_channels, codec.latent_channels),
        (
            "transformer out_channels and codec latent_channels",
            transformer.out_channels,
            codec.latent_channels,
        ),
        ("transformer text_dim and text_encoder text_dim", transformer.text_dim, text.text_dim),
        ("transformer action_dim and twice the controls of world.json", transformer.action_dim, told),
        ("transformer guided and whether there is an atlas", transformer.guided, atlas is not None),
        *(() if atlas is None else _atlas_parts(world, codec, text, atlas)),
        (f"frames_per_chunk modulo the codec's {codec.temporal}", world.frames_per_chunk % codec.temporal, 0),
        (f"height and width modulo {step}", (world.height % step, world.width % step), (0, 0)),
    ):
        if found != expected:
            raise CheckpointError(f"{str(folder)!r}: {what} are {found} and {expected}; they have to be equal")


def _atlas_parts(
    world: WorldFile, codec: CodecConfig, text: TextConfig, atlas: AtlasConfig
) -> Iterator[tuple[str, object, object]]:
    size = world.height // codec.spatial, world.width // codec.spatial
    yield "atlas height and width and those of a latent", (atlas.height, atlas.width), size
    yield "atlas and codec latent_channels", atlas.latent_channels, codec.latent_channels
    yield "atlas and text_encoder text_dim", atlas.text_dim, text.text_dim
    yield "atlas controls and the controls of world.json", atlas.controls, len(world.controls)
    yield "frames_per_chunk of an atlas and the codec's temporal", world.frames_per_chunk, codec.temporal
