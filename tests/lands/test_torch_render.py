import numpy as np
import pytest
import torch

from helios_world.lands import physics
from helios_world.lands.painters import DevicePainter, HostPainter, painter_for
from helios_world.lands.render import render_numpy
from helios_world.lands.tables import Look, build_tables
from helios_world.lands.torch_render import TorchRenderer

CPU = torch.device("cpu")


def _places(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    scenes = np.stack([np.arange(count) % 4, np.arange(count) // 4 % 4], axis=1)
    return physics.random_poses(np.random.default_rng(seed), scenes[:, 0]), scenes


def _difference(look: Look, device: torch.device, count: int) -> np.ndarray:
    poses, scenes = _places(count, seed=3)
    slow = render_numpy(build_tables(look.detail), look, poses, scenes).astype(int)
    fast = TorchRenderer(look, device, chunk=10)(torch.from_numpy(poses), torch.from_numpy(scenes))
    return np.abs(fast.cpu().numpy() - slow)


@pytest.mark.parametrize("look", [Look(), Look(96, 160, 1.0), Look(40, 72, 0.5), Look(100, 100, 0.3)])
def test_the_torch_renderer_paints_the_reference_picture(look: Look) -> None:
    difference = _difference(look, CPU, 16)
    assert (difference > 0).mean() < 1e-3
    # In float32 a pixel on the border of two texels may take the other one.
    assert (difference > 1).mean() < 3e-5


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_gpu_paints_the_reference_picture() -> None:
    difference = _difference(Look(128, 192, 0.5), torch.device("cuda"), 64)
    assert (difference > 0).mean() < 1e-3
    assert (difference > 1).mean() < 3e-5


def test_frames_do_not_depend_on_the_others_of_their_chunk() -> None:
    poses, scenes = (torch.from_numpy(array) for array in _places(7, seed=2))
    whole = TorchRenderer(Look(32, 64), CPU)(poses, scenes)
    for chunk in (1, 3):
        assert torch.equal(TorchRenderer(Look(32, 64), CPU, chunk)(poses, scenes), whole)


def test_where_the_eye_is_beside_a_landmark_the_reference_is_painted_too() -> None:
    """Things that are partly behind the eye, and the corners of the yard."""
    rng = np.random.default_rng(8)
    places = physics.keep_out(rng.uniform(-20, 20, (40, 2)), np.arange(40) % 4)
    poses = np.concatenate([places, rng.uniform(-np.pi, np.pi, (40, 1))], axis=1)
    scenes = np.stack([np.arange(40) % 4, rng.integers(0, 4, 40)], axis=1)
    slow = render_numpy(build_tables(0.0), Look(32, 64), poses, scenes).astype(int)
    fast = TorchRenderer(Look(32, 64), CPU)(torch.from_numpy(poses), torch.from_numpy(scenes)).numpy()
    assert (np.abs(fast - slow) > 1).mean() < 3e-5


def test_no_frames_for_no_poses_and_shapes_are_checked() -> None:
    renderer = TorchRenderer(Look(32, 64), CPU)
    none = renderer(torch.zeros(0, 3), torch.zeros(0, 2, dtype=torch.int64))
    assert none.shape == (0, 32, 64, 3)
    with pytest.raises(ValueError, match=r"\[2, 2\]"):
        renderer(torch.zeros(2, 2), torch.zeros(2, 2, dtype=torch.int64))


def test_both_painters_take_arrays_and_agree() -> None:
    poses, scenes = _places(8, seed=4)
    look = Look(32, 64)
    host = painter_for(look, CPU)
    assert isinstance(host, HostPainter)
    device = DevicePainter(TorchRenderer(look, CPU))
    apart = (host(poses, scenes).int() - device(poses, scenes).int()).abs()
    assert (apart > 1).float().mean() < 3e-5
