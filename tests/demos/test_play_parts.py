"""The parts of the demo that need no window: layout, memory map, holding, scripts, files, display."""

from __future__ import annotations

import io
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helios_demos.play.display import DisplayError, headless_command, why_no_display
from helios_demos.play.headless import load_script, script_names
from helios_demos.play.holding import Holding
from helios_demos.play.layout import place, scale_to_fit
from helios_demos.play.memory_map import memory_map
from helios_demos.play.notices import Notices
from helios_demos.play.options import PlayOptions
from helios_demos.play.state_file import data_folder, load_state, save_state, state_path
from helios_demos.play.worlds import open_worlds
from helios_runtime.inputs import InputSampler, Sample
from helios_runtime.lockstep import LockStep
from helios_runtime.script import ScriptPlayer
from helios_world.errors import ActionError, SnapshotError
from helios_world.spec import Action, MemoryLayout
from helios_world.testing import PatternWorld

SIZES = st.tuples(st.integers(1, 4000), st.integers(1, 3000))
PICTURES = st.tuples(st.integers(1, 700), st.integers(1, 500))


@settings(deadline=None)
@given(SIZES, PICTURES, st.integers(1, 2))
def test_pictures_lie_inside_the_window_without_overlap(
    window: tuple[int, int], picture: tuple[int, int], count: int
) -> None:
    areas = place(window, picture, count)
    assert len({(area.width, area.height, area.y) for area in areas}) == 1
    for area in areas:
        if min(window[0] // count, window[1]) >= 1:
            assert 0 <= area.x <= area.x + area.width <= window[0]
            assert 0 <= area.y <= area.y + area.height <= window[1]
    for left, right in pairwise(areas):
        assert left.x + left.width <= right.x


@settings(deadline=None)
@given(SIZES, PICTURES)
def test_scale_is_whole_when_it_enlarges(window: tuple[int, int], picture: tuple[int, int]) -> None:
    scale = scale_to_fit(window, picture)
    assert scale == int(scale) if scale >= 1 else scale > 0
    assert scale * picture[0] <= window[0] + 1e-6
    assert scale * picture[1] <= window[1] + 1e-6


def test_memory_fills_from_the_newest_to_the_oldest() -> None:
    layout = MemoryLayout(long=4, mid=2, short=1, latents_per_chunk=1)
    empty = memory_map(layout, 0)
    assert empty.anchor == (None,)
    assert empty.long == (None,) * 4
    assert empty.now == (0,)
    later = memory_map(layout, 5)
    assert (later.anchor, later.long) == ((0,), (None, None, 0, 1))
    assert (later.mid, later.short, later.now) == ((2, 3), (4,), (5,))


@settings(deadline=None)
@given(st.integers(0, 500), st.integers(1, 9))
def test_memory_holds_the_latents_before_the_chunk_in_order(index: int, per_chunk: int) -> None:
    memory = memory_map(MemoryLayout(16, 2, 1, per_chunk), index)
    kept = [cell for cell in memory.long + memory.mid + memory.short + memory.now if cell is not None]
    end = (index + 1) * per_chunk
    assert kept == list(range(max(end - per_chunk - 19, 0), end))


@pytest.fixture
def inputs() -> InputSampler:
    return InputSampler(PatternWorld().spec.actions)


def test_a_button_is_held_until_its_last_key_is_let_go(inputs: InputSampler) -> None:
    holding = Holding(PatternWorld().spec.actions, inputs)
    holding.press("w", ("forward",))
    holding.press("up", ("look_up", "forward"))
    holding.press("j", ("jump",))
    assert inputs.sample().action == Action({"forward"})
    holding.release("w")
    assert inputs.sample().action == Action({"forward"})
    holding.release("up")
    holding.release("never pressed")
    assert inputs.sample().action == Action()


def test_release_all_forgets_the_keys(inputs: InputSampler) -> None:
    holding = Holding(PatternWorld().spec.actions, inputs)
    holding.press("w", ("forward",))
    holding.release_all()
    inputs.sample()
    assert inputs.sample().action == Action()
    holding.press("w", ("forward",))
    assert inputs.sample().action == Action({"forward"})


def test_notices_pass() -> None:
    now = [0.0]
    notices = Notices(seconds=2.0, now=lambda: now[0])
    for text in ("one", "two", "three", "four"):
        notices.say(text)
    assert notices.current() == ("two", "three", "four")
    now[0] = 2.5
    assert notices.current() == ()


def test_the_shipped_scripts_suit_the_usual_controls() -> None:
    assert script_names() == ["look_around", "tour"]
    for name in script_names():
        load_script(name).check(PatternWorld().spec.actions)
    tour = load_script("tour")
    assert 25 <= tour.seconds <= 30
    assert len(tour.events) >= 60


def test_the_shipped_scripts_let_go_of_everything() -> None:
    for name in script_names():
        inputs = InputSampler(PatternWorld().spec.actions)
        ScriptPlayer(load_script(name), inputs, 0.0).play_until(1e9)
        inputs.sample()
        assert inputs.sample().action == Action()


def test_an_unknown_script_is_named_with_those_that_exist() -> None:
    with pytest.raises(ActionError, match=r"'nowhere'.*look_around"):
        load_script("nowhere")


def test_a_state_goes_to_files_and_back(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "evening.snapshot"
    worlds = LockStep([PatternWorld(), PatternWorld()])
    worlds.reset(7, None)
    worlds.step(Sample(Action({"forward"})))
    save_state(path, worlds)
    expected = [bytes(world.snapshot()) for world in worlds.worlds]
    worlds.step(Sample(Action({"back"})))
    beat = load_state(path, worlds)
    assert beat.lead.index == 2
    again = LockStep([PatternWorld(), PatternWorld()])
    again.reset(0, None)
    load_state(path, again)
    assert [bytes(world.snapshot()) for world in again.worlds] != expected
    assert bytes(again.lead.snapshot()) == bytes(worlds.lead.snapshot())


def test_a_state_of_another_world_leaves_all_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "evening.snapshot"
    small = LockStep([PatternWorld(height=32)])
    small.reset(0, None)
    save_state(path, small)
    worlds = LockStep([PatternWorld()])
    worlds.reset(1, None)
    before = bytes(worlds.lead.snapshot())
    for wrong in (path, tmp_path / "missing"):
        with pytest.raises(SnapshotError):
            load_state(wrong, worlds)
        assert bytes(worlds.lead.snapshot()) == before


def test_the_data_folder_is_the_users(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert data_folder() == tmp_path / "helios-world"
    assert state_path("/checkpoints/big").name == "big.snapshot"


def test_linux_without_a_display_is_noticed_before_a_window_is_opened() -> None:
    assert "DISPLAY" in (why_no_display({}, "linux") or "")
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "SDL_VIDEODRIVER"):
        assert why_no_display({name: "x"}, "linux") is None
    assert why_no_display({}, "darwin") is None
    assert why_no_display({}, "win32") is None


def test_the_command_for_a_video_says_all_that_differs() -> None:
    plain = PlayOptions(script="tour", record=Path("session.mp4"))
    assert headless_command(plain) == "helios-world play --headless --script tour --record session.mp4"
    full = PlayOptions("my world", "a floor", 3, script="my tour.jsonl", seconds=5, record=Path("a b.mp4"))
    assert headless_command(full) == (
        "helios-world play 'my world' --headless --script 'my tour.jsonl' --prompt 'a floor' --seed 3 "
        "--seconds 5 --record 'a b.mp4'"
    )


def test_without_a_display_play_tells_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    from helios_demos.play.app import run

    for name in ("DISPLAY", "WAYLAND_DISPLAY", "SDL_VIDEODRIVER"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n"))
    with pytest.raises(DisplayError, match="play pattern --headless --script tour --record session"):
        run(PlayOptions(world="pattern"))


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_at_a_terminal_play_offers_the_video(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    from helios_demos.play.app import run

    for name in ("DISPLAY", "WAYLAND_DISPLAY", "SDL_VIDEODRIVER"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(sys, "platform", "linux")
    said = Terminal()
    monkeypatch.setattr(sys, "stderr", said)
    monkeypatch.setattr(sys, "stdin", Terminal("n\n"))
    options = PlayOptions(world="pattern", seconds=0.2, record=tmp_path / "session.mp4")
    with pytest.raises(DisplayError):
        run(options)
    assert "Do that now? [y/n]" in said.getvalue()
    monkeypatch.setattr(sys, "stdin", Terminal("y\n"))
    report = run(options)
    assert report.record == options.record
    assert (tmp_path / "session.mp4").stat().st_size > 1000
    assert '"record"' in capsys.readouterr().out


def test_a_world_behind_a_server_is_played() -> None:
    from helios_runtime.server.server import Server
    from helios_runtime.server.settings import ServeSettings

    with Server(ServeSettings(world="pattern", bind="127.0.0.1:0")) as server:
        worlds = open_worlds(PlayOptions(connect=server.address))
        shown = worlds.reset(5, None).lead.frames
        worlds.close()
    assert np.array_equal(shown, PatternWorld().reset(seed=5).frames)
