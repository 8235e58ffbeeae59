"""The client's side of a conversation, over a network that fails in every way there is. No sockets, no real time."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helios_runtime.client import calls
from helios_runtime.client.core import Session
from helios_runtime.client.exchange import Parted, Receive
from helios_runtime.protocol import messages as m
from helios_runtime.protocol.errors import CODES, ProtocolError
from helios_world import errors
from helios_world.errors import (
    ActionError,
    ConnectionLostError,
    FrameError,
    HeliosError,
    OptionError,
    PromptError,
    RemoteTimeoutError,
    ServerError,
    SnapshotError,
    StateError,
)
from helios_world.spec import Action
from helios_world.testing import PatternWorld, read_code

FATES = st.lists(st.sampled_from(["ok", "ok", "ok", "lost", "twice", "late", "cut", "restart"]), max_size=40)


def begun(network: Any, **options: Any) -> Session:
    session: Session = network.opened(**options)
    network.run(calls.reset(session, seed=7))
    return session


def refused(seq: int, sid: str, code: str, **fields: Any) -> m.ErrorMessage:
    return m.ErrorMessage(seq=seq, sid=sid, code=code, message="the server's words", **{"retryable": False} | fields)


@settings(deadline=None, max_examples=150)
@given(fates=FATES)
def test_nothing_is_lost_and_nothing_done_twice(
    make_network: Callable[[Iterable[str]], Any], walk: tuple[Action, ...], fates: list[str]
) -> None:
    network = make_network(fates)
    truth = PatternWorld()
    session = network.opened(timeout=600.0)
    chunks = [network.run(calls.reset(session, seed=7)).chunk]
    chunks += [network.run(calls.step(session, action)).chunk for action in walk]
    state = network.run(calls.snapshot(session))
    expected = [truth.reset(seed=7), *(truth.step(action) for action in walk)]
    for left, right in zip(expected, chunks, strict=True):
        assert np.array_equal(left.frames, right.frames)
        assert (left.index, left.action, left.prompt) == (right.index, right.action, right.prompt)
    assert state == truth.snapshot()
    assert [done for done in network.host.executed if done[0] == session.sid] == [
        (session.sid, seq) for seq in range(1, len(walk) + 3)
    ]


def test_a_lost_answer_is_asked_for_again(network: Any) -> None:
    session = begun(network)
    began = network.time
    network.fates = iter(["ok", "lost"])
    assert network.run(calls.step(session)).chunk.index == 1
    assert 1.0 <= network.time - began < 2.0
    assert network.host.executed == [(session.sid, 1), (session.sid, 2)]
    assert network.connection == 1


def test_a_broken_connection_is_noticed_at_once(network: Any) -> None:
    session = begun(network)
    began = network.time
    network.fates = iter(["cut"])
    assert network.run(calls.step(session)).chunk.index == 1
    assert network.time - began < 0.1
    assert network.connection == 2
    assert session.attachments == 2


@pytest.mark.parametrize(("heartbeat", "retry_seconds"), [(2.0, 5.0), (15.0, 2.0)])
def test_a_silent_connection_is_given_up(network: Any, heartbeat: float, retry_seconds: float) -> None:
    network.host.heartbeat = heartbeat
    session = begun(network, retry_seconds=retry_seconds)
    began = network.time
    network.half_open = network.connection
    assert network.run(calls.step(session)).chunk.index == 1
    assert network.connection == 2
    assert 6.0 <= network.time - began < 6.1
    assert len(network.host.executed) == 2


def test_silence_until_the_end_is_a_lost_connection(network: Any) -> None:
    session = begun(network, timeout=2.0)
    network.half_open = network.connection
    with pytest.raises(ConnectionLostError, match="nothing came for 2"):
        network.run(calls.step(session))
    assert network.run(calls.step(session)).chunk.index == 1
    assert len(network.host.executed) == 2


def test_pings_go_out_while_an_answer_is_awaited(network: Any) -> None:
    session = begun(network)
    network.host.override = lambda message: [] if isinstance(message, m.Step) else None
    network.host.busy_since = 12.3
    began = network.time
    with pytest.raises(RemoteTimeoutError, match=r"no answer to STEP .* within 60 s; .* 12\.3 s"):
        network.run(calls.step(session))
    assert network.time - began == pytest.approx(60.0, abs=0.01)
    assert sum(isinstance(message, m.Ping) for message in network.host.seen) > 60
    steps = [message for message in network.host.seen if isinstance(message, m.Step)]
    assert len(steps) > 30
    assert len(set(map(repr, steps))) == 1
    assert network.connection == 1


def test_after_a_timeout_the_same_call_gets_the_answer_of_the_first(network: Any) -> None:
    session = begun(network, timeout=5.0)
    original = network.host.receive
    network.host.receive = lambda *arguments: [answer for answer in original(*arguments) if b"CHUNK" not in answer[1]]
    with pytest.raises(RemoteTimeoutError):
        network.run(calls.step(session, Action({"forward"})))
    assert len(network.host.executed) == 2
    network.host.receive = original
    chunk = network.run(calls.step(session, Action({"forward"}))).chunk
    assert (chunk.index, chunk.action) == (1, Action({"forward"}))
    assert len(network.host.executed) == 2


def test_after_a_lost_connection_another_call_comes_after_the_first(network: Any) -> None:
    session = begun(network, timeout=5.0)
    network.is_up = False
    with pytest.raises(ConnectionLostError):
        network.run(calls.step(session, Action({"forward"})))
    network.is_up = True
    chunk = network.run(calls.step(session, Action({"back"}))).chunk
    assert (chunk.index, chunk.action) == (2, Action({"back"}))
    assert len(network.host.executed) == 3


def test_an_interrupted_call_is_settled_by_the_next_one(network: Any) -> None:
    session = begun(network)
    exchange = calls.step(session, Action({"forward"}))
    network.perform(exchange.send(None))
    exchange.close()
    assert network.run(calls.snapshot(session)).meta["index"] == 1
    assert network.run(calls.step(session)).chunk.index == 2


def test_nobody_there(network: Any) -> None:
    network.is_up = False
    session = network.session(timeout=20.0)
    began = network.time
    with pytest.raises(ConnectionLostError, match=r"no connection to simulated within 20 s \(nobody answers"):
        network.run(session.open())
    assert network.time - began == pytest.approx(20.0, abs=0.01)
    assert 3 <= network.connection <= 12


def test_a_server_that_comes_back_in_time(network: Any) -> None:
    session = begun(network, timeout=20.0)
    network.cut()
    network.is_up = False
    with pytest.raises(ConnectionLostError):
        network.run(calls.step(session))
    network.is_up = True
    network.host.restart()
    assert network.run(calls.step(session)).chunk.index == 1
    assert len(network.host.executed) == 2


@pytest.mark.parametrize("sid", [None, "mine"])
def test_a_goodbye_from_which_one_can_come_back(network: Any, sid: str | None) -> None:
    session = begun(network)
    network.push(m.Bye(sid=sid and session.sid, reason="idle", resumable=True))
    assert network.run(calls.step(session)).chunk.index == 1
    assert network.connection == 2


@pytest.mark.parametrize(("reason", "resumable"), [("replaced", True), ("lifetime", False)])
def test_a_goodbye_for_ever(network: Any, reason: str, resumable: bool) -> None:
    session = begun(network)
    network.push(m.Bye(sid=session.sid, reason=reason, resumable=resumable))
    for _ in range(2):
        with pytest.raises(StateError, match="connect again"):
            network.run(calls.step(session))
    assert network.connection == 1


def test_a_goodbye_to_somebody_else(network: Any) -> None:
    session = begun(network)
    network.push(m.Bye(sid="f" * 32, reason="replaced", resumable=True))
    assert network.run(calls.step(session)).chunk.index == 1
    assert network.connection == 1


def test_a_server_that_has_lost_the_session(network: Any) -> None:
    session = begun(network)
    network.cut()
    network.host.guests.clear()
    for _ in range(2):
        with pytest.raises(StateError, match="the server has lost the session"):
            network.run(calls.step(session))


def test_a_server_that_went_back(network: Any) -> None:
    session = begun(network)
    guest = network.host.guests[session.sid]
    early = guest.world.snapshot()
    network.run(calls.step(session, Action({"forward"})))
    guest.world.restore(early)
    guest.last, guest.answer, guest.epoch, guest.index = 1, None, guest.epoch + 1, 1
    network.cut()
    with pytest.raises(StateError, match="gone back to an older state of this session, before chunk 1;"):
        network.run(calls.step(session))
    chunk = network.run(calls.step(session, Action({"back"}))).chunk
    assert (chunk.index, chunk.action) == (1, Action({"back"}))


def test_an_answer_that_is_kept_no_more(network: Any) -> None:
    session = begun(network)
    network.fates = iter(["ok", "cut"])
    original = network.host.receive

    def forget(*arguments: Any) -> Any:
        answers = original(*arguments)
        network.host.guests[session.sid].answer = None
        return answers

    network.host.receive = forget
    with pytest.raises(StateError, match="the answer of this call is lost"):
        network.run(calls.step(session))
    network.host.receive = original
    assert network.run(calls.step(session)).chunk.index == 2


def test_somebody_else_has_used_the_session(network: Any) -> None:
    session = begun(network)
    network.host.guests[session.sid].last = 9
    network.cut()
    with pytest.raises(StateError, match="somebody else"):
        network.run(calls.step(session))


@pytest.mark.parametrize("code", ["busy", "limit"])
def test_what_passes_is_waited_for(network: Any, code: str) -> None:
    session = begun(network)
    left = [3]

    def reluctant(message: m.ClientMessage) -> list[m.Message] | None:
        if not isinstance(message, m.Step) or not left[0]:
            return None
        left[0] -= 1
        return [refused(message.seq, message.sid, code, retryable=True)]

    network.host.override = reluctant
    assert network.run(calls.step(session)).chunk.index == 1
    left[0] = 10**9
    with pytest.raises(ServerError, match="the server's words") as caught:
        network.run(calls.step(session))
    assert (caught.value.code, caught.value.retryable) == (code, True)


@pytest.mark.parametrize(
    "code", sorted(set(CODES) - {"busy", "limit", "route", "unknown_session", "draining", "gap", "stale"})
)
def test_errors_are_those_of_a_local_world(network: Any, code: str) -> None:
    session = begun(network)
    seen: list[int] = []

    def refuse(message: m.ClientMessage) -> list[m.Message] | None:
        if not isinstance(message, m.Step) or seen:
            return None
        seen.append(message.seq)
        if CODES[code].answers:
            network.host.guests[session.sid].last = message.seq
        return [refused(message.seq, message.sid, code)]

    network.host.override = refuse
    kinds = {kind.code: kind for kind in HeliosError.__subclasses__()}
    expected = kinds.get(code, ServerError if code == "internal" else ProtocolError)
    with pytest.raises(expected, match="the server's words") as caught:
        network.run(calls.step(session))
    assert caught.value.code == code
    assert network.run(calls.step(session)).chunk.index == 1
    assert network.host.executed[-1] == (session.sid, 3 if CODES[code].answers else 2)


def test_an_unknown_code_is_a_fault_of_the_server(network: Any) -> None:
    session = begun(network)
    network.host.override = lambda message: (
        [refused(message.seq, message.sid, "brandnew")] if isinstance(message, m.Step) else None
    )
    with pytest.raises(ServerError) as caught:
        network.run(calls.step(session))
    assert caught.value.code == "brandnew"


def test_a_refusal_of_the_world_itself(network: Any) -> None:
    session = network.opened()
    with pytest.raises(StateError, match="call reset"):
        network.run(calls.step(session))
    assert network.run(calls.reset(session)).chunk.index == 0
    foreign = PatternWorld(height=32)
    foreign.reset()
    with pytest.raises(SnapshotError):
        network.run(calls.restore(session, foreign.snapshot()))
    assert network.run(calls.step(session)).chunk.index == 1


def test_no_room(network: Any) -> None:
    network.host.override = lambda message: (
        [m.ErrorMessage(seq=message.seq, code="limit", message="all 16 sessions are taken", retryable=True)]
        if isinstance(message, m.Open)
        else None
    )
    session = network.session()
    with pytest.raises(ServerError, match="all 16 sessions are taken") as caught:
        network.run(session.open())
    assert caught.value.retryable


def test_no_room_for_a_twin(network: Any) -> None:
    session = begun(network)
    network.host.override = lambda message: (
        [refused(message.seq, message.sid, "limit", retryable=True)] if isinstance(message, m.Fork) else None
    )
    began = network.time
    with pytest.raises(ServerError) as caught:
        network.run(calls.fork(session))
    assert caught.value.code == "limit"
    assert network.time - began < 0.1
    assert network.run(calls.step(session)).chunk.index == 1


def test_no_common_version(network: Any) -> None:
    network.host.override = lambda message: (
        [m.ErrorMessage(seq=message.seq, code="version", message="only 9", retryable=False)]
        if isinstance(message, m.Hello)
        else None
    )
    with pytest.raises(ProtocolError, match="only 9"):
        network.run(network.session().open())


def test_keys_that_the_server_refuses(network: Any) -> None:
    session = network.session()
    exchange = session.open()
    while not isinstance(exchange.send(None), Receive):
        pass
    with pytest.raises(OptionError, match="keys"):
        exchange.send(Parted("the server does not accept this client's keys", refused=True))


def test_messages_that_cannot_be_read_are_dropped(network: Any) -> None:
    session = begun(network)
    for junk in ([b"HW\x01\x00", b"\xc1"], [b""], [b"HW\x01\x00", b"\x81\xa1t\xa3NEW"]):
        network._queue(junk)
    assert network.run(calls.step(session)).chunk.index == 1


def test_an_answer_that_was_asked_for_earlier_is_not_taken_for_this_one(network: Any) -> None:
    session = begun(network)
    network.fates = iter(["ok", "twice"])
    assert network.run(calls.step(session)).chunk.index == 1
    assert network.run(calls.step(session)).chunk.index == 2
    assert network.run(calls.snapshot(session)).meta["index"] == 2


@pytest.mark.parametrize("encoding", ["rgb24", "jpeg"])
def test_a_chunk_in_several_messages(network: Any, encoding: str) -> None:
    session = begun(network, progressive=True, encoding=encoding)
    truth = PatternWorld()
    truth.reset(seed=7)
    network.fates = iter(["ok", "lost", "twice"])  # of the request, then of both parts of the chunk
    received = network.run(calls.step(session, Action({"forward"})))
    expected = truth.step(Action({"forward"}))
    assert received.chunk.frames.shape == expected.frames.shape
    assert received.chunk.first_frame == expected.first_frame
    if encoding == "rgb24":
        assert np.array_equal(received.chunk.frames, expected.frames)


def test_frames_that_cannot_be_decoded(network: Any) -> None:
    session = begun(network, encoding="jpeg")
    original = network.host.receive

    def damage(*arguments: Any) -> Any:
        return [[*answer[:2], bytes(len(part))] for answer in original(*arguments) for part in answer[2:]]

    network.host.receive = damage
    with pytest.raises(ProtocolError, match="JPEG"):
        network.run(calls.step(session))
    network.host.receive = original
    assert network.run(calls.step(session)).chunk.index == 2


def test_raw_frames_are_not_copied(network: Any) -> None:
    session = begun(network)
    parts: list[list[memoryview]] = []
    original = network._receive

    def watch(until: float) -> Any:
        event = original(until)
        if isinstance(event, list):
            parts.append(event)
        return event

    network._receive = watch
    frames = network.run(calls.step(session)).chunk.frames
    assert frames.flags.c_contiguous
    assert any(np.shares_memory(frames, np.frombuffer(part[2], np.uint8)) for part in parts if len(part) == 3)


def test_a_twin_has_a_connection_of_its_own(network: Any) -> None:
    session = begun(network)
    network.run(calls.step(session, Action({"forward"})))
    twin = network.run(calls.fork(session))
    network.run(twin.attach())
    assert twin.sid != session.sid
    left = network.run(calls.step(twin, Action({"back"}))).chunk
    assert left.index == 2
    assert read_code(left.frames[0]).buttons == {"back"}


def test_a_reset_and_a_restore_begin_an_epoch(network: Any) -> None:
    session = begun(network)
    state = network.run(calls.snapshot(session))
    network.run(calls.step(session))
    network.run(calls.restore(session, state))
    assert session.epoch == 2
    assert network.run(calls.step(session)).chunk.index == 1
    network.run(calls.reset(session, seed=3, prompt="a green floor"))
    assert session.epoch == 3
    network.run(calls.say(session, "a red floor"))
    assert network.run(calls.record(session, True)) is None


def test_what_is_wrong_is_refused_before_it_is_sent(network: Any) -> None:
    session = begun(network)
    before = len(network.host.seen)
    picture = np.zeros((8200, 1, 3), np.uint8)
    film = np.zeros((40, 200, 200, 3), np.uint8)
    for kind, exchange in (
        (ActionError, calls.step(session, Action({"fly"}))),
        (ActionError, calls.reset(session, seed=-1)),
        (PromptError, calls.step(session, prompt="x" * 2001)),
        (PromptError, calls.say(session, "\ud800")),
        (FrameError, calls.reset(session, image=picture)),
        (FrameError, calls.reset(session, video=film)),
        (FrameError, calls.reset(session, image=film[0], video=film)),
        (SnapshotError, calls.restore(session, b"bytes")),  # type: ignore[arg-type]
    ):
        with pytest.raises(kind):
            network.run(exchange)
    assert len(network.host.seen) == before


def test_a_picture_may_change_after_the_call(network: Any) -> None:
    session = network.opened()
    image = np.full((4, 4, 3), 9, np.uint8)
    exchange = calls.reset(session, image=image[::2, ::2])
    sent = exchange.send(None)
    image[:] = 0
    assert bytes(sent.parts[2]) == bytes([9] * 12)
    network.run(network.session().open())


def test_closing_is_quick_and_polite(network: Any) -> None:
    session = begun(network)
    network.run(session.close())
    assert not network.host.guests
    other = begun(network)
    network.is_up = False
    began = network.time
    network.run(other.close())
    assert network.time - began <= 1.1


def test_closing_while_a_request_is_open(network: Any) -> None:
    session = begun(network, timeout=3.0)
    network.host.override = lambda message: [] if isinstance(message, m.Step) else None
    with pytest.raises(RemoteTimeoutError):
        network.run(calls.step(session))
    network.run(session.close())
    assert not network.host.guests


def test_the_connection_of_an_open_that_broke(network: Any) -> None:
    network.fates = iter(["ok", "ok", "ok", "cut"])
    session = network.opened()
    assert network.run(calls.reset(session)).chunk.index == 0
    assert network.connection == 2


def test_an_open_is_not_done_twice_on_one_connection(network: Any) -> None:
    network.fates = iter(["ok", "ok", "ok", "lost"])
    network.opened()
    assert len(network.host.guests) == 1


def test_ping(network: Any) -> None:
    session = begun(network)
    network.host.busy_since = 0.5
    pong = network.run(session.ping())
    assert pong.busy_since == 0.5
    assert pong.sessions == 1


def test_options_that_cannot_be(network: Any) -> None:
    for wrong in ({"mode": "slow"}, {"encoding": "gif"}, {"quality": 0}, {"timeout": 0.0}, {"retry_seconds": -1.0}):
        with pytest.raises(OptionError, match=next(iter(wrong))):
            network.session(**wrong)


def test_the_new_errors_may_be_retried() -> None:
    assert issubclass(RemoteTimeoutError, TimeoutError)
    assert issubclass(ConnectionLostError, ConnectionError)
    assert RemoteTimeoutError.retryable
    assert ConnectionLostError.retryable
    assert errors.ServerError("full", code="limit", retryable=True).retryable
