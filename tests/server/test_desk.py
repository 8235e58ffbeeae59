"""The rules of the protocol, message by message: no sockets, no threads, no time of its own."""

from __future__ import annotations

import random
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgpack
import pytest

from helios_runtime.protocol import wire
from helios_runtime.server import jobs
from helios_world.errors import PromptError
from helios_world.snapshot import Snapshot

GOLDEN_SID = b"00112233445566778899aabbccddeeff"
FORWARD = {"buttons": ["forward"]}


@pytest.fixture
def goldens() -> list[list[bytes]]:
    """An example of every message."""
    files = (Path(__file__).parents[2] / "bindings" / "wire").glob("*.bin")
    return [_parts(file.read_bytes()) for file in sorted(files)]


def _parts(data: bytes) -> list[bytes]:
    (count,), start, parts = struct.unpack_from("<I", data), 4, []
    for _ in range(count):
        (length,) = struct.unpack_from("<I", data, start)
        parts.append(data[start + 4 : start + 4 + length])
        start += 4 + length
    return parts


def test_hello_comes_first(office: Any, visit: Any) -> None:
    guest = visit(office)
    (answer,) = guest.say(t="OPEN", seq=5)
    assert (answer.t, answer.code, answer.seq) == ("ERROR", "route", 5)
    (answer,) = guest.say(t="STEP", seq=1, sid="0" * 32, epoch=0)
    assert (answer.t, answer.code, answer.sid) == ("ERROR", "route", "0" * 32)
    (pong,) = guest.say(t="PING", n=3, client_time=1.5)
    assert (pong.t, pong.n, pong.client_time) == ("PONG", 3, 1.5)
    welcome = guest.greet()
    assert (welcome.t, welcome.version, welcome.worlds) == ("WELCOME", 1, ("pattern",))
    assert welcome.world.spec().actions.button_names[0] == "forward"
    assert (welcome.session_limit, welcome.lifetime_s) == (4, None)


def test_no_common_version(office: Any, visit: Any) -> None:
    (answer,) = visit(office).say(t="HELLO", seq=1, versions=[2, 3], client="future/2")
    assert (answer.code, answer.details["versions"]) == ("version", (1,))


def test_a_session_from_start_to_end(office: Any, visit: Any) -> None:
    guest = visit(office)
    opened = guest.open()
    assert (opened.epoch, opened.next_seq, opened.index, opened.world.name) == (0, 1, 0, "pattern")
    first = guest.ask("RESET", seed=7, prompt="a red floor")
    assert (first.t, first.seq, first.epoch, first.index, first.shape) == ("CHUNK", 1, 1, 0, (4, 16, 16, 3))
    second = guest.ask("STEP", epoch=1, action=FORWARD, client_time=2.5)
    assert (second.index, second.first_frame, second.action.buttons) == (1, 4, ("forward",))
    assert (second.client_time, second.applied, second.input_ms) == (2.5, None, None)
    assert guest.ask("CLOSE").t == "CLOSED"
    assert guest.ask("STEP", epoch=1).code == "unknown_session"
    assert office.engine.worlds == {}


def test_an_unknown_session(office: Any, visit: Any) -> None:
    guest = visit(office)
    guest.greet()
    (answer,) = guest.say(t="STEP", sid="f" * 32, seq=9, epoch=1)
    assert (answer.code, answer.seq, answer.sid) == ("unknown_session", 9, "f" * 32)


def test_a_session_of_another_connection(office: Any, visit: Any) -> None:
    owner, thief = visit(office), visit(office, b"b")
    owner.open()
    thief.greet()
    thief.sid = owner.sid
    for request in ("SNAPSHOT", "CLOSE"):
        assert thief.ask(request).code == "route"
    assert owner.ask("RESET", seed=1).t == "CHUNK"


def test_a_repeated_request_gets_the_same_bytes(office: Any, visit: Any) -> None:
    guest = visit(office)
    guest.open()
    guest.ask("RESET", seed=1)
    request = [wire.PREFIX, msgpack.packb({"t": "STEP", "sid": guest.sid, "seq": 2, "epoch": 1, "action": FORWARD})]
    office.put(b"a", request)
    first = office.sent()
    office.put(b"a", request)
    assert office.sent() == first
    assert len(office.engine.steps) == 1
    assert len(first) == 1


def test_a_repetition_while_it_is_executed_is_dropped(office: Any, visit: Any) -> None:
    guest = visit(office)
    guest.open()
    guest.ask("RESET", seed=1)
    office.engine.is_held = True
    step = {"t": "STEP", "sid": guest.sid, "seq": 2, "epoch": 1}
    assert guest.say(**step) == []
    assert guest.say(**step) == []
    (busy,) = guest.say(**{**step, "seq": 3})
    assert (busy.code, busy.retryable, busy.seq) == ("busy", True, 3)
    office.engine.work()
    office.run()
    (chunk,) = guest.hear()
    assert (chunk.seq, chunk.index, len(office.engine.steps)) == (2, 1, 1)


def test_stale_and_gap(office: Any, visit: Any) -> None:
    guest = visit(office)
    guest.open()
    for _ in range(3):
        guest.ask("RESET", seed=1)
    (stale,) = guest.say(t="SNAPSHOT", sid=guest.sid, seq=2)
    assert (stale.code, stale.details["next_seq"]) == ("stale", 4)
    (gap,) = guest.say(t="SNAPSHOT", sid=guest.sid, seq=5)
    assert (gap.code, gap.seq, gap.details["next_seq"]) == ("gap", 5, 4)
    assert [type(job) for job in office.engine.done].count(jobs.TakeSnapshot) == 0


def test_epochs(office: Any, visit: Any) -> None:
    guest = visit(office)
    guest.open()
    assert guest.ask("RESET", seed=1).epoch == 1
    assert guest.ask("RESET", seed=2).epoch == 2
    (stale,) = guest.say(t="STEP", sid=guest.sid, seq=3, epoch=1)
    assert (stale.code, stale.details["epoch"]) == ("stale", 2)
    (chunk,) = guest.say(t="STEP", sid=guest.sid, seq=3, epoch=2)
    assert (chunk.t, chunk.epoch, chunk.index) == ("CHUNK", 2, 1)


def test_a_failed_request_uses_up_its_seq(office: Any, visit: Any) -> None:
    guest = visit(office)
    guest.open()
    assert guest.ask("STEP", epoch=0).code == "state"
    guest.ask("RESET", seed=1)
    bad = {"t": "STEP", "sid": guest.sid, "seq": 3, "epoch": 1, "action": {"buttons": ["fly"]}}
    (refused,) = guest.say(**bad)
    assert (refused.code, refused.seq, refused.retryable) == ("action", 3, False)
    assert "'fly'" in refused.message
    assert guest.say(**bad) == [refused]
    (chunk,) = guest.say(t="STEP", sid=guest.sid, seq=4, epoch=1)
    assert chunk.index == 1


def test_a_failed_reset_begins_no_epoch(office: Any, visit: Any) -> None:
    guest = visit(office)
    guest.open()
    guest.ask("RESET", seed=1)
    part = {"dtype": "u1", "shape": [0, 4, 4, 3]}
    assert guest.ask("RESET", seed=1, start="video", parts=[part]).code in ("frame", "protocol")
    (chunk,) = guest.say(t="STEP", sid=guest.sid, seq=2, epoch=1)
    assert chunk.epoch == 1


def test_starting_from_a_picture(office: Any, visit: Any) -> None:
    guest = visit(office)
    guest.open()
    picture = bytes(range(48)) * 3
    part = {"dtype": "u1", "shape": [6, 8, 3]}
    assert guest.ask("RESET", picture, seed=1, start="image", parts=[part]).index == 0
    given = office.engine.done[-1].image
    assert given.tobytes() == picture
    assert given.shape == (6, 8, 3)
    assert given.flags.writeable


def test_prompts(office: Any, visit: Any) -> None:
    guest = visit(office)
    guest.open()
    guest.ask("RESET", seed=1, prompt="a red floor")
    done = guest.ask("PROMPT", prompt="a blue floor")
    assert (done.t, done.epoch, done.index) == ("DONE", 1, 1)
    assert [guest.ask("STEP", epoch=1).prompt[-1][0] for _ in range(2)] == ["a blue floor"] * 2
    guest.ask("PROMPT", prompt="unheard")
    guest.ask("STEP", epoch=1, prompt="a green floor")
    guest.ask("STEP", epoch=1)
    assert [given.prompt for given in office.engine.steps] == ["a blue floor", None, "a green floor", None]


def test_a_prompt_outlives_a_failed_step(office: Any, visit: Any) -> None:
    guest = visit(office)
    guest.open()
    guest.ask("RESET", seed=1)
    guest.ask("PROMPT", prompt="a blue floor")
    guest.ask("STEP", epoch=1, action={"buttons": ["fly"]})
    guest.ask("STEP", epoch=1)
    assert office.engine.steps[-1].prompt == "a blue floor"


def test_a_prompt_that_is_refused_is_forgotten(office: Any, visit: Any) -> None:
    guest = visit(office)
    guest.open()
    guest.ask("RESET", seed=1)
    guest.ask("PROMPT", prompt="too long for this world")
    office.engine.fault = PromptError("too long")
    assert guest.ask("STEP", epoch=1).code == "prompt"
    assert guest.ask("STEP", epoch=1).t == "CHUNK"
    assert office.engine.steps[-1].prompt is None


def test_snapshot_and_restore(office: Any, visit: Any) -> None:
    guest = visit(office)
    guest.open()
    guest.ask("RESET", seed=1)
    office.put(b"a", [wire.PREFIX, msgpack.packb({"t": "SNAPSHOT", "sid": guest.sid, "seq": 2})])
    (parts,) = office.sent()
    state, (data,) = wire.decode_server(parts)
    assert (state.epoch, state.index, Snapshot.from_bytes(bytes(data)).meta["index"]) == (1, 1, 0)
    guest.say(t="STEP", sid=guest.sid, seq=3, epoch=1)
    restore = {"t": "RESTORE", "sid": guest.sid, "seq": 4, "parts": [{"bytes": len(data)}]}
    (done,) = guest.say(bytes(data), **restore)
    assert (done.t, done.epoch, done.index) == ("DONE", 2, 1)
    (chunk,) = guest.say(t="STEP", sid=guest.sid, seq=5, epoch=2)
    assert chunk.index == 1
    (refused,) = guest.say(b"rubbish", **{**restore, "seq": 6, "parts": [{"bytes": 7}]})
    assert refused.code == "snapshot"
    (chunk,) = guest.say(t="STEP", sid=guest.sid, seq=7, epoch=2)
    assert chunk.index == 2


def test_a_fork_goes_its_own_way(office: Any, visit: Any) -> None:
    guest, twin = visit(office), visit(office)
    guest.open()
    guest.ask("RESET", seed=1)
    opened = guest.ask("FORK")
    assert (opened.parent, opened.epoch, opened.next_seq, opened.index) == (guest.sid, 1, 1, 1)
    assert opened.sid != guest.sid
    (chunk,) = guest.say(t="STEP", sid=opened.sid, seq=1, epoch=1)
    assert (chunk.sid, chunk.index) == (opened.sid, 1)
    assert guest.ask("STEP", epoch=1).index == 1
    (closed,) = guest.say(t="CLOSE", sid=guest.sid, seq=4)
    assert closed.t == "CLOSED"
    twin.sid = opened.sid
    twin.route = b"b"
    assert twin.resume(twin, token=opened.token).index == 2


def test_recordings(office: Any, visit: Any, make_office: Any) -> None:
    guest = visit(office)
    guest.open(record=True)
    assert isinstance(office.engine.done[-1], jobs.Record)
    assert guest.ask("RECORD", on=False).path == f"{guest.sid}.mp4"
    other = visit(make_office(capabilities=("stream",)))
    assert other.open(record=True).code == "option"
    other.open()
    assert other.ask("RECORD", on=True).code == "option"
    assert other.ask("RESET", seed=1).seq == 2


def test_what_is_not_offered(office: Any, visit: Any) -> None:
    guest = visit(office)
    refused = guest.open(world="heaven")
    assert (refused.code, refused.seq) == ("option", 2)
    assert "pattern" in refused.message
    assert guest.open(encoding="h264").code == "option"
    assert guest.open(encoding="jpeg").t == "OPENED"


def test_too_many_sessions(office: Any, visit: Any) -> None:
    guest = visit(office)
    for _ in range(4):
        assert guest.open().t == "OPENED"
    refused = guest.open()
    assert (refused.code, refused.retryable, refused.details["sessions"]) == ("limit", True, 4)
    assert guest.ask("RESET", seed=1).t == "CHUNK"
    assert guest.ask("FORK").code == "limit"
    (closed,) = guest.say(t="CLOSE", sid=guest.sid, seq=2)
    assert closed.t == "CLOSED"
    assert guest.open().t == "OPENED"


def test_a_repeated_open_with_a_nonce(office: Any, visit: Any) -> None:
    guest = visit(office)
    first, again = guest.open(nonce="a" * 32), guest.open(nonce="a" * 32)
    assert (again.sid, again.token, again.seq) == (first.sid, first.token, 4)
    guest.ask("RESET", seed=1)
    assert guest.open(nonce="a" * 32).sid == first.sid
    assert guest.open(nonce="b" * 32).sid != first.sid
    assert len(office.floor.sessions) == 2


def test_an_open_is_repeated_on_another_connection(office: Any, visit: Any) -> None:
    lost, guest = visit(office), visit(office, b"b")
    first = lost.open(nonce="a" * 32)
    again = guest.open(nonce="a" * 32)
    assert (again.sid, again.token) == (first.sid, first.token)
    (bye,) = lost.hear()
    assert (bye.reason, bye.sid) == ("replaced", first.sid)
    assert lost.ask("RESET", seed=1).code == "route"
    assert guest.ask("RESET", seed=1).t == "CHUNK"
    # It is in use now, and its nonce opens nothing of it any more.
    assert visit(office, b"c").open(nonce="a" * 32).sid != first.sid


def test_an_open_is_repeated_while_the_world_is_opened(office: Any, visit: Any) -> None:
    lost, guest = visit(office), visit(office, b"b")
    for visitor in (lost, guest):
        visitor.greet()
    office.engine.is_held = True
    lost.say(t="OPEN", seq=2, nonce="a" * 32)
    guest.say(t="OPEN", seq=5, nonce="a" * 32)
    office.engine.work()
    office.run()
    (opened,) = guest.hear()
    assert (opened.t, opened.seq, lost.hear(), len(office.floor.sessions)) == ("OPENED", 5, [], 1)


def test_an_encoded_answer_is_kept_whole(office: Any, visit: Any) -> None:
    guest = visit(office)
    guest.open(encoding="jpeg", quality=50)
    reset = {"t": "RESET", "sid": guest.sid, "seq": 1, "seed": 1}
    chunks = guest.say(**reset)
    assert [(each.encoding, each.seq, each.of) for each in chunks] == [("jpeg", 1, 1)]
    assert guest.say(**reset) == chunks


def test_frames_that_cannot_be_encoded(office: Any, visit: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    guest = visit(office)
    guest.open(encoding="jpeg")
    monkeypatch.setattr("helios_runtime.server.answers.encode_frames", _fail)
    failed = guest.ask("RESET", seed=1)
    assert (failed.code, failed.seq) == ("internal", 1)
    (again,) = guest.say(t="RESET", sid=guest.sid, seq=1, seed=1)
    assert again == failed
    monkeypatch.undo()
    assert guest.ask("STEP", epoch=1).index == 1


def test_pong_tells_what_goes_on(office: Any, visit: Any) -> None:
    guest = visit(office)
    guest.open()
    guest.ask("RESET", seed=1)
    office.engine.is_held, office.engine.busy_since = True, office.time - 2.0
    guest.say(t="STEP", sid=guest.sid, seq=2, epoch=1)
    (pong,) = guest.say(t="PING", n=1)
    assert (pong.busy_since, pong.queue, pong.sessions) == (2.0, 1, 1)


def test_a_fault_ends_only_its_session(office: Any, visit: Any, caplog: pytest.LogCaptureFixture) -> None:
    guest, other = visit(office), visit(office, b"b")
    guest.open()
    other.open()
    guest.ask("RESET", seed=1)
    office.engine.fault = ZeroDivisionError("secret detail")
    error, bye = guest.say(t="STEP", sid=guest.sid, seq=2, epoch=1)
    assert (error.code, error.seq) == ("internal", 2)
    assert "secret" not in error.message
    assert "secret detail" in caplog.text
    number = error.message.split()[-1]
    assert number in caplog.text
    assert (bye.t, bye.reason, bye.resumable) == ("BYE", "internal", False)
    assert guest.ask("SNAPSHOT").code == "unknown_session"
    assert other.ask("RESET", seed=1).t == "CHUNK"


@pytest.mark.parametrize(
    "parts",
    [
        [],
        [b""],
        [b"HW\x01\x00"],
        [b"XX\x01\x00", b"\x80"],
        [b"HW\x01\x00", b"\xc1"],
        [b"HW\x01\x00", msgpack.packb([1, 2])],
        [b"HW\x01\x00", msgpack.packb({"t": "NOTHING"})],
        [b"HW\x01\x00", msgpack.packb({"t": "PING"}), b"left over"],
        [b"HW\x01\x00", b"\x80" * 70_000],
        [b"HW\x01\x00", msgpack.packb({"t": "PING", "n": 1}), *[b""] * 20],
    ],
)
def test_malformed_messages(office: Any, visit: Any, parts: list[bytes]) -> None:
    office.put(b"b", parts)
    (answer,) = [wire.decode_server(sent)[0] for sent in office.sent(b"b")]
    assert answer.code in ("protocol", "too_large")
    guest = visit(office)
    assert guest.open().t == "OPENED"


def test_a_malformed_request_is_answered_by_its_seq(office: Any, visit: Any) -> None:
    guest = visit(office)
    guest.open()
    (answer,) = guest.say(t="STEP", sid=guest.sid, seq=1, epoch="one")
    assert (answer.code, answer.seq, answer.sid) == ("protocol", 1, guest.sid)
    assert guest.ask("RESET", seed=1).t == "CHUNK"


def test_damaged_messages_are_no_danger(make_office: Any, visit: Any, goldens: list[list[bytes]]) -> None:
    office = make_office(saving=False, rate=1e9)
    guest, rng = visit(office), random.Random(7)
    guest.open()
    guest.ask("RESET", seed=1)
    for number in range(3000):
        parts = [bytearray(part.replace(GOLDEN_SID, guest.sid.encode())) for part in rng.choice(goldens)]
        victim = parts[rng.randrange(len(parts))]
        if number % 3 == 0:
            del victim[rng.randrange(len(victim) + 1) :]
        elif victim:
            victim[rng.randrange(len(victim))] ^= 1 << rng.randrange(8)
        office.put(rng.choice([b"a", b"b"]), parts)
        office.time += 0.01
    assert visit(office, b"c").greet().t == "WELCOME"


def test_a_flood_of_rubbish_is_not_answered_for_ever(office: Any, caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(300):
        office.put(b"b", [b"rubbish"])
    assert len(office.sent(b"b")) == 20
    assert len(caplog.records) < 10


def test_too_many_messages(make_office: Any, visit: Any) -> None:
    office = make_office(saving=False, rate=10.0)
    guest, other = visit(office), visit(office, b"b")
    guest.open()
    answers = [answer for n in range(100) for answer in guest.say(t="PING", n=n)]
    kinds = [answer.t for answer in answers]
    assert kinds.count("PONG") == 18
    assert {answer.code for answer in answers if answer.t == "ERROR"} == {"limit"}
    assert kinds.count("ERROR") == 20
    assert other.open().t == "OPENED"
    office.pass_time(1.0)
    assert guest.ask("RESET", seed=1).t == "CHUNK"


def test_connections_are_forgotten(office: Any, visit: Any) -> None:
    keeper = visit(office, b"keeper")
    keeper.open()
    for number in range(5000):
        office.put(b"%d" % number, [b"rubbish"])
    assert len(office.floor.heard) <= 4096
    office.pass_time(200.0)
    assert set(office.floor.heard) == {b"keeper"}
    assert keeper.ask("RESET", seed=1).t == "CHUNK"


def test_a_connection_that_ended(office: Any, visit: Any) -> None:
    guest = visit(office)
    guest.open(mode="stream")
    guest.ask("RESET", seed=1)
    office.engine.is_held = True
    guest.say(t="CREDIT", sid=guest.sid, epoch=1, n=2)
    office.desk.leave(b"a")
    office.desk.leave(b"nobody")
    office.engine.work()
    office.run()
    assert (guest.hear(), len(office.engine.steps)) == ([], 1)
    assert guest.ask("SNAPSHOT").code == "route"


def test_drain(office: Any, visit: Any) -> None:
    guest, other = visit(office), visit(office, b"b")
    guest.open()
    other.greet()
    guest.ask("RESET", seed=1)
    office.engine.is_held = True
    guest.say(t="STEP", sid=guest.sid, seq=2, epoch=1)
    assert not office.desk.drain()
    (refused,) = other.say(t="OPEN", seq=2)
    assert (refused.code, refused.retryable) == ("draining", True)
    office.engine.work()
    office.run()
    (chunk,) = guest.hear()
    assert chunk.seq == 2
    (refused,) = guest.say(t="STEP", sid=guest.sid, seq=3, epoch=1)
    assert refused.code == "draining"
    assert _ends(office)
    office.desk.say_goodbye()
    for each in (guest, other):
        (bye,) = each.hear()
        assert (bye.t, bye.sid, bye.reason, bye.resumable) == ("BYE", None, "draining", False)


def _fail(*_: object) -> None:
    raise MemoryError


def _ends(office: Any) -> bool:
    """Drains, with as many turns as it takes."""
    turns: list[Callable[[], bool]] = [office.desk.drain] * 3
    results = []
    for turn in turns:
        results.append(turn())
        office.run()
    return results[-1]
