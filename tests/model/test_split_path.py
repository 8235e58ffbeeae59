"""Restricted self-attention: against an explicit mask, and the three-part computation against the whole."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from helios_world.memory import HistoryLayout, HistoryViews
from helios_world.model import HeliosTransformer, HistoryCache, TextCache, TransformerConfig

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
    is_amplify_history=True,
    history_scale_mode="per_head",
    action_dim=3,
    restrict_self_attn=True,
)
LAYOUT = HistoryLayout(6, 2, 1, chunk=2)
BATCH = 2


def make_model(config: TransformerConfig = CONFIG) -> HeliosTransformer:
    torch.manual_seed(0)
    model = HeliosTransformer(config)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    return model


def make_history() -> HistoryViews:
    return HistoryViews(*(torch.randn(BATCH, 3, frames, 8, 4) for frames in (1, 6, 2, 1)))


def make_inputs(draws: int = 1) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    rows = draws * BATCH
    noisy, timestep = torch.randn(rows, 3, 2, 8, 4), torch.rand(rows) * 1000
    return noisy, timestep, torch.randn(BATCH, 5, 10), torch.randn(rows, 2, 3)


def test_the_split_path_equals_forward_and_so_do_its_gradients() -> None:
    model, history = make_model(), make_history()
    noisy, timestep, text, actions = make_inputs()

    def gradients(velocity: Tensor) -> dict[str, Tensor]:
        model.zero_grad()
        velocity.square().sum().backward()
        return {name: weight.grad.clone() for name, weight in model.named_parameters() if weight.grad is not None}

    whole = model(noisy, timestep, text, history, LAYOUT, actions)
    caches = model.embed_text(text), model.encode_history(history, LAYOUT)
    parts = model.denoise(noisy, timestep, *caches, LAYOUT, actions)
    torch.testing.assert_close(parts, whole, atol=1e-5, rtol=1e-5)
    of_parts, of_whole = gradients(parts), gradients(whole)
    assert set(of_parts) == set(of_whole) == {name for name, _ in model.named_parameters()}
    for name, gradient in of_whole.items():
        torch.testing.assert_close(of_parts[name], gradient, atol=1e-4, rtol=1e-3, msg=name)


@pytest.mark.parametrize("draws", [1, 2, 3])
@torch.no_grad()
def test_several_draws_equal_as_many_calls(draws: int) -> None:
    model, history = make_model(), make_history()
    noisy, timestep, text, actions = make_inputs(draws)
    caches = model.embed_text(text), model.encode_history(history, LAYOUT)
    velocity, hidden = model.denoise(noisy, timestep, *caches, LAYOUT, actions, return_hidden=True)
    assert hidden.shape == (draws * BATCH, 16, 24)
    for rows in torch.arange(draws * BATCH).split(BATCH):
        single = model.denoise(noisy[rows], timestep[rows], *caches, LAYOUT, actions[rows])
        torch.testing.assert_close(velocity[rows], single, atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_one_row_of_actions_holds_for_every_draw() -> None:
    model, history = make_model(), make_history()
    noisy, timestep, text, actions = make_inputs(2)
    caches = model.embed_text(text), model.encode_history(history, LAYOUT)
    once = model.denoise(noisy, timestep, *caches, LAYOUT, actions[:BATCH])
    twice = model.denoise(noisy, timestep, *caches, LAYOUT, actions[:BATCH].repeat(2, 1, 1))
    assert torch.equal(once, twice)


@torch.no_grad()
def test_restricted_attention_equals_a_mask(monkeypatch: pytest.MonkeyPatch) -> None:
    restricted, full = make_model(), make_model(replace(CONFIG, restrict_self_attn=False))
    history, (noisy, timestep, text, actions) = make_history(), make_inputs()
    expected = restricted(noisy, timestep, text, history, LAYOUT, actions)
    noisy_tokens = 16

    def masked(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        scores = torch.einsum("bqhe,bkhe->bhqk", query, key) / query.shape[-1] ** 0.5
        if query.shape[1] == key.shape[1]:
            past = key.shape[1] - noisy_tokens
            scores[:, :, :past, past:] = -torch.inf
        return torch.einsum("bhqk,bkhe->bqhe", functional.softmax(scores, dim=-1), value).flatten(2)

    assert not torch.allclose(full(noisy, timestep, text, history, LAYOUT, actions), expected, atol=1e-3)
    monkeypatch.setattr("helios_world.model.block.attend", masked)
    actual = full(noisy, timestep, text, history, LAYOUT, actions)
    torch.testing.assert_close(actual, expected, atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_an_action_changes_its_frame_and_starts_as_nothing() -> None:
    model, history = make_model(), make_history()
    noisy, timestep, text, actions = make_inputs()
    caches = model.embed_text(text), model.encode_history(history, LAYOUT)

    def hidden(actions: Tensor | None) -> Tensor:
        return model.denoise(noisy, timestep, *caches, LAYOUT, actions, return_hidden=True)[1]

    other = actions.clone()
    other[:, 1] += 1
    change = (hidden(other) - hidden(actions)).abs().mean((0, 2))
    assert change[8:].min() > change[:8].max()
    fresh = HeliosTransformer(CONFIG)
    assert fresh.action_embedder is not None
    caches = fresh.embed_text(text), fresh.encode_history(history, LAYOUT)
    bare = fresh.denoise(noisy, timestep, *caches, LAYOUT)
    acted = fresh.denoise(noisy, timestep, *caches, LAYOUT, actions)
    torch.testing.assert_close(acted, bare, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("frame", [0, 1])
@torch.no_grad()
def test_text_and_history_reach_the_velocity(frame: int) -> None:
    model, history = make_model(), make_history()
    noisy, timestep, text, actions = make_inputs()
    base = model(noisy, timestep, text, history, LAYOUT, actions)[:, :, frame]
    for part in ("anchor", "long", "mid", "short"):
        changed = replace(history, **{part: getattr(history, part) + 1})
        assert (model(noisy, timestep, text, changed, LAYOUT, actions)[:, :, frame] - base).abs().max() > 1e-4, part
    assert (model(noisy, timestep, text + 1, history, LAYOUT, actions)[:, :, frame] - base).abs().max() > 1e-4


def test_autocast_keeps_the_tokens_in_float32_and_stays_near() -> None:
    model, history = make_model(), make_history()
    noisy, timestep, text, actions = make_inputs(2)

    def run() -> tuple[Tensor, Tensor]:
        caches = model.embed_text(text), model.encode_history(history, LAYOUT)
        return model.denoise(noisy, timestep, *caches, LAYOUT, actions, return_hidden=True)

    exact, _ = run()
    with torch.autocast("cpu", torch.bfloat16):
        velocity, hidden = run()
    velocity.square().mean().backward()
    assert hidden.dtype == velocity.dtype == torch.float32
    assert (velocity - exact).abs().mean() < 0.03 * exact.abs().mean()
    assert all(weight.grad is not None and weight.grad.isfinite().all() for weight in model.parameters())


def test_tables_made_in_inference_mode_serve_training() -> None:
    model, history = make_model(), make_history()
    noisy, timestep, text, actions = make_inputs()
    with torch.inference_mode():
        first = model(noisy, timestep, text, history, LAYOUT, actions)
    second = model(noisy, timestep, text, history, LAYOUT, actions)
    second.sum().backward()
    torch.testing.assert_close(second.detach(), first.clone(), atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_a_step_at_a_known_shape_computes_no_table(monkeypatch: pytest.MonkeyPatch) -> None:
    model, history = make_model(), make_history()
    noisy, timestep, text, actions = make_inputs()
    before = model(noisy, timestep, text, history, LAYOUT, actions)
    monkeypatch.setattr("helios_world.model.rope.axis_rotation", None)
    assert torch.equal(model(noisy, timestep, text, history, LAYOUT, actions), before)


def test_float64_and_bfloat16_latents_come_back_in_their_dtype() -> None:
    model, history = make_model(), make_history()
    noisy, timestep, text, actions = make_inputs()
    for dtype in (torch.float64, torch.bfloat16):
        assert model(noisy.to(dtype), timestep, text, history, LAYOUT, actions).dtype == dtype


@pytest.mark.parametrize("name", ["restrict_self_attn", "zero_history_timestep", "guidance_cross_attn"])
def test_a_history_that_depends_on_more_cannot_be_encoded_ahead(name: str) -> None:
    model = make_model(replace(CONFIG, **{name: False}))
    with pytest.raises(ValueError, match=name):
        model.encode_history(make_history(), LAYOUT)


def test_sizes_that_do_not_go_together_are_told() -> None:
    model, history = make_model(), make_history()
    noisy, timestep, text, actions = make_inputs()
    with pytest.raises(ValueError, match=r"shape \[1\], for this batch it is \[2\]"):
        model(noisy, timestep[:1], text, history, LAYOUT, actions)
    with pytest.raises(ValueError, match=r"noisy has 2 latent frames, the layout's chunk 1"):
        model(noisy, timestep, text, history, replace(LAYOUT, chunk=1), actions)
    with pytest.raises(ValueError, match=r"\[2, 1, 3\], wanted is \[2, \*\[2, 3\]\]"):
        model(noisy, timestep, text, history, LAYOUT, actions[:, :1])
    with pytest.raises(ValueError, match=r"\[2, 7, 4\].*patch is \(1, 2, 2\)"):
        model(noisy[:, :, :, :7], timestep, text, history, LAYOUT, actions)
    with pytest.raises(ValueError, match=r"the history has 20 tokens, .* makes 22"):
        model(noisy, timestep, text, history, HistoryLayout(16, 2, 1, chunk=2), actions)
    without = make_model(replace(CONFIG, action_dim=None, has_multi_term_memory_patch=False))
    with pytest.raises(ValueError, match="takes no actions"):
        without(noisy, timestep, text, None, LAYOUT, actions)
    with pytest.raises(ValueError, match="takes no history"):
        without(noisy, timestep, text, history, LAYOUT)


def test_a_batch_that_is_no_multiple_of_the_caches_is_told() -> None:
    model, history = make_model(), make_history()
    noisy, timestep, text, actions = make_inputs(2)
    texts, pasts = model.embed_text(text), model.encode_history(history, LAYOUT)
    assert isinstance(texts, TextCache)
    assert isinstance(pasts, HistoryCache)
    with pytest.raises(ValueError, match="batch of 3 is no multiple of the cached batch, 2"):
        model.denoise(noisy[:3], timestep[:3], texts, pasts, LAYOUT, actions[:3])
