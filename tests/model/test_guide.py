"""A model that is told what the chunk should look like."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from helios_world.memory import HistoryLayout, HistoryViews
from helios_world.model import HeliosTransformer, TransformerConfig
from helios_world.model.guide import TRUST, Guide, GuideLayer

CONFIG = TransformerConfig(
    patch_size=(1, 2, 2),
    num_attention_heads=2,
    attention_head_dim=12,
    in_channels=3,
    out_channels=3,
    text_dim=10,
    freq_dim=16,
    ffn_dim=40,
    num_layers=2,
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
    action_dim=3,
    restrict_self_attn=True,
    guided=True,
)
LAYOUT = HistoryLayout(6, 2, 1, chunk=2)
BATCH = 2
SIZE = (3, 2, 8, 4)


@pytest.fixture
def fresh() -> HeliosTransformer:
    torch.manual_seed(0)
    return HeliosTransformer(CONFIG).requires_grad_(False)


@pytest.fixture
def model(fresh: HeliosTransformer) -> HeliosTransformer:
    """Every weight counts."""
    for weight in fresh.parameters():
        torch.nn.init.normal_(weight, std=0.2)
    return fresh


@pytest.fixture
def history() -> HistoryViews:
    return HistoryViews(*(torch.randn(BATCH, 3, frames, 8, 4) for frames in (1, 6, 2, 1)))


def _inputs(rows: int = BATCH) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Noisy latents, timesteps, text and actions."""
    timestep = 100 + 900 * torch.rand(rows)
    return torch.randn(rows, *SIZE), timestep, torch.randn(BATCH, 5, 10), torch.randn(rows, 2, 3)


def _guide(*known: float) -> Guide:
    return Guide(torch.randn(len(known), *SIZE), torch.tensor(known))


def _layer(model: HeliosTransformer) -> GuideLayer:
    assert model.guide_layer is not None
    return model.guide_layer


def _mixed(velocity: Tensor, noisy: Tensor, guide: Guide, trust: Tensor, timestep: Tensor) -> Tensor:
    """The velocity towards the mixture of the clean latents, by way of these."""
    sigma = (timestep / 1000).view(-1, 1, 1, 1, 1)
    share = trust * guide.known.view(-1, 1, 1, 1, 1)
    clean = (1 - share) * (noisy - sigma * velocity) + share * guide.latents
    return (noisy - clean) / sigma


def test_before_training_a_guide_is_trusted_and_nothing_else(fresh: HeliosTransformer, history: HistoryViews) -> None:
    torch.nn.init.normal_(fresh.norm_out.scale_shift_table)
    noisy, timestep, text, actions = _inputs()
    guide = _guide(1, 1)
    plain = HeliosTransformer(replace(CONFIG, guided=False))
    plain.load_state_dict({k: v for k, v in fresh.state_dict().items() if not k.startswith("guide_layer.")})
    bare = plain(noisy, timestep, text, history, LAYOUT, actions).detach()
    guided = fresh(noisy, timestep, text, history, LAYOUT, actions, guide)
    wanted = _mixed(bare, noisy, guide, torch.tensor(TRUST), timestep)
    torch.testing.assert_close(guided, wanted, atol=1e-4, rtol=1e-4)
    assert (guided - bare).abs().max() > 0.1


@pytest.mark.parametrize("ahead", [False, True])
def test_a_guide_that_is_not_known_is_none_at_all(model: HeliosTransformer, history: HistoryViews, ahead: bool) -> None:
    noisy, timestep, text, actions = _inputs()

    def velocity(guide: Guide | None) -> Tensor:
        if not ahead:
            return model(noisy, timestep, text, history, LAYOUT, actions, guide)  # type: ignore[no-any-return]
        caches = model.embed_text(text), model.encode_history(history, LAYOUT)
        return model.denoise(noisy, timestep, *caches, LAYOUT, actions, guide=guide)

    bare, guide = velocity(None), _guide(0, 0)
    assert torch.equal(velocity(guide), bare)
    half = velocity(replace(guide, known=torch.tensor([0.0, 1.0])))
    torch.testing.assert_close(half[0], bare[0], atol=1e-5, rtol=1e-5)
    assert (half[1] - bare[1]).abs().max() > 0.1


def test_to_follow_is_to_mix_the_clean_latents(model: HeliosTransformer) -> None:
    layer, guide = _layer(model), _guide(1, 0.25)
    noisy, timestep, _, _ = _inputs()
    velocity, tokens = torch.randn_like(noisy), torch.randn(BATCH, 16, 24)
    logits = tokens @ layer.trust.weight.T + layer.trust.bias
    trust = torch.zeros_like(noisy)
    for number in range(16):
        frame, row, column = number // 8, number // 2 % 4, number % 2
        patch = logits[:, number].sigmoid().view(BATCH, 2, 2, 3)
        for y in range(2):
            for x in range(2):
                trust[:, :, frame, 2 * row + y, 2 * column + x] = patch[:, y, x]
    found = layer.follow(velocity, noisy, tokens, guide, timestep / 1000)
    torch.testing.assert_close(found, _mixed(velocity, noisy, guide, trust, timestep), atol=1e-4, rtol=1e-4)
    assert trust.std() > 0.05


def test_whom_one_trusts_wholly_one_shows(model: HeliosTransformer, history: HistoryViews) -> None:
    noisy, timestep, text, actions = _inputs()
    guide = _guide(1, 1)
    torch.nn.init.zeros_(_layer(model).trust.weight)
    torch.nn.init.constant_(_layer(model).trust.bias, 40.0)
    velocity = model(noisy, timestep, text, history, LAYOUT, actions, guide)
    sigma = (timestep / 1000).view(-1, 1, 1, 1, 1)
    torch.testing.assert_close(noisy - sigma * velocity, guide.latents, atol=1e-4, rtol=1e-4)


def test_a_guide_is_seen_even_where_it_is_not_followed(model: HeliosTransformer, history: HistoryViews) -> None:
    noisy, timestep, text, actions = _inputs()
    torch.nn.init.zeros_(_layer(model).trust.weight)
    torch.nn.init.constant_(_layer(model).trust.bias, -math.inf)
    bare = model(noisy, timestep, text, history, LAYOUT, actions)
    assert (model(noisy, timestep, text, history, LAYOUT, actions, _guide(1, 1)) - bare).abs().max() > 0.01


def test_the_split_path_equals_forward_and_both_teach_the_layer(
    model: HeliosTransformer, history: HistoryViews
) -> None:
    model.requires_grad_(True)
    noisy, timestep, text, actions = _inputs()
    guide = _guide(1, 0.5)
    whole = model(noisy, timestep, text, history, LAYOUT, actions, guide)
    caches = model.embed_text(text), model.encode_history(history, LAYOUT)
    parts = model.denoise(noisy, timestep, *caches, LAYOUT, actions, guide=guide)
    torch.testing.assert_close(parts, whole, atol=1e-4, rtol=1e-4)
    parts.square().sum().backward()
    for name, weight in _layer(model).named_parameters():
        assert weight.grad is not None, name
        assert weight.grad.abs().max() > 1e-4, name


@pytest.mark.parametrize("rows", [BATCH, 3 * BATCH])
def test_a_guide_of_the_batch_holds_for_every_draw(model: HeliosTransformer, history: HistoryViews, rows: int) -> None:
    noisy, timestep, text, actions = _inputs(rows)
    guide = _guide(1, 0.5)
    caches = model.embed_text(text), model.encode_history(history, LAYOUT)
    velocity = model.denoise(noisy, timestep, *caches, LAYOUT, actions, guide=guide)
    for own in torch.arange(rows).split(BATCH):
        single = model.denoise(noisy[own], timestep[own], *caches, LAYOUT, actions[own], guide=guide)
        torch.testing.assert_close(velocity[own], single, atol=1e-4, rtol=1e-4)
    drawn = guide.draws(rows)
    assert torch.equal(model.denoise(noisy, timestep, *caches, LAYOUT, actions, guide=drawn), velocity)
    some = drawn.rows(slice(1, 2))
    assert torch.equal(some.latents[0], guide.latents[1])
    assert some.known.tolist() == [0.5]


def test_a_guide_for_a_model_that_takes_none_is_refused(history: HistoryViews) -> None:
    model = HeliosTransformer(replace(CONFIG, guided=False))
    noisy, timestep, text, actions = _inputs()
    assert model.guide_layer is None
    with pytest.raises(ValueError, match="takes no guide"):
        model(noisy, timestep, text, history, LAYOUT, actions, _guide(1, 1))
    caches = model.embed_text(text), model.encode_history(history, LAYOUT)
    with pytest.raises(ValueError, match="takes no guide"):
        model.denoise(noisy, timestep, *caches, LAYOUT, actions, guide=_guide(1, 1))


@pytest.mark.parametrize("count", [2, 3, 8])
@torch.no_grad()
def test_rows_alone_are_rows_together_on_a_cpu(model: HeliosTransformer, count: int) -> None:
    layer, guide = _layer(model), _guide(*[1.0] * count)
    noisy, velocity, tokens = torch.randn(count, *SIZE), torch.randn(count, *SIZE), torch.randn(count, 16, 24)
    sigma = torch.rand(count) + 0.1
    embedded, followed = layer.embed(guide), layer.follow(velocity, noisy, tokens, guide, sigma)
    for row in range(count):
        own = slice(row, row + 1)
        alone = layer.follow(velocity[own], noisy[own], tokens[own], guide.rows(own), sigma[own])
        assert torch.equal(followed[own], alone)
        assert torch.equal(embedded[own], layer.embed(guide.rows(own)))


@pytest.mark.parametrize("guide", [Guide(torch.randn(BATCH, 3, 1, 8, 4), torch.ones(BATCH)), _guide(1, 1, 1)])
def test_a_guide_of_another_size_is_refused(model: HeliosTransformer, history: HistoryViews, guide: Guide) -> None:
    noisy, timestep, text, actions = _inputs()
    with pytest.raises(ValueError, match="guide has the shapes"):
        model(noisy, timestep, text, history, LAYOUT, actions, guide)


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_latents_come_back_in_their_dtype(model: HeliosTransformer, history: HistoryViews, dtype: torch.dtype) -> None:
    noisy, timestep, text, actions = _inputs()
    assert model(noisy.to(dtype), timestep, text, history, LAYOUT, actions, _guide(1, 1)).dtype == dtype


def test_the_config_says_that_a_model_is_guided_only_if_it_is() -> None:
    assert CONFIG.to_dict()["guided"] is True
    assert "guided" not in replace(CONFIG, guided=False).to_dict()
    assert TransformerConfig.from_dict(CONFIG.to_dict()) == CONFIG
