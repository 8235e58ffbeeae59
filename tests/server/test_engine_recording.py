"""Sessions that are recorded while they are stepped with others."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from helios_runtime.server.engine import Engine
from helios_runtime.server.jobs import (
    Close,
    Fork,
    Job,
    Open,
    Outcome,
    Record,
    Reset,
    Restore,
    Step,
    StepInput,
    TakeSnapshot,
)
from helios_runtime.server.recordings import SessionRecording
from helios_world.batch import opener
from helios_world.errors import RecordingError
from helios_world.recording import RestoreRecord, VideoWriter, read_log, read_video, verify
from helios_world.spec import Action, Chunk, Frames, World
from helios_world.testing import PatternWorld

pytest.importorskip("av")
LONG = 30.0
SEATS = "abc"


class Desk:
    """An engine with recordings, and its answers."""

    def __init__(self, load: Callable[[], World], folder: Path) -> None:
        self.engine = Engine(lambda name: load(), batch_wait=0.05, recordings=folder)
        self.engine.start()

    def ask(self, job: Job) -> Future[Outcome]:
        answer: Future[Outcome] = Future()
        self.engine.submit(replace(job, done=answer.set_result))
        return answer

    def get(self, job: Job) -> Any:
        outcome = self.ask(job).result(LONG)
        if outcome.error is not None:
            raise outcome.error
        return outcome.value

    def begin(self, seat: str) -> None:
        self.get(Open(seat=seat, world="any"))
        self.get(Reset(seat=seat, seed=ord(seat)))

    def walk(self, *seats: str, steps: int = 2, prompt: str | None = None) -> None:
        """Together."""
        given = StepInput(Action({"forward"}), prompt)
        for _ in range(steps):
            answers = [self.ask(Step(seat=seat, sample=lambda: given)) for seat in seats]
            assert [answer.result(LONG).error for answer in answers] == [None] * len(seats)


@pytest.fixture
def make_desk(tmp_path: Path) -> Iterator[Callable[[Callable[[], World]], Desk]]:
    desks: list[Desk] = []

    def make(load: Callable[[], World]) -> Desk:
        desks.append(Desk(load, tmp_path / "recordings"))
        return desks[-1]

    yield make
    for desk in desks:
        desk.engine.close(LONG)


@pytest.fixture
def desk(make_desk: Callable[[Callable[[], World]], Desk]) -> Desk:
    return make_desk(PatternWorld)


@pytest.mark.parametrize("name", ["pattern", "nano"])
def test_a_recording_made_in_company_can_be_replayed(
    name: str, make_desk: Callable[[Callable[[], World]], Desk]
) -> None:
    load: Callable[[], World] = PatternWorld if name == "pattern" else opener("nano", device="cpu", dtype="float32")
    desk = make_desk(load)
    for seat in SEATS:
        desk.begin(seat)
    desk.walk(*SEATS, steps=1)
    paths = [Path(desk.get(Record(seat=seat, on=True))) for seat in "ab"]
    desk.walk(*SEATS, prompt="fog")
    state = desk.get(TakeSnapshot(seat="a"))
    image = np.full((16, 16, 3), 90, np.uint8)
    desk.get(Reset(seat="a", seed=9, prompt="snow", image=image))
    desk.walk(*SEATS)
    desk.get(Restore(seat="a", state=state))
    desk.walk(*SEATS)
    assert [desk.get(Record(seat=seat, on=False)) for seat in "ab"] == [str(path) for path in paths]
    assert [path.name for path in paths] == ["a.mp4", "b.mp4"]
    for path, chunks in zip(paths, (7, 6), strict=True):
        report = verify(read_log(path), load())
        assert (report.chunks, report.same) == (chunks, True)
        assert len(read_video(path)) == 4 * chunks
    assert [type(record) for record in read_log(paths[0]).records].count(RestoreRecord) == 2


def test_recording_twice_replaces_nothing(desk: Desk) -> None:
    desk.begin("a")
    names = []
    for _ in range(3):
        path = Path(desk.get(Record(seat="a", on=True)))
        assert desk.get(Record(seat="a", on=True)) == str(path), "it is being recorded already"
        desk.walk("a")
        desk.get(Record(seat="a", on=False))
        assert verify(read_log(path), PatternWorld()).chunks == 2
        names.append(path.name)
    assert names == ["a.mp4", "a-2.mp4", "a-3.mp4"]
    assert desk.get(Record(seat="a", on=False)) is None


def test_recording_from_the_first_chunk_on(desk: Desk) -> None:
    desk.get(Open(seat="a", world="any"))
    path = desk.get(Record(seat="a", on=True))
    desk.get(Reset(seat="a", seed=4))
    desk.walk("a")
    assert desk.get(Close(seat="a")) is None
    report = verify(read_log(path), PatternWorld())
    assert (report.chunks, report.same) == (3, True)


def test_a_fork_is_not_recorded(desk: Desk) -> None:
    desk.begin("a")
    path = desk.get(Record(seat="a", on=True))
    desk.get(Fork(seat="a", twin="b"))
    desk.walk("a", "b")
    assert desk.get(Record(seat="b", on=False)) is None
    desk.get(Record(seat="a", on=False))
    assert verify(read_log(path), PatternWorld()).chunks == 2


def test_closing_the_engine_finishes_recordings(desk: Desk) -> None:
    desk.begin("a")
    path = desk.get(Record(seat="a", on=True))
    desk.walk("a", steps=5)
    desk.engine.close(LONG)
    assert verify(read_log(path), PatternWorld()).same
    assert len(read_video(path)) == 20


def test_a_recording_that_fails_disturbs_nobody(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    failed = threading.Event()

    def write(self: VideoWriter, frames: Frames) -> None:
        failed.set()
        raise RecordingError("the disk is full")

    monkeypatch.setattr(VideoWriter, "write", write)
    desk.begin("a")
    desk.get(Record(seat="a", on=True))
    desk.walk("a")
    assert failed.wait(LONG)
    desk.walk("a", steps=3)
    with pytest.raises(RecordingError, match="the disk is full"):
        desk.get(Record(seat="a", on=False))
    desk.walk("a")


def test_an_encoder_that_is_stuck_holds_up_nobody(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    go_on = threading.Event()
    monkeypatch.setattr(VideoWriter, "write", lambda self, frames: go_on.wait(LONG))
    desk.begin("a")
    desk.begin("b")
    desk.get(Record(seat="a", on=True))
    desk.walk("a", "b", steps=80)
    finished = desk.ask(Record(seat="a", on=False))
    desk.walk("a", "b")
    assert not finished.done()
    go_on.set()
    assert isinstance(finished.result(LONG).error, RecordingError)


def test_a_fault_in_the_recording_is_no_fault_of_the_world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = PatternWorld()
    world.reset(seed=1)
    recording = SessionRecording(world, tmp_path / "a.mp4")
    chunk = world.step()
    assert isinstance(chunk, Chunk)
    monkeypatch.setattr("helios_world.recording.recorder.frames_digest", lambda frames: 1 // 0)
    recording.step(StepInput(Action()), chunk)
    with pytest.raises(RecordingError, match="division"):
        recording.finish()
