import sys
from collections.abc import Iterator

import numpy as np
import pytest

from helios_world.lands import engine, physics
from helios_world.lands.render import render_numpy
from helios_world.lands.tables import Look, build_tables


@pytest.fixture
def fresh_choice() -> Iterator[None]:
    engine.best_renderer.cache_clear()
    yield
    engine.best_renderer.cache_clear()


def _places(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    scenes = np.stack([np.arange(count) % 4, np.arange(count) // 4 % 4], axis=1)
    return physics.random_poses(np.random.default_rng(seed), scenes[:, 0]), scenes


@pytest.mark.parametrize("look", [Look(), Look(96, 160, 1.0), Look(40, 72, 0.5)])
def test_compiled_renderer_paints_the_reference_picture(look: Look) -> None:
    fast = pytest.importorskip("helios_world.lands.fast")
    poses, scenes = _places(16, seed=3)
    tables = build_tables(look.detail)
    slow = render_numpy(tables, look, poses, scenes).astype(int)
    difference = np.abs(fast.render_numba(tables, look, poses, scenes) - slow)
    assert difference.max() <= 1
    assert (difference > 0).mean() < 1e-3


def test_without_numba_the_reference_is_used(monkeypatch: pytest.MonkeyPatch, fresh_choice: None) -> None:
    monkeypatch.setitem(sys.modules, "helios_world.lands.fast", None)
    assert engine.best_renderer() is render_numpy
    frames = engine.render(Look(), *_places(4, seed=1))
    assert frames.shape == (4, 64, 128, 3)
    assert frames.dtype == np.uint8


def test_no_frames_for_no_poses() -> None:
    empty = render_numpy(build_tables(0.0), Look(), np.zeros((0, 3)), np.zeros((0, 2), np.int64))
    assert empty.shape == (0, 64, 128, 3)


def test_scenes_look_different_from_one_pose() -> None:
    scenes = np.stack(np.meshgrid(range(4), range(4)), -1).reshape(-1, 2)
    frames = engine.render(Look(), np.tile([0.0, 0.0, 0.4], (16, 1)), scenes).astype(float)
    for i in range(16):
        for j in range(i):
            assert np.abs(frames[i] - frames[j]).mean() > 8, (scenes[i], scenes[j])


def test_detail_changes_the_look_but_not_the_place() -> None:
    poses, scenes = _places(8, seed=5)
    plain = engine.render(Look(detail=0.0), poses, scenes).astype(float)
    rich = engine.render(Look(detail=1.0), poses, scenes).astype(float)
    change = np.abs(plain - rich).mean()
    assert 1 < change < 30


@pytest.mark.parametrize("moment", [0, 2, 3])
def test_every_view_tells_the_place(moment: int) -> None:
    """No two views from poses that are far apart are alike, in any land: they differ by more than noise would."""
    rng = np.random.default_rng(moment)
    for land in range(4):
        lands = np.full(600, land)
        poses = physics.random_poses(rng, lands)
        frames = engine.render(Look(32, 64), poses, np.stack([lands, np.full_like(lands, moment)], 1))
        flat = frames.reshape(600, -1).astype(np.float64)
        square = (flat**2).sum(1)
        distance = np.sqrt(np.maximum(square[:, None] + square[None] - 2 * flat @ flat.T, 0) / flat.shape[1])
        turn = np.abs((poses[:, None, 2] - poses[None, :, 2] + np.pi) % (2 * np.pi) - np.pi)
        apart = np.hypot(poses[:, None, 0] - poses[None, :, 0], poses[:, None, 1] - poses[None, :, 1])
        far = (apart > 3) | (turn > np.radians(40))
        assert distance[far].min() > 6, land
