from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from helios_world.checkpoint import ATLAS_FILES, FILES, Checkpoint, load_checkpoint, save_world
from helios_world.errors import CheckpointError
from helios_world.worldfile import WorldFile

CPU = torch.device("cpu")
EVERY_FILE = [*(("tiny", name) for name in FILES), *(("guided", name) for name in ATLAS_FILES)]
"""A world that has the file, and its name."""


@pytest.fixture
def copy(tiny: Path, tmp_path: Path) -> Path:
    return shutil.copytree(tiny, tmp_path / "copy")


@pytest.fixture
def copied(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A copy of the world that the test names."""
    return shutil.copytree(request.getfixturevalue(request.param), tmp_path / "copied")


def _load(folder: Path, dtype: torch.dtype = torch.float32) -> Checkpoint:
    return load_checkpoint(folder, CPU, dtype)


def _edit(path: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    data = json.loads(path.read_text())
    change(data)
    path.write_text(json.dumps(data))


def test_what_was_read_is_written_the_same(tiny: Path, tmp_path: Path) -> None:
    first = _load(tiny)
    save_world(tmp_path / "again", first.world, first.transformer, first.codec, first.text_encoder)
    for name in FILES:
        assert (tmp_path / "again" / name).read_bytes() == (tiny / name).read_bytes(), name
    assert _load(tmp_path / "again").digest == first.digest


def test_weights_are_stored_small_where_they_may_be(tiny: Path) -> None:
    stored = load_file(tiny / "transformer" / "diffusion_pytorch_model.safetensors")
    assert stored["proj_out.weight"].dtype == torch.bfloat16
    assert stored["blocks.0.norm2.weight"].dtype == torch.float32
    assert load_file(tiny / "codec" / "model.safetensors")["basis"].dtype == torch.float32


def test_dtypes_after_loading(tiny: Path) -> None:
    checkpoint = _load(tiny, torch.bfloat16)
    assert checkpoint.transformer.dtype == torch.bfloat16
    assert checkpoint.transformer.condition_embedder.time_embedder.linear_1.weight.dtype == torch.float32
    assert checkpoint.codec.basis.dtype == torch.float32
    assert checkpoint.codec.residual is not None
    assert checkpoint.codec.residual.enter.weight.dtype == torch.bfloat16
    assert next(checkpoint.text_encoder.parameters()).dtype == torch.float32


@pytest.mark.parametrize("copied", ["tiny", "guided"], indirect=True)
def test_loading_leaves_the_callers_random_numbers_alone(copied: Path) -> None:
    before = torch.get_rng_state()
    _load(copied)
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize(("copied", "name"), EVERY_FILE, indirect=["copied"])
def test_the_digest_depends_on_every_file(copied: Path, name: str) -> None:
    before = _load(copied).digest
    path = copied / name
    if path.suffix == ".json":
        path.write_bytes(path.read_bytes() + b"\n")
    else:
        tensors = load_file(path)
        first = sorted(tensors)[0]
        save_file({**tensors, first: tensors[first] + 1}, path)
    assert _load(copied).digest != before


@pytest.mark.parametrize(("copied", "name"), EVERY_FILE, indirect=["copied"])
def test_a_missing_file_is_named(copied: Path, name: str) -> None:
    (copied / name).unlink()
    with pytest.raises(CheckpointError, match=name):
        _load(copied)


@pytest.mark.parametrize(("copied", "name"), EVERY_FILE, indirect=["copied"])
@pytest.mark.parametrize("share", [0.0, 0.5, 0.99])
def test_a_cut_file_is_named(copied: Path, name: str, share: float) -> None:
    data = (copied / name).read_bytes()
    (copied / name).write_bytes(data[: int(share * (len(data) - 1))])
    with pytest.raises(CheckpointError, match=Path(name).name):
        _load(copied)


def _without(tensors: dict[str, torch.Tensor]) -> None:
    del tensors["proj_out.bias"]


def _with_one_more(tensors: dict[str, torch.Tensor]) -> None:
    tensors["lora.weight"] = torch.zeros(2)


def _of_another_shape(tensors: dict[str, torch.Tensor]) -> None:
    tensors["proj_out.bias"] = torch.zeros(3)


def _of_integers(tensors: dict[str, torch.Tensor]) -> None:
    tensors["proj_out.bias"] = torch.zeros_like(tensors["proj_out.bias"], dtype=torch.int8)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (_without, r"lacks weights \['proj_out.bias'\]"),
        (_with_one_more, r"unknown weights \['lora.weight'\]"),
        (_of_another_shape, r"'proj_out.bias' is torch.float32 \[3\].* \[16\]"),
        (_of_integers, "torch.int8"),
    ],
)
def test_wrong_weights_are_named(copy: Path, change: Callable[[dict[str, torch.Tensor]], None], complaint: str) -> None:
    path = copy / "transformer" / "diffusion_pytorch_model.safetensors"
    tensors = load_file(path)
    change(tensors)
    save_file(tensors, path)
    with pytest.raises(CheckpointError, match=complaint) as caught:
        _load(copy)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("part", ["transformer", "codec", "text_encoder"])
def test_unknown_config_keys_are_named(copy: Path, part: str) -> None:
    _edit(copy / part / "config.json", lambda data: data.update(flavour="mint"))
    with pytest.raises(CheckpointError, match="flavour"):
        _load(copy)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda data: data.update(flavour="mint"), "flavour"),
        (lambda data: data.pop("fps"), "fps"),
        (lambda data: data.update(fps="24"), "fps"),
        (lambda data: data.update(blend=0), "blend"),
        (lambda data: data.update(prompts=[]), "prompts"),
        (lambda data: data.update(height=33), "height and width"),
        (lambda data: data.update(frames_per_chunk=5), "frames_per_chunk"),
        (lambda data: data["history"].update(long=0), "history.long"),
        (lambda data: data["sampling"].update(sigmas=[1.0, 1.0, 0.0]), "fall from 1.0"),
        (lambda data: data["sampling"].update(first_sigmas=[1.0]), "fall from 1.0"),
        (lambda data: data["actions"]["axes"][0].update(low=0.5), "at rest"),
        (lambda data: data["controls"].pop(), "controls use the buttons"),
        (lambda data: data["controls"][0]["buttons"].update(fly=1), "fly"),
        (lambda data: data["controls"].append({"name": "rest"}), "action_dim"),
        (lambda data: data.update(format=2), "format"),
    ],
)
def test_a_wrong_world_file_is_explained(copy: Path, change: Callable[[dict[str, Any]], Any], complaint: str) -> None:
    _edit(copy / "world.json", change)
    with pytest.raises(CheckpointError, match=complaint):
        _load(copy)


def test_parts_that_do_not_belong_together_are_refused(copy: Path) -> None:
    _edit(copy / "codec" / "config.json", lambda data: data.update(latent_channels=8))
    with pytest.raises(CheckpointError, match="codec"):
        _load(copy)


def test_the_world_file_survives_reading_and_writing(tiny: Path) -> None:
    world = WorldFile.read(tiny)
    assert WorldFile.model_validate_json(world.to_bytes()) == world
    spec = world.spec("ab", 4)
    assert spec.memory is not None
    assert spec.memory.latents_per_chunk == 1
    assert spec.actions.button_names[0] == "forward"
