"""Folders that somebody broke: each error names the file and the key."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from helios_world.errors import CheckpointError
from helios_world.official.layout import OfficialFolder

Make = Callable[..., Path]
Break = Callable[[Path], object]

INDEX = "model_index.json"
CONFIG = "transformer/config.json"
SCHEDULER = "scheduler/scheduler_config.json"
GONE = object()


def put(name: str, **changes: Any) -> Break:
    """Set keys of a JSON file; GONE takes one out."""

    def change(path: Path) -> None:
        data = {**json.loads((path / name).read_text()), **changes}
        (path / name).write_text(json.dumps({key: value for key, value in data.items() if value is not GONE}))

    return change


def text(name: str, content: str) -> Break:
    return lambda path: (path / name).write_text(content)


def remove(name: str) -> Break:
    return lambda path: shutil.rmtree(path / name) if (path / name).is_dir() else (path / name).unlink()


def only(*names: str) -> Break:
    def change(path: Path) -> None:
        for part in path.iterdir():
            if part.name not in names:
                shutil.rmtree(part) if part.is_dir() else part.unlink()

    return change


def bare(path: Path) -> None:
    """Leave what lies in transformer/."""
    shutil.move(path / "transformer", path.parent / "moved")
    shutil.rmtree(path)
    shutil.move(path.parent / "moved", path)


def modular(path: Path) -> None:
    (path / INDEX).rename(path / "modular_model_index.json")
    shutil.rmtree(path / "vae")


FOLDERS: dict[str, tuple[str, Break, list[str]]] = {
    # The folder as a whole.
    "no index": ("base", remove(INDEX), ["lacks ['model_index.json']"]),
    "empty": ("base", only(), ["lacks ['model_index.json', 'transformer/', 'scheduler/', 'vae/'"]),
    "a bare transformer": ("mid", bare, ["single HeliosTransformer3DModel", "'scheduler/', 'vae/', 'text_encoder/'"]),
    "only the modular index": ("mid", modular, ["only modular_model_index.json", "'vae/'", "save_pretrained"]),
    "no VAE": ("base", remove("vae"), ["lacks ['vae/']"]),
    "no tokenizer and no scheduler": (
        "mid",
        only(INDEX, "transformer", "vae", "text_encoder"),
        ["['scheduler/', 'tok"],
    ),
    "no transformer's config": ("base", remove(CONFIG), ["has no 'transformer'", "its transformers are []"]),
    "no scheduler's config": ("base", remove(SCHEDULER), ["scheduler_config.json' cannot be read: No such file"]),
    # model_index.json
    "index that is no JSON": ("base", text(INDEX, "{nope"), ["model_index.json' is no JSON"]),
    "index that is a list": ("base", text(INDEX, "[]"), ["model_index.json' holds a list"]),
    "index that is no text": (
        "base",
        lambda path: (path / INDEX).write_bytes(b"\xff\xfe\x00{}"),
        ["model_index.json' is no JSON"],
    ),
    "another pipeline": (
        "base",
        put(INDEX, _class_name="WanPipeline"),
        ["_class_name is 'WanPipeline'", "HeliosPyramidPipeline"],
    ),
    "no pipeline": ("base", put(INDEX, _class_name=GONE), ["_class_name is None"]),
    "another VAE": ("base", put(INDEX, vae=["diffusers", "AutoencoderKL"]), ["vae is ['diffusers', 'AutoencoderKL']"]),
    "a part left out": ("mid", put(INDEX, tokenizer=[None, None]), ["tokenizer is [None, None]", "T5Tokenizer"]),
    "a part of the wrong form": ("mid", put(INDEX, transformer="HeliosTransformer3DModel"), ["transformer is 'Hel"]),
    "an unknown part": ("base", put(INDEX, image_encoder=["transformers", "X"]), ["unknown keys ['image_encoder']"]),
    "a flag that is a number": ("mid", put(INDEX, is_cfg_zero_star=1), ["is_cfg_zero_star is 1; it has to be true"]),
    "a pyramid with Base's pipeline": (
        "distilled",
        put(INDEX, _class_name="HeliosPipeline"),
        ["_class_name is HeliosPipeline and the scheduler's stages are 3", "several to HeliosPyramidPipeline"],
    ),
    "Base with the pyramid's pipeline": (
        "base",
        put(INDEX, _class_name="HeliosPyramidPipeline"),
        ["HeliosPyramidPipeline", "stages are 1"],
    ),
    "Base that is distilled": (
        "base",
        put(INDEX, is_distilled=True),
        ["['is_distilled'] set", "HeliosPyramidPipeline"],
    ),
    "Mid that is distilled": ("mid", put(INDEX, is_distilled=True), ["is_distilled is True", "scheduler_type 'unipc'"]),
    "Distilled that is not": ("distilled", put(INDEX, is_distilled=GONE), ["is_distilled is False", "'dmd'"]),
    # The scheduler.
    "another scheduler": (
        "mid",
        put(INDEX, scheduler=["diffusers", "DDIMScheduler"]),
        ["scheduler is ['diffusers', 'D"],
    ),
    "scheduler unlike the index": (
        "mid",
        put(SCHEDULER, _class_name="HeliosDMDScheduler"),
        ["scheduler_config.json': _class_name", "HeliosScheduler"],
    ),
    "unknown setting": ("base", put(SCHEDULER, final_sigmas_type="zero"), ["final_sigmas_type is 'zero', a setting"]),
    "unknown solver": ("base", put(SCHEDULER, scheduler_type="heun"), ["scheduler_type is 'heun'", "euler"]),
    "unipc in a DMD scheduler": ("distilled", put(SCHEDULER, scheduler_type="unipc"), ["scheduler_type is 'unipc'"]),
    "thresholding": ("base", put(SCHEDULER, thresholding=True), ["thresholding is True"]),
    "no flow sigmas": ("distilled", put(SCHEDULER, use_flow_sigmas=False), ["use_flow_sigmas is False"]),
    "another prediction": ("base", put(SCHEDULER, prediction_type="epsilon"), ["prediction_type is 'epsilon'"]),
    "a solver within": ("base", put(SCHEDULER, solver_p=["diffusers", "X"]), ["solver_p is ['diffusers', 'X']"]),
    "unknown shift": ("mid", put(SCHEDULER, time_shift_type="cubic"), ["time_shift_type is 'cubic'"]),
    "setting left out": ("mid", put(SCHEDULER, gamma=GONE, stages=GONE), ["gamma is missing", "stages is missing"]),
    "text for a number": ("mid", put(SCHEDULER, gamma="1/3"), ["gamma is '1/3'"]),
    "true for a number": ("mid", put(SCHEDULER, stages=True), ["stages is True"]),
    "no number": ("mid", put(SCHEDULER, gamma=float("nan")), ["gamma is nan"]),
    "stages without ranges": (
        "mid",
        put(SCHEDULER, stages=4),
        ["scheduler_config.json'", "stages is 4", "stage_range"],
    ),
    "ranges that fall": ("mid", put(SCHEDULER, stage_range=[0, 0.7, 0.3, 1]), ["stage_range", "growing"]),
    "too much gamma": ("mid", put(SCHEDULER, gamma=0.5), ["gamma is 0.5", "1/3"]),
    "two shifts": ("base", put(SCHEDULER, shift=3.0), ["shift is 3.0", "use_dynamic_shifting"]),
    # The transformer's configuration, and the other parts'.
    "config that is no JSON": ("base", text(CONFIG, ""), ["transformer/config.json' is no JSON"]),
    "another transformer": (
        "base",
        put(CONFIG, _class_name="WanTransformer3DModel"),
        ["_class_name is 'WanTransformer3DModel'"],
    ),
    "unknown size": ("base", put(CONFIG, window_size=[-1, -1]), ["config.json' is not valid: window_size is [-1, -1]"]),
    "size left out": ("base", put(CONFIG, ffn_dim=GONE), ["config.json' is not valid: ffn_dim is missing"]),
    "heads as text": ("base", put(CONFIG, num_attention_heads="2"), ["num_attention_heads is '2'"]),
    "no layers": ("base", put(CONFIG, num_layers=0), ["num_layers is 0"]),
    "two axes": ("base", put(CONFIG, rope_dim=[6, 6]), ["rope_dim"]),
    "axes that do not sum": ("base", put(CONFIG, rope_dim=[6, 6, 4]), ["config.json'", "rope_dim is (6, 6, 4)"]),
    "patches over frames": ("base", put(CONFIG, patch_size=[2, 2, 2]), ["patch_size is (2, 2, 2)"]),
    "another norm": ("base", put(CONFIG, qk_norm="layer_norm"), ["qk_norm is 'layer_norm'"]),
    "added projections": ("base", put(CONFIG, added_kv_proj_dim=8), ["added_kv_proj_dim is 8, a setting"]),
    "the trainer's adapter": ("base", put(CONFIG, restrict_lora=True), ["restrict_lora is True"]),
    "actions": ("base", put(CONFIG, action_dim=6), ["action_dim is 6, a setting that is not known"]),
    "no history": ("base", put(CONFIG, has_multi_term_memory_patch=False), ["has_multi_term_memory_patch is false"]),
    "more channels out than in": ("base", put(CONFIG, out_channels=8), ["out_channels is 8 and in_channels 4"]),
    "VAE of another size": ("base", put("vae/config.json", z_dim=16), ["vae/config.json': z_dim is 16", "in_channels"]),
    "VAE of another class": (
        "base",
        put("vae/config.json", _class_name="AutoencoderKL"),
        ["_class_name is 'AutoencoderKL'", "KLWan"],
    ),
    "text of another size": (
        "base",
        put("text_encoder/config.json", d_model=4096),
        ["text_encoder/config.json': d_model is 4096", "text_dim"],
    ),
    "text encoder of another class": (
        "base",
        put("text_encoder/config.json", model_type="t5"),
        ["model_type is 't5'", "umt5"],
    ),
    "no VAE's config": ("base", remove("vae/config.json"), ["vae/config.json' cannot be read: No such file"]),
}


@pytest.mark.parametrize("name", FOLDERS)
def test_broken_folders(name: str, copy_official: Make) -> None:
    kind, change, words = FOLDERS[name]
    path = copy_official(kind)
    OfficialFolder.read(path)
    change(path)
    with pytest.raises(CheckpointError) as caught:
        OfficialFolder.read(path)
    told = str(caught.value)
    assert str(path) in told
    assert not [word for word in words if word not in told], told


def test_no_folder_at_all(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"nowhere' is no folder"):
        OfficialFolder.read(tmp_path / "nowhere")
