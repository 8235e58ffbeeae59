import json
from pathlib import Path

import pytest

from helios_world.errors import CheckpointError
from helios_world.train.pieces import INDEX, cut, join


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "world"
    (folder / "deep").mkdir(parents=True)
    (folder / "a.bin").write_bytes(bytes(range(256)) * 5)
    (folder / "deep" / "b.bin").write_bytes(b"b" * 700)
    (folder / "empty").write_bytes(b"")
    return folder


def _contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_a_folder_is_cut_into_small_pieces_and_joined(folder: Path, tmp_path: Path) -> None:
    written = cut(folder, tmp_path / "pieces", limit=600)
    assert [path.name for path in written[:-1]] == [f"piece-00{i}.bin" for i in range(4)]
    assert max(path.stat().st_size for path in written[:-1]) == 600
    join(tmp_path / "pieces", tmp_path / "again")
    assert _contents(tmp_path / "again") == _contents(folder)


def test_a_damaged_or_missing_piece_is_refused(folder: Path, tmp_path: Path) -> None:
    pieces = tmp_path / "pieces"
    cut(folder, pieces, limit=600)
    (pieces / "piece-001.bin").write_bytes(b"x" * 600)
    with pytest.raises(CheckpointError, match=r"a\.bin.*damaged"):
        join(pieces, tmp_path / "again")
    (pieces / "piece-001.bin").unlink()
    with pytest.raises(CheckpointError, match="no complete set"):
        join(pieces, tmp_path / "again")


def test_no_file_is_written_outside_the_folder(folder: Path, tmp_path: Path) -> None:
    pieces = tmp_path / "pieces"
    cut(folder, pieces)
    index = json.loads((pieces / INDEX).read_text())
    index["files"][0]["path"] = "../stray.bin"
    (pieces / INDEX).write_text(json.dumps(index))
    with pytest.raises(CheckpointError, match="outside"):
        join(pieces, tmp_path / "again")
    assert not (tmp_path / "stray.bin").exists()
