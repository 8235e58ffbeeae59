"""Weights that somebody broke: each error names the file and the key, and nothing is half-loaded."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from helios_world.errors import CheckpointError
from helios_world.official import load as loading
from helios_world.official.layout import OfficialFolder
from helios_world.official.load import load_transformer

Make = Callable[..., Path]
Break = Callable[[Path], object]
Tensors = dict[str, Tensor]

CONFIG = "transformer/config.json"
WEIGHTS = "transformer/diffusion_pytorch_model.safetensors"
SHARDS = f"{WEIGHTS}.index.json"


def put(name: str, **changes: Any) -> Break:
    """Set keys of a JSON file."""
    return lambda path: (path / name).write_text(json.dumps({**json.loads((path / name).read_text()), **changes}))


def tensors(change: Callable[[Tensors], Tensors]) -> Break:
    """Change the last of the weights' files."""

    def apply(path: Path) -> None:
        file = max((path / "transformer").glob("*.safetensors"))
        save_file(change({key: tensor.clone() for key, tensor in load_file(file).items()}), file)

    return apply


def cut(share: float) -> Break:
    """Keep only the first part of every file."""

    def apply(path: Path) -> None:
        for file in (path / "transformer").glob("*.safetensors"):
            content = file.read_bytes()
            file.write_bytes(content[: int(len(content) * share)])

    return apply


def without(*names: str) -> Break:
    return tensors(lambda held: {key: tensor for key, tensor in held.items() if key not in names})


def index(change: Callable[[dict[str, Any]], object]) -> Break:
    """Change the index's weight_map."""

    def apply(path: Path) -> None:
        data = json.loads((path / SHARDS).read_text())
        change(data["weight_map"])
        (path / SHARDS).write_text(json.dumps(data))

    return apply


def lose_shard(path: Path) -> None:
    sorted((path / "transformer").glob("*.safetensors"))[2].unlink()


def as_pickle(path: Path) -> None:
    (path / WEIGHTS).rename(path / "transformer" / "diffusion_pytorch_model.bin")


WHOLE: dict[str, tuple[Break, list[str]]] = {
    "no weights": (
        lambda path: (path / WEIGHTS).unlink(),
        ["transformer' has neither diffusion_pytorch_model.safetensors nor", "are []"],
    ),
    "weights in a pickle": (as_pickle, ["its weights are ['diffusion_pytorch_model.bin']"]),
    "tensor missing": (without("blocks.1.ffn.net.2.bias"), ["lacks weights ['blocks.1.ffn.net.2.bias']"]),
    "three tensors missing": (
        without("proj_out.bias", "proj_out.weight", "patch_mid.bias"),
        ["lacks weights ['patch_mid.bias', 'proj_out.bias', 'proj_out.weight']"],
    ),
    "tensor too many": (
        tensors(lambda held: {**held, "blocks.2.norm2.bias": torch.zeros(24)}),
        ["has the unknown weights ['blocks.2.norm2.bias'] in ['diffusion_pytorch_model.safetensors']"],
    ),
    "wrong shape": (
        tensors(lambda held: {**held, "proj_out.bias": torch.zeros(17)}),
        ["safetensors': 'proj_out.bias' has the shape [17], config.json asks for [16]"],
    ),
    "turned": (
        tensors(lambda held: {**held, "proj_out.weight": held["proj_out.weight"].T.contiguous()}),
        ["'proj_out.weight' has the shape [24, 16], config.json asks for [16, 24]"],
    ),
    "scalar": (
        tensors(lambda held: {**held, "proj_out.bias": torch.tensor(1.0)}),
        ["'proj_out.bias'", "shape []"],
    ),
    "float64": (
        tensors(lambda held: {**held, "proj_out.bias": torch.zeros(16, dtype=torch.float64)}),
        ["'proj_out.bias' is stored as F64; weights are F32, F16, BF16"],
    ),
    "8 bits": (
        tensors(lambda held: {**held, "proj_out.weight": torch.zeros(16, 24, dtype=torch.float8_e4m3fn)}),
        ["'proj_out.weight' is stored as F8_E4M3"],
    ),
    "another depth": (put(CONFIG, num_layers=3), ["lacks weights ['blocks.2.attn1.norm_k.weight'", "and 22 more"]),
    "another width": (put(CONFIG, ffn_dim=40), ["has the shape [32]", "config.json asks for [40]"]),
    "cut in the data": (cut(0.9), ["safetensors' cannot be read, it is damaged or incomplete"]),
    "cut in the header": (cut(0.01), ["safetensors' cannot be read, it is damaged or incomplete"]),
    "empty file": (cut(0), ["safetensors' cannot be read"]),
    "noise": (lambda path: (path / WEIGHTS).write_bytes(b"\x93" * 4096), ["safetensors' cannot be read"]),
}
SHARDED: dict[str, tuple[Break, list[str]]] = {
    "shard missing": (lose_shard, ["lacks the shards ['diffusion_pytorch_model-00003-of-", "index.json names"]),
    "shard cut": (cut(0.5), ["diffusion_pytorch_model-00001-of-", "cannot be read"]),
    "key not in its shard": (tensors(lambda held: dict(list(held.items())[1:])), ["contradicts", "it lacks ['"]),
    "key not in the index": (
        index(lambda places: places.pop("proj_out.bias")),
        ["contradicts", "it has besides ['proj_out.bias']"],
    ),
    "key in another shard": (
        index(lambda places: places.update({"proj_out.bias": min(places.values())})),
        ["00001-of", "it lacks ['proj_out.bias']"],
    ),
    "key of nobody": (index(lambda places: places.update(ghost=min(places.values()))), ["it lacks ['ghost']"]),
    "file outside": (
        index(lambda places: places.update({"proj_out.bias": "../../other.safetensors"})),
        ["'proj_out.bias' is in '../../other.safetensors'"],
    ),
    "file that is a number": (index(lambda places: places.update({"proj_out.bias": 3})), ["'proj_out.bias' is in 3"]),
    "no map": (put(SHARDS, weight_map=None), ["index.json': weight_map is None"]),
    "empty map": (put(SHARDS, weight_map={}), ["index.json': weight_map is {}"]),
    "map that is a list": (put(SHARDS, weight_map=["x"]), ["weight_map is ['x']"]),
    "index that is no JSON": (lambda path: (path / SHARDS).write_text("weights"), ["index.json' is no JSON"]),
}
BROKEN = {
    **{f"whole: {name}": ({}, *row) for name, row in WHOLE.items()},
    **{f"shards: {name}": ({"max_shard_size": "20KB"}, *row) for name, row in SHARDED.items()},
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_weights(name: str, copy_official: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    changes, change, words = BROKEN[name]
    path = copy_official("base", **changes)
    load_transformer(OfficialFolder.read(path), "cpu", torch.float32)
    change(path)
    # Whatever is wrong is found in the headers, before there is anything to throw away.
    monkeypatch.setattr(loading, "read", lambda *arguments: pytest.fail("a tensor was read"))
    with pytest.raises(CheckpointError) as caught:
        load_transformer(OfficialFolder.read(path), "cpu", torch.float32)
    told = str(caught.value)
    assert str(path) in told
    assert not [word for word in words if word not in told], told
