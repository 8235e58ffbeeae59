"""Opening worlds by name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from helios_world.errors import CheckpointError
from helios_world.spec import World

_SHIPPED = Path(__file__).parent / "presets"


def load(name: str, *, device: str = "auto", dtype: str = "auto", threads: int = 1) -> World:
    """What World.load does; see there. A preset's name comes before a folder's: "./nano" is a folder.

    Raises:
        CheckpointError: there is no such preset and no such folder, or the folder is incomplete.
    """
    if name in PRESETS:
        return PRESETS[name](device, dtype, threads)
    folder = Path(name).expanduser()
    if not folder.is_dir():
        raise CheckpointError(
            f"there is no world {name!r}: the presets are {sorted(PRESETS)}; anything else is the path of a "
            "checkpoint folder with world.json, transformer/, codec/ and text_encoder/"
        )
    return _dream(folder, device, dtype, threads)


def _dream(folder: Path, device: str, dtype: str, threads: int) -> World:
    from helios_world.checkpoint import load_checkpoint
    from helios_world.compute import Compute
    from helios_world.dream import DreamWorld
    from helios_world.dreamer import Dreamer

    compute = Compute.choose(device, dtype, threads)
    with compute.threaded():
        checkpoint = load_checkpoint(folder, compute.device, compute.dtype)
    return DreamWorld(Dreamer(checkpoint, compute))


def _nano(device: str, dtype: str, threads: int) -> World:
    return _dream(_SHIPPED / "nano", device, dtype, threads)


def _lands(device: str, dtype: str, threads: int) -> World:
    """The ground truth needs no model, so that device, dtype and threads are of no use to it."""
    from helios_world.lands.world import LandsWorld

    return LandsWorld()


def _pattern(device: str, dtype: str, threads: int) -> World:
    from helios_world.testing import PatternWorld

    return PatternWorld()


PRESETS: dict[str, Callable[[str, str, int], World]] = {"lands": _lands, "nano": _nano, "pattern": _pattern}
