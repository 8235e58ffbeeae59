"""The probe over the Python client: what the probes of the other clients are compared with.

Reads commands from standard input and answers each with one line, "= " and JSON.
helios_runtime.bench_engines.probe is the other end.
"""

from __future__ import annotations

import hashlib
import json
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from helios_runtime.client import RemoteWorld, chunks, connect
from helios_world.errors import HeliosError
from helios_world.snapshot import Snapshot
from helios_world.spec import Action, Chunk

Answer = dict[str, Any]


class Buffers:
    """Hashes what the client is about to decode, so that encoded frames can be compared as they came."""

    def __init__(self) -> None:
        self.bytes = 0
        self._hash = hashlib.sha256()
        self._decode = chunks.decode_frames
        chunks.decode_frames = self._note  # type: ignore[assignment]

    def take(self) -> str:
        """The hash of all that came since the last call."""
        digest, self._hash = self._hash.hexdigest(), hashlib.sha256()
        return digest

    def _note(self, parts: Any, encoding: Any, shape: Any) -> Any:
        for part in parts:
            self._hash.update(part)
            self.bytes += len(part)
        return self._decode(parts, encoding, shape)


class Probe:
    def __init__(self) -> None:
        self._buffers = Buffers()
        self._address = ""
        self._times = {"timeout": 20.0, "retry_seconds": 5.0}
        self._encoding = "rgb24"
        self._worlds: dict[str, RemoteWorld] = {}
        self._states: dict[str, Snapshot] = {}
        self._name = "main"
        self._newest: Chunk | None = None

    def obey(self, command: str, words: dict[str, str]) -> Answer:
        method: Callable[..., Answer] = getattr(self, f"do_{command}", self._unknown)
        return method(**words) if "." not in "".join(words) else method(words)

    def _unknown(self, *words: Any, **named: Any) -> Answer:
        raise LookupError("no such command")

    @property
    def _world(self) -> RemoteWorld:
        return self._worlds[self._name]

    def do_connect(self, address: str, timeout: str | None = None) -> Answer:
        """Opens a session to see whether a server is there, since a connection without one is not offered."""
        self._address = address
        self.do_set(timeout=timeout)
        with connect(address, **self._times) as world:
            server = world.server
        return {"ok": "connected", "server": server.server, "version": server.version, "worlds": list(server.worlds)}

    def do_open(self, **words: str) -> Answer:
        options: dict[str, Any] = dict(words)
        if "quality" in words:
            options["quality"] = int(words["quality"])
        if "progressive" in words:
            options["progressive"] = words["progressive"] == "1"
        self._encoding, self._name = words.get("encoding", "rgb24"), "main"
        self._worlds["main"] = connect(self._address, **self._times, **options)
        return self._opened()

    def _opened(self) -> Answer:
        spec = self._world.spec
        return {
            "ok": "opened",
            "sid": self._world._session.sid,
            "world": spec.name,
            "fps": spec.fps,
            "height": spec.height,
            "width": spec.width,
            "frames_per_chunk": spec.frames_per_chunk,
            "buttons": [button.name for button in spec.actions.buttons],
            "axes": [axis.name for axis in spec.actions.axes],
        }

    def do_reset(self, seed: str = "0", prompt: str | None = None) -> Answer:
        self._buffers.take()
        return self._chunk(self._world.reset(seed=int(seed), prompt=prompt))

    def do_step(self, *given: dict[str, str], **named: str) -> Answer:
        self._buffers.take()
        words = given[0] if given else named
        buttons = frozenset(filter(None, words.get("buttons", "").split(",")))
        axes = {key.removeprefix("axis."): float(value) for key, value in words.items() if key.startswith("axis.")}
        return self._chunk(self._world.step(Action(buttons, axes), words.get("prompt")))

    def _chunk(self, chunk: Chunk) -> Answer:
        self._newest = chunk
        frames, height, width, _ = chunk.frames.shape
        return {
            "ok": "chunk",
            "index": chunk.index,
            "epoch": self._world._session.epoch,
            "first_frame": chunk.first_frame,
            "frames": frames,
            "height": height,
            "width": width,
            "encoding": self._encoding,
            "sha256": self._buffers.take(),
            "prompt": [[weight.text, weight.weight] for weight in chunk.prompt],
            "buttons": sorted(chunk.action.buttons),
            "axes": dict(chunk.action.axes),
        }

    def do_prompt(self, text: str) -> Answer:
        self._world.say(text)
        return self._done()

    def do_snapshot(self, name: str) -> Answer:
        state = self._states[name] = self._world.snapshot()
        data = bytes(state)
        return {"ok": "state", "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}

    def do_restore(self, name: str) -> Answer:
        self._world.restore(self._states[name])
        return self._done()

    def _done(self) -> Answer:
        return {"ok": "done", "epoch": self._world._session.epoch}

    def do_fork(self, name: str) -> Answer:
        parent = self._world._session.sid
        self._worlds[name] = self._world.fork()
        return {"ok": "opened", "sid": self._worlds[name]._session.sid, "parent": parent}

    def do_use(self, name: str) -> Answer:
        self._name = name
        return {"ok": "using", "name": name}

    def do_save(self, name: str, path: str) -> Answer:
        Path(path).write_bytes(bytes(self._states[name]))
        return {"ok": "saved"}

    def do_load(self, name: str, path: str) -> Answer:
        self._states[name] = Snapshot.from_bytes(Path(path).read_bytes())
        return {"ok": "loaded"}

    def do_pixels(self, frame: str, path: str | None = None) -> Answer:
        assert self._newest is not None
        picture = self._newest.frames[int(frame)].tobytes()
        if path is not None:
            Path(path).write_bytes(picture)
        return {"ok": "pixels", "sha256": hashlib.sha256(picture).hexdigest()}

    def do_stream(self, seconds: str, buttons: str = "", prompt: str | None = None) -> Answer:
        player = self._world.stream()
        for name in filter(None, buttons.split(",")):
            player.inputs.press(name)
        if prompt is not None:
            player.inputs.say(prompt)
        until, applied = time.monotonic() + float(seconds), 0
        while time.monotonic() < until:
            player.wait(min(0.05, max(until - time.monotonic(), 0.0)))
            applied = max(applied, self._world._session.last_input)
        figures = player.figures()
        return {
            "ok": "stream",
            "chunks": figures.chunks,
            "frames_shown": figures.frames,
            "underruns": figures.underruns,
            "missing": figures.lost_chunks,
            "applied": applied,
            "input_ms": figures.delay_ms.p50,
        }

    def do_bench(self, chunks: str, warmup: str = "10") -> Answer:
        for _ in range(int(warmup)):
            self._world.step()
        begun, times, frames = time.perf_counter(), [], 0
        for _ in range(int(chunks)):
            asked = time.perf_counter()
            frames += len(self._world.step().frames)
            times.append(1e3 * (time.perf_counter() - asked))
        return {"ok": "bench", "round_trip_ms": times, "frames": frames, "seconds": time.perf_counter() - begun}

    def do_status(self) -> Answer:
        resumes = sum(world._session.attachments - 1 for world in self._worlds.values())
        return {"ok": "status", "state": "connected", "resumes": resumes, "dropped": 0, "bytes": self._buffers.bytes}

    def do_sleep(self, ms: str) -> Answer:
        time.sleep(float(ms) / 1e3)
        return {"ok": "slept"}

    def do_set(self, repeat_s: str | None = None, timeout: str | None = None) -> Answer:
        if repeat_s is not None:
            self._times["retry_seconds"] = float(repeat_s)
        if timeout is not None:
            self._times["timeout"] = float(timeout)
        return {"ok": "set"}

    def do_close(self) -> Answer:
        self._worlds.pop(self._name).close()
        return {"ok": "closed"}

    def do_disconnect(self) -> Answer:
        for world in self._worlds.values():
            with suppress(HeliosError):
                world._link.close()
                world._is_closed = True
        self._worlds.clear()
        self._name = "main"
        return {"ok": "disconnected"}

    def do_fuzz(self, address: str, seconds: str, messages: str) -> Answer:
        """Counts the connections as messages: this client does not tell what it dropped."""
        until, tried, errors, made = time.monotonic() + float(seconds), 0, 0, 0
        while time.monotonic() < until and tried < int(messages):
            tried += 1
            try:
                with connect(address, timeout=0.5, retry_seconds=0.3) as world:
                    world.reset(seed=7)
                    made += 1
                    for _ in range(4):
                        world.step()
                        made += 1
            except HeliosError:
                errors += 1
        counts = {"connections": tried, "messages": tried, "dropped": 0, "errors": errors, "chunks": made}
        return {"ok": "fuzz", **counts}


def answer(probe: Probe, line: str) -> Answer:
    command, *rest = line.split()
    words = dict(word.split("=", 1) for word in rest)
    try:
        return probe.obey(command, {key: unquote(value) for key, value in words.items()})
    except HeliosError as error:
        return {"error": error.code, "message": str(error), "retryable": False}
    except (LookupError, TypeError, ValueError, OSError) as error:
        return {"error": "usage", "message": f"{type(error).__name__}: {error}", "retryable": False}


if __name__ == "__main__":
    served = Probe()
    for text in sys.stdin:
        if text.strip() == "quit":
            break
        print("=", json.dumps(answer(served, text)), flush=True)
