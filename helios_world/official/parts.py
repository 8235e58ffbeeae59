"""The parts of an official checkpoint, read and put where they compute."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from helios_world.compute import DTYPES, Compute
from helios_world.conditioning.steering import Steering
from helios_world.errors import OptionError
from helios_world.model import HeliosTransformer
from helios_world.official.layout import OfficialFolder
from helios_world.official.load import LoraChoice, check_transformer, fingerprint, load_transformer
from helios_world.official.plan import check_size, sampling_plan
from helios_world.official.prompts import PromptEncoder
from helios_world.official.speed import check_speed
from helios_world.official.video_codec import VideoCodec
from helios_world.offload import BlockOffloader, LeafOffloader
from helios_world.options import Options


@dataclass(frozen=True)
class OfficialParts:
    """An official checkpoint that was read. `digest` identifies its weights, adapters included."""

    folder: OfficialFolder
    transformer: HeliosTransformer
    codec: VideoCodec
    encoder: PromptEncoder
    steering: Steering
    digest: str


def read_parts(path: Path, compute: Compute, options: Options) -> OfficialParts:
    """Read an official checkpoint folder.

    What can be checked without reading weights is checked first, and the largest part is read last.

    Raises:
        CheckpointError: names the file and the key that is wrong or missing.
        OptionError: a choice that this checkpoint does not allow, or that the device has too little memory for.
        DependencyError: diffusers or transformers is missing.
    """
    folder = OfficialFolder.read(path, options.variant)
    sampling_plan(folder, options)
    check_size(folder, options)
    check_speed(options, compute)
    steering = Steering.default() if options.steering is None else Steering.load(options.steering)
    loras = [LoraChoice(Path(file).expanduser(), weight) for file, weight in options.loras.items()]
    check_transformer(folder, loras)
    read = _read_onto_host if options.offload == "group" else _read_onto_device
    try:
        transformer, codec, encoder = read(folder, compute, options, loras)
    except torch.OutOfMemoryError as error:
        raise OptionError(
            f"{str(path)!r} does not fit into the free memory of {compute.device}: offload='group' takes the least of"
            " it, and `helios-world info` tells how much each choice takes"
        ) from error
    return OfficialParts(folder, transformer, codec, encoder, steering, fingerprint(folder, loras))


Read = tuple[HeliosTransformer, VideoCodec, PromptEncoder]


def _read_onto_device(folder: OfficialFolder, compute: Compute, options: Options, loras: list[LoraChoice]) -> Read:
    codec = _read_codec(folder, compute.device, options)
    codec = codec.channels_last() if options.vae_channels_last else codec
    codec = codec.compiled() if options.vae_compile else codec
    encoder = _read_encoder(folder, compute, options)
    return load_transformer(folder, compute.device, compute.dtype, loras=loras), codec, encoder


def _read_onto_host(folder: OfficialFolder, compute: Compute, options: Options, loras: list[LoraChoice]) -> Read:
    """The weights stay on the host, and visit the device when they are needed."""
    codec = _read_codec(folder, torch.device("cpu"), options).computing_on(compute.device)
    LeafOffloader(codec.module, compute.device)
    keep = options.keeps_text_encoder
    encoder = _read_encoder(folder, compute, options, lambda module: _offload_text(module, compute.device, keep))
    transformer = load_transformer(folder, "cpu", compute.dtype, loras=loras, merge_on=compute.device)
    BlockOffloader(transformer, compute.device)
    return transformer, codec, encoder


def _offload_text(module: nn.Module, device: torch.device, keep: bool) -> None:
    # Of the table, which is most of the encoder's bytes in small models and 2 GB in large ones, few rows are needed.
    table: Any = module.get_input_embeddings()  # type: ignore[operator]
    # Weights that are dropped after use cross over about once; to lock their memory would take longer.
    LeafOffloader(module, device, on_host=(table,), pin=keep)


def _read_codec(folder: OfficialFolder, device: torch.device, options: Options) -> VideoCodec:
    tiling = options.tiles(max(options.height, options.width))
    return VideoCodec.load(folder.vae_path, device, DTYPES[options.vae_dtype], tiling=tiling)


def _read_encoder(folder: OfficialFolder, compute: Compute, options: Options, place: Any = None) -> PromptEncoder:
    return PromptEncoder.load(
        folder.text_encoder_path,
        folder.tokenizer_path,
        compute.device,
        compute.dtype,
        tokens=options.text_tokens,
        keep=options.keeps_text_encoder,
        place=place,
    )
