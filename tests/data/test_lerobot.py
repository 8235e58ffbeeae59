"""LeRobot datasets, in the layouts of versions 2 and 3."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from helios_world.data.lerobot import Dataset
from helios_world.errors import DependencyError, FrameError, OptionError, RecordingError

LENGTHS = (9, 12)


def change_info(root: Path, **values: object) -> None:
    path = root / "meta" / "info.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


def test_episodes(robots: Path) -> None:
    dataset = Dataset(robots)
    table = dataset.table()
    for number, (place, length) in enumerate(zip(dataset.places(), LENGTHS, strict=True)):
        (found,) = dataset.read(place, table)
        assert (found.name, found.fps, found.still) == (f"episode {number}", 10.0, True)
        assert found.prompt == ("push the block", "open the box")[number]
        levels = found.frames.mean(axis=(1, 2, 3))
        np.testing.assert_allclose(levels, 20 + 100 * number + 8 * np.arange(length), atol=3)
        # A frame's controls are of the row before it; the first one has none.
        assert (found.controls[0] == 0).all()
        grip = [part.name for part in table.control_parts()].index("grip")
        np.testing.assert_allclose(found.controls[1:, grip], [-1.0 if row % 2 else 1.0 for row in range(length - 1)])


def test_the_table_knows_names_and_ends(robots: Path) -> None:
    axes = {axis.name: (axis.low, axis.high) for axis in Dataset(robots).table().action_spec().axes}
    assert axes == {"reach": (0, pytest.approx(1.1)), "grip": (-1, 1), "lift": (0, 1)}


def test_several_cameras(robots: Path) -> None:
    info = json.loads((robots / "meta/info.json").read_text())
    top = info["features"]["observation.images.top"]
    change_info(robots, features={**info["features"], "observation.images.side": top})
    with pytest.raises(OptionError, match="choose one with --camera"):
        Dataset(robots)
    with pytest.raises(OptionError, match="no camera 'front'"):
        Dataset(robots, "front")
    assert len(Dataset(robots, "observation.images.top").places()) == 2


def test_another_version(robots: Path) -> None:
    change_info(robots, codebase_version="v1.6")
    with pytest.raises(RecordingError, match=r"version v1\.6"):
        Dataset(robots)


def test_a_path_that_leads_out_of_the_folder(robots: Path) -> None:
    change_info(robots, data_path="../../elsewhere.parquet")
    with pytest.raises(RecordingError, match="leads out"):
        Dataset(robots).places()


def test_missing_rows(robots: Path) -> None:
    import pyarrow.parquet as parquet

    path = next(path for path in sorted(robots.rglob("*.parquet")) if "data" in path.parts)
    table = parquet.read_table(path)
    parquet.write_table(table.slice(1), path)
    dataset = Dataset(robots)
    with pytest.raises(RecordingError, match="8 rows of episode 0; its metadata say 9"):
        list(dataset.read(dataset.places()[0], Dataset(robots).table()))


def test_a_corrupt_video(robots: Path) -> None:
    dataset = Dataset(robots)
    place, table = dataset.places()[1], dataset.table()
    place.video.write_bytes(b"no video" * 100)
    with pytest.raises(FrameError, match="no video can be read"):
        list(dataset.read(place, table))


def test_a_short_video(robots: Path) -> None:
    dataset = Dataset(robots)
    place, table = dataset.places()[1], dataset.table()
    longer = replace(place, begin=place.begin + 0.5)
    with pytest.raises(RecordingError, match=r"has 7 frames from .* s on; 12 are needed"):
        list(dataset.read(longer, table))


def test_no_dataset(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match=r"info\.json"):
        Dataset(tmp_path)


def test_without_pyarrow(robots: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(DependencyError, match="pip install pyarrow"):
        Dataset(robots).table()
