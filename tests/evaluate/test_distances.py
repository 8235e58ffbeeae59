from __future__ import annotations

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from helios_world.evaluate import drift, perceptual, perceptual_training, seams, ssim
from helios_world.evaluate.pixels import luma
from helios_world.evaluate.truth import generator
from helios_world.lands import physics
from helios_world.lands.scene import Scene, all_scenes


@pytest.fixture(scope="module")
def views(truth):
    """Two views of each scene, and how to take them again with other headings or scenes."""
    rng = generator(0, "test views")
    poses = [physics.random_poses(rng, np.full(2, scene.land)) for scene in all_scenes()]

    def take(turn: float = 0.0, scene=lambda scene: scene):
        turned = [rows + np.array([0, 0, np.radians(turn)]) for rows in poses]
        return np.concatenate([truth.render(rows, scene(s)) for rows, s in zip(turned, all_scenes(), strict=True)])

    return take


def _box(frames, times):
    for _ in range(times):
        rolled = [np.roll(frames.astype(np.float32), (i, j), (1, 2)) for i in (-1, 0, 1) for j in (-1, 0, 1)]
        frames = (sum(rolled) / 9).astype(np.uint8)
    return frames


def _noisy(frames, sigma):
    noise = np.random.default_rng(0).normal(0, sigma, frames.shape)
    return np.clip(frames + noise, 0, 255).astype(np.uint8)


def test_ssim_is_the_formula(views):
    a, b = views()[0], _noisy(views()[1], 10)
    weights = np.outer(ssim.window(), ssim.window())
    x, y = luma(a), luma(b)
    found = []
    for i in range(x.shape[0] - 10):
        for j in range(x.shape[1] - 10):
            p, q = x[i : i + 11, j : j + 11], y[i : i + 11, j : j + 11]
            mp, mq = (weights * p).sum(), (weights * q).sum()
            vp, vq = (weights * (p - mp) ** 2).sum(), (weights * (q - mq) ** 2).sum()
            both = (weights * (p - mp) * (q - mq)).sum()
            top = (2 * mp * mq + ssim.C1) * (2 * both + ssim.C2)
            found.append(top / ((mp**2 + mq**2 + ssim.C1) * (vp + vq + ssim.C2)))
    assert ssim.ssim(a, b) == pytest.approx(np.mean(found), abs=1e-6)
    assert ssim.ssim(a, a) == pytest.approx(1)


@pytest.mark.parametrize("distance", [perceptual.distance, lambda a, b: 1 - ssim.ssim(a, b)])
def test_more_is_farther(views, distance):
    frames = views()
    for worse in (
        [_box(frames, times) for times in (0, 1, 3)],
        [_noisy(frames, sigma) for sigma in (0, 6, 20)],
        [np.roll(frames, shift, 2) for shift in (0, 1, 4, 8)],
        [views(turn) for turn in (0.0, 3.0, 12.0, 60.0)],
    ):
        apart = [float(distance(frames, other).mean()) for other in worse]
        assert apart[0] == pytest.approx(0, abs=1e-6)
        assert apart == sorted(apart)


def test_what_is_another_place_looks_farther_than_what_is_a_worse_picture(views):
    frames = views()
    land = views(scene=lambda s: Scene((s.land + 1) % 4, s.moment))
    moment = views(scene=lambda s: Scene(s.land, (s.moment + 1) % 4))
    worse = max(float(perceptual.distance(frames, bad).mean()) for bad in (_box(frames, 3), _noisy(frames, 15)))
    assert worse < 0.15
    for other in (land, moment, np.full_like(frames, 128)):
        assert float(perceptual.distance(frames, other).mean()) > 4 * worse


def test_the_weights_are_small_and_fit(views):
    assert perceptual.WEIGHTS.stat().st_size < 1_000_000
    assert load_file(perceptual.WEIGHTS).keys() == perceptual.Features().state_dict().keys()
    frames = views()
    assert np.allclose(perceptual.distance(frames, frames[::-1]), perceptual.distance(frames[::-1], frames))
    assert perceptual.distance(frames[:0], frames[:0]).shape == (0,)


def test_the_training_learns_and_is_repeatable(tmp_path, capsys):
    recipe = perceptual_training.PerceptualRecipe(steps=20, batch=8, height=16, width=32)
    first, again = (perceptual_training.train(recipe, say=1) for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), again.parameters(), strict=True))
    losses = [float(line.split()[-1]) for line in capsys.readouterr().out.splitlines()]
    assert np.mean(losses[15:20]) < np.mean(losses[:5])
    (tmp_path / "recipe.json").write_text('{"steps": 1, "batch": 2, "height": 16, "width": 16}')
    perceptual_training.main(["-o", str(tmp_path / "w.safetensors"), "--recipe", str(tmp_path / "recipe.json")])
    assert load_file(tmp_path / "w.safetensors").keys() == first.state_dict().keys()


def test_a_recipe_with_an_unknown_key_is_refused():
    with pytest.raises(ValueError, match="stepz"):
        perceptual_training.PerceptualRecipe.model_validate({"stepz": 1})


def test_drift_of_known_curves():
    line = np.arange(100.0)
    assert drift.ends(line) == 85
    assert drift.ends(np.abs(line - 49.5)) == pytest.approx(0)
    assert drift.excursion(line, 0, 50) == pytest.approx(49 / 50)
    assert drift.reach(line, 0, 50) == pytest.approx(74 / 25)
    assert drift.reach(line[:50], 0, 49) == pytest.approx(1)


def test_histograms_apart():
    black, white = np.zeros((2, 8, 8, 3), np.uint8), np.full((8, 8, 3), 255, np.uint8)
    assert drift.histogram_distance(black, black[0]) == pytest.approx(0)
    assert drift.histogram_distance(black, white) == pytest.approx(1)


def test_a_slide_show_is_all_seams():
    slides = np.repeat(np.arange(0, 90, 30), 4)[:, None, None, None] * np.ones((1, 4, 4, 3))
    assert seams.seam_ratio(slides.astype(np.uint8), 4) > 100


def test_the_truth_has_no_seams(truth):
    start = truth.starts(generator(0, "test seams"), all_scenes()[:1])[0]
    controls = truth.wander(generator(1, "test seams"), start.state[None], np.array([0]), 120)[0]
    _, frames = truth.rollout(start.state, start.scene, controls)
    assert seams.seam_ratio(frames, truth.chunk) == pytest.approx(1, abs=0.1)
