"""The fast forward against the slow one and against diffusers, and its parts against their own twins."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from helios_world.errors import OptionError
from helios_world.memory import HistoryLayout, HistoryViews
from helios_world.model import HeliosTransformer, TransformerConfig
from helios_world.model.attention import attend
from helios_world.model.backends import Fastest, Named, choose_attention
from helios_world.model.block import Block
from helios_world.model.bounded import Kept
from helios_world.model.fast import FastTransformer, Past
from helios_world.model.fp8 import LARGEST, Fp8Products, check_fp8, fp8_products, multiply_exactly, round_rows
from helios_world.model.joined import JOINED, Joined, joined_linear, side_by_side
from helios_world.model.products import ExactProducts, Products
from helios_world.model.replays import CudaRecord, Inputs, Replay, Replays, WhereItPays
from helios_world.model.texts import join_texts
from helios_world.model.times import Time

CONFIG = TransformerConfig(
    patch_size=(1, 2, 2),
    num_attention_heads=2,
    attention_head_dim=12,
    in_channels=3,
    out_channels=3,
    text_dim=10,
    freq_dim=16,
    ffn_dim=40,
    num_layers=3,
    cross_attn_norm=True,
    qk_norm="rms_norm_across_heads",
    eps=1e-6,
    added_kv_proj_dim=None,
    rope_dim=(4, 4, 4),
    rope_theta=10000.0,
    guidance_cross_attn=True,
    zero_history_timestep=True,
    has_multi_term_memory_patch=True,
    is_amplify_history=False,
    history_scale_mode="per_head",
)
LAYOUT = HistoryLayout(4, 2, 1, chunk=2)
VARIANTS: dict[str, dict[str, Any]] = {
    "official": {},
    "text for all": {"guidance_cross_attn": False},
    "one timestep": {"zero_history_timestep": False},
    "amplified per head": {"is_amplify_history": True},
    "amplified as one": {"is_amplify_history": True, "history_scale_mode": "scalar"},
    "restricted": {"restrict_self_attn": True},
    "no cross norm": {"cross_attn_norm": False},
    "one block": {"num_layers": 1},
    "uneven heads": {"num_attention_heads": 3, "attention_head_dim": 14, "rope_dim": (6, 4, 4)},
    "everything else": {
        "guidance_cross_attn": False,
        "zero_history_timestep": False,
        "is_amplify_history": True,
        "restrict_self_attn": True,
        "cross_attn_norm": False,
        "in_channels": 4,
        "out_channels": 4,
        "eps": 1e-4,
    },
}
TIMESTEP = 385.0


def make_model(config: TransformerConfig = CONFIG, seed: int = 0) -> HeliosTransformer:
    torch.manual_seed(seed)
    model = HeliosTransformer(config).eval()
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.2)
    return model


def lay_side_by_side(model: HeliosTransformer) -> None:
    for block in model.blocks:
        for leaf in ("weight", "bias"):
            whole = Joined([block.get_parameter(f"attn1.{layer}.{leaf}") for layer in JOINED])
            whole.data = whole.data


def make_inputs(
    batch: int = 2, channels: int = 3, shrink: int = 1, seed: int = 1
) -> tuple[Tensor, Tensor, HistoryViews]:
    """Noisy latents, text and history."""
    torch.manual_seed(seed)
    noisy, text = torch.randn(batch, channels, 2, 8 // shrink, 16 // shrink), torch.randn(batch, 5, 10)
    frames = (1, LAYOUT.long, LAYOUT.mid, LAYOUT.short)
    return noisy, text, HistoryViews(*(torch.randn(batch, channels, count, 8, 16) for count in frames))


@torch.no_grad()
def slowly(model: HeliosTransformer, noisy: Tensor, text: Tensor, history: HistoryViews) -> Tensor:
    velocity: Tensor = model(noisy, torch.full((len(noisy),), TIMESTEP), text, history, LAYOUT)
    assert velocity.float().std() > 0.1
    return velocity


@pytest.mark.parametrize("kept", [True, False], ids=["kept", "fresh"])
@pytest.mark.parametrize("joined", [True, False], ids=["joined", "apart"])
@pytest.mark.parametrize("changes", VARIANTS.values(), ids=VARIANTS.keys())
def test_fast_equals_slow(changes: dict[str, Any], joined: bool, kept: bool) -> None:
    model = make_model(replace(CONFIG, **changes))
    noisy, text, history = make_inputs(channels=model.config.in_channels, shrink=2)
    expected = slowly(model, noisy, text, history)
    if joined:
        lay_side_by_side(model)
    fast = FastTransformer(model, LAYOUT)
    told = fast.keep_text(text) if kept else fast.embed_text(text)
    velocity = fast.velocity(noisy, TIMESTEP, told, fast.embed_history(history))
    assert velocity.dtype == noisy.dtype
    assert (velocity - expected).abs().max() <= 1e-5


@pytest.mark.parametrize("shrink", [1, 2, 4])
def test_bfloat16_is_as_near_as_the_slow_twin(shrink: int) -> None:
    exact, model = make_model(), make_model().cast(torch.bfloat16)
    lay_side_by_side(model)
    noisy, text, history = make_inputs(shrink=shrink)
    truth, rounded = slowly(exact, noisy, text, history), slowly(model, noisy, text, history)
    fast = FastTransformer(model, LAYOUT)
    velocity = fast.velocity(noisy, TIMESTEP, fast.keep_text(text), fast.embed_history(history))
    assert (velocity - truth).abs().mean() <= 1.2 * (rounded - truth).abs().mean()


def test_rows_of_a_batch_may_have_texts_of_their_own_or_one_for_all() -> None:
    model = make_model()
    fast = FastTransformer(model, LAYOUT)
    noisy, text, history = make_inputs()
    past = fast.embed_history(history)
    for embed in (fast.keep_text, fast.embed_text):
        rows = [embed(row) for row in text.split(1)]  # type: ignore[no-untyped-call]
        own = fast.velocity(noisy, TIMESTEP, join_texts(rows), past)
        assert (own - slowly(model, noisy, text, history)).abs().max() <= 1e-5
        same = fast.velocity(noisy, TIMESTEP, join_texts([rows[0], rows[0]]), past)
        assert (same - slowly(model, noisy, text[:1].expand(2, -1, -1), history)).abs().max() <= 1e-5
    with pytest.raises(TypeError, match="FreshText', 'KeptText"):
        join_texts([fast.keep_text(text), fast.embed_text(text)])


def test_what_has_no_fast_twin_is_told() -> None:
    for changes in ({"action_dim": 2}, {"has_multi_term_memory_patch": False}):
        with pytest.raises(ValueError, match="without actions"):
            FastTransformer(make_model(replace(CONFIG, **changes)), LAYOUT)
    fast = FastTransformer(make_model(), LAYOUT)
    noisy, text, history = make_inputs()
    past, told = fast.embed_history(history), fast.embed_text(text)
    with pytest.raises(ValueError, match="3 latent frames, the layout's chunk 2"):
        fast.velocity(torch.zeros(2, 3, 3, 8, 16), TIMESTEP, told, past)
    with pytest.raises(ValueError, match="the history has"):
        fast.velocity(noisy, TIMESTEP, told, Past(past.tokens[:, 1:], past.height, past.width))


def test_gradients_are_not_recorded() -> None:
    fast = FastTransformer(make_model(), LAYOUT)
    noisy, text, history = make_inputs()
    velocity = fast.velocity(noisy.requires_grad_(), TIMESTEP, fast.keep_text(text), fast.embed_history(history))
    assert not velocity.requires_grad


def test_times_are_embedded_once_and_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    fast = FastTransformer(make_model(), LAYOUT)
    noisy, text, history = make_inputs()
    told, past = fast.embed_text(text), fast.embed_history(history)
    first = fast.velocity(noisy, TIMESTEP, told, past)
    monkeypatch.setattr(fast.model.condition_embedder, "time", lambda *_: pytest.fail("embedded again"))
    monkeypatch.setattr(fast.model.positions, "_box", lambda *_: pytest.fail("computed again"))
    assert torch.equal(fast.velocity(noisy, TIMESTEP, told, past), first)


# Weights side by side.


def test_layers_side_by_side_are_one_product() -> None:
    layers = [nn.Linear(4, 3) for _ in range(3)]
    x = torch.randn(1, 5, 4)
    expected = torch.cat([layer(x) for layer in layers], dim=-1)
    assert side_by_side([layer.weight for layer in layers]) is None
    assert torch.equal(joined_linear(x, layers), expected)
    for leaf in ("weight", "bias"):
        whole = Joined([getattr(layer, leaf) for layer in layers])
        whole.data = whole.data
        assert side_by_side([getattr(layer, leaf) for layer in layers]) is not None
        assert whole.data.data_ptr() == getattr(layers[0], leaf).data_ptr()
    torch.testing.assert_close(joined_linear(x, layers), expected)
    with torch.no_grad():
        layers[1].weight.fill_(2.0)
    assert (joined_linear(x, layers)[..., 3:6] - layers[1](x)).abs().max() < 1e-5
    layers[2].weight.data = layers[2].weight.data.clone()
    assert side_by_side([layer.weight for layer in layers]) is None
    assert (joined_linear(x, layers) - torch.cat([layer(x) for layer in layers], dim=-1)).abs().max() < 1e-5


def test_state_dicts_are_the_same_with_weights_side_by_side() -> None:
    model, twin = make_model(), make_model(seed=5)
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    lay_side_by_side(model)
    lay_side_by_side(twin)
    twin.load_state_dict(model.state_dict(), strict=True)
    assert all(torch.equal(weight, before[name]) for name, weight in twin.state_dict().items())
    assert side_by_side([twin.get_parameter(f"blocks.0.attn1.{layer}.weight") for layer in JOINED]) is not None


# What is kept.


def test_what_was_used_last_is_kept() -> None:
    kept: Kept[str] = Kept(2)
    for key in ("a", "b", "a", "c"):
        kept.get(key, lambda key=key: key.upper())  # type: ignore[misc]
    assert [key for key, _ in kept.items()] == ["a", "c"]
    heavy: Kept[str] = Kept(9, limit=5, weigh=len)
    for value in ("four", "x", "longer than all"):
        heavy.get(value, lambda value=value: value)  # type: ignore[misc]
    assert (len(heavy), heavy.weight) == (1, 15)
    heavy.clear()
    assert len(heavy) == 0


# Recorded passes. The recorder stands in for the GPU: it runs again what it recorded, over the same buffers.


def counted(log: list[str]) -> Callable[[Replay], Replay]:
    def record(run: Replay) -> Replay:
        log.append("recorded")
        return run

    return record


def test_replays_read_what_is_given_and_not_what_was() -> None:
    model, log = make_model(), list[str]()
    fast, replayed = FastTransformer(model, LAYOUT), FastTransformer(model, LAYOUT, runner=Replays(counted(log)))
    results = []
    for seed in (1, 2, 3):
        for shrink in (1, 2):
            noisy, text, history = make_inputs(shrink=shrink, seed=seed)
            for step in (TIMESTEP, 998.0):
                for told in (text, text[:1]):
                    given = (noisy, step, fast.keep_text(told), fast.embed_history(history))
                    results.append((replayed.velocity(*given), fast.velocity(*given)))
    # Compared at the end: a result that a later replay wrote to would show.
    assert all(torch.equal(one, other) for one, other in results)
    assert log == ["recorded"] * 2
    assert set(replayed.report().values()) == {"recorded"}


def test_only_kept_texts_are_recorded() -> None:
    fast = FastTransformer(make_model(), LAYOUT, runner=Replays(lambda run: run))
    noisy, text, history = make_inputs()
    with pytest.raises(TypeError, match="kept texts only, not with a FreshText"):
        fast.velocity(noisy, TIMESTEP, fast.embed_text(text), fast.embed_history(history))


@pytest.mark.parametrize(("handed", "state", "recorded"), [(0.9, "record", 1), (0.1, "host 10% of a pass", 0)])
def test_passes_are_recorded_where_the_host_is_slower(handed: float, state: str, recorded: int) -> None:
    log: list[str] = []
    runner = WhereItPays(Replays(counted(log)), lambda run: (handed, 1.0, run()))
    model = make_model()
    fast, other = FastTransformer(model, LAYOUT), FastTransformer(model, LAYOUT, runner=runner)
    noisy, text, history = make_inputs()
    given = (noisy, TIMESTEP, fast.keep_text(text), fast.embed_history(history))
    for _ in range(4):
        assert torch.equal(other.velocity(*given), fast.velocity(*given))
    assert list(other.report().values()) == [state]
    assert len(log) == recorded


def test_what_cannot_be_recorded_is_computed(caplog: pytest.LogCaptureFixture) -> None:
    def refuse(run: Replay) -> Replay:
        raise RuntimeError("operation not permitted when stream is capturing")

    runner = WhereItPays(Replays(refuse), lambda run: (1.0, 1.0, run()))
    model = make_model()
    fast, other = FastTransformer(model, LAYOUT), FastTransformer(model, LAYOUT, runner=runner)
    noisy, text, history = make_inputs()
    given = (noisy, TIMESTEP, fast.keep_text(text), fast.embed_history(history))
    assert all(torch.equal(other.velocity(*given), fast.velocity(*given)) for _ in range(4))
    assert list(other.report().values()) == ["could not be recorded"]
    assert caplog.text.count("could not be recorded") == 1


# The choice of attention.


def test_the_fastest_attention_is_chosen_once_per_shape() -> None:
    speeds = {"slow": 3.0, "preferred": 1.0, "hardly faster": 0.95, "fast": 0.5}
    calls: list[str] = []
    broken = "broken"

    def candidate(name: str) -> Callable[[Tensor, Tensor, Tensor], Tensor]:
        def run(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
            if name == broken:
                raise RuntimeError("No available kernel")
            calls.append(name)
            return attend(query, key, value)

        return run

    def measure(run: Replay) -> tuple[float, float, Tensor]:
        made = run()
        return 0.0, speeds[calls[-1]], made

    for names, expected in ((["slow", broken, "preferred", "hardly faster"], "preferred"), (list(speeds), "fast")):
        chooser = Fastest({name: candidate(name) for name in names}, measure)
        query = torch.randn(1, 4, 2, 6)
        for _ in range(3):
            assert torch.equal(chooser(query, query, query), attend(query, query, query))
        ((shape, told),) = chooser.report().items()
        assert (shape, told["chosen"]) == ("(1, 4, 2, 6, 4, 'float32')", expected)
        assert calls[-2:] == [expected, expected]
    chooser = Fastest({broken: candidate(broken)}, measure)
    with pytest.raises(RuntimeError, match=r"none of \['broken'\]"):
        chooser(query, query, query)


def test_attention_by_name() -> None:
    for name in ("auto", "torch"):
        assert isinstance(choose_attention(name, torch.device("cpu")), Named)
    for name, words in (("fastest", "there are auto, torch, cudnn"), ("cudnn", "needs a GPU; on cpu there is 'torch'")):
        with pytest.raises(OptionError, match=words):
            choose_attention(name, torch.device("cpu"))


def test_a_pass_that_cannot_be_recorded_leaves_nothing_behind() -> None:
    """An error keeps the tensors of its pass alive, and it may have been for want of memory."""
    failing: list[BaseException | None] = []

    def record(run: Replay) -> Replay:
        raise torch.OutOfMemoryError("no memory to record it")

    def compute(inputs: Inputs) -> torch.Tensor:
        failing.append(sys.exc_info()[1])
        return inputs.noisy + 1

    runner = WhereItPays(Replays(record), lambda run: (1.0, 1.0, run()))
    model = make_model()
    fast = FastTransformer(model, LAYOUT)
    noisy, text, history = make_inputs()
    time = Time(torch.zeros(2, 4), torch.zeros(6, 2, 4))
    inputs = Inputs(noisy, fast.embed_history(history).tokens, time, fast.keep_text(text))
    for _ in range(4):
        assert torch.equal(runner(inputs, compute), noisy + 1)
    assert failing == [None] * 4


# Products in 8 bits, by the twin that multiplies exactly what was rounded.


def test_rows_are_rounded_to_eight_bits() -> None:
    torch.manual_seed(0)
    rows = torch.randn(6, 64) * torch.logspace(-4, 4, 6)[:, None]
    rows[3] = 0
    rounded = round_rows(rows)
    assert rounded.values.dtype == torch.float8_e4m3fn
    # Three bits of mantissa: half a unit in the last place is 1/16; numbers below the smallest lose more of themselves.
    bound = rows.abs() / 16 + rounded.scales * 2**-10
    assert ((rounded.exact() - rows).abs() <= bound).all()
    assert rounded.values.float().abs().max() == LARGEST


def test_products_in_eight_bits_are_near() -> None:
    exact, model = make_model(), make_model()
    blocks = [block for block in model.blocks if isinstance(block, Block)]
    products: list[Products] = fp8_products(blocks, multiply_exactly, ends=1)
    assert [type(each) for each in products] == [ExactProducts, Fp8Products, ExactProducts]
    noisy, text, history = make_inputs()
    expected = slowly(exact, noisy, text, history)
    fast = FastTransformer(model, LAYOUT, products=products)
    velocity = fast.velocity(noisy, TIMESTEP, fast.keep_text(text), fast.embed_history(history))
    error = float((velocity - expected).norm() / expected.norm())
    assert 1e-4 < error < 0.1
    # What was given up is not there, rather than wrong.
    with pytest.raises((NotImplementedError, RuntimeError)):
        slowly(model, noisy, text, history)


def test_parts_of_the_projection_in_eight_bits_are_those_of_the_whole() -> None:
    (block,) = make_model(replace(CONFIG, num_layers=1)).blocks
    assert isinstance(block, Block)
    products, x = Fp8Products(block, multiply_exactly), torch.randn(2, 5, CONFIG.width)
    whole = products.query_key_value(x)
    parts = torch.cat((products.query(x), products.key_value(x)), dim=-1)
    torch.testing.assert_close(parts, whole)


def test_eight_bits_need_a_gpu() -> None:
    with pytest.raises(OptionError, match=r"compute capability 8\.9 or newer; this is cpu"):
        check_fp8(torch.device("cpu"), torch.bfloat16)


needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")


@pytest.mark.gpu
@needs_gpu
def test_recorded_passes_on_a_gpu_equal_computed_ones() -> None:
    config = replace(CONFIG, attention_head_dim=64, rope_dim=(24, 20, 20))
    model = make_model(config).cast(torch.bfloat16).cuda()
    lay_side_by_side(model)
    fast = FastTransformer(model, LAYOUT)
    replayed = FastTransformer(
        model, LAYOUT, runner=Replays(CudaRecord()), attention=choose_attention("auto", torch.device("cuda"))
    )
    for seed in (1, 2):
        noisy, text, history = make_inputs(seed=seed)
        views = HistoryViews(*(latents.cuda() for latents in vars(history).values()))
        given = (noisy.cuda(), TIMESTEP, fast.keep_text(text.cuda()), fast.embed_history(views))
        torch.testing.assert_close(replayed.velocity(*given), fast.velocity(*given), atol=0.05, rtol=0.05)


@pytest.mark.gpu
@needs_gpu
def test_eight_bits_on_a_gpu_are_those_of_the_twin() -> None:
    from helios_world.model.fp8 import CAPABILITY, multiply_on_gpu

    if torch.cuda.get_device_capability() < CAPABILITY:
        pytest.skip("the GPU has no products of 8 bits")
    x, weight = (round_rows(torch.randn(size, 64, device="cuda")) for size in (45, 32))
    bias = torch.randn(32, device="cuda", dtype=torch.bfloat16)
    torch.testing.assert_close(multiply_on_gpu(x, weight, bias), multiply_exactly(x, weight, bias), atol=0.1, rtol=0.02)


@pytest.mark.gpu
@needs_gpu
def test_passes_are_recorded_while_another_thread_computes() -> None:
    config = replace(CONFIG, attention_head_dim=64, rope_dim=(24, 20, 20))
    fast = FastTransformer(make_model(config).cast(torch.bfloat16).cuda(), LAYOUT)
    replayed, over = FastTransformer(fast.model, LAYOUT, runner=Replays(CudaRecord())), threading.Event()

    def beside() -> None:
        with torch.cuda.stream(torch.cuda.Stream()):  # type: ignore[no-untyped-call]
            while not over.is_set():
                torch.empty(1 << 20, pin_memory=True).copy_(torch.randn(1 << 20, device="cuda"), non_blocking=True)

    thread = threading.Thread(target=beside)
    thread.start()
    try:
        noisy, text, history = make_inputs(seed=1)
        views = HistoryViews(*(latents.cuda() for latents in vars(history).values()))
        with torch.inference_mode():
            given = (noisy.cuda(), TIMESTEP, fast.keep_text(text.cuda()), fast.embed_history(views))
            expected = fast.velocity(*given)
            for _ in range(3):
                torch.testing.assert_close(replayed.velocity(*given), expected, atol=0.05, rtol=0.05)
    finally:
        over.set()
        thread.join()
