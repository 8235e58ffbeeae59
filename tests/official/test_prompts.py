"""Prompts: equal to diffusers, remembered, and embedded with weights that come and go."""

from __future__ import annotations

import gc
import json
import shutil
import sys
import warnings
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from torch import nn

from helios_world.errors import CheckpointError, DependencyError, PromptError
from helios_world.official.prompts import REMEMBERED, PromptEncoder, clean

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    transformers: Any = pytest.importorskip("transformers")
    pipeline_helios: Any = pytest.importorskip("diffusers.pipelines.helios.pipeline_helios")

Make = Callable[..., Path]
WEIGHTS = "model.safetensors"
MEBIBYTE = 1 << 20
TEXTS = (
    "",
    "   ",
    "a brick garden at noon",
    "  an ice\tpalace \n\n in fog  ",
    "Une for\u00c3\u00aat &amp;amp; la mer",
    "雨の街。 12 bateaux — été!",
    "camera " * 5,
)


@pytest.fixture(scope="module")
def folder(make_official: Make) -> Path:
    return make_official()


@pytest.fixture(scope="module")
def reference(folder: Path, open_reference: Callable[[Path], Any]) -> Any:
    return open_reference(folder)


def opened(folder: Path, dtype: torch.dtype = torch.float32, **choices: Any) -> PromptEncoder:
    return PromptEncoder.load(folder / "text_encoder", folder / "tokenizer", "cpu", dtype, **choices)


@settings(deadline=None, max_examples=300)
@given(text=st.text() | st.text("&;#xa0123456789glt \u00a0\u2028\x1c\x85", max_size=30))
@example(text="&amp;lt;b&amp;gt; \u3000 x")
def test_texts_are_cleaned_as_by_diffusers(text: str) -> None:
    assert clean(text) == pipeline_helios.prompt_clean(text)


@pytest.mark.parametrize("tokens", [512, 48])
@pytest.mark.parametrize("text", TEXTS)
def test_embeddings_equal_diffusers(folder: Path, reference: Any, text: str, tokens: int) -> None:
    with torch.no_grad():
        expected, _ = reference.encode_prompt(text, do_classifier_free_guidance=False, max_sequence_length=tokens)
    encoder = opened(folder, tokens=tokens)
    embedding = encoder(text)
    assert embedding.shape == (1, tokens, encoder.text_dim)
    torch.testing.assert_close(embedding, expected, atol=1e-6, rtol=0)
    assert embedding[:, : encoder.count(text)].abs().sum(-1).min() > 0
    assert not embedding[:, encoder.count(text) :].any()


def test_the_negative_prompt_is_as_in_diffusers(folder: Path, reference: Any) -> None:
    with torch.no_grad():
        _, expected = reference.encode_prompt("fog", None, max_sequence_length=64)
    torch.testing.assert_close(opened(folder, tokens=64)(""), expected, atol=1e-6, rtol=0)


def test_bfloat16_equals_transformers(folder: Path) -> None:
    encoder = opened(folder, torch.bfloat16, tokens=32)
    theirs = transformers.UMT5EncoderModel.from_pretrained(folder / "text_encoder", dtype=torch.bfloat16).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder / "tokenizer")
    batch = tokenizer("a garden", padding="max_length", max_length=32, return_tensors="pt")
    with torch.no_grad():
        expected = theirs(batch.input_ids, batch.attention_mask).last_hidden_state
    embedding = encoder("a garden")
    assert embedding.dtype == torch.bfloat16
    assert torch.equal(embedding[:, : encoder.count("a garden")], expected[:, : encoder.count("a garden")])


def test_a_prompt_that_is_too_long_is_refused_and_not_cut(folder: Path, reference: Any) -> None:
    encoder, text = opened(folder), "camera " * 3
    count = encoder.count(text)
    exact = opened(folder, tokens=count)
    assert exact(text).abs().sum(-1).min() > 0
    short = opened(folder, tokens=count - 1)
    with pytest.raises(PromptError, match=rf"has {count} tokens; allowed are {count - 1}, .*'camera camera camera'"):
        short(text)
    with pytest.raises(PromptError, match="…"):
        short("camera " * 50)
    # The reference loses the end of the prompt without a word.
    with torch.no_grad():
        cut, _ = reference.encode_prompt(text, do_classifier_free_guidance=False, max_sequence_length=count - 1)
    assert cut.shape[1] == count - 1


def counted(encoder: PromptEncoder, monkeypatch: pytest.MonkeyPatch) -> list[list[int]]:
    """The tokens of every prompt that is embedded from now on."""
    calls: list[list[int]] = []
    run = encoder._run

    def noted(module: nn.Module, ids: list[int]) -> torch.Tensor:
        calls.append(ids)
        return run(module, ids)

    monkeypatch.setattr(encoder, "_run", noted)
    return calls


def test_the_last_prompts_are_remembered(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = opened(folder, tokens=16)
    calls = counted(encoder, monkeypatch)
    first = encoder("a garden")
    assert encoder("a garden") is first
    assert encoder(" a  garden ") is first
    assert len(calls) == 1
    for number in range(REMEMBERED - 1):
        encoder(f"city {number}")
        encoder("a garden")
    assert len(calls) == REMEMBERED
    encoder("one more")
    encoder("a garden")
    assert len(calls) == REMEMBERED + 1
    encoder("city 0")
    assert len(calls) == REMEMBERED + 2


def test_more_prompts_than_are_remembered_can_be_prepared(folder: Path) -> None:
    encoder = opened(folder, tokens=16)
    encoder.prepare(f"city {number}" for number in range(REMEMBERED + 3))
    assert torch.equal(encoder("city 0"), opened(folder, tokens=16)("city 0"))


def test_weights_that_are_not_kept_are_read_when_needed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept, encoder = opened(folder, tokens=16), opened(folder, tokens=16, keep=False)
    reads: list[weakref.ref[nn.Module]] = []
    read = encoder._read

    def noted() -> nn.Module:
        module = read()
        reads.append(weakref.ref(module))
        return module

    monkeypatch.setattr(encoder, "_read", noted)
    assert encoder.module is None
    for text in ("a garden", "fog", "a garden"):
        assert torch.equal(encoder(text), kept(text))
        assert encoder.module is None
    assert len(reads) == 2
    encoder.prepare(["fog", "rain", "snow", "rain"])
    assert len(reads) == 3
    assert torch.equal(encoder("snow"), kept("snow"))
    with pytest.raises(PromptError):
        encoder.prepare(["short", "camera " * 99])
    assert len(reads) == 3
    assert all(module() is None for module in reads)


def test_a_kept_encoder_can_be_released(folder: Path) -> None:
    encoder = opened(folder, tokens=16)
    before = encoder("fog")
    assert encoder.module is not None
    encoder.release()
    assert encoder.module is None
    assert encoder("fog") is before
    assert torch.equal(encoder("rain"), opened(folder, tokens=16)("rain"))


def test_the_memory_of_dropped_weights_goes_back(folder: Path, tmp_path: Path) -> None:
    config = transformers.UMT5Config(
        vocab_size=50_000, d_model=256, d_kv=8, d_ff=24, num_layers=1, num_heads=2, pad_token_id=0, eos_token_id=1
    )
    transformers.UMT5EncoderModel(config).save_pretrained(tmp_path)
    size = (tmp_path / WEIGHTS).stat().st_size
    assert size > 48 * MEBIBYTE
    encoder = PromptEncoder.load(tmp_path, folder / "tokenizer", "cpu", torch.float32, tokens=16, keep=False)
    encoder("fog")
    before = tensor_bytes()
    encoder("rain")
    assert tensor_bytes() - before < size / 4
    encoder.keep = True
    encoder("snow")
    assert tensor_bytes() - before > size / 2


def tensor_bytes() -> int:
    """Of all tensors that are alive."""
    gc.collect()
    alive = [thing for thing in gc.get_objects() if type(thing) in (torch.Tensor, torch.nn.Parameter)]
    storages = {tensor.untyped_storage().data_ptr(): tensor.untyped_storage().nbytes() for tensor in alive}
    return sum(storages.values())


def test_a_failure_while_embedding_drops_the_weights(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = opened(folder, tokens=16, keep=False)

    def fail(module: nn.Module, ids: list[int]) -> torch.Tensor:
        raise MemoryError

    with monkeypatch.context() as patch:
        patch.setattr(encoder, "_run", fail)
        with pytest.raises(MemoryError):
            encoder("fog")
    assert encoder.module is None
    assert encoder("fog").any()


def test_offloading_gets_every_encoder_that_was_read(folder: Path) -> None:
    placed: list[nn.Module] = []
    encoder = opened(folder, tokens=16, keep=False, place=placed.append)
    encoder("fog")
    encoder("rain")
    assert len(placed) == 2
    assert {parameter.device.type for parameter in placed[0].parameters()} == {"cpu"}


def test_shards_and_both_names_of_a_shared_tensor_are_read(copy_official: Make, folder: Path) -> None:
    copy = copy_official()
    model = transformers.UMT5EncoderModel.from_pretrained(copy / "text_encoder")
    (copy / "text_encoder" / WEIGHTS).unlink()
    model.save_pretrained(copy / "text_encoder", max_shard_size="4KB")
    assert (copy / "text_encoder" / f"{WEIGHTS}.index.json").is_file()
    expected = opened(folder, tokens=16)("fog")
    assert torch.equal(opened(copy, tokens=16)("fog"), expected)
    for path in (copy / "text_encoder").glob("model*"):
        path.unlink()
    tensors = load_file(folder / "text_encoder" / WEIGHTS)
    both = {**tensors, "encoder.embed_tokens.weight": tensors["shared.weight"].clone()}
    save_file(both, copy / "text_encoder" / WEIGHTS)
    module = opened(copy, tokens=16).module
    assert module is not None
    assert module.get_parameter("shared.weight") is module.get_parameter("encoder.embed_tokens.weight")
    both.pop("shared.weight")
    save_file(both, copy / "text_encoder" / WEIGHTS)
    assert torch.equal(opened(copy, tokens=16)("fog"), expected)


def change_config(folder: Path, **changes: object) -> None:
    path = folder / "text_encoder" / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_bytes()), **changes}))


def change_weights(folder: Path, change: Callable[[dict[str, torch.Tensor]], object]) -> None:
    path = folder / "text_encoder" / WEIGHTS
    tensors = load_file(path)
    change(tensors)
    save_file(tensors, path)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-50])


def to_sentencepiece(folder: Path, content: bytes) -> None:
    (folder / "tokenizer.json").unlink()
    (folder / "spiece.model").write_bytes(content)


NORM = "encoder.final_layer_norm.weight"


@pytest.mark.parametrize(
    ("damage", "shown"),
    [
        (lambda f: shutil.rmtree(f / "text_encoder"), "text_encoder/config.json' cannot be read"),
        (lambda f: (f / "text_encoder" / "config.json").write_text("[]"), "config.json' holds a list"),
        (lambda f: change_config(f, model_type="t5"), "config.json': model_type is 't5'; .* umt5"),
        (lambda f: change_config(f, num_layers="two"), "text_encoder/config.json' is not valid"),
        (lambda f: change_config(f, d_model=24), f"{WEIGHTS}': .* config.json asks for"),
        (lambda f: change_config(f, num_layers=3), "text_encoder' lacks weights .*encoder.block.2"),
        (lambda f: change_config(f, num_layers=1), "text_encoder' has the unknown weights .*encoder.block.1"),
        (lambda f: (f / "text_encoder" / WEIGHTS).unlink(), f"has neither {WEIGHTS} nor"),
        (lambda f: cut(f / "text_encoder" / WEIGHTS), f"{WEIGHTS}' cannot be read, it is damaged"),
        (lambda f: change_weights(f, lambda t: t.pop(NORM)), f"lacks weights .*{NORM}"),
        (lambda f: change_weights(f, lambda t: t.pop("shared.weight")), "lacks weights .*shared.weight"),
        (lambda f: change_weights(f, lambda t: t.update(x=torch.ones(1))), "has the unknown weights .*'x'"),
        (lambda f: shutil.rmtree(f / "tokenizer"), "tokenizer' holds no tokenizer: it has neither"),
        (lambda f: (f / "tokenizer" / "tokenizer.json").unlink(), "neither tokenizer.json nor spiece.model"),
        (lambda f: to_sentencepiece(f / "tokenizer", b"\x0a\x03no"), r"tokenizer' holds .* takes sentencepiece\)"),
        (lambda f: (f / "tokenizer" / "tokenizer.json").write_text("{}"), "tokenizer' holds no tokenizer"),
        (lambda f: cut(f / "tokenizer" / "tokenizer.json"), "tokenizer' holds no tokenizer"),
        (lambda f: cut(f / "tokenizer" / "tokenizer_config.json"), "tokenizer' holds no tokenizer"),
    ],
)
@pytest.mark.parametrize("keep", [True, False])
def test_a_broken_folder_is_named(
    copy_official: Make, damage: Callable[[Path], object], shown: str, keep: bool
) -> None:
    copy = copy_official()
    damage(copy)
    with pytest.raises(CheckpointError, match=shown) as caught:
        opened(copy, keep=keep)
    assert str(copy) in str(caught.value)


def test_a_tokenizer_of_another_model_is_noticed(copy_official: Make) -> None:
    copy = copy_official()
    change_config(copy, vocab_size=9)
    change_weights(copy, lambda tensors: tensors.update({"shared.weight": tensors["shared.weight"][:9].clone()}))
    with pytest.raises(CheckpointError, match=r"tokenizer' does not belong to the text encoder: .* embeds 9"):
        opened(copy)


@pytest.mark.parametrize("package", ["transformers", "ftfy"])
def test_a_missing_package_is_named_with_the_command(
    folder: Path, monkeypatch: pytest.MonkeyPatch, package: str
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(DependencyError, match=rf'{package}\..* pip install "helios-world\[helios\]"'):
        opened(folder)("fog")
