"""Folders of worlds that have an atlas."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from helios_world.checkpoint import ATLAS_FILES, FILES, Checkpoint, files_of, load_checkpoint, save_world
from helios_world.errors import CheckpointError

CPU = torch.device("cpu")


@pytest.fixture
def copy(guided: Path, tmp_path: Path) -> Path:
    return shutil.copytree(guided, tmp_path / "copy")


def _load(folder: Path, dtype: torch.dtype = torch.float32) -> Checkpoint:
    return load_checkpoint(folder, CPU, dtype)


def _edit(path: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    data = json.loads(path.read_text())
    change(data)
    path.write_text(json.dumps(data))


def _save(folder: Path, found: Checkpoint, atlas: bool = True) -> None:
    parts = found.transformer, found.codec, found.text_encoder
    save_world(folder, found.world, *parts, found.atlas if atlas else None)


def test_what_was_read_is_written_the_same(guided: Path, tmp_path: Path) -> None:
    first = _load(guided)
    _save(tmp_path / "again", first)
    assert files_of(tmp_path / "again") == files_of(guided) == FILES + ATLAS_FILES
    for name in files_of(guided):
        assert (tmp_path / "again" / name).read_bytes() == (guided / name).read_bytes(), name
    again = _load(tmp_path / "again")
    assert again.digest == first.digest
    assert first.atlas is not None
    assert again.atlas is not None
    assert again.atlas.config == first.atlas.config


def test_how_one_moves_is_stored_exactly_and_what_one_sees_small(guided: Path) -> None:
    stored = load_file(guided / "atlas" / "model.safetensors")
    exact = {name for name, tensor in stored.items() if tensor.dtype == torch.float32}
    walked = {name for name in stored if name.startswith(("odometry.straight.", "odometry.bend.", "odometry.bounds"))}
    assert exact == walked | {"entrances", "channels", "doubt"}
    assert len(walked) == 7
    assert stored["doubt"].isinf()
    assert stored["field.weights.0"].dtype == torch.bfloat16


def test_an_atlas_computes_in_float32_whatever_the_rest_does(guided: Path) -> None:
    found = _load(guided, torch.bfloat16)
    assert found.transformer.dtype == torch.bfloat16
    assert found.atlas is not None
    assert {tensor.dtype for tensor in found.atlas.state_dict().values()} == {torch.float32}
    assert not any(weight.requires_grad for weight in found.atlas.parameters())


@pytest.mark.parametrize("rest", [False, True])
def test_a_guided_model_needs_an_atlas(copy: Path, rest: bool) -> None:
    for name in ATLAS_FILES:
        (copy / name).unlink()
    if not rest:
        (copy / "atlas").rmdir()
    with pytest.raises(CheckpointError, match="guided and whether there is an atlas are True and False"):
        _load(copy)


def test_an_atlas_is_for_guided_models(guided: Path, tiny: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(tiny, tmp_path / "copy")
    shutil.copytree(guided / "atlas", folder / "atlas")
    with pytest.raises(CheckpointError, match="guided and whether there is an atlas are False and True"):
        _load(folder)


def test_what_contradicts_itself_is_not_written(guided: Path, tiny: Path, tmp_path: Path) -> None:
    with_one, without = _load(guided), _load(tiny)
    with pytest.raises(CheckpointError, match="True and False"):
        _save(tmp_path / "world", with_one, atlas=False)
    parts = without.transformer, without.codec, without.text_encoder
    with pytest.raises(CheckpointError, match="False and True"):
        save_world(tmp_path / "world", without.world, *parts, with_one.atlas)
    assert not (tmp_path / "world").exists()


def test_a_world_without_an_atlas_replaces_one_with(copy: Path, tiny: Path) -> None:
    plain = _load(tiny)
    _save(copy, plain)
    assert not any((copy / name).exists() for name in ATLAS_FILES)
    again = _load(copy)
    assert again.atlas is None
    assert again.digest == plain.digest


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"width": 9}, r"height and width .* \(4, 9\) and \(4, 8\)"),
        ({"height": 3}, r"height and width .* \(3, 8\) and \(4, 8\)"),
        ({"latent_channels": 5}, "latent_channels are 5 and 4"),
        ({"text_dim": 7}, "text_dim are 7 and 8"),
        ({"controls": 4}, "controls of world.json are 4 and 3"),
    ],
)
def test_an_atlas_of_other_sizes_is_refused(copy: Path, change: dict[str, int], complaint: str) -> None:
    found = _load(copy)
    assert found.atlas is not None
    atlas = type(found.atlas)(type(found.atlas.config).from_dict({**found.atlas.config.to_dict(), **change}))
    parts = found.transformer, found.codec, found.text_encoder
    with pytest.raises(CheckpointError, match=complaint):
        save_world(copy, found.world, *parts, atlas)
    before = (copy / "atlas" / "model.safetensors").read_bytes()
    _edit(copy / "atlas" / "config.json", lambda data: data.update(change))
    with pytest.raises(CheckpointError, match="asks for"):
        _load(copy)
    save_file(atlas.state_dict(), copy / "atlas" / "model.safetensors")
    with pytest.raises(CheckpointError, match=complaint):
        _load(copy)
    assert (copy / "atlas" / "model.safetensors").read_bytes() != before


def test_a_chunk_of_an_atlas_is_one_latent(copy: Path) -> None:
    _edit(copy / "world.json", lambda data: data.update(frames_per_chunk=8))
    with pytest.raises(CheckpointError, match="frames_per_chunk of an atlas and the codec's temporal are 8 and 4"):
        _load(copy)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [({"flavour": "mint"}, "flavour"), ({"lands": 0}, "positive sizes"), ({"view": 200.0}, "below 180")],
)
def test_a_wrong_config_is_explained(copy: Path, change: dict[str, object], complaint: str) -> None:
    _edit(copy / "atlas" / "config.json", lambda data: data.update(change))
    with pytest.raises(CheckpointError, match=complaint) as caught:
        _load(copy)
    assert str(copy / "atlas" / "config.json") in str(caught.value)
