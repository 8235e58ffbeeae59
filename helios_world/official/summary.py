"""What an official checkpoint is and needs, from its settings and the headers of its files. Reads no weight."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch

from helios_world.compute import DTYPES
from helios_world.memory import HistoryLayout
from helios_world.official.layout import OfficialFolder
from helios_world.official.names import modern_name
from helios_world.official.plan import check_size, sampling_plan
from helios_world.official.settings import read_object
from helios_world.official.weights import Stored, header, survey
from helios_world.offload import CodecSize, Mode, Plan, Prediction, TextSize, predict_peak
from helios_world.options import Options

Shapes = dict[str, tuple[int, ...]]


@dataclass(frozen=True)
class Part:
    """One part's weights: how many parameters, and their bytes as stored."""

    name: str
    parameters: int
    stored: int


@dataclass(frozen=True)
class Summary:
    """Args:
    kind: "base", "mid" or "distilled".
    steps, guidance: what a chunk takes, with the options that were given.
    peaks: bytes on the device, by what is chosen for offload and keep_text_encoder.
    """

    kind: str
    steps: tuple[int, ...]
    guidance: float
    parts: tuple[Part, ...]
    peaks: dict[str, Prediction]

    def to_dict(self) -> dict[str, Any]:
        peaks = {name: {**asdict(found), "peak": found.peak} for name, found in self.peaks.items()}
        return {**asdict(self), "peaks": peaks}


def summarise(path: str | Path, options: Options, dtype: torch.dtype) -> Summary:
    """Look at a checkpoint folder.

    Args:
        dtype: of the computation, for the predicted bytes.

    Raises:
        CheckpointError: names the file and the key that is wrong or missing.
        OptionError: a choice that this checkpoint does not allow.
    """
    folder = OfficialFolder.read(path, options.variant)
    sampling = sampling_plan(folder, options)
    check_size(folder, options)
    stored = {
        "transformer": list(survey(folder.transformer_path, modern_name).values()),
        "vae": _headers(folder.vae_path),
        "text_encoder": _headers(folder.text_encoder_path),
    }
    shapes = {name: {tensor.key: tensor.shape for tensor in tensors} for name, tensors in stored.items()}
    plans = _memory_plans(folder, options, shapes, dtype)
    peaks = {_told(plan): predict_peak(plan) for plan in plans}
    parts = tuple(_part(name, tensors) for name, tensors in stored.items())
    return Summary(folder.kind, sampling.steps, sampling.guidance.scale, parts, peaks)


_MODES: tuple[tuple[Mode, bool], ...] = (("none", True), ("none", False), ("group", True), ("group", False))


def _memory_plans(
    folder: OfficialFolder, options: Options, shapes: dict[str, Shapes], dtype: torch.dtype
) -> list[Plan]:
    long, mid, short = options.history
    first = Plan(
        transformer=folder.transformer,
        codec=CodecSize.read(read_object(folder.vae_path / "config.json"), shapes["vae"]),
        text=TextSize.read(read_object(folder.text_encoder_path / "config.json"), shapes["text_encoder"]),
        height=options.height,
        width=options.width,
        layout=HistoryLayout(long, mid, short, options.latents_per_chunk),
        dtype=dtype,
        mode="none",
        codec_dtype=DTYPES[options.vae_dtype],
        text_tokens=options.text_tokens,
    )
    side = max(options.height, options.width)
    tiles = {mode: options.model_copy(update={"offload": mode}).tiles(side) for mode, _ in _MODES}
    return [replace(first, mode=mode, keep_text=keep, codec_tiling=tiles[mode]) for mode, keep in _MODES]


def _told(plan: Plan) -> str:
    """The choices that lead to a plan."""
    return f"offload={plan.mode} keep_text_encoder={str(plan.keep_text).lower()}"


def _headers(folder: Path) -> list[Stored]:
    return [tensor for file in sorted(folder.glob("*.safetensors")) for tensor in header(file)]


def _part(name: str, tensors: list[Stored]) -> Part:
    counts = [torch.Size(tensor.shape).numel() for tensor in tensors]
    return Part(name, sum(counts), sum(tensor.nbytes for tensor in tensors))
