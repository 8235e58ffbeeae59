"""Opening worlds by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from helios_world.errors import CheckpointError, OptionError
from helios_world.spec import World

OFFICIAL_FILES = ("model_index.json", "modular_model_index.json")
"""What tells an official checkpoint folder."""
_SHIPPED = Path(__file__).parent / "presets"


def load(name: str | Path, *, device: str, dtype: str, threads: int, options: Mapping[str, Any]) -> World:
    """What World.load does; see there. A preset's name comes before a folder's: "./nano" is a folder.

    Raises:
        CheckpointError: there is no such preset and no such folder, or the folder is incomplete.
        OptionError: an option that this world does not have, or a wrong value.
    """
    folder, name = Path(name).expanduser(), str(name)
    if name not in PRESETS and not folder.is_dir():
        raise CheckpointError(
            f"there is no world {name!r}: the presets are {sorted(PRESETS)}; anything else is the path of a checkpoint "
            "folder, with model_index.json if it is an official one, with world.json, transformer/, codec/ and "
            "text_encoder/ if it was trained with this package"
        )
    if name not in PRESETS and any((folder / index).is_file() for index in OFFICIAL_FILES):
        return _official(folder, device, dtype, threads, options)
    if options:
        raise OptionError(f"{name!r} has nothing to choose; {sorted(options)} are for official Helios checkpoints")
    return PRESETS[name](device, dtype, threads) if name in PRESETS else _dream(folder, device, dtype, threads)


def _official(folder: Path, device: str, dtype: str, threads: int, options: Mapping[str, Any]) -> World:
    from helios_world.compute import Compute
    from helios_world.dream import DreamWorld
    from helios_world.official.dreamer import OfficialDreamer
    from helios_world.official.parts import read_parts
    from helios_world.options import Options

    chosen = Options.read(options)
    compute = Compute.choose(device, dtype, threads)
    with compute.threaded():
        return DreamWorld(OfficialDreamer(read_parts(folder, compute, chosen), chosen, compute))


def _dream(folder: Path, device: str, dtype: str, threads: int) -> World:
    from helios_world.checkpoint import load_checkpoint
    from helios_world.compute import Compute
    from helios_world.dream import DreamWorld
    from helios_world.native import NativeDreamer

    compute = Compute.choose(device, dtype, threads)
    with compute.threaded():
        checkpoint = load_checkpoint(folder, compute.device, compute.dtype)
    return DreamWorld(NativeDreamer(checkpoint, compute))


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
