from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from helios_world.errors import FrameError, RecordingError, StateError
from helios_world.recording import (
    ChunkRecord,
    RecordingWorld,
    VideoWriter,
    read_log,
    read_video,
    replay,
    verify,
)
from helios_world.spec import Action, Chunk
from helios_world.testing import PatternWorld, check_world

FORWARD = Action(buttons={"forward"}, axes={"turn": 0.3})
IMAGE = np.random.default_rng(1).integers(0, 256, (90, 70, 3), dtype=np.uint8)


def _walk(path: Path) -> list[Chunk]:
    """A session with everything that can happen, recorded."""
    with RecordingWorld(PatternWorld(), path) as world:
        chunks = [world.reset(seed=5), world.step(FORWARD)]
        state = world.snapshot()
        chunks += [world.step(None, "fog"), world.step(FORWARD)]
        world.restore(state)
        chunks += [world.step(FORWARD, "Nebel über Wasser")]
        chunks += [world.reset(seed=6, image=IMAGE), world.step()]
        chunks += [world.reset(video=np.stack([IMAGE] * 4))]
        world.restore(state)
        return [*chunks, world.step()]


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Chunk]]:
    path = tmp_path_factory.mktemp("recording") / "walk.mp4"
    return path, _walk(path)


def test_a_replay_makes_the_same_chunks(recording: tuple[Path, list[Chunk]]) -> None:
    path, chunks = recording
    log = read_log(path)
    assert not log.cut
    assert log.chunks == len(chunks)
    again = list(replay(log, PatternWorld()))
    for old, new in zip(chunks, again, strict=True):
        assert np.array_equal(old.frames, new.frames)
        assert (old.index, old.action, old.prompt) == (new.index, new.action, new.prompt)
    report = verify(log, PatternWorld())
    assert report.same
    assert report.chunks == len(chunks)


def test_the_video_shows_the_frames(recording: tuple[Path, list[Chunk]]) -> None:
    path, chunks = recording
    shown = read_video(path)
    made = np.concatenate([chunk.frames for chunk in chunks])
    assert shown.shape == (len(made), 256, 512, 3)
    difference = shown[:, 2::4, 2::4].astype(int) - made
    assert np.abs(difference[:, 1:]).mean() < 12
    assert read_video(path, last=3).shape[0] == 3


class _OtherPixel(PatternWorld):
    def step(self, action: Action | None = None, prompt: str | None = None) -> Chunk:
        chunk = super().step(action, prompt)
        if chunk.index == 2:
            chunk.frames[3, 10, 20, 1] ^= 1
        return chunk


def test_verify_finds_one_other_pixel(recording: tuple[Path, list[Chunk]]) -> None:
    report = verify(read_log(recording[0]), _OtherPixel())
    assert not report.same
    assert [(m.position, m.index) for m in report.mismatches] == [(2, 2), (4, 2), (8, 2)]


def test_another_world_is_refused_unless_wanted(tmp_path: Path) -> None:
    path = tmp_path / "short.mp4"
    with RecordingWorld(PatternWorld(), path) as world:
        world.reset()
        world.step(FORWARD)
    log, other = read_log(path), PatternWorld(width=96)
    with pytest.raises(RecordingError, match="other weights"):
        verify(log, other)
    assert len(verify(log, other, any_fingerprint=True).mismatches) == 2


def test_a_recording_may_begin_in_the_middle(tmp_path: Path) -> None:
    world = PatternWorld()
    world.reset(seed=1)
    world.step(FORWARD)
    with RecordingWorld(world, tmp_path / "late.mp4") as recorded:
        recorded.step(FORWARD)
    assert world.step().index == 3
    report = verify(read_log(tmp_path / "late.jsonl"), PatternWorld())
    assert (report.same, report.chunks) == (True, 1)


def test_failed_calls_are_not_recorded(tmp_path: Path) -> None:
    with RecordingWorld(PatternWorld(), tmp_path / "walk.mp4") as world:
        world.reset()
        with pytest.raises(ValueError, match="fly"):
            world.step(Action(buttons={"fly"}))
        with pytest.raises(FrameError):
            world.reset(image=IMAGE[:0])
    assert read_log(tmp_path / "walk.mp4").chunks == 1


def test_a_recorded_world_keeps_the_contract(tmp_path: Path) -> None:
    names = iter(range(1_000))
    check_world(lambda: RecordingWorld(PatternWorld(), tmp_path / f"{next(names)}.mp4"))


def test_the_log_is_readable_cut_at_any_byte(recording: tuple[Path, list[Chunk]], tmp_path: Path) -> None:
    data = recording[0].with_suffix(".jsonl").read_bytes()
    whole = read_log(recording[0])
    first = data.index(b"\n") + 1
    cut_log = tmp_path / "walk.jsonl"
    every_byte_of_the_end = data.rindex(b"\n", 0, data.rindex(b"\n", 0, -1)) - 5
    for size in (*range(first, every_byte_of_the_end, 41), *range(every_byte_of_the_end, len(data) + 1)):
        cut_log.write_bytes(data[:size])
        log = read_log(cut_log)
        complete = data[:size].count(b"\n") - 1
        assert log.records == whole.records[:complete]
        assert log.cut == (data[size - 1 : size] != b"\n")
    for size in range(0, first, 23):
        cut_log.write_bytes(data[:size])
        with pytest.raises(RecordingError, match="first line"):
            read_log(cut_log)


def test_the_video_is_readable_while_it_is_written(tmp_path: Path) -> None:
    path = tmp_path / "walk.mp4"
    with VideoWriter(path, fps=24, height=64, width=128) as video:
        frames = [PatternWorld().reset(seed=seed).frames for seed in range(20)]
        for number, chunk in enumerate(frames, start=1):
            video.write(chunk)
            if number % 5 == 0:
                crashed = tmp_path / "crashed.mp4"
                shutil.copy(path, crashed)
                assert len(read_video(crashed)) >= 4 * number - 24
    whole = path.read_bytes()
    cut = tmp_path / "cut.mp4"
    for share in (0.5, 0.77, 0.95):
        cut.write_bytes(whole[: int(share * len(whole))])
        assert len(read_video(cut)) >= 80 * share - 30


_CRASH = """
import os, sys
from helios_world import Action
from helios_world.recording import RecordingWorld
from helios_world.testing import PatternWorld
world = RecordingWorld(PatternWorld(), sys.argv[1])
world.reset(seed=3)
state = world.snapshot()
for number in range(30):
    world.step(Action({"forward"}), "fog" if number == 7 else None)
world.restore(state)
world.step()
os._exit(9)
"""


def test_what_was_recorded_before_a_crash_is_there(tmp_path: Path) -> None:
    path = tmp_path / "walk.mp4"
    done = subprocess.run([sys.executable, "-c", _CRASH, str(path)], timeout=60, check=False)
    assert done.returncode == 9
    report = verify(read_log(path), PatternWorld())
    assert (report.same, report.chunks) == (True, 32)


def test_odd_sizes_are_padded(tmp_path: Path) -> None:
    path = tmp_path / "odd.mp4"
    with VideoWriter(path, fps=10, height=301, width=33) as video:
        video.write(np.full((3, 301, 33, 3), 128, np.uint8))
    assert read_video(path).shape == (3, 302, 34, 3)


def _fill_disk(*_: object) -> None:
    raise OSError(28, "No space left on device")


def test_a_full_disk_is_told_once_and_the_world_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = RecordingWorld(PatternWorld(), tmp_path / "walk.mp4")
    world.reset()
    monkeypatch.setattr(world._writer, "_append", _fill_disk)
    assert world.step().index == 1
    with pytest.raises(RecordingError, match="No space left"):
        world.step()
    assert [world.step().index, world.step().index] == [2, 3]
    world.close()


def test_an_error_at_the_end_is_told_by_close(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(VideoWriter, "write", _fill_disk)
    world = RecordingWorld(PatternWorld(), tmp_path / "walk.mp4")
    world.reset()
    with pytest.raises(RecordingError, match="No space left"):
        world.close()
    world.close()
    with pytest.raises(StateError, match="closed"):
        world.step()


def test_what_cannot_be_opened_is_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="nowhere"):
        RecordingWorld(PatternWorld(), tmp_path / "nowhere" / "walk.mp4")
    with pytest.raises(RecordingError, match="no log"):
        read_log(tmp_path / "walk.jsonl")
    with pytest.raises(FrameError, match="no video"):
        read_video(tmp_path / "walk.mp4")


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        (b"{", "line 2"),
        (b"[]", "line 2"),
        (b'{"event": "dance"}', "dance"),
        (b'{"event": "step", "index": 1}', "line 2"),
        (b'{"event": "restore", "state": "../../etc/passwd"}', "beside"),
        (b'{"event": "restore", "state": null}', "without"),
    ],
)
def test_damage_before_the_end_is_told(tmp_path: Path, line: bytes, complaint: str) -> None:
    path = tmp_path / "walk.mp4"
    with RecordingWorld(PatternWorld(), path) as world:
        world.reset()
    lines = path.with_suffix(".jsonl").read_bytes().split(b"\n")
    path.with_suffix(".jsonl").write_bytes(b"\n".join([lines[0], line, *lines[1:]]))
    with pytest.raises(RecordingError, match=complaint):
        read_log(path)


def test_missing_companions_are_named(recording: tuple[Path, list[Chunk]], tmp_path: Path) -> None:
    shutil.copy(recording[0].with_suffix(".jsonl"), tmp_path / "walk.jsonl")
    with pytest.raises(ValueError, match=r"walk\.\w+\.state"):
        verify(read_log(tmp_path / "walk.jsonl"), PatternWorld())


def test_an_unknown_format_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "walk.jsonl"
    path.write_text(json.dumps({"event": "header", "format": 99}) + "\n")
    with pytest.raises(RecordingError, match="format 99"):
        read_log(path)


def test_the_log_says_what_was_given(recording: tuple[Path, list[Chunk]]) -> None:
    records = [record for record in read_log(recording[0]).records if isinstance(record, ChunkRecord)]
    assert [record.call for record in records[:2]] == ["reset", "step"]
    assert records[0].seed == 5
    assert records[1].action == FORWARD
    assert records[2].prompt == "fog"
