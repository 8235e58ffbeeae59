"""Clients and servers that are killed: sessions go on where they were, and nobody else notices."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from helios_world.spec import Action
from helios_world.testing import PatternWorld, read_code

CLIENT = """
import sys
import helios_runtime
world = helios_runtime.connect(sys.argv[1])
world.reset(seed=11)
world.step()
print(world._session._opened.sid, world._session._opened.token, flush=True)
sys.stdin.readline()
world.step()
"""
"""Is killed in the middle of its last step."""


def begun(server: Any, seed: int, count: int) -> Callable[[], bool]:
    """Whether so many chunks of a session were made."""
    return lambda: sum(made == seed for made, _ in server.ledger) == count


def in_a_step(watching: Any) -> Callable[[], bool]:
    """Whether the server has been computing for a while."""
    return lambda: (watching.ping().busy_since or 0.0) > 0.03


def test_a_client_that_is_killed_in_the_middle_of_a_step(
    serve: Any, peer: Any, remote: Any, wait: Callable[..., None], tmp_path: Path
) -> None:
    hold = tmp_path / "hold"
    server = serve("ledger", HOLD=str(hold))
    other, local = remote(server), PatternWorld()
    assert np.array_equal(other.reset(seed=1).frames, local.reset(seed=1).frames)
    command = [sys.executable, "-c", CLIENT, server.address]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as victim:
        assert victim.stdin is not None
        assert victim.stdout is not None
        sid, token = victim.stdout.readline().split()
        hold.touch()
        victim.stdin.write("go on\n")
        victim.stdin.flush()
        wait(in_a_step(peer(server)))
        victim.kill()
    hold.unlink()
    times = []
    for _ in range(2):
        began = time.monotonic()
        assert np.array_equal(other.step().frames, local.step().frames)
        times.append(time.monotonic() - began)
    assert max(times) < 12, "a heartbeat of the dead is waited for"
    wait(begun(server, 11, 3))
    heir, twin = peer(server), PatternWorld()
    opened = heir.resume(sid, token, last_seq=2)
    assert (opened.t, opened.next_seq, opened.index) == ("OPENED", 4, 3)
    heir.send(t="STEP", sid=sid, seq=3, epoch=opened.epoch)
    kept, (frames,) = heir.receive()
    expected = [twin.reset(seed=11), twin.step(), twin.step(), twin.step(Action({"forward"}))]
    assert (kept.seq, kept.index) == (3, 2)
    assert bytes(frames) == expected[2].frames.tobytes()
    _, (frames,) = heir.step("forward")
    assert bytes(frames) == expected[3].frames.tobytes()
    assert [index for seed, index in server.ledger if seed == 11] == [0, 1, 2, 3]


@pytest.mark.parametrize("graceful", [False, True], ids=["killed", "ended"])
def test_sessions_go_on_with_the_next_server(
    graceful: bool, serve: Any, remote: Any, walk: Any, wait: Callable[..., None], tmp_path: Path
) -> None:
    """Several clients in the middle of whatever they do, and a server that goes away again and again."""
    server = serve("ledger", "--state-dir", str(tmp_path / "sessions"), STEP_SECONDS="0.02")
    hikes = [walk(remote(server), PatternWorld(), seed) for seed in range(3)]
    for hike in hikes:
        hike.begin()
    done = threading.Event()
    counts = [0, 0, 0]
    failures: list[BaseException] = []

    def go(number: int) -> None:
        try:
            while not done.is_set():
                hikes[number].do_anything()
                counts[number] += 1
        except BaseException as failure:
            failures.append(failure)

    threads = [threading.Thread(target=go, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for _ in range(4):
        before = [*counts]
        wait(lambda: bool(failures) or all(now > then + 1 for now, then in zip(counts, before, strict=True)))  # noqa: B023
        if graceful:
            assert server.terminate() == 0
        else:
            server.kill()
        server.start()
    done.set()
    for thread in threads:
        thread.join()
    assert not failures, failures
    assert min(counts) > 4


def test_a_step_that_was_cut_off_is_made_by_the_next_server(
    serve: Any, remote: Any, peer: Any, wait: Callable[..., None], tmp_path: Path
) -> None:
    hold = tmp_path / "hold"
    server = serve("ledger", "--state-dir", str(tmp_path / "sessions"), HOLD=str(hold))
    world, local = remote(server), PatternWorld()
    world.reset(seed=2)
    local.reset(seed=2)
    watching = peer(server)

    def restart() -> None:
        wait(in_a_step(watching))
        server.kill()
        hold.unlink()
        server.start()

    hold.touch()
    thread = threading.Thread(target=restart)
    thread.start()
    assert np.array_equal(world.step(Action({"forward"})).frames, local.step(Action({"forward"})).frames)
    thread.join()
    assert np.array_equal(world.step().frames, local.step().frames)
    assert server.ledger == [(2, 0), (2, 1), (2, 2)]


def test_a_running_step_is_finished_before_the_end(
    serve: Any, remote: Any, peer: Any, wait: Callable[..., None], tmp_path: Path
) -> None:
    """SIGTERM: the answer of the step that runs goes out, and nothing has to be made again."""
    hold = tmp_path / "hold"
    server = serve("ledger", "--state-dir", str(tmp_path / "sessions"), STEP_SECONDS="0.5", HOLD=str(hold))
    client = peer(server)
    client.open()
    client.reset(seed=3)
    hold.touch()
    client.send(t="STEP", sid=client.sid, seq=2, epoch=1)
    watching = peer(server)
    wait(in_a_step(watching))
    hold.unlink()
    assert server.terminate() == 0
    chunk, _ = client.await_("CHUNK")
    assert (chunk.seq, chunk.index) == (2, 1)
    assert client.await_("BYE")[0].resumable
    server.start()
    heir = peer(server)
    opened = heir.resume(client.sid, client.token, last_seq=2)
    assert (opened.next_seq, opened.index) == (3, 2)
    assert heir.step()[0].index == 2
    assert server.ledger == [(3, 0), (3, 1), (3, 2)]


def test_without_a_folder_a_restart_ends_the_sessions_and_says_so(serve: Any, remote: Any) -> None:
    server = serve("pattern")
    world = remote(server)
    world.reset(seed=1)
    server.kill()
    server.start()
    with pytest.raises(RuntimeError, match="lost the session"):
        world.step()


@pytest.mark.parametrize("graceful", [False, True], ids=["killed", "ended"])
def test_a_stream_goes_on_with_the_next_server(
    graceful: bool, serve: Any, remote: Any, wait: Callable[..., None], tmp_path: Path
) -> None:
    """Every chunk that is shown is the right one, in order; those that were lost are counted."""
    server = serve("ledger", "--state-dir", str(tmp_path / "sessions"))
    world = remote(server, mode="stream", retry_seconds=1.0)  # a pause of the server is no lost connection
    world.reset(seed=5)
    player = world.stream(fps=200)
    player.inputs.press("forward")
    seen: list[int] = []

    def shown(count: int) -> Callable[[], bool]:
        def look() -> bool:
            frame = player.wait(0.05)
            if frame is not None and frame.is_new and frame.number == 0:
                seen.append(frame.chunk.index)
                code = read_code(frame.picture)
                assert (code.seed, code.index) == (5, frame.chunk.index)
            return len(seen) >= count

        return look

    for target in (10, 20, 30):
        wait(shown(target))
        if graceful:
            server.terminate()
        else:
            server.kill()
        server.start()
    wait(shown(45))
    assert player.figures().connections == 4
    assert seen == sorted(set(seen))
    assert player.figures().lost_chunks == seen[-1] - seen[0] + 1 - len(seen)
    assert "forward" in read_code(player.poll().picture).buttons
