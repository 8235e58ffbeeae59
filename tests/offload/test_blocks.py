"""A transformer whose blocks live on the host: the same numbers in less memory."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from helios_world.errors import StateError
from helios_world.model import HeliosTransformer, TransformerConfig
from helios_world.model.block import Block
from helios_world.offload import BlockOffloader, live_bytes

Make = Callable[..., HeliosTransformer]
DTYPES = (torch.float32, torch.bfloat16)


def addresses(model: nn.Module) -> dict[str, tuple[int, torch.dtype]]:
    return {name: (weight.data_ptr(), weight.dtype) for name, weight in model.named_parameters()}


def on_disk(model: HeliosTransformer, path: Path) -> None:
    """Let the weights be one memory-mapped file of float32."""
    flat = torch.cat([weight.data.flatten() for weight in model.parameters()])
    path.write_bytes(flat.numpy().tobytes())
    mapped = torch.from_file(str(path), shared=False, size=flat.numel(), dtype=torch.float32)
    parts = torch.split(mapped, [weight.numel() for weight in model.parameters()])
    for weight, part in zip(model.parameters(), parts, strict=True):
        weight.data = part.view(weight.shape)


@pytest.mark.parametrize("ahead", [0, 1, 2, 9])
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_results_are_the_same_to_the_last_bit(make_model: Make, inputs: Any, dtype: torch.dtype, ahead: int) -> None:
    model = make_model().cast(dtype)
    whole, parts = inputs.velocity(model), inputs.in_parts(model)
    offloader = BlockOffloader(model, "cpu", ahead=ahead)
    for _ in range(2):
        assert torch.equal(inputs.velocity(model), whole)
        for ours, expected in zip(inputs.in_parts(model), parts, strict=True):
            assert torch.equal(ours, expected)
    assert len(offloader.held) == 1 + min(ahead, 3)


@pytest.mark.parametrize("layers", [1, 2, 3, 5])
def test_any_number_of_blocks(make_model: Make, config: TransformerConfig, inputs: Any, layers: int) -> None:
    model = make_model(replace(config, num_layers=layers))
    whole = inputs.velocity(model)
    BlockOffloader(model, "cpu")
    assert all(torch.equal(inputs.velocity(model), whole) for _ in range(3))


def test_memory_mapped_float32_computes_in_bfloat16(make_model: Make, inputs: Any, tmp_path: Path) -> None:
    expected = inputs.velocity(make_model().cast(torch.bfloat16))
    model = make_model()
    on_disk(model, tmp_path / "weights")
    before = addresses(model)
    offloader = BlockOffloader(model, "cpu", torch.bfloat16)
    assert torch.equal(inputs.velocity(model), expected)
    assert model.dtype == torch.bfloat16
    offloader.close()
    assert addresses(model) == before


def test_what_needs_float32_stays_so(make_model: Make) -> None:
    model, types = make_model(), {}
    BlockOffloader(model, "cpu", torch.bfloat16)
    for block in model.walk([block for block in model.blocks if isinstance(block, Block)]):
        types = {name: weight.dtype for name, weight in block.named_parameters()}
    exact = {"scale_shift_table", "norm2.weight", "norm2.bias", "attn1.history_key_scale"}
    assert {name for name, dtype in types.items() if dtype == torch.float32} == exact
    kept = {name for name, weight in model.named_parameters() if "blocks" not in name and weight.dtype == torch.float32}
    assert {name.split(".")[-3] for name in kept if name.count(".") > 2} == {"time_embedder"}


def test_while_a_block_computes_the_next_is_there(make_model: Make, inputs: Any) -> None:
    model = make_model()
    offloader = BlockOffloader(model, "cpu")
    walk, seen = model.walk, []

    def watched(blocks: Sequence[Block]) -> Iterator[Block]:
        for number, block in enumerate(walk(blocks)):
            seen.append((number, offloader.held))
            yield block

    model.walk = watched
    inputs.velocity(model)
    assert seen == [(0, (0, 1)), (1, (2, 1)), (2, (2, 3)), (3, (0, 3))]
    assert offloader.held == (0, 3)


def test_nothing_is_allocated_after_the_beginning(make_model: Make, inputs: Any) -> None:
    model = make_model()
    with live_bytes("cpu") as plain:
        inputs.velocity(model)
    activations = plain.peak - plain.live
    with live_bytes("cpu") as usage:
        offloader = BlockOffloader(model, "cpu", torch.float32)
        built = usage.live
        for _ in range(2):
            for _block in model.walk([block for block in model.blocks if isinstance(block, Block)]):
                assert usage.live == built
        assert usage.peak == built <= offloader.nbytes
        inputs.velocity(model)
    assert usage.peak <= built + activations + plain.live
    largest = max(sum(weight.nbytes for weight in block.parameters()) for block in model.blocks)
    weights = len(list(model.blocks[0].parameters()))
    assert 2 * largest <= built < 2 * (largest + 256 * weights)


def test_slots_in_a_smaller_dtype_are_smaller(make_model: Make) -> None:
    sizes = [BlockOffloader(make_model(), "cpu", dtype).nbytes for dtype in DTYPES]
    assert 0.5 < sizes[1] / sizes[0] < 0.8


def test_two_transformers_have_slots_of_their_own(make_model: Make, inputs: Any) -> None:
    models = [make_model(seed=seed) for seed in (3, 4)]
    expected = [inputs.velocity(model) for model in models]
    for model in models:
        BlockOffloader(model, "cpu")
    for _ in range(2):
        for model, velocity in zip(models, expected, strict=True):
            assert torch.equal(inputs.velocity(model), velocity)


@pytest.mark.parametrize("failing", [0, 2, 3])
@pytest.mark.parametrize("ahead", [0, 1])
def test_a_failure_leaves_the_model_usable(
    make_model: Make, inputs: Any, failing: int, ahead: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = make_model()
    expected, before = inputs.velocity(model), addresses(model)
    offloader = BlockOffloader(model, "cpu", ahead=ahead)
    with monkeypatch.context() as patch:
        patch.setattr(model.blocks[failing], "forward", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError) as caught:
            inputs.velocity(model)
    # The error is still held, and with it the walk that it ended.
    assert torch.equal(inputs.velocity(model), expected)
    del caught
    assert torch.equal(inputs.velocity(model), expected)
    assert addresses(model) == before
    offloader.close()
    assert addresses(model) == before


@pytest.mark.parametrize("fails", [3, 40, 60, 90])
def test_a_copy_that_fails_is_not_taken_for_whole(
    make_model: Make, inputs: Any, fails: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = make_model()
    expected = inputs.velocity(model)
    BlockOffloader(model, "cpu")
    copy, calls = Tensor.copy_, []

    def failing(self: Tensor, source: Tensor, non_blocking: bool = False) -> Tensor:
        calls.append(1)
        if len(calls) == fails:
            raise RuntimeError("out of memory")
        return copy(self, source, non_blocking)

    with monkeypatch.context() as patch:
        patch.setattr(Tensor, "copy_", failing)
        with pytest.raises(RuntimeError, match="out of memory"):
            inputs.velocity(model)
    assert torch.equal(inputs.velocity(model), expected)


def test_between_passes_all_weights_are_the_hosts(make_model: Make, inputs: Any) -> None:
    model = make_model()
    before, weights = addresses(model), {name: w.clone() for name, w in model.state_dict().items()}
    BlockOffloader(model, "cpu")
    inputs.velocity(model)
    assert addresses(model) == before
    assert all(torch.equal(value, weights[name]) for name, value in model.state_dict().items())


def test_offloading_twice_is_refused_until_it_is_closed(make_model: Make, inputs: Any) -> None:
    model = make_model()
    expected = inputs.velocity(model)
    offloader = BlockOffloader(model, "cpu")
    with pytest.raises(StateError, match=r"offloaded already; close\(\)"):
        BlockOffloader(model, "cpu")
    offloader.close()
    assert model.walk is iter
    assert torch.equal(inputs.velocity(model), expected)
    BlockOffloader(model, "cpu")
    offloader.close()
    assert model.walk is not iter
    assert torch.equal(inputs.velocity(model), expected)


@pytest.mark.parametrize("ahead", [0, 1])
def test_two_computations_at_a_time_are_refused(make_model: Make, inputs: Any, ahead: int) -> None:
    model = make_model()
    expected = inputs.velocity(model)
    BlockOffloader(model, "cpu", ahead=ahead)
    blocks = list(model.blocks)
    early, late = model.walk(blocks), model.walk(blocks)  # type: ignore[arg-type]
    for _ in range(3):
        next(early)
    next(late)
    with pytest.raises(StateError, match="two computations at a time"):
        next(early)
    assert len(list(late)) == 3
    assert torch.equal(inputs.velocity(model), expected)


def test_fewer_than_no_blocks_ahead_is_refused(make_model: Make) -> None:
    model = make_model()
    with pytest.raises(ValueError, match="ahead is -1"):
        BlockOffloader(model, "cpu", ahead=-1)
    assert model.walk is iter


def test_a_model_that_is_dropped_is_gone_at_once(make_model: Make, inputs: Any) -> None:
    model = make_model()
    BlockOffloader(model, "cpu")
    inputs.velocity(model)
    gone = weakref.ref(model)
    gc.collect()
    gc.disable()
    try:
        del model
        assert gone() is None
    finally:
        gc.enable()


@settings(max_examples=25, deadline=None)
@given(layers=st.integers(1, 6), ahead=st.integers(0, 7), stops=st.lists(st.integers(1, 6), max_size=4))
def test_every_block_has_its_weights_whatever_was_broken_off_before(
    make_model: Make, config: TransformerConfig, layers: int, ahead: int, stops: list[int]
) -> None:
    model = make_model(replace(config, num_layers=layers))
    blocks = [block for block in model.blocks if isinstance(block, Block)]
    weights = [[weight.clone() for weight in block.parameters()] for block in blocks]
    offloader = BlockOffloader(model, "cpu", ahead=ahead)
    for stop in [*stops, layers]:
        for number, block in enumerate(model.walk(blocks)):
            assert all(map(torch.equal, block.parameters(), weights[number]))
            following = {(number + later) % layers for later in range(1 + min(ahead, layers - 1))}
            assert set(offloader.held) == following
            if number + 1 == stop:
                break
