"""Chunks that are sent while they are decoded, and chunks that are begun meanwhile."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from helios_runtime.client import connect as connect_world
from helios_runtime.protocol import wire
from helios_runtime.protocol.frames import decode_frames
from helios_runtime.server.answers import Delivery, chunk_messages, group_messages
from helios_runtime.server.engine import Engine
from helios_runtime.server.jobs import Close, Job, Open, Outcome, Record, Reset, Step, StepInput, TakeSnapshot
from helios_world.errors import CheckpointError, HeliosError
from helios_world.pending import Head, PendingBeside, PendingChunk
from helios_world.recording import read_log
from helios_world.snapshot import Snapshot
from helios_world.spec import NO_ACTION, Action, Chunk
from helios_world.testing import PatternWorld

LONG = 30.0
SIZES = (1, 4, 4)
SPLITS = (1, 5)
SID = "0" * 32


class Studio:
    """Where chunks are decoded, a group whenever it is allowed.

    Args:
        beside: in threads.
        events: what happened, in order.
    """

    def __init__(self, beside: bool = True) -> None:
        self.beside = beside
        self.allowed = threading.Semaphore(0)
        self.begun = threading.Semaphore(0)
        self.events: list[str] = []
        self.fault: Exception | None = None

    def world(self, name: str = "") -> StreamingPattern:
        return StreamingPattern(self)

    def decode(self, chunk: Chunk) -> PendingChunk:
        head = Head(chunk.index, chunk.first_frame, chunk.action, chunk.prompt, SIZES, chunk.timing)
        self.events.append(f"begun {chunk.index}")
        self.begun.release()
        if not self.beside:
            return PendingChunk(head, self._groups(chunk))
        pending = PendingBeside(head, self._groups(chunk))
        threading.Thread(target=pending.make_all, daemon=True).start()
        return pending

    def _groups(self, chunk: Chunk) -> Iterator[Any]:
        for number, frames in enumerate(np.split(chunk.frames, SPLITS)):
            assert self.allowed.acquire(timeout=LONG)
            if self.fault is not None and number == 1:
                raise self.fault
            self.events.append(f"group {chunk.index}.{number}")
            yield frames


class StreamingPattern(PatternWorld):
    """Its frames come group by group; `stands_in`: `step` and `reset` give what is pending, as an engine would."""

    def __init__(self, studio: Studio, stands_in: bool = False) -> None:
        super().__init__(height=16, width=16, frames_per_chunk=9)
        self.studio, self.stands_in = studio, stands_in

    def begin_step(self, action: Action | None = None, prompt: str | None = None) -> PendingChunk:
        return self.studio.decode(super().step(action, prompt))

    def begin_reset(self, **start: Any) -> PendingChunk:
        return self.studio.decode(super().reset(**start))

    def step(self, action: Action | None = None, prompt: str | None = None) -> Any:
        return self.begin_step(action, prompt) if self.stands_in else super().step(action, prompt)


def plain() -> PatternWorld:
    return PatternWorld(height=16, width=16, frames_per_chunk=9)


# How chunks become messages.


def _delivery(**changes: Any) -> Delivery:
    return Delivery(**{"sid": SID, "epoch": 2, "encoding": "rgb24", "quality": 90, "progressive": True, **changes})


def _heads(messages: Any) -> list[tuple[int, int, int, int]]:
    heads = [wire.decode_server(parts)[0] for parts in messages]
    return [(head.part, head.of, head.first_frame, head.frames) for head in heads]


@pytest.fixture
def chunk() -> Chunk:
    world = plain()
    world.reset(seed=1)
    return replace(world.step(), groups=SIZES)


def _groups_of(chunk: Chunk) -> list[Chunk]:
    parts = zip((0, *SPLITS), SIZES, strict=True)
    return [
        replace(chunk, frames=chunk.frames[begin : begin + size], first_frame=chunk.first_frame + begin)
        for begin, size in parts
    ]


def test_a_message_is_a_group(chunk: Chunk) -> None:
    expected = [(0, 3, 9, 1), (1, 3, 10, 4), (2, 3, 14, 4)]
    assert _heads(chunk_messages(chunk, _delivery())) == expected
    apart = [message for group in _groups_of(chunk) for message in group_messages(group, 9, _delivery())]
    assert _heads(apart) == expected
    assert _heads(chunk_messages(chunk, _delivery(progressive=False))) == [(0, 1, 9, 9)]


def test_the_messages_are_the_same_bytes_whenever_they_are_made(chunk: Chunk) -> None:
    whole = [[bytes(part) for part in parts] for parts in chunk_messages(chunk, _delivery())]
    apart = [
        [bytes(part) for part in parts]
        for group in _groups_of(chunk)
        for parts in group_messages(group, 9, _delivery())
    ]
    assert whole == apart


def test_a_group_that_is_too_large_for_one_message_comes_in_several(
    chunk: Chunk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("helios_runtime.server.answers.MAX_FRAME_BYTES", 3 * chunk.frames[0].nbytes)
    expected = [(0, 5, 9, 1), (1, 5, 10, 3), (2, 5, 13, 1), (3, 5, 14, 3), (4, 5, 17, 1)]
    assert _heads(chunk_messages(chunk, _delivery())) == expected
    apart = [message for group in _groups_of(chunk) for message in group_messages(group, 9, _delivery())]
    assert _heads(apart) == expected


# The desk.


def _enter(office: Any, guest: Any, studio: Studio) -> None:
    office.engine.worlds[guest.sid] = StreamingPattern(studio, stands_in=True)
    PatternWorld.reset(office.engine.worlds[guest.sid], seed=1)


@pytest.fixture
def begin(office: Any, visit: Any) -> Callable[..., tuple[Any, Studio]]:
    """A session whose chunks are decoded group by group, on demand."""

    def begin(**choices: Any) -> tuple[Any, Studio]:
        guest, studio = visit(office), Studio(beside=False)
        guest.open(**choices)
        guest.ask("RESET", seed=1)
        _enter(office, guest, studio)
        return guest, studio

    return begin


class Lab:
    """Takes the groups of what an engine gave."""

    def __init__(self, office: Any) -> None:
        self.office = office
        self.pendings: list[PendingChunk] = []
        execute = office.engine._execute

        def watched(job: Any) -> Any:
            value = execute(job)
            self.pendings += [value] if isinstance(value, PendingChunk) else []
            return value

        office.engine._execute = watched

    def decode(self, studio: Studio, number: int = 0) -> None:
        """One more group of a chunk."""
        studio.allowed.release()
        groups = self.pendings[number]
        groups._advance()
        self.office.run()


@pytest.mark.parametrize("encoding", ["rgb24", "jpeg"])
def test_each_group_is_sent_as_soon_as_it_is_there(office: Any, begin: Any, encoding: str) -> None:
    guest, studio = begin(progressive=True, encoding=encoding)
    lab = Lab(office)
    assert guest.say(t="STEP", sid=guest.sid, seq=2, epoch=1) == []
    for number, size in enumerate(SIZES):
        lab.decode(studio)
        (head,) = guest.hear()
        assert (head.t, head.seq, head.index, head.part, head.of, head.frames) == ("CHUNK", 2, 1, number, 3, size)
    assert guest.say(t="STEP", sid=guest.sid, seq=2, epoch=1)[0].part == 0  # the kept answer
    assert guest.say(t="SNAPSHOT", sid=guest.sid, seq=3)[0].t == "STATE"


def test_without_progressive_it_comes_at_once(office: Any, begin: Any) -> None:
    guest, studio = begin()
    lab = Lab(office)
    assert guest.say(t="STEP", sid=guest.sid, seq=2, epoch=1) == []
    for number in range(3):
        lab.decode(studio)
        assert len(guest.hear()) == (number == 2)


def test_a_request_waits_until_the_answer_before_it_is_complete(office: Any, begin: Any) -> None:
    guest, studio = begin(progressive=True)
    lab = Lab(office)
    guest.say(t="STEP", sid=guest.sid, seq=2, epoch=1)
    lab.decode(studio)
    guest.hear()
    assert guest.say(t="STEP", sid=guest.sid, seq=2, epoch=1) == []  # it is under way
    (busy,) = guest.say(t="STEP", sid=guest.sid, seq=3, epoch=1)
    assert (busy.t, busy.code) == ("ERROR", "busy")
    lab.decode(studio)
    lab.decode(studio)
    assert [head.part for head in guest.hear()] == [1, 2]
    kept = guest.say(t="STEP", sid=guest.sid, seq=2, epoch=1)
    assert [head.part for head in kept] == [0, 1, 2]
    assert len(studio.events) == 4  # nothing was executed twice


def test_the_last_message_has_the_whole_timing(office: Any, begin: Any) -> None:
    guest, studio = begin(progressive=True)
    lab = Lab(office)
    guest.say(t="STEP", sid=guest.sid, seq=2, epoch=1)
    for _ in SIZES:
        lab.decode(studio)
    heads = guest.hear()
    timing = lab.pendings[0].result().timing
    assert (heads[-1].timing.decode, heads[-1].timing.total) == (timing.decode, timing.total)
    assert heads[0].timing.decode < heads[-1].timing.decode


def test_the_next_chunk_of_a_stream_is_begun_while_the_last_is_decoded(office: Any, begin: Any) -> None:
    """And no third one: at most one is made ahead of what is sent."""
    guest, studio = begin(mode="stream", progressive=True)
    lab = Lab(office)
    guest.say(t="CREDIT", sid=guest.sid, epoch=1, n=4)
    assert studio.events == ["begun 1", "begun 2"]
    for _ in SIZES:
        lab.decode(studio, 0)
    assert [(head.index, head.part) for head in guest.hear()] == [(1, 0), (1, 1), (1, 2)]
    assert studio.events[-1] == "begun 3"
    for _ in SIZES:
        lab.decode(studio, 1)
    assert [(head.index, head.part) for head in guest.hear()] == [(2, 0), (2, 1), (2, 2)]


def test_slow_chunks_of_a_stream_are_counted_when_they_are_there(office: Any, begin: Any) -> None:
    guest, studio = begin(mode="stream")
    lab, late = Lab(office), []
    office.floor.metrics.underrun = lambda: late.append(None)
    guest.say(t="CREDIT", sid=guest.sid, epoch=1, n=1)
    office.time += 1.0
    assert late == []
    for _ in SIZES:
        lab.decode(studio)
    assert late == [None]


@pytest.mark.parametrize("encoding", ["rgb24", "jpeg"])
@pytest.mark.parametrize("mode", ["lockstep", "stream"])
@pytest.mark.parametrize("fault", [CheckpointError("not finite"), MemoryError("full")], ids=repr)
def test_frames_that_cannot_be_made_end_the_session(
    office: Any, begin: Any, encoding: str, mode: str, fault: Exception
) -> None:
    """An error takes the place of the rest; the world cannot be as it was before a request that failed."""
    guest, studio = begin(progressive=True, mode=mode, encoding=encoding)
    lab, studio.fault = Lab(office), fault
    if mode == "stream":
        guest.say(t="CREDIT", sid=guest.sid, epoch=1, n=4)
    else:
        guest.say(t="STEP", sid=guest.sid, seq=2, epoch=1)
    lab.decode(studio)
    lab.decode(studio)
    part, error, bye = guest.hear()
    assert (part.t, part.part, bye.t, bye.reason) == ("CHUNK", 0, "BYE", "internal")
    assert (error.t, error.seq, error.sid) == ("ERROR", 2 if mode == "lockstep" else None, guest.sid)
    assert guest.sid not in office.floor.sessions
    assert guest.sid not in office.engine.worlds
    if mode == "stream":
        studio.fault = None
        for _ in SIZES:
            lab.decode(studio, 1)
        assert guest.hear() == []


def test_what_is_still_decoded_of_a_closed_session_is_dropped(office: Any, begin: Any) -> None:
    guest, studio = begin(mode="stream", progressive=True)
    lab = Lab(office)
    guest.say(t="CREDIT", sid=guest.sid, epoch=1, n=1)
    lab.decode(studio)
    assert len(guest.hear()) == 1
    (closed,) = guest.say(t="CLOSE", sid=guest.sid, seq=2)
    assert closed.t == "CLOSED"
    lab.decode(studio)
    lab.decode(studio)
    assert guest.hear() == []


def test_a_saved_session_comes_back_without_the_step_whose_frames_failed(
    make_office: Any, visit: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    office = make_office()
    monkeypatch.setitem(type(office.engine)._execute.__globals__, "PatternWorld", lambda **sizes: plain())
    guest, studio = visit(office), Studio(beside=False)
    guest.open(progressive=True)
    guest.say(t="RESET", sid=guest.sid, seq=1, seed=1)
    _enter(office, guest, studio)
    lab, studio.fault = Lab(office), MemoryError("full")
    guest.say(t="STEP", sid=guest.sid, seq=2, epoch=1)
    lab.decode(studio)
    lab.decode(studio)
    *_, bye = guest.hear()
    assert bye.resumable
    office = make_office()
    opened = visit(office, b"b").resume(guest)
    assert (opened.t, opened.index) == ("OPENED", 1)


# The engine.


class Answers:
    """An engine, and its answers as futures."""

    def __init__(self, studio: Studio, **settings: Any) -> None:
        self.engine = Engine(studio.world, **settings)
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


@pytest.fixture
def hire() -> Iterator[Callable[..., Answers]]:
    hired: list[Answers] = []

    def hire(studio: Studio, **settings: Any) -> Answers:
        hired.append(Answers(studio, **settings))
        return hired[-1]

    yield hire
    for answers in hired:
        answers.engine.close()


def _step(seat: str = "a") -> Step:
    return Step(seat=seat, sample=lambda: StepInput(NO_ACTION))


def test_a_step_is_answered_before_its_frames_are_there(hire: Any) -> None:
    studio = Studio()
    answers = hire(studio)
    answers.get(Open(seat="a", world="any"))
    first = answers.get(Reset(seat="a", seed=1))
    assert isinstance(first, PendingChunk)
    second = answers.get(_step())
    state = Snapshot.from_bytes(answers.get(TakeSnapshot(seat="a")))
    assert studio.events == ["begun 0", "begun 1"]
    studio.allowed.release(6)
    twin = plain()
    assert np.array_equal(first.result().frames, twin.reset(seed=1).frames)
    assert np.array_equal(second.result().frames, twin.step().frames)
    assert state == twin.snapshot()


def test_on_demand_the_engine_itself_makes_the_frames(hire: Any) -> None:
    studio = Studio(beside=False)
    answers = hire(studio)
    answers.get(Open(seat="a", world="any"))
    studio.allowed.release(3)
    first = answers.get(Reset(seat="a", seed=1))
    pending = answers.get(_step())
    later = answers.ask(_step())
    assert first.is_complete
    assert studio.begun.acquire(timeout=LONG)
    assert not later.done()
    studio.allowed.release(6)
    later.result(LONG)
    assert pending.is_complete
    assert studio.events[4:9] == ["begun 1", "group 1.0", "group 1.1", "group 1.2", "begun 2"]


def test_a_recorded_session_is_decoded_before_it_goes_on(hire: Any, tmp_path: Path) -> None:
    studio = Studio()
    answers = hire(studio, recordings=tmp_path)
    answers.get(Open(seat="a", world="any"))
    answers.get(Record(seat="a", on=True))
    studio.allowed.release(3)
    answers.get(Reset(seat="a", seed=1))
    step, after = answers.ask(_step()), answers.ask(_step())
    assert isinstance(step.result(LONG).value, PendingChunk)
    assert not after.done()
    studio.allowed.release(6)
    after.result(LONG)
    path = answers.get(Record(seat="a", on=False))
    log = Path(path).with_suffix(".jsonl").read_text(encoding="utf-8").splitlines()
    assert len(log) >= 4
    assert read_log(Path(path).with_suffix(".jsonl"))


def test_a_recording_ends_where_frames_are_missing(hire: Any, tmp_path: Path) -> None:
    studio = Studio()
    answers = hire(studio, recordings=tmp_path)
    answers.get(Open(seat="a", world="any"))
    answers.get(Record(seat="a", on=True))
    studio.allowed.release(100)
    answers.get(Reset(seat="a", seed=1))
    studio.fault = CheckpointError("not finite")
    answers.get(_step())
    with pytest.raises(HeliosError, match="not finite"):
        answers.get(Record(seat="a", on=False))
    answers.get(Close(seat="a"))


# A whole server.


@pytest.mark.parametrize("encoding", ["rgb24", "jpeg", "h264"])
@pytest.mark.parametrize("beside", [False, True], ids=["on demand", "beside"])
def test_a_client_sees_what_a_local_world_shows(make_server: Any, encoding: str, beside: bool) -> None:
    studio = Studio(beside)
    studio.allowed.release(1000)
    server = make_server(studio.world)
    with connect_world(server.address, encoding=encoding, progressive=True) as world:
        expected = plain()
        pairs = [(world.reset(seed=1), expected.reset(seed=1))]
        pairs += [(world.step(action), expected.step(action)) for action in (Action({"forward"}), NO_ACTION)]
    for made, chunk in pairs:
        assert (made.index, made.first_frame, made.action) == (chunk.index, chunk.first_frame, chunk.action)
        assert made.frames.shape == chunk.frames.shape
        if encoding == "rgb24":
            assert np.array_equal(made.frames, chunk.frames)


def test_the_first_frames_arrive_while_the_last_are_decoded(make_server: Any, connect: Any) -> None:
    studio = Studio()
    client = connect(make_server(studio.world))
    client.open(progressive=True)
    studio.allowed.release(3)
    client.send(t="RESET", sid=client.sid, seq=1, seed=1)
    assert [client.receive()[0].part for _ in SIZES] == [0, 1, 2]
    client.send(t="STEP", sid=client.sid, seq=2, epoch=1)
    twin = plain()
    twin.reset(seed=1)
    frames = twin.step().frames
    for number, part in enumerate(np.split(frames, SPLITS)):
        assert client.is_quiet()
        studio.allowed.release()
        head, buffers = client.receive()
        assert (head.part, head.of) == (number, 3)
        assert np.array_equal(decode_frames(buffers, head.encoding, head.shape), part)


def test_two_sessions_are_served_while_one_is_decoded(make_server: Any, connect: Any) -> None:
    studio = Studio()
    server = make_server(studio.world)
    slow, quick = connect(server), connect(server)
    for client in (slow, quick):
        client.open()
        studio.allowed.release(3)
        client.reset()
    slow.send(t="STEP", sid=slow.sid, seq=2, epoch=1)
    quick.send(t="STEP", sid=quick.sid, seq=2, epoch=1)
    for _ in range(4):
        assert studio.begun.acquire(timeout=LONG)
    studio.allowed.release(6)
    assert {slow.receive()[0].index, quick.receive()[0].index} == {1}
