"""Folders as they lie on a user's disk: with what publishers, hubs and older versions add to them or leave out."""

from __future__ import annotations

import json
import shutil
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from helios_world.dream import DreamWorld
from helios_world.official.fingerprint import fingerprint
from helios_world.official.layout import OfficialFolder
from helios_world.spec import World

Make = Callable[..., Path]

SMALL: dict[str, Any] = {"height": 64, "width": 64, "text_tokens": 256, "steps": (1, 1, 1), "amplify_first": False}
VAE_OF_2025 = (
    *("_class_name", "_diffusers_version", "attn_scales", "base_dim", "dim_mult", "dropout", "latents_mean"),
    *("latents_std", "num_res_blocks", "temperal_downsample", "z_dim"),
)
"""The keys of the configuration that Wan 2.1 was published with."""


def edit(path: Path, **changes: Any) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def load(path: Path) -> DreamWorld:
    world = World.load(str(path), device="cpu", dtype="float32", **SMALL)
    assert isinstance(world, DreamWorld)
    return world


def frames(path: Path) -> Any:
    return load(path).reset(seed=1, prompt="a brick garden at noon").frames


@pytest.fixture
def published(copy_official: Make) -> Path:
    """A Distilled folder with the configurations of other versions, sharded parts and files of no concern."""
    path = copy_official("distilled")
    edit(path / "model_index.json", tokenizer=["transformers", "T5TokenizerFast"], _name_or_path="somewhere/else")
    vae = json.loads((path / "vae" / "config.json").read_text())
    (path / "vae" / "config.json").write_text(json.dumps({key: vae[key] for key in VAE_OF_2025}))
    edit(
        path / "text_encoder" / "config.json",
        _name_or_path="google/umt5-xxl",
        architectures=["UMT5EncoderModel"],
        is_encoder_decoder=True,
        output_past=True,
        scalable_attention=True,
        tie_word_embeddings=False,
        tokenizer_class="T5Tokenizer",
        torch_dtype="bfloat16",
        transformers_version="4.48.0.dev0",
        use_cache=True,
    )
    shard_text_encoder(path / "text_encoder")
    shutil.copytree(path / "transformer", path / "transformer_ode")
    for name in ("modular_model_index.json", "configuration.json", "README.md", ".gitattributes", "assets/one.mp4"):
        (path / name).parent.mkdir(exist_ok=True)
        (path / name).write_text("{}")
    (path / "text_encoder" / "generation_config.json").write_text("{}")
    (path / ".cache" / "huggingface" / "download" / "vae").mkdir(parents=True)
    (path / ".cache" / "huggingface" / "download" / "vae" / "config.json.metadata").write_text("0")
    return path


def shard_text_encoder(folder: Path) -> None:
    import transformers

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = transformers.UMT5EncoderModel.from_pretrained(folder)
        (folder / "model.safetensors").unlink()
        config = (folder / "config.json").read_bytes()
        model.save_pretrained(folder, max_shard_size="5KB")
    (folder / "config.json").write_bytes(config)
    assert len(list(folder.glob("model-*.safetensors"))) > 2


def test_a_folder_as_published_gives_the_frames_of_a_plain_one(published: Path, make_official: Make) -> None:
    assert np.array_equal(frames(published), frames(make_official("distilled")))


def test_the_links_of_a_hub_cache_are_followed(published: Path, tmp_path: Path) -> None:
    """There, every file of a snapshot is a link to one that is called by its hash."""
    blobs, snapshot = tmp_path / "blobs", tmp_path / "snapshots" / "b991c0379a01"
    blobs.mkdir()
    for number, file in enumerate(sorted(file for file in published.rglob("*") if file.is_file())):
        link = snapshot / file.relative_to(published)
        link.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, blobs / f"{number:064x}")
        link.symlink_to(blobs / f"{number:064x}")
    assert np.array_equal(frames(snapshot), frames(published))
    assert fingerprint(OfficialFolder.read(snapshot)) == fingerprint(OfficialFolder.read(published))


def test_a_single_stage_looks_at_no_range(copy_official: Make) -> None:
    """diffusers' default for the range is the pyramid's, and its pipeline for one stage never reads it."""
    path = copy_official("base")
    plain = OfficialFolder.read(path).scheduler
    edit(path / "scheduler" / "scheduler_config.json", stage_range=[0, 1 / 3, 2 / 3, 1])
    assert OfficialFolder.read(path).scheduler == plain


def test_settings_of_the_vae_that_are_null_are_not_set(copy_official: Make) -> None:
    path = copy_official("distilled")
    edit(path / "vae" / "config.json", scale_factor_spatial=None, decoder_base_dim=None, of_a_later_version=None)
    assert load(path).spec.height == 64
