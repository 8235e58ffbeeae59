"""Adapters merged into the weights, against PEFT in diffusers and against the product written out."""

from __future__ import annotations

import json
import math
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from helios_world.compute import Compute
from helios_world.model import HeliosTransformer
from helios_world.official import load as loading
from helios_world.official import parts
from helios_world.official.layout import OfficialFolder
from helios_world.official.load import LoraChoice, load_transformer
from helios_world.options import Options

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    peft: Any = pytest.importorskip("peft")

Make = Callable[..., Path]
Open = Callable[[Path], Any]
QUERY = "blocks.0.attn1.to_q"
# LoRA's own modules and everything else that has a matrix.
TARGETS = (
    "to_q|to_k|to_v|to_out.0|net.0.proj|net.2|linear_1|linear_2|time_proj|proj_out"
    "|patch_embedding|patch_short|patch_mid|patch_long"
)


def load(path: Path, *choices: tuple[Path, float], dtype: torch.dtype = torch.float32) -> HeliosTransformer:
    loras = [LoraChoice(file, weight) for file, weight in choices]
    return load_transformer(OfficialFolder.read(path), "cpu", dtype, loras=loras)


def write(file: Path, tensors: dict[str, Tensor], metadata: dict[str, str] | None = None) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    save_file({key: tensor.contiguous() for key, tensor in tensors.items()}, file, metadata)
    return file


def pair(module: str = QUERY, rank: int = 3, seed: int = 0, outputs: int = 24, inputs: int = 24) -> dict[str, Tensor]:
    torch.manual_seed(seed)
    return {f"{module}.lora_A.weight": torch.randn(rank, inputs), f"{module}.lora_B.weight": torch.randn(outputs, rank)}


def product(tensors: dict[str, Tensor], module: str = QUERY) -> Tensor:
    return tensors[f"{module}.lora_B.weight"] @ tensors[f"{module}.lora_A.weight"]


def weight(model: HeliosTransformer, module: str = QUERY) -> Tensor:
    return dict(model.named_parameters())[f"{module}.weight"]


def close(found: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)


def adapt(transformer: Any, seed: int = 0, **settings: Any) -> None:
    """Add a random adapter to diffusers' transformer; PEFT's own begins with B = 0."""
    options = {"r": 4, "lora_alpha": 6, "target_modules": rf".*\.?({TARGETS})", **settings}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        transformer.add_adapter(peft.LoraConfig(**options), adapter_name=f"a{seed}")
    torch.manual_seed(seed)
    with torch.no_grad():
        for name, parameter in transformer.named_parameters():
            if f".a{seed}." in name:
                parameter.normal_(std=0.15)


def save_theirs(pipeline: Any, folder: Path, name: str) -> Path:
    """The adapter as diffusers saves it, with its settings in the metadata."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        layers = peft.get_peft_model_state_dict(pipeline.transformer, adapter_name=name)
    pipeline.save_lora_weights(
        folder, transformer_lora_layers=layers, transformer_lora_adapter_metadata=settings_of(pipeline, name)
    )
    return folder


def settings_of(pipeline: Any, name: str) -> dict[str, Any]:
    settings: dict[str, Any] = pipeline.transformer.peft_config[name].to_dict()
    return {key: list(value) if isinstance(value, set) else value for key, value in settings.items()}


SETTINGS: dict[str, dict[str, Any]] = {
    "plain": {},
    "other ranks": {"rank_pattern": {"attn2.to_k": 2, "ffn.net.2": 6}, "alpha_pattern": {r"blocks.1.attn1.to_v": 11}},
    "stabilised": {"use_rslora": True},
    "biases": {"lora_bias": True, "target_modules": r".*\.(to_q|to_out.0|net.2)"},
}


@pytest.mark.parametrize("name", SETTINGS)
def test_what_diffusers_saves_equals_its_own_outputs(
    name: str, make_official: Make, open_reference: Open, difference: Callable[..., float], tmp_path: Path
) -> None:
    path = make_official()
    reference = open_reference(path)
    adapt(reference.transformer, **SETTINGS[name])
    file = save_theirs(reference, tmp_path, "a0")
    assert difference(load(path, (file, 1.0)), reference.transformer, (8, 8)) <= 5e-5
    reference.set_adapters(["a0"], [0.35])
    assert difference(load(path, (file, 0.35)), reference.transformer, (8, 8)) <= 5e-5
    assert difference(load(path), reference.transformer, (8, 8)) > 1e-2


@pytest.mark.parametrize("prefix", ["transformer.", "", "diffusion_model."])
def test_what_diffusers_reads_equals(
    prefix: str, make_official: Make, open_reference: Open, difference: Callable[..., float], tmp_path: Path
) -> None:
    path, wan = make_official(), prefix == "diffusion_model."
    tensors = pair(prefix + ("blocks.0.self_attn.q" if wan else QUERY))
    tensors |= pair(prefix + ("blocks.1.ffn.0" if wan else "blocks.1.ffn.net.0.proj"), outputs=32, seed=1)
    file = write(tmp_path / "lora.safetensors", tensors)
    reference = open_reference(path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = tensors if prefix else {f"transformer.{key}": tensor for key, tensor in tensors.items()}
        reference.load_lora_weights(dict(theirs), adapter_name="a0")
    assert difference(load(path, (file, 1.0)), reference.transformer, (8, 8)) <= 5e-5
    assert difference(load(path), reference.transformer, (8, 8)) > 1e-2


def test_two_adapters_equal(
    make_official: Make, open_reference: Open, difference: Callable[..., float], tmp_path: Path
) -> None:
    path = make_official()
    reference = open_reference(path)
    for seed, settings in enumerate(({}, {"r": 2, "lora_alpha": 3})):
        adapt(reference.transformer, seed, **settings)
        save_theirs(reference, tmp_path / str(seed), f"a{seed}")
    reference.set_adapters(["a0", "a1"], [1.0, -0.5])
    ours = load(path, (tmp_path / "0", 1.0), (tmp_path / "1", -0.5))
    assert difference(ours, reference.transformer, (8, 8)) <= 5e-5


def test_a_folder_of_peft(make_official: Make, open_transformer: Open, tmp_path: Path) -> None:
    path = make_official()
    theirs = peft.get_peft_model(
        open_transformer(path / "transformer"),
        peft.LoraConfig(r=4, lora_alpha=10, target_modules=["to_q", "patch_mid"]),
    )
    torch.manual_seed(0)
    with torch.no_grad():
        for name, parameter in theirs.named_parameters():
            if "lora_" in name:
                parameter.normal_()
    theirs.save_pretrained(tmp_path)
    assert (tmp_path / "adapter_config.json").is_file()
    ours, merged = load(path, (tmp_path, 1.0)).state_dict(), theirs.merge_and_unload().state_dict()
    assert ours.keys() == merged.keys()
    for name, tensor in merged.items():
        close(ours[name], tensor)
    assert not torch.equal(ours["patch_mid.weight"], load(path).state_dict()["patch_mid.weight"])


@pytest.mark.parametrize(
    ("module", "known"),
    [
        ("diffusion_model.blocks.1.cross_attn.k", "blocks.1.attn2.to_k"),
        ("diffusion_model.blocks.0.self_attn.o", "blocks.0.attn1.to_out.0"),
        ("base_model.model.blocks.0.attn2.to_v", "blocks.0.attn2.to_v"),
        ("time_embedding.2", "condition_embedder.time_embedder.linear_2"),
        ("transformer.condition_embedder.text_embedder.linear_2", "condition_embedder.text_embedder.linear_2"),
    ],
)
def test_every_way_to_name_a_module(module: str, known: str, make_official: Make, tmp_path: Path) -> None:
    path, tensors = make_official(), pair(module)
    model = load(path, (write(tmp_path / "lora.safetensors", tensors), 1.0))
    close(weight(model, known), weight(load(path), known) + product(tensors, module))


@pytest.mark.parametrize(
    "renamed",
    [
        ("lora_A.weight", "lora_down.weight", "lora_B.weight", "lora_up.weight"),
        ("lora_A.weight", "lora_A.default.weight", "lora_B.weight", "lora_B.default.weight"),
    ],
)
def test_other_names_of_the_two_factors(renamed: tuple[str, ...], make_official: Make, tmp_path: Path) -> None:
    path, tensors = make_official(), pair()
    down, new_down, up, new_up = renamed
    others = {key.replace(down, new_down).replace(up, new_up): tensor for key, tensor in tensors.items()}
    model = load(path, (write(tmp_path / "lora.safetensors", others), 2.0))
    close(weight(model), weight(load(path)) + 2 * product(tensors))


def test_alpha_of_the_file_comes_first(make_official: Make, tmp_path: Path) -> None:
    path, tensors = make_official(), pair()
    file = write(tmp_path / "adapter_model.safetensors", {**tensors, f"{QUERY}.alpha": torch.tensor(6.0)})
    (tmp_path / "adapter_config.json").write_text(json.dumps({"r": 3, "lora_alpha": 300, "peft_type": "LORA"}))
    close(weight(load(path, (file, 1.0))), weight(load(path)) + 2 * product(tensors))


def test_settings_in_the_metadata(make_official: Make, tmp_path: Path) -> None:
    path, tensors = make_official(), pair()
    settings = {
        "transformer.r": 3,
        "transformer.lora_alpha": 6,
        "transformer.use_rslora": True,
        "transformer.bias": None,
    }
    file = write(tmp_path / "lora.safetensors", tensors, {"lora_adapter_metadata": json.dumps(settings)})
    close(weight(load(path, (file, 1.0))), weight(load(path)) + 6 / math.sqrt(3) * product(tensors))


def test_the_sum_is_rounded_once(make_official: Make, tmp_path: Path) -> None:
    path, tensors = make_official(), {key: 0.01 * tensor for key, tensor in pair().items()}
    file = write(tmp_path / "lora.safetensors", {key: tensor.half() for key, tensor in tensors.items()})
    found = weight(load(path, (file, 0.5), (file, 0.5), dtype=torch.bfloat16))
    half = {key: tensor.half().float() for key, tensor in tensors.items()}
    assert torch.equal(found, (weight(load(path)) + 0.5 * product(half) + 0.5 * product(half)).bfloat16())


def test_weight_zero_changes_nothing(make_official: Make, tmp_path: Path) -> None:
    path = make_official()
    file = write(tmp_path / "lora.safetensors", pair())
    assert torch.equal(weight(load(path, (file, 0.0))), weight(load(path)))


def test_the_files_are_as_before(make_official: Make, tmp_path: Path) -> None:
    path = make_official()
    file = path / "transformer" / "diffusion_pytorch_model.safetensors"
    before = {key: tensor.clone() for key, tensor in load_file(file).items()}
    load(path, (write(tmp_path / "lora.safetensors", pair()), 1.0))
    assert all(torch.equal(tensor, before[key]) for key, tensor in load_file(file).items())


@pytest.mark.parametrize("offload", ["none", "group"])
def test_the_device_that_computes_merges(
    offload: str, make_official: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With offloading the weights end on the host, but must be the same to the last bit."""
    save_file(
        {"proj_out.lora_A.weight": torch.ones(1, 24), "proj_out.lora_B.weight": torch.ones(16, 1)},
        tmp_path / "a.safetensors",
    )
    seen: list[torch.device] = []
    merge = loading._merged
    monkeypatch.setattr(
        loading, "_merged", lambda tensor, additions, device: seen.append(device) or merge(tensor, additions, "cpu")
    )
    monkeypatch.setattr(parts, "BlockOffloader", lambda *arguments: None)
    monkeypatch.setattr(parts, "LeafOffloader", lambda *arguments, **options: None)
    elsewhere = Compute(torch.device("meta"), torch.float32, 1)
    options = Options(offload=offload, loras={str(tmp_path / "a.safetensors"): 1.0}, keep_text_encoder=False)
    parts.read_parts(make_official("base"), elsewhere, options)
    assert seen == [elsewhere.device]
