"""Recordings of this package, whole and broken."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from helios_world.data.recordings import find_recordings, read_recording, recording_table
from helios_world.data.table import DiscreteEntry, DiscreteTable
from helios_world.errors import ActionError, FrameError, RecordingError
from helios_world.evaluate.pixels import psnr
from helios_world.spec import NO_ACTION, Action
from helios_world.testing import PatternWorld

Record = Callable[..., Path]


def lines_of(path: Path) -> list[str]:
    return path.with_suffix(".jsonl").read_text().splitlines(keepends=True)


def write_lines(path: Path, lines: list[str]) -> None:
    path.with_suffix(".jsonl").write_text("".join(lines))


def test_a_recording_has_the_frames_and_the_controls_of_its_session(record: Record) -> None:
    path = record(chunks=6)
    (found,) = read_recording(path, recording_table(path), "walk")
    world = PatternWorld()
    moves = (Action({"forward"}), Action({"turn_left"}), NO_ACTION, Action((), {"turn": 0.5}))
    chunks = [world.reset(seed=1), *(world.step(moves[chunk % 4]) for chunk in range(1, 6))]
    truth = np.concatenate([chunk.frames for chunk in chunks])
    assert found.frames.shape == truth.shape
    assert float(psnr(found.frames[:, 2:], truth[:, 2:]).mean()) > 25
    controls = recording_table(path).control_map()
    assert (found.controls[::4] == [controls.vector(chunk.action) for chunk in chunks]).all()
    assert (found.controls.reshape(6, 4, -1) == found.controls[::4, None]).all()
    assert (found.prompt, found.fps, found.still, found.fresh) == ("a green floor", 24, False, True)


def test_a_new_prompt_begins_an_episode_when_it_has_faded_in(record: Record) -> None:
    path = record(chunks=12, prompts={4: "a blue floor"}, blend=3)
    first, second = read_recording(path, recording_table(path), "walk")
    assert (first.prompt, second.prompt) == ("a green floor", "a blue floor")
    assert (len(first.frames), len(second.frames)) == (4 * 4, (12 - 4 - 3) * 4)
    assert (first.fresh, second.fresh) == (True, False)


def test_a_folder(record: Record, tmp_path: Path) -> None:
    paths = [record("a/one", 2), record("b/two", 2)]
    assert find_recordings(tmp_path) == paths
    assert find_recordings(paths[0]) == paths[:1]
    (tmp_path / "empty").mkdir()
    with pytest.raises(RecordingError, match="has no recordings"):
        find_recordings(tmp_path / "empty")


def read(path: Path) -> None:
    list(read_recording(path, recording_table(path), "walk"))


def test_a_missing_line(record: Record) -> None:
    path = record(chunks=6)
    lines = lines_of(path)
    write_lines(path, lines[:3] + lines[4:])
    with pytest.raises(RecordingError, match="24 frames, its log 5 chunks"):
        read(path)
    write_lines(path, lines[:3] + lines[4:] + lines[-1:])
    with pytest.raises(RecordingError, match="chunk 2 is missing before 3"):
        read(path)


def test_a_log_that_breaks_off(record: Record) -> None:
    path = record(chunks=3)
    write_lines(path, [*lines_of(path), '{"event": "st'])
    with pytest.raises(RecordingError, match="breaks off"):
        read(path)


def test_a_spoilt_line(record: Record) -> None:
    path = record(chunks=3)
    lines = lines_of(path)
    write_lines(path, [lines[0], "nonsense\n", *lines[2:]])
    with pytest.raises(RecordingError, match="line 2"):
        read(path)


def test_no_log(record: Record) -> None:
    path = record(chunks=2)
    path.with_suffix(".jsonl").unlink()
    with pytest.raises(RecordingError, match="no log"):
        read(path)


def test_a_video_of_another_length(record: Record) -> None:
    path, other = record("long", chunks=6), record("short", chunks=2)
    path.write_bytes(other.read_bytes())
    with pytest.raises(RecordingError, match="8 frames, its log 6 chunks"):
        read(path)


def test_a_corrupt_video(record: Record) -> None:
    path = record(chunks=3)
    path.write_bytes(b"no video" * 100)
    with pytest.raises(FrameError, match="no video can be read"):
        read(path)


def test_a_video_of_another_size(record: Record) -> None:
    path, other = record("wide", chunks=3, width=640, height=320), record("small", chunks=3)
    path.write_bytes(other.read_bytes())
    with pytest.raises(RecordingError, match="the log says 640×320"):
        read(path)


def test_a_table_of_another_game(record: Record) -> None:
    path = record(chunks=3)
    table = DiscreteTable(actions=(DiscreteEntry(buttons=("jump",)),))
    with pytest.raises(ActionError, match=r"walk\.mp4"):
        list(read_recording(path, table, "walk"))
