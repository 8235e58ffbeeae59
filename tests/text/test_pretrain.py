from __future__ import annotations

import numpy as np
import pytest
import torch

from helios_world.lands.captions import all_scenes, canonical, caption_batch
from helios_world.text import SceneHead, TextConfig, TextEncoder, accuracy, pretrain, pretrain_with_head
from helios_world.text.augment import with_strange_words
from helios_world.text.pretrain import scene_loss, scene_spread

SMALL = TextConfig(text_dim=32, tokens=2, width=48, heads=2, layers=0)


@pytest.fixture(scope="module")
def trained() -> tuple[TextEncoder, SceneHead]:
    return pretrain_with_head(SMALL, 250, 0, 64, caption_batch)


def test_paraphrases_never_trained_on_are_understood(trained: tuple[TextEncoder, SceneHead]) -> None:
    prompts, labels = caption_batch(np.random.default_rng(9), 800, "unseen")
    land, moment = accuracy(*trained, prompts, labels)
    assert land > 0.85
    assert moment > 0.85


def test_unknown_words_hardly_disturb(trained: tuple[TextEncoder, SceneHead]) -> None:
    rng = np.random.default_rng(10)
    prompts, labels = caption_batch(rng, 800, "unseen")
    land, moment = accuracy(*trained, [with_strange_words(rng, prompt, 3) for prompt in prompts], labels)
    assert land > 0.8
    assert moment > 0.8


def test_most_canonical_prompts_are_understood(trained: tuple[TextEncoder, SceneHead]) -> None:
    scenes = all_scenes()
    labels = np.array([(scene.land, scene.moment) for scene in scenes])
    land, moment = accuracy(*trained, [canonical(scene) for scene in scenes], labels)
    assert min(land, moment) >= 0.9


def test_training_is_a_function_of_its_seed() -> None:
    tiny = TextConfig(text_dim=8, tokens=2, width=8, heads=1, buckets=64)
    first, again, other = (pretrain(tiny, 3, seed, 8, caption_batch) for seed in (1, 1, 2))
    assert not first.training
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), again.parameters(), strict=True))
    assert not torch.equal(first.pieces, other.pieces)


def test_training_leaves_the_random_state_alone() -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    pretrain(TextConfig(text_dim=8, tokens=2, width=8, heads=1, buckets=64), 1, 0, 4, caption_batch)
    assert torch.equal(torch.rand(3), expected)


def test_spread_is_the_distance_to_the_mean_of_the_scene() -> None:
    text = torch.tensor([0.0, 2.0, 5.0, 100.0]).view(4, 1, 1)
    labels = torch.tensor([[0, 1], [0, 1], [0, 2], [-1, 2]])
    assert scene_spread(text, labels).item() == pytest.approx((1 + 1 + 0) / 3)


def test_unknown_labels_give_no_gradient_to_their_head() -> None:
    head = SceneHead(4)
    text = torch.randn(3, 2, 4)
    known, unknown = torch.tensor([[0, 1], [2, 3], [1, 1]]), torch.tensor([[0, 1], [2, 3], [-1, 1]])
    loss = scene_loss(head, text, unknown)
    first_two = scene_loss(head, text[:2], known[:2])
    assert torch.isfinite(loss)
    land, _ = head(text)
    (gradient,) = torch.autograd.grad(loss, land, allow_unused=True)
    assert gradient is None
    assert loss.item() != pytest.approx(first_two.item())
