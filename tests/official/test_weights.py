"""The transformer as it comes out of a folder's files."""

from __future__ import annotations

import ctypes
import gc
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from helios_world.errors import CheckpointError
from helios_world.memory import HistoryLayout
from helios_world.model import HeliosTransformer
from helios_world.model.transformer import KEPT_IN_FLOAT32
from helios_world.official import weights
from helios_world.official.layout import OfficialFolder
from helios_world.official.load import load_transformer

Make = Callable[..., Path]
Open = Callable[[Path], Any]
FILE = "diffusion_pytorch_model.safetensors"


def load(path: Path, dtype: torch.dtype = torch.float32, **options: Any) -> HeliosTransformer:
    return load_transformer(OfficialFolder.read(path), "cpu", dtype, **options)


def rewrite(path: Path, change: Callable[[dict[str, Tensor]], dict[str, Tensor]]) -> None:
    """Change the tensors of a folder with a single file."""
    file = path / "transformer" / FILE
    save_file(change({key: tensor.clone() for key, tensor in load_file(file).items()}), file)


CONFIGURATIONS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "as it is": ({}, {"size": (8, 16)}),
    "half the size": ({}, {"size": (8, 16), "shrink": 2}),
    "a quarter": ({}, {"size": (8, 16), "shrink": 4}),
    "padding": ({"seed": 1}, {"size": (10, 6), "tokens": 1}),
    "more padding": ({"seed": 2, "in_channels": 3, "out_channels": 3}, {"size": (18, 2), "tokens": 12}),
    "three heads": (
        {"num_attention_heads": 3, "attention_head_dim": 14, "rope_dim": (6, 4, 4), "seed": 3},
        {"size": (4, 6), "layout": HistoryLayout(5, 3, 1, chunk=3)},
    ),
    "one head, four layers": (
        {"num_attention_heads": 1, "num_layers": 4, "ffn_dim": 20, "text_dim": 8, "freq_dim": 12},
        {"size": (8, 8), "tokens": 30},
    ),
    # The reference pads the history for patches of 2×2 whatever they are; these sizes need no padding.
    "other patches": ({"patch_size": (1, 1, 2)}, {"size": (8, 16)}),
    "no patches": ({"patch_size": (1, 1, 1)}, {"size": (8, 8), "layout": HistoryLayout(3, 1, 2, chunk=9)}),
    "amplified": ({"is_amplify_history": True}, {"size": (4, 4)}),
    "amplified alike": (
        {"is_amplify_history": True, "history_scale_mode": "scalar", "guidance_cross_attn": False},
        {"size": (4, 4)},
    ),
    "one timestep": ({"zero_history_timestep": False, "cross_attn_norm": False, "eps": 1e-4}, {"size": (4, 8)}),
    "shards": ({"max_shard_size": "30KB", "rope_theta": 300.0}, {"size": (8, 8)}),
}


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_outputs_equal_those_of_the_reference(
    name: str, make_official: Make, open_transformer: Open, difference: Callable[..., float]
) -> None:
    changes, inputs = CONFIGURATIONS[name]
    path = make_official("mid", **changes)
    assert difference(load(path), open_transformer(path / "transformer"), **inputs) <= 1e-5


@pytest.mark.parametrize("stored", [torch.float32, torch.float16, torch.bfloat16], ids=str)
@pytest.mark.parametrize("wanted", [torch.float32, torch.bfloat16], ids=str)
def test_every_tensor_is_that_of_the_file(make_official: Make, stored: torch.dtype, wanted: torch.dtype) -> None:
    path = make_official("base", dtype=stored)
    loaded = load(path, wanted).state_dict()
    files = load_file(path / "transformer" / FILE)
    assert loaded.keys() == files.keys()
    for name, tensor in files.items():
        exact = any(part in KEPT_IN_FLOAT32 for part in name.split("."))
        assert loaded[name].dtype == (torch.float32 if exact else wanted), name
        assert torch.equal(loaded[name], tensor.to(loaded[name].dtype)), name


def test_loaded_as_built_and_cast(make_official: Make) -> None:
    path = make_official()
    built = HeliosTransformer(OfficialFolder.read(path).transformer)
    built.load_state_dict(load_file(path / "transformer" / FILE))
    loaded, cast = load(path, torch.bfloat16), built.cast(torch.bfloat16)
    for (name, mine), (_, other) in zip(loaded.named_parameters(), cast.named_parameters(), strict=True):
        assert mine.dtype == other.dtype, name
        assert torch.equal(mine, other), name
    assert not loaded.training
    assert not any(parameter.requires_grad for parameter in loaded.parameters())
    assert not list(loaded.buffers())


def test_shards_are_one_checkpoint(make_official: Make) -> None:
    whole, parts = make_official(), make_official(max_shard_size="20KB")
    assert len(list((parts / "transformer").glob("*.safetensors"))) > 5
    for (name, one), (_, other) in zip(load(whole).named_parameters(), load(parts).named_parameters(), strict=True):
        assert torch.equal(one, other), name


def test_shards_count_before_a_single_file(copy_official: Make, make_official: Make) -> None:
    path = copy_official("base", max_shard_size="20KB")
    (path / "transformer" / FILE).write_bytes((make_official(seed=9) / "transformer" / FILE).read_bytes())
    mine, other = load(path), load(make_official())
    assert torch.equal(mine.proj_out.weight, other.proj_out.weight)


def test_loading_takes_no_random_numbers(make_official: Make) -> None:
    path = make_official()
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    load(path)
    assert torch.equal(torch.rand(3), expected)


def test_the_model_does_not_lie_in_the_file(copy_official: Make) -> None:
    path = copy_official()
    model = load(path)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    with (path / "transformer" / FILE).open("r+b") as file:
        file.seek(-50_000, 2)
        file.write(b"\x00" * 50_000)
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


RENAMED = {
    "output table": {"norm_out.scale_shift_table": "scale_shift_table"},
    "memory module": {
        f"patch_{part}.{leaf}": f"multi_term_memory_patch.patch_{part}.{leaf}"
        for part in ("short", "mid", "long")
        for leaf in ("weight", "bias")
    },
    "clean module": {
        f"patch_{part}.{leaf}": f"clean_patch_embedding.{old}.{leaf}"
        for part, old in (("short", "proj"), ("mid", "proj_2x"), ("long", "proj_4x"))
        for leaf in ("weight", "bias")
    },
}


@pytest.mark.parametrize("names", RENAMED.values(), ids=RENAMED.keys())
def test_old_names_are_read(names: dict[str, str], make_official: Make, copy_official: Make) -> None:
    path = copy_official()
    rewrite(path, lambda tensors: {names.get(key, key): tensor for key, tensor in tensors.items()})
    new, old = load(make_official()).state_dict(), load(path).state_dict()
    assert all(torch.equal(tensor, old[name]) for name, tensor in new.items())


def test_an_old_name_beside_the_new_one_is_an_error(copy_official: Make) -> None:
    path = copy_official()
    rewrite(path, lambda tensors: {**tensors, "scale_shift_table": torch.zeros(1, 2, 24)})
    with pytest.raises(CheckpointError, match=r"'scale_shift_table'.*'norm_out.scale_shift_table'"):
        load(path)


def test_left_over_norms_are_passed_over(copy_official: Make) -> None:
    path = copy_official()
    rewrite(path, lambda tensors: {**tensors, "blocks.0.attn2.norm_added_q.weight": torch.ones(24)})
    load(path)


def without_memory(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {
        key: tensor for key, tensor in tensors.items() if not key.startswith(("patch_short", "patch_mid", "patch_long"))
    }


def test_embeddings_of_the_history_are_made_only_when_asked(copy_official: Make) -> None:
    path = copy_official()
    rewrite(path, without_memory)
    with pytest.raises(CheckpointError, match=r"lacks weights \['patch_long.bias'.*and 1 more"):
        load(path)
    model = load(path, initialise_memory=True)
    weight, bias = model.patch_embedding.weight, model.patch_embedding.bias
    assert torch.equal(model.patch_short.weight, weight)
    for patch, times in ((model.patch_short, 1), (model.patch_mid, 2), (model.patch_long, 4)):
        assert patch.bias is not None
        assert bias is not None
        assert torch.equal(patch.bias, bias)
        # A history that is the same everywhere looks the same in every embedding.
        torch.testing.assert_close(patch.weight.sum((2, 3, 4)), weight.sum((2, 3, 4)), atol=1e-5, rtol=0)
        torch.testing.assert_close(patch.weight[:, :, -1, -2:, -2:] * times**3, weight[:, :, 0], atol=1e-6, rtol=0)


def test_embeddings_that_are_there_stay(make_official: Make) -> None:
    path = make_official()
    plain, asked = load(path), load(path, initialise_memory=True)
    assert torch.equal(asked.patch_mid.weight, plain.patch_mid.weight)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="Linux tells what memory is a process's own")
def test_no_second_copy_in_memory(tmp_path: Path, make_official: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = OfficialFolder.read(make_official())
    config = replace(
        folder.transformer,
        num_attention_heads=16,
        attention_head_dim=32,
        rope_dim=(12, 10, 10),
        ffn_dim=2048,
        num_layers=8,
    )
    with torch.device("meta"):
        model = HeliosTransformer(config)
    total = 0
    tensors = {}
    for name, parameter in model.named_parameters():
        tensors[name] = torch.zeros(parameter.shape)
        total += tensors[name].nbytes
    save_file(tensors, tmp_path / FILE)
    del tensors
    scaled = replace(folder, transformer=config, transformer_path=tmp_path)
    monkeypatch.setattr(weights, "MAPPED_BYTES", total // 16)
    give_back()
    before, peak = own_memory(), 0

    def watched(*arguments: Any) -> Any:
        nonlocal peak
        for pair in read(*arguments):
            yield pair
            peak = max(peak, sum(own_memory()) - sum(before))

    read = weights.read
    monkeypatch.setattr("helios_world.official.load.read", watched)
    loaded = load_transformer(scaled, "cpu", torch.float32)
    held = own_memory()[0] - before[0]
    assert loaded.config is config
    assert total > 100e6
    assert 0.9 * total < held < 1.1 * total
    assert peak < 1.2 * total


def give_back() -> None:
    """What other tests have freed, to the system; the memory could be taken from it unseen."""
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


def own_memory() -> tuple[int, int]:
    """Bytes of the process that are its own, and bytes of files that are mapped into it."""
    lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(lines["RssAnon"].split()[0]) * 1024, int(lines["RssFile"].split()[0]) * 1024
