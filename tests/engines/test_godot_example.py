"""The Godot example in a window: real keys go in, and what is to be seen comes out.

With HELIOS_KEEP_SCREENSHOTS=docs/engines the pictures of the documentation are made anew.
"""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

pytestmark = pytest.mark.engines

ROOT = Path(__file__).parents[2]
OBSERVER = Path(__file__).with_name("godot_observer.gd")
LEDGER = ROOT / "tests" / "faults" / "ledger.py"
WIDTH, HEIGHT = 1280, 720
PATIENCE = 40.0
"""Seconds within which whatever is waited for must happen; a slow machine shared with others needs some."""
BEGINNING = ("--seed=11", "--prompt=a brick garden at noon")
BAD_SIGNS = ("SCRIPT ERROR", "Parse Error", "leaked", "handle_crash", "Invalid call")

Picture = NDArray[np.uint8]
Report = dict[str, Any]


class Window:
    """A scene that runs in a window on a display of its own, the keys of that display, and what the scene reports."""

    def __init__(self, display: str, command: list[str], environment: dict[str, str]) -> None:
        self._environment = {**os.environ, "DISPLAY": display, "LIBGL_ALWAYS_SOFTWARE": "1", "LANG": "C.UTF-8"}
        self._process = subprocess.Popen(
            command,
            env={**self._environment, **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
        self.reports: list[Report] = []
        self.other_lines: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.startswith("@ "):
                self.reports.append(json.loads(line[2:]))
            else:
                self.other_lines.append(line)

    @property
    def log(self) -> str:
        return "".join(self.other_lines)

    def until(self, what: str, happens: Callable[[Report], object], since: int | None = None) -> Report:
        """The first report from now on, or since that one, for which it is so."""
        read = len(self.reports) if since is None else since
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            while read < len(self.reports):
                read += 1
                if happens(self.reports[read - 1]):
                    return self.reports[read - 1]
            if self._process.poll() is not None:
                pytest.fail(f"the window was gone before this: {what}\n{self.log[-3000:]}")
            time.sleep(0.02)
        last = [report for report in self.reports if "texts" in report][-1:]
        return pytest.fail(f"this did not happen: {what}\nlast seen: {last}\n{self.log[-3000:]}")

    def until_text(self, label: str, pattern: str) -> str:
        """The first text of a label from now on that fits."""
        found = self.until(f"{label} shows {pattern}", lambda r: re.search(pattern, r.get("texts", {}).get(label, "")))
        return str(found["texts"][label])

    def until_state(self, state: str) -> None:
        self.until(f"the world is {state}", lambda r: r.get("state") == state)

    def chunks(self, count: int, fits: Callable[[Report], bool] = lambda chunk: True) -> list[Report]:
        """The next chunks that fit."""
        found: list[Report] = []

        def complete(report: Report) -> bool:
            if "chunk" in report and fits(report["chunk"]):
                found.append(report["chunk"])
            return len(found) == count

        self.until(f"{count} such chunks", complete)
        return found

    def xdotool(self, *words: str) -> None:
        subprocess.run(["xdotool", *words], env=self._environment, check=True, timeout=PATIENCE)

    def press(self, key: str) -> None:
        self.xdotool("key", key)

    @contextmanager
    def holding(self, key: str) -> Iterator[None]:
        self.xdotool("keydown", key)
        try:
            yield
        finally:
            self.xdotool("keyup", key)

    def look(self) -> Picture:
        """The whole window as the display shows it."""
        command = ["import", "-window", "root", "-depth", "8", "rgb:-"]
        raw = subprocess.run(
            command, env=self._environment, check=True, timeout=PATIENCE, stdout=subprocess.PIPE
        ).stdout
        return np.frombuffer(raw, np.uint8).reshape(HEIGHT, WIDTH, 3)

    def keep(self, name: str) -> None:
        """Save what is to be seen as a picture of the documentation, if that is asked for."""
        folder = os.environ.get("HELIOS_KEEP_SCREENSHOTS")
        if folder:
            Path(folder).mkdir(parents=True, exist_ok=True)
            command = ["import", "-window", "root", str(Path(folder, name))]
            subprocess.run(command, env=self._environment, check=True, timeout=PATIENCE)

    def exit_code(self) -> int:
        with self._process:
            code = self._process.wait(PATIENCE)
            self._reader.join(PATIENCE)
        return code

    def close(self) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self.exit_code()


@contextmanager
def display() -> Iterator[str]:
    """A screen that nobody sees."""
    if missing := [program for program in ("Xvfb", "xdotool", "import") if shutil.which(program) is None]:
        pytest.skip(f"{' and '.join(missing)} not found; run bindings/install-engines")
    command = ["Xvfb", "-displayfd", "1", "-screen", "0", f"{WIDTH}x{HEIGHT}x24", "-nolisten", "tcp"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        try:
            yield f":{process.stdout.readline().strip()}"
        finally:
            process.terminate()


@contextmanager
def shown(godot_command: list[str], scene: str, *options: str) -> Iterator[Window]:
    """A scene in a window."""
    program = [word for word in godot_command if word != "--headless"]
    drawing = ["--rendering-method", "gl_compatibility", "--rendering-driver", "opengl3", "--audio-driver", "Dummy"]
    command = [*program, *drawing, "--max-fps", "30", "-s", str(OBSERVER), "--", *options]
    with display() as name:
        window = Window(name, command, {"OBSERVED_SCENE": scene})
        try:
            yield window
        finally:
            window.close()


@pytest.fixture
def show(godot_command: list[str]) -> Iterator[Callable[..., Window]]:
    """Opens windows for one test."""
    with ExitStack() as stack:
        yield lambda *words: stack.enter_context(shown(godot_command, *words))


@pytest.fixture(scope="module")
def server(servers: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> Any:
    states = str(tmp_path_factory.mktemp("states"))
    return servers(str(LEDGER), "serve", "nano", "--bind", "127.0.0.1:{port}", "--state-dir", states)


@pytest.fixture(scope="module")
def walk(godot_command: list[str], server: Any) -> Iterator[Window]:
    """The example. It was started when there was no server yet."""
    server.end()
    options = (f"--address={server.address}", *BEGINNING, "--timeout=5")
    with shown(godot_command, "res://example/main.tscn", *options) as window:
        window.until_text("Title", "No server")
        window.keep("godot-no-server.png")
        server.start()
        window.until_state("open")
        window.chunks(8)
        yield window


def test_it_asks_for_a_server_until_there_is_one(walk: Window, server: Any) -> None:
    texts = [report["texts"] for report in walk.reports if "texts" in report]
    waiting = next(each for each in texts if "Title" in each)
    assert server.address in waiting["Title"]
    assert "helios-world serve nano" in waiting["Advice"]
    assert "Title" not in texts[-1]


def test_the_window_shows_the_frames_of_the_world(walk: Window) -> None:
    shown = walk.look()
    frames = [rgb(chunk) for chunk in (report["chunk"] for report in walk.reports if "chunk" in report)][-4:]
    assert min(difference(middle(seen_as_frame(shown)), middle(frame)) for frame in frames) < 6.0
    assert difference(middle(frames[-1]), middle(np.zeros_like(frames[-1]))) > 20.0


def test_keys_hold_what_they_are_meant_for(walk: Window) -> None:
    for key, button in {"w": "forward", "s": "back", "a": "strafe_left", "d": "strafe_right", "Up": "forward"}.items():
        with walk.holding(key):
            walk.chunks(1, holds(button))
    walk.chunks(1, lambda chunk: not chunk["buttons"])


def test_a_number_key_changes_the_prompt(walk: Window) -> None:
    before = rgb(walk.chunks(1)[0])
    walk.press("2")
    text = walk.until_text("Prompt", r"\d+ %\s+desert ruins at sunset")
    shares = [int(share) for share in re.findall(r"(\d+) %", text)]
    assert sum(shares) == pytest.approx(100, abs=2)
    walk.keep("godot-prompt.png")
    assert walk.until_text("Prompt", r"^desert ruins at sunset$")
    assert difference(before, rgb(walk.chunks(1)[0])) > 10.0


def test_a_prompt_can_be_written(walk: Window) -> None:
    walk.press("t")
    walk.until("the line is open", lambda r: "texts" in r and "Prompt" not in r["texts"])
    begun = len(walk.reports)
    walk.xdotool("type", "--delay", "5", "an ice palace at noon w")
    walk.press("Return")
    walk.until_text("Prompt", "(^|\n)( *[0-9]+ %   )?an ice palace at noon w$")
    walk.chunks(2)
    chunks = [report["chunk"] for report in walk.reports[begun:] if "chunk" in report]
    assert not any(chunk["buttons"] for chunk in chunks), "what was typed also walked"


def test_a_snapshot_returns_to_the_same_pictures(walk: Window) -> None:
    walk.press("F5")
    walk.until_text("Message", "Snapshot kept")
    first = {chunk["index"]: chunk["rgb"] for chunk in walk.chunks(4)}
    with walk.holding("Right"):
        walk.chunks(4, holds("turn_right"))
    walk.chunks(1, lambda chunk: not chunk["buttons"])
    walk.press("F9")
    walk.until_text("Message", "Back at the snapshot")
    again = {chunk["index"]: chunk["rgb"] for chunk in walk.chunks(6)}
    common = first.keys() & again.keys()
    assert common
    assert all(first[index] == again[index] for index in common)


def test_rewinding_twice_goes_further_back(walk: Window) -> None:
    newest = walk.chunks(30)[-1]["index"]
    walk.press("r")
    once = walk.until_text("Message", r"Back to second")
    walk.chunks(1)
    walk.press("r")
    twice = walk.until_text("Message", rf"Back to second(?! {second_of(once)};)")
    assert second_of(twice) < second_of(once)
    assert walk.chunks(1)[0]["index"] < newest


def test_a_new_world_is_another_one(walk: Window) -> None:
    before = walk.chunks(1)[0]
    walk.press("n")
    walk.until_text("Message", "A new world")
    after = walk.chunks(1, lambda chunk: chunk["epoch"] > before["epoch"])[0]
    assert after["index"] < 5
    assert difference(rgb(before), rgb(after)) > 5.0


def test_the_figures_can_be_true(walk: Window) -> None:
    with walk.holding("Left"):
        walk.chunks(2, holds("turn_left"))
    walk.chunks(12)
    texts = walk.until("figures", lambda r: "texts" in r and 5 < float(r["texts"]["FrameRate"]) < 30)["texts"]
    assert texts["About"] == "nano   128 x 64, 24 per second"
    assert 0 <= float(texts["RoundTrip"].removesuffix(" ms")) < 10_000
    assert 20 < float(texts["InputToFrame"].removesuffix(" ms")) < 20_000
    assert int(texts["Underruns"]) >= 0


def test_help_opens_and_closes(walk: Window) -> None:
    walk.press("F1")
    walk.until_text("Meaning0", "walk")
    walk.keep("godot-help.png")
    walk.press("h")
    walk.until("the help is closed", lambda r: "texts" in r and "Meaning0" not in r["texts"])


def test_a_restarted_server_goes_on_with_the_walk(walk: Window, server: Any) -> None:
    before = walk.chunks(1)[0]
    mark = len(walk.reports)
    server.end(15)
    walk.until_text("Title", "connection is lost")
    walk.keep("godot-connection-lost.png")
    server.start()
    walk.until("it resumes", lambda r: r.get("signal") == "resumed", since=mark)
    after = walk.chunks(2)[-1]
    assert after["epoch"] == before["epoch"]
    assert after["index"] > before["index"]
    walk.until("the notice is gone", lambda r: "texts" in r and "Title" not in r["texts"])


def test_it_quits_without_a_trace(walk: Window) -> None:
    walk.press("Escape")
    assert walk.exit_code() == 0
    assert not [line for line in walk.other_lines if any(sign in line for sign in BAD_SIGNS)], walk.log[-3000:]


def test_the_view_turns_while_a_key_is_held(show: Callable[..., Window], server: Any) -> None:
    window = show("res://example/main.tscn", f"--address={server.address}", *BEGINNING)
    still = window.chunks(4)
    window.press("F5")
    window.until_text("Message", "Snapshot kept")
    seen = [window.look()]
    with window.holding("Left"):
        left = window.chunks(4, holds("turn_left"))
    seen.append(window.look())
    window.press("F9")
    window.until_text("Message", "Back at the snapshot")
    window.chunks(2)
    window.keep("godot.png")
    with window.holding("Right"):
        right = window.chunks(4, holds("turn_right"))
    assert abs(drift(still)) <= 1
    assert drift(left) >= 3
    assert drift(right) <= -3
    assert difference(*(middle(seen_as_frame(each)) for each in seen)) > 3 * mean_change(still)


def test_a_wrong_option_is_named(show: Callable[..., Window]) -> None:
    window = show("res://example/main.tscn", "--adress=gpu-box:5555")
    assert window.exit_code() == 2
    assert "--adress=gpu-box:5555 is no option" in window.log
    assert "--address=" in window.log


def test_the_world_on_a_screen_in_a_room(show: Callable[..., Window], server: Any) -> None:
    room = show("res://example/in_world.tscn", f"--address={server.address}", *BEGINNING)
    room.chunks(12)
    standing = room.look()
    room.keep("godot-in-world.png")
    with room.holding("Left"):
        turned = room.chunks(6, holds("turn_left"))
    assert drift(turned) >= 4
    screen, wall = (slice(250, 400), slice(400, 700)), (slice(100, 600), slice(1150, 1270))
    assert difference(standing[screen], room.look()[screen]) > 5.0
    room.chunks(1, lambda chunk: not chunk["buttons"])
    with room.holding("w"):
        walked = room.chunks(4)
        assert not any(chunk["buttons"] for chunk in walked), "walking in the room also walked in the world"
    assert difference(standing[wall], room.look()[wall]) > 1.0
    room.press("Escape")
    assert room.exit_code() == 0
    assert not [line for line in room.other_lines if any(sign in line for sign in BAD_SIGNS)], room.log[-3000:]


def holds(button: str) -> Callable[[Report], bool]:
    return lambda chunk: bool(chunk["buttons"] == [button])


def rgb(chunk: Report) -> Picture:
    """The last frame of a chunk."""
    height, width = chunk["size"]
    return np.frombuffer(base64.b64decode(chunk["rgb"]), np.uint8).reshape(height, width, 3)


def seen_as_frame(window: Picture) -> Picture:
    """What the window shows of a frame of 64 x 128 pixels, ten times as large: the centre of each pixel."""
    return window[45:680:10, 5::10]


def middle(frame: Picture) -> Picture:
    """The rows of a frame that nothing is drawn over."""
    return frame[18:44]


def difference(one: Picture, other: Picture) -> float:
    return float(np.abs(one.astype(float) - other.astype(float)).mean())


def mean_change(chunks: list[Report]) -> float:
    frames = [middle(rgb(chunk)) for chunk in chunks]
    return float(np.mean([difference(*pair) for pair in pairwise(frames)]))


def drift(chunks: list[Report]) -> float:
    """By how many pixels the view moves to the right from one chunk to the next."""
    frames = [rgb(chunk).mean(axis=2)[8:56] for chunk in chunks]
    return float(np.median([shift_between(*pair) for pair in pairwise(frames)]))


def shift_between(before: NDArray[np.float64], after: NDArray[np.float64], most: int = 24) -> int:
    """The shift for which what two pictures have in common is most alike, row by row."""
    width = before.shape[1]

    def likeness(shift: int) -> float:
        left, right = max(0, shift), max(0, -shift)
        one, other = (
            rows - rows.mean(axis=1, keepdims=True)
            for rows in (before[:, right : width - left], after[:, left : width - right])
        )
        return float((one * other).sum() / np.sqrt((one**2).sum() * (other**2).sum() + 1e-9))

    return max(range(-most, most + 1), key=likeness)


def second_of(message: str) -> int:
    found = re.search(r"second (\d+)", message)
    assert found is not None, message
    return int(found[1])
