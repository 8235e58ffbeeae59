"""Checkpoints that we write, read by diffusers and by ourselves."""

from __future__ import annotations

import filecmp
import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from helios_world.errors import CheckpointError
from helios_world.model import HeliosTransformer
from helios_world.official.fingerprint import fingerprint
from helios_world.official.layout import OfficialFolder
from helios_world.official.load import load_transformer
from helios_world.official.save import save_official, save_transformer
from helios_world.spec import World

Make = Callable[..., Path]
Open = Callable[[Path], Any]


def load(path: Path, dtype: torch.dtype = torch.float32) -> HeliosTransformer:
    return load_transformer(OfficialFolder.read(path), "cpu", dtype)


CHANGES: list[dict[str, Any]] = [
    {},
    {"num_layers": 3, "cross_attn_norm": False, "is_amplify_history": True, "rope_theta": 77.0},
    {"patch_size": (1, 1, 2), "history_scale_mode": "scalar", "zero_history_timestep": False, "eps": 1e-4},
]


@pytest.mark.parametrize("limit", [10**9, 20_000, 1])
@pytest.mark.parametrize("changes", CHANGES)
def test_diffusers_reads_what_we_write(
    changes: dict[str, Any], limit: int, make_official: Make, open_transformer: Open, tmp_path: Path
) -> None:
    path = make_official(**changes)
    save_transformer(tmp_path / "out", load(path), limit)
    theirs, saved = (open_transformer(folder) for folder in (path / "transformer", tmp_path / "out"))
    assert public(theirs.config) == public(saved.config)
    expected, found = theirs.state_dict(), saved.state_dict()
    assert expected.keys() == found.keys()
    assert all(torch.equal(tensor, found[name]) for name, tensor in expected.items())


def public(config: Any) -> dict[str, Any]:
    return {key: value for key, value in dict(config).items() if not key.startswith("_")}


@pytest.mark.parametrize("offload", ["none", "group"])
def test_a_checkpoint_that_was_served_is_saved_as_it_was(
    offload: str, make_official: Make, open_reference: Open, tmp_path: Path
) -> None:
    path = make_official("distilled")
    size = {"height": 64, "width": 64, "steps": (1, 1, 1), "text_tokens": 64}
    world: Any = World.load(str(path), device="cpu", dtype="float32", offload=offload, **size)  # type: ignore[arg-type]
    world.reset(seed=1, prompt="a brick garden")
    parts = world.dreamer.parts
    save_official(parts.folder, tmp_path / "out", parts.transformer)
    before, after = open_reference(path), open_reference(tmp_path / "out")
    for part in ("transformer", "vae", "text_encoder"):
        expected, found = (getattr(pipeline, part).state_dict() for pipeline in (before, after))
        assert expected.keys() == found.keys()
        assert all(torch.equal(tensor, found[name]) for name, tensor in expected.items())


@pytest.mark.parametrize("kind", ["base", "mid", "distilled"])
def test_a_whole_checkpoint_survives(kind: str, make_official: Make, open_reference: Open, tmp_path: Path) -> None:
    path = make_official(kind)
    source = OfficialFolder.read(path)
    save_official(source, tmp_path / "out", load(path), max_shard_bytes=50_000)
    before, after = open_reference(path), open_reference(tmp_path / "out")
    assert type(before) is type(after)
    assert public(before.scheduler.config) == public(after.scheduler.config)
    for part in ("transformer", "vae", "text_encoder"):
        expected, found = (getattr(pipeline, part).state_dict() for pipeline in (before, after))
        assert expected.keys() == found.keys()
        assert all(torch.equal(tensor, found[name]) for name, tensor in expected.items())
    again = OfficialFolder.read(tmp_path / "out")
    assert (again.transformer, again.scheduler, again.kind) == (source.transformer, source.scheduler, source.kind)
    left, right = load(path).state_dict(), load(tmp_path / "out").state_dict()
    assert all(torch.equal(tensor, right[name]) for name, tensor in left.items())
    for part in ("vae", "text_encoder", "tokenizer", "scheduler"):
        assert not filecmp.dircmp(path / part, tmp_path / "out" / part).diff_files
    assert fingerprint(again) != fingerprint(source)


def test_weights_are_written_as_they_are(make_official: Make, tmp_path: Path) -> None:
    model = load(make_official(), torch.bfloat16)
    save_transformer(tmp_path / "out", model)
    written = load_file(tmp_path / "out" / "diffusion_pytorch_model.safetensors")
    for name, tensor in model.state_dict().items():
        assert written[name].dtype == tensor.dtype
        assert torch.equal(written[name], tensor)


def test_shards_keep_to_the_limit(make_official: Make, tmp_path: Path) -> None:
    model = load(make_official())
    save_transformer(tmp_path / "out", model, 30_000)
    index = json.loads((tmp_path / "out" / "diffusion_pytorch_model.safetensors.index.json").read_text())
    sizes = {name: tensor.nbytes for name, tensor in model.state_dict().items()}
    assert index["metadata"]["total_size"] == sum(sizes.values())
    assert index["weight_map"].keys() == sizes.keys()
    files = sorted(file.name for file in (tmp_path / "out").glob("*.safetensors"))
    assert files == sorted(set(index["weight_map"].values()))
    assert files[0] == f"diffusion_pytorch_model-00001-of-{len(files):05}.safetensors"
    for file in files:
        held = [sizes[name] for name, place in index["weight_map"].items() if place == file]
        assert sum(held) <= 30_000 or len(held) == 1
    assert len(files) < sum(sizes.values()) / 15_000


def test_a_folder_in_use_is_not_overwritten(copy_official: Make, tmp_path: Path) -> None:
    path = copy_official()
    model, source = load(path), OfficialFolder.read(path)
    with pytest.raises(CheckpointError, match=r"transformer' is not empty"):
        save_transformer(path / "transformer", model)
    for target in (path, path / "model_index.json"):
        with pytest.raises(CheckpointError, match=r"is not empty; a checkpoint is saved to a new folder"):
            save_official(source, target, model)
    assert load(path).config == model.config


def test_a_transformer_that_does_not_fit_is_not_saved(make_official: Make, tmp_path: Path) -> None:
    source, other = OfficialFolder.read(make_official()), load(make_official(text_dim=8))
    with pytest.raises(CheckpointError, match=r"text_dim are \(4, 4, 8\)"):
        save_official(source, tmp_path / "out", other)
    moved = HeliosTransformer(replace(source.transformer, action_dim=6))
    with pytest.raises(CheckpointError, match="action_dim is 6"):
        save_transformer(tmp_path / "out", moved)
    assert not (tmp_path / "out").exists()


def test_what_was_not_finished_is_no_checkpoint(
    make_official: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = make_official()
    model, source, calls = load(path), OfficialFolder.read(path), 0
    replacing = os.replace

    def fail(*places: Any) -> None:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise OSError("no space left")
        replacing(*places)

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="no space"):
        save_official(source, tmp_path / "out", model, max_shard_bytes=50_000)
    assert not list((tmp_path / "out").rglob("*.part"))
    with pytest.raises(CheckpointError, match=r"it lacks \['model_index.json'"):
        OfficialFolder.read(tmp_path / "out")
