"""Adapters that somebody broke: each error names the file and the key."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from helios_world.errors import CheckpointError
from helios_world.official.layout import OfficialFolder
from helios_world.official.load import LoraChoice, load_transformer

Make = Callable[..., Path]
QUERY = "blocks.0.attn1.to_q"


def load(path: Path, adapter: Path) -> None:
    load_transformer(OfficialFolder.read(path), "cpu", torch.float32, loras=[LoraChoice(adapter)])


def pair(module: str = QUERY, rank: int = 3, outputs: int = 24, inputs: int = 24) -> dict[str, Tensor]:
    return {f"{module}.lora_A.weight": torch.ones(rank, inputs), f"{module}.lora_B.weight": torch.ones(outputs, rank)}


def write(file: Path, tensors: dict[str, Tensor], metadata: dict[str, str] | None = None) -> Path:
    save_file(tensors, file, metadata)
    return file


def drop(part: str) -> Callable[[dict[str, Tensor]], dict[str, Tensor]]:
    return lambda tensors: {key: tensor for key, tensor in tensors.items() if part not in key}


BROKEN: dict[str, tuple[Callable[[dict[str, Tensor]], dict[str, Tensor]], str]] = {
    "no B": (drop("lora_B"), r"'blocks.0.attn1.to_q.lora_A.weight' is half a pair"),
    "no A": (drop("lora_A"), r"'blocks.0.attn1.to_q.lora_B.weight' is half a pair"),
    "only alpha": (lambda t: {f"{QUERY}.alpha": torch.tensor(1.0)}, r"to_q.alpha' is half a pair"),
    "nothing": (drop(""), "holds no tensors"),
    "no such block": (lambda t: pair("blocks.7.attn1.to_q"), r"'blocks.7.attn1.to_q.lora_A.weight' changes"),
    "a norm": (lambda t: pair("blocks.0.norm2"), "'blocks.0.norm2', which the model has no weight matrix for"),
    "text encoder": (lambda t: pair("text_encoder.shared"), "'text_encoder.shared', which the model has no"),
    "wrong inputs": (lambda t: pair(inputs=20), r"lora_A.weight' has the shape \[3, 20\].*ask for \[3, 24\]"),
    "wrong outputs": (lambda t: pair(outputs=48), r"lora_B.weight' has the shape \[48, 3\].*ask for \[24, 3\]"),
    "two ranks": (
        lambda t: {**t, f"{QUERY}.lora_B.weight": torch.zeros(24, 5)},
        r"lora_B.weight' has the shape \[24, 5\].*ask for \[24, 3\]",
    ),
    "rank 0": (lambda t: pair(rank=0), r"has the shape \[0, 24\]"),
    "DoRA": (
        lambda t: {**t, f"{QUERY}.lora_magnitude_vector": torch.ones(24)},
        "'blocks.0.attn1.to_q.lora_magnitude_vector' is no part of an adapter",
    ),
    "two alphas": (lambda t: {**t, f"{QUERY}.alpha": torch.ones(2)}, "to_q.alpha' is no single number"),
    "the same twice": (lambda t: {**t, **pair(f"transformer.{QUERY}")}, "are the same"),
    "integers": (lambda t: {key: tensor.to(torch.int8) for key, tensor in t.items()}, "stored as I8"),
    "bias of another size": (
        lambda t: {**t, f"{QUERY}.lora_B.bias": torch.ones(5)},
        r"lora_B.bias' has the shape \[5\].*ask for \[24\]",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_adapters(name: str, make_official: Make, tmp_path: Path) -> None:
    change, told = BROKEN[name]
    file = write(tmp_path / "odd.safetensors", change(pair()))
    with pytest.raises(CheckpointError, match=rf"odd.safetensors'.*{told}"):
        load(make_official(), file)


SETTINGS_BROKEN: dict[str, tuple[str, str]] = {
    "another rank": ('{"r": 8, "lora_alpha": 8}', r"lora_A.weight' is of rank 3, the adapter's configuration says 8"),
    "DoRA": ('{"use_dora": true}', "adapter_config.json': use_dora is True"),
    "another kind": ('{"peft_type": "LOHA"}', "adapter_config.json': peft_type is 'LOHA'"),
    "changed below": ('{"init_lora_weights": "pissa_niter_4"}', "init_lora_weights is 'pissa_niter_4'"),
    "a text": ('{"lora_alpha": "six"}', "adapter_config.json' is not valid: lora_alpha is 'six'"),
    "no pattern": ('{"alpha_pattern": {"to_(q": 2}}', r"adapter_config.json' is not valid: alpha_pattern .*'to_\(q'"),
    "no JSON": ("{", "adapter_config.json' is no JSON"),
}


@pytest.mark.parametrize("name", SETTINGS_BROKEN)
def test_broken_settings(name: str, make_official: Make, tmp_path: Path) -> None:
    text, told = SETTINGS_BROKEN[name]
    write(tmp_path / "adapter_model.safetensors", pair())
    (tmp_path / "adapter_config.json").write_text(text)
    with pytest.raises(CheckpointError, match=told):
        load(make_official(), tmp_path)


def test_metadata_that_is_no_json(make_official: Make, tmp_path: Path) -> None:
    for told in ("{", "[1]"):
        file = write(tmp_path / "odd.safetensors", pair(), {"lora_adapter_metadata": told})
        with pytest.raises(CheckpointError, match=r"odd.safetensors': its lora_adapter_metadata is"):
            load(make_official(), file)


def test_files_that_are_not_there(make_official: Make, tmp_path: Path) -> None:
    path = make_official()
    with pytest.raises(CheckpointError, match=r"there is no adapter '.*nowhere'"):
        load(path, tmp_path / "nowhere")
    with pytest.raises(CheckpointError, match=r"holds the files \[\]"):
        load(path, tmp_path)
    for name in ("a", "b"):
        write(tmp_path / f"{name}.safetensors", pair())
    with pytest.raises(CheckpointError, match=r"holds the files \['a.safetensors', 'b.safetensors'\]"):
        load(path, tmp_path)
    content = (tmp_path / "a.safetensors").read_bytes()
    (tmp_path / "a.safetensors").write_bytes(content[:-4])
    with pytest.raises(CheckpointError, match=r"a.safetensors' cannot be read, it is damaged"):
        load(path, tmp_path / "a.safetensors")
