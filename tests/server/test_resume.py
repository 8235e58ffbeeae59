"""Sessions change hands and survive their server: stopped in order, or killed at any moment."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from helios_runtime.protocol import wire
from helios_world.errors import SnapshotError

MakeOffice = Callable[..., Any]


def _frames(office: Any, visitor: Any, **message: Any) -> tuple[Any, list[bytes]]:
    """Send a message; the only answer's header and buffers."""
    import msgpack

    office.put(visitor.route, [wire.PREFIX, msgpack.packb(message)])
    (parts,) = office.sent(visitor.route)
    head, buffers = wire.decode_server(parts)
    return head, [bytes(buffer) for buffer in buffers]


def _no_space(*_: object) -> None:
    raise OSError(28, "no space")


def _step(visitor: Any, seq: int, *held: str, epoch: int = 1) -> tuple[Any, list[bytes]]:
    action = {"buttons": list(held)}
    return _frames(visitor.office, visitor, t="STEP", sid=visitor.sid, seq=seq, epoch=epoch, action=action)


def test_another_connection_takes_over(office: Any, visit: Any) -> None:
    old, new = visit(office), visit(office, b"b")
    old.open()
    old.ask("RESET", seed=1)
    opened = new.resume(old)
    assert (opened.sid, opened.token, opened.next_seq) == (old.sid, old.token, 2)
    assert (opened.epoch, opened.index, opened.parent) == (1, 1, None)
    (bye,) = old.hear()
    assert (bye.t, bye.sid, bye.reason, bye.resumable) == ("BYE", old.sid, "replaced", True)
    assert old.ask("STEP", epoch=1).code == "route"
    assert new.ask("STEP", epoch=1).index == 1


def test_the_same_connection_resumes(office: Any, visit: Any) -> None:
    guest = visit(office)
    guest.open()
    assert guest.resume(guest).sid == guest.sid
    assert guest.ask("RESET", seed=1).t == "CHUNK"


@pytest.mark.parametrize("token", ["0" * 64, "f" * 64])
def test_a_wrong_token(office: Any, visit: Any, token: str) -> None:
    owner, thief = visit(office), visit(office, b"b")
    owner.open()
    refused = thief.resume(owner, token=token)
    assert (refused.code, refused.retryable, refused.sid) == ("auth", False, owner.sid)
    assert owner.ask("RESET", seed=1).t == "CHUNK"


def test_a_session_that_never_was(office: Any, visit: Any, make_office: MakeOffice) -> None:
    for each in (office, make_office()):
        guest = visit(each)
        refused = guest.resume(guest, sid="f" * 32, token="0" * 64)
        assert (refused.code, refused.sid) == ("unknown_session", "f" * 32)


def test_an_answer_that_was_lost_comes_on_the_new_connection(office: Any, visit: Any) -> None:
    old, new = visit(office), visit(office, b"b")
    old.open()
    old.ask("RESET", seed=1)
    office.gone.add(b"a")
    assert old.say(t="STEP", sid=old.sid, seq=2, epoch=1) == []
    opened = new.resume(old, last_seq=1)
    assert (opened.next_seq, opened.index) == (3, 2)
    chunk, _ = _step(new, 2)
    assert (chunk.index, len(office.engine.steps)) == (1, 1)


def test_resumed_while_its_request_is_executed(office: Any, visit: Any) -> None:
    old, new = visit(office), visit(office, b"b")
    old.open()
    old.ask("RESET", seed=1)
    office.engine.is_held = True
    old.say(t="STEP", sid=old.sid, seq=2, epoch=1)
    assert new.resume(old, last_seq=1).next_seq == 3
    old.hear()
    office.engine.work()
    office.run()
    assert old.hear() == []
    (chunk,) = new.hear()
    assert (chunk.seq, chunk.index) == (2, 1)


def test_a_stream_begins_again_without_credit(office: Any, visit: Any) -> None:
    old, new = visit(office), visit(office, b"b")
    old.open(mode="stream")
    old.ask("RESET", seed=1)
    office.full.add(b"a")
    old.say(t="CREDIT", sid=old.sid, epoch=1, n=4)
    assert new.resume(old).index == 2
    assert new.hear() == []
    (chunk,) = new.say(t="CREDIT", sid=new.sid, epoch=1, n=1)
    assert chunk.index == 2


@pytest.mark.parametrize("encoding", ["rgb24", "jpeg"])
def test_after_a_kill_the_last_step_is_answered_with_the_same_frames(
    make_office: MakeOffice, visit: Any, encoding: str
) -> None:
    office = make_office()
    old = visit(office)
    old.open(encoding=encoding)
    old.ask("RESET", seed=5, prompt="a red floor")
    old.ask("PROMPT", prompt="a blue floor")
    _step(old, 3, "forward")
    lost = _step(old, 4, "turn_left")
    uninterrupted = _step(old, 5, "back")

    killed = make_office()
    new = visit(killed, b"b")
    # The client has had the answer of 4 only if it says so; 5 was executed, too.
    opened = new.resume(old, last_seq=4)
    assert (opened.next_seq, opened.epoch, opened.index) == (6, 1, 4)
    head, buffers = _step(new, 5, "back")
    assert (head.index, head.action, head.prompt) == (3, uninterrupted[0].action, uninterrupted[0].prompt)
    assert buffers == uninterrupted[1]
    assert len(killed.engine.steps) == 1
    assert _step(new, 4, "turn_left")[0].code == "stale"
    assert _step(new, 6)[0].index == 4
    assert lost[0].index == 2


def test_killed_in_the_middle_of_a_step(make_office: MakeOffice, visit: Any) -> None:
    office = make_office()
    old = visit(office)
    old.open()
    old.ask("RESET", seed=5)
    office.engine.is_held = True
    old.say(t="STEP", sid=old.sid, seq=2, epoch=1, action={"buttons": ["forward"]})
    before = make_office()
    first = visit(before, b"b")
    assert first.resume(old, last_seq=1).next_seq == 2
    office.engine.work()
    office.run()

    after = make_office()
    second = visit(after, b"c")
    assert second.resume(old, last_seq=1).next_seq == 3
    assert _step(second, 2, "forward")[0].index == 1


def test_killed_before_the_first_reset(make_office: MakeOffice, visit: Any) -> None:
    old = visit(make_office())
    old.open(encoding="jpeg", quality=70)
    new = visit(make_office())
    opened = new.resume(old)
    assert (opened.next_seq, opened.epoch, opened.index) == (1, 0, 0)
    assert new.ask("STEP", epoch=0).code == "state"
    assert new.ask("RESET", seed=1).encoding == "jpeg"


@pytest.mark.parametrize("kind", ["RESET", "RESTORE"])
def test_killed_after_a_new_epoch(make_office: MakeOffice, visit: Any, kind: str) -> None:
    office = make_office()
    old = visit(office)
    old.open()
    _, frames = _frames(office, old, t="RESET", sid=old.sid, seq=1, seed=5)
    _, (state,) = _frames(office, old, t="SNAPSHOT", sid=old.sid, seq=2)
    if kind == "RESET":
        old.say(t="RESET", sid=old.sid, seq=3, seed=5)
    else:
        old.say(state, t="RESTORE", sid=old.sid, seq=3, parts=[{"bytes": len(state)}])
    killed = make_office()
    new = visit(killed)
    opened = new.resume(old, last_seq=2)
    assert (opened.next_seq, opened.epoch, opened.index) == (4, 2, 1)
    if kind == "RESET":
        head, buffers = _frames(killed, new, t="RESET", sid=old.sid, seq=3, seed=5)
        assert (head.epoch, buffers) == (2, frames)
    else:
        (done,) = new.say(state, t="RESTORE", sid=old.sid, seq=3, parts=[{"bytes": len(state)}])
        assert (done.t, done.epoch, done.index) == ("DONE", 2, 1)
    assert _step(new, 4, epoch=2)[0].index == 1


def test_killed_after_requests_that_change_no_world(make_office: MakeOffice, visit: Any) -> None:
    old = visit(make_office())
    old.open()
    old.ask("RESET", seed=5)
    old.ask("STEP", epoch=1)
    done = old.ask("PROMPT", prompt="a blue floor")
    killed = make_office()
    new = visit(killed)
    opened = new.resume(old, last_seq=2)
    assert (opened.next_seq, opened.index) == (4, 2)
    (again,) = new.say(t="PROMPT", sid=old.sid, seq=3, prompt="a blue floor")
    assert again == done
    _step(new, 4)
    assert killed.engine.steps[-1].prompt == "a blue floor"


@pytest.mark.parametrize(("kind", "answer"), [("SNAPSHOT", "STATE"), ("FORK", "OPENED")])
def test_a_harmless_request_is_answered_anew(make_office: MakeOffice, visit: Any, kind: str, answer: str) -> None:
    old = visit(make_office())
    old.open()
    old.ask("RESET", seed=5)
    first = old.ask(kind)
    office = make_office()
    new = visit(office)
    assert new.resume(old, last_seq=1).next_seq == 3
    (again,) = new.say(t=kind, sid=old.sid, seq=2)
    assert (again.t, again.seq, again.index) == (answer, 2, first.index)
    assert _step(new, 3)[0].index == 1


def test_a_fork_is_resumed_like_any_session(make_office: MakeOffice, visit: Any) -> None:
    office = make_office()
    old = visit(office)
    old.open()
    old.ask("RESET", seed=5)
    _step(old, 2, "forward")
    twin = old.say(t="FORK", sid=old.sid, seq=3)[0]
    expected = _step(old, 4, "back")
    new = visit(make_office())
    new.resume(old, sid=twin.sid, token=twin.token)
    assert (new.sid, _step(new, 1, "back")[1]) == (twin.sid, expected[1])


def test_a_refusal_is_answered_again(make_office: MakeOffice, visit: Any) -> None:
    old = visit(make_office())
    old.open()
    old.ask("RESET", seed=5)
    refused, _ = _step(old, 2, "fly")
    new = visit(make_office())
    assert new.resume(old, last_seq=1).next_seq == 3
    again, _ = _step(new, 2, "fly")
    assert (again.code, again.message) == (refused.code, refused.message) == ("action", refused.message)
    assert _step(new, 3)[0].index == 1


def test_a_killed_stream_continues(make_office: MakeOffice, visit: Any) -> None:
    office = make_office()
    old = visit(office)
    old.open(mode="stream")
    old.ask("RESET", seed=5)
    old.say(t="INPUT", sid=old.sid, epoch=1, n=1, buttons=["forward"])
    assert [chunk.index for chunk in old.say(t="CREDIT", sid=old.sid, epoch=1, n=2)] == [1, 2]
    old.ask("PROMPT", prompt="a blue floor")
    expected = old.say(t="CREDIT", sid=old.sid, epoch=1, n=1)
    killed = make_office()
    new = visit(killed)
    opened = new.resume(old, last_seq=2)
    assert (opened.next_seq, opened.index, new.hear()) == (3, 4, [])
    given = killed.engine.steps[-1]
    assert (given.prompt, sorted(given.action.buttons)) == ("a blue floor", ["forward"])
    (chunk,) = new.say(t="CREDIT", sid=old.sid, epoch=1, n=1)
    assert (chunk.index, expected[0].index) == (4, 3)


def test_a_prompt_that_no_streamed_chunk_had(make_office: MakeOffice, visit: Any) -> None:
    old = visit(make_office())
    old.open(mode="stream")
    old.ask("RESET", seed=5)
    old.ask("PROMPT", prompt="a blue floor")
    office = make_office()
    new = visit(office)
    new.resume(old)
    new.say(t="CREDIT", sid=old.sid, epoch=1, n=1)
    assert office.engine.steps[-1].prompt == "a blue floor"


def test_a_recorded_session_is_recorded_again(make_office: MakeOffice, visit: Any) -> None:
    old = visit(make_office())
    old.open(record=True)
    old.ask("RESET", seed=5)
    old.ask("STEP", epoch=1)
    office = make_office()
    visit(office).resume(old)
    assert [type(job).__name__ for job in office.engine.done] == ["Open", "Restore", "Step", "Record"]


def test_drained_and_resumed(make_office: MakeOffice, visit: Any) -> None:
    office = make_office()
    old = visit(office)
    old.open()
    old.ask("RESET", seed=5)
    expected = _step(old, 2, "forward")
    while not office.desk.drain():
        office.run()
    office.desk.say_goodbye()
    assert [(bye.reason, bye.resumable) for bye in old.hear()] == [("draining", True)]
    later = make_office()
    new = visit(later)
    assert new.resume(old, last_seq=1).next_seq == 3
    assert _step(new, 2, "forward") == expected
    assert later.engine.steps == []
    assert _step(new, 3)[0].index == 2


def test_nobody_else_can_resume_from_disk(make_office: MakeOffice, visit: Any) -> None:
    old = visit(make_office())
    old.open()
    office = make_office()
    assert visit(office).resume(old, token="0" * 64).code == "auth"
    assert len(office.floor.sessions) == 0


def test_a_closed_session_is_not_on_disk(make_office: MakeOffice, visit: Any) -> None:
    old = visit(make_office())
    old.open()
    old.ask("RESET", seed=5)
    old.ask("CLOSE")
    assert visit(make_office()).resume(old).code == "unknown_session"


def test_resumed_twice_while_the_world_is_opened(make_office: MakeOffice, visit: Any) -> None:
    old = visit(make_office())
    old.open()
    old.ask("RESET", seed=5)
    office = make_office()
    first, second = visit(office, b"b"), visit(office, b"c")
    office.engine.is_held = True
    resume = {"t": "RESUME", "sid": old.sid, "token": old.token, "last_seq": 1}
    for number, guest in enumerate((first, second), start=5):
        guest.greet()
        assert guest.say(**resume, seq=number) == []
    for _ in range(4):
        office.engine.work()
        office.run()
    assert first.hear() == []
    (opened,) = second.hear()
    assert (opened.t, opened.seq) == ("OPENED", 6)
    assert len(office.engine.worlds) == 1


def test_a_world_that_cannot_come_back(make_office: MakeOffice, visit: Any) -> None:
    old = visit(make_office())
    old.open()
    old.ask("RESET", seed=5)
    old.ask("STEP", epoch=1)
    office = make_office()
    office.engine.fault = SnapshotError("of another world")
    new = visit(office)
    refused = new.resume(old)
    assert (refused.code, len(office.floor.sessions), office.engine.worlds) == ("snapshot", 0, {})
    assert new.resume(old).t == "OPENED"


def test_a_fault_can_be_left_behind(make_office: MakeOffice, visit: Any) -> None:
    office = make_office()
    old = visit(office)
    old.open()
    old.ask("RESET", seed=5)
    _step(old, 2, "forward")
    office.engine.fault = MemoryError()
    error, bye = old.say(t="STEP", sid=old.sid, seq=3, epoch=1)
    assert (error.code, bye.reason, bye.resumable) == ("internal", "internal", True)
    opened = old.resume(old, last_seq=2)
    assert (opened.next_seq, opened.index) == (4, 2)
    (again,) = old.say(t="STEP", sid=old.sid, seq=3, epoch=1)
    assert again == error
    assert _step(old, 4)[0].index == 2


def test_a_fault_beside_the_world_loses_no_step(make_office: MakeOffice, visit: Any) -> None:
    office = make_office()
    old = visit(office)
    old.open()
    old.ask("RESET", seed=5)
    _step(old, 2, "forward")
    office.engine.fault = MemoryError()
    old.say(t="SNAPSHOT", sid=old.sid, seq=3)
    assert old.resume(old, last_seq=3).index == 2


def test_a_fault_when_the_last_step_is_done_again(make_office: MakeOffice, visit: Any) -> None:
    old = visit(make_office())
    old.open()
    old.ask("RESET", seed=5)
    office = make_office()
    new = visit(office)
    office.engine.fault = MemoryError()
    assert new.resume(old).code == "internal"
    assert new.resume(old).next_seq == 2


def test_a_silent_session_is_put_away(make_office: MakeOffice, visit: Any) -> None:
    office = make_office()
    guest, other = visit(office), visit(office, b"b")
    guest.open()
    other.open()
    guest.ask("RESET", seed=5)
    chunk, frames = _step(guest, 2, "forward")
    for _ in range(7):
        office.pass_time(100.0)
        other.say(t="PING", n=1)
    (bye,) = guest.hear()
    assert (bye.t, bye.sid, bye.reason, bye.resumable) == ("BYE", guest.sid, "idle", True)
    assert set(office.engine.worlds) == {other.sid}
    assert guest.ask("SNAPSHOT").code in ("unknown_session", "route")
    assert guest.resume(guest, last_seq=1).next_seq == 3
    assert _step(guest, 2, "forward") == (chunk, frames)


def test_without_a_store_a_silent_session_ends(office: Any, visit: Any) -> None:
    guest = visit(office)
    guest.open()
    office.pass_time(601.0)
    (bye,) = guest.hear()
    assert (bye.reason, bye.resumable, len(office.floor.sessions)) == ("idle", False, 0)


def test_without_a_store_a_client_that_is_gone_has_longer(office: Any, visit: Any) -> None:
    old, new = visit(office), visit(office, b"b")
    old.open()
    old.ask("RESET", seed=1)
    office.gone.add(b"a")
    old.say(t="STEP", sid=old.sid, seq=2, epoch=1)
    office.pass_time(3000.0)
    assert new.resume(old).next_seq == 3
    office.pass_time(601.0)
    assert len(office.floor.sessions) == 0


def test_a_client_that_comes_back_in_time_keeps_its_session(make_office: MakeOffice, visit: Any) -> None:
    office = make_office()
    guest = visit(office)
    guest.open()
    guest.ask("RESET", seed=1)
    office.engine.is_held = True
    office.pass_time(601.0)
    assert guest.say(t="STEP", sid=guest.sid, seq=2, epoch=1) == []
    office.engine.is_held = False
    office.engine.work()
    office.run()
    assert [answer.t for answer in guest.hear()] == ["CHUNK"]


def test_killed_while_it_was_put_away(make_office: MakeOffice, visit: Any) -> None:
    office = make_office()
    guest = visit(office)
    guest.open()
    guest.ask("RESET", seed=1)
    office.engine.is_held = True
    office.pass_time(601.0)
    guest.say(t="STEP", sid=guest.sid, seq=2, epoch=1)
    office.engine.work(1)
    office.run()
    new = visit(make_office())
    opened = new.resume(guest, last_seq=1)
    assert (opened.next_seq, opened.index) == (2, 1)
    assert _step(new, 2)[0].index == 1


def test_room_is_made_by_putting_away_who_is_gone(make_office: MakeOffice, visit: Any) -> None:
    office = make_office(max_sessions=1)
    old, new = visit(office), visit(office, b"b")
    old.open()
    assert new.open().code == "limit"
    office.pass_time(50.0)
    assert new.open().t == "OPENED"
    assert visit(office, b"c").resume(old).code == "limit"
    office.pass_time(50.0)
    assert visit(office, b"d").resume(old).sid == old.sid
    assert len(office.floor.sessions) == 1


def test_a_session_has_a_longest_life(make_office: MakeOffice, visit: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    office = make_office(session_seconds=10.0)
    lockstep, stream = visit(office), visit(office, b"b")
    lockstep.open()
    stream.open(mode="stream")
    stream.ask("RESET", seed=1)
    office.engine.is_held = True
    stream.say(t="CREDIT", sid=stream.sid, epoch=1, n=4)
    started = office.floor.sessions.get(stream.sid).opened
    monkeypatch.setattr("time.time", lambda: started + 11.0)
    office.engine.is_held = False
    office.engine.work()
    office.run()
    office.pass_time(2.0)
    assert [answer.t for answer in stream.hear()] == ["CHUNK", "BYE"]
    (bye,) = lockstep.hear()
    assert (bye.reason, bye.resumable, len(office.floor.sessions)) == ("lifetime", False, 0)
    assert stream.resume(stream).code == "unknown_session"


def test_a_full_disk_costs_nobody_a_place(make_office: MakeOffice, visit: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    office = make_office(max_sessions=1)
    old, new = visit(office), visit(office, b"b")
    old.open()
    old.ask("RESET", seed=1)
    monkeypatch.setattr("os.replace", _no_space)
    office.pass_time(50.0)
    assert [new.open().code for _ in range(3)] == ["limit"] * 3
    assert old.ask("STEP", epoch=1).index == 1


def test_a_full_disk_does_not_fill_the_log(
    make_office: MakeOffice, visit: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    guest = visit(make_office())
    guest.open()
    guest.ask("RESET", seed=1)
    monkeypatch.setattr("os.replace", _no_space)
    for _ in range(50):
        assert guest.ask("STEP", epoch=1).t == "CHUNK"
    assert 1 <= caplog.text.count("cannot be saved") < 10


def test_an_error_that_took_a_number_is_known_after_a_restart(make_office: MakeOffice, visit: Any) -> None:
    old = visit(make_office())
    old.open(mode="stream")
    old.ask("RESET", seed=1)
    error = old.ask("STEP", epoch=1)
    assert error.code == "state"
    new = visit(make_office())
    assert new.resume(old, last_seq=2).next_seq == 3
    (again,) = new.say(t="STEP", sid=old.sid, seq=2, epoch=1)
    assert again == error


def test_a_record_that_makes_no_sense_is_answered(
    make_office: MakeOffice, visit: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = visit(make_office())
    old.open()
    old.ask("RESET", seed=1)
    office = make_office()
    record = office.floor.store.load(old.sid)
    office.floor.store.save(replace(record, again=[b"nonsense", b"more"]))
    new = visit(office)
    assert new.resume(old).code == "protocol"
    assert (len(office.floor.sessions), office.engine.worlds) == (0, {})


def test_a_full_disk_ends_no_session(make_office: MakeOffice, visit: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    office = make_office()
    guest = visit(office)
    guest.open()

    monkeypatch.setattr("os.replace", _no_space)
    assert guest.ask("RESET", seed=1).t == "CHUNK"
    assert guest.ask("STEP", epoch=1).t == "CHUNK"
    office.pass_time(601.0)
    assert [bye.resumable for bye in guest.hear()] == [False]
