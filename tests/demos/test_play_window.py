"""The window, with SDL's dummy driver: real events in, pixels out."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

os.environ["SDL_VIDEODRIVER"] = "dummy"
os.environ["PYGAME_HIDE_SUPPORT_PROMPT"] = "1"

import numpy as np
import numpy.typing as npt
import pygame
import pytest
from pygame._sdl2 import controller

from helios_demos.play.app import run as run_play
from helios_demos.play.options import PlayOptions
from helios_demos.play.session import Session
from helios_demos.play.views import View
from helios_demos.play.window import Window
from helios_runtime.lockstep import Beat, LockStep
from helios_world.recording import read_log, verify
from helios_world.spec import Action, MemoryLayout, WorldSpec
from helios_world.testing import PatternWorld, read_code


class RememberingWorld(PatternWorld):
    """A pattern that claims a memory, so that the map of it is drawn."""

    @property
    def spec(self) -> WorldSpec:
        return replace(super().spec, memory=MemoryLayout(16, 2, 1, 1))


class Play:
    """A window on two quick worlds, and hands to use it."""

    def __init__(self, folder: Path, worlds: int = 2) -> None:
        self.options = PlayOptions(world="pattern", scale=4, seed=5, state=folder / "evening.snapshot")
        self.session = Session(LockStep([RememberingWorld(fps=200) for _ in range(worlds)]), self.options)
        self.window = Window(self.session, self.options)
        self.session.start()
        self.until(lambda: self.beat() is not None)

    def beat(self) -> Beat | None:
        shown, _ = self.session.poll()
        return None if shown is None else shown.item

    def newest(self) -> Beat:
        beat = self.beat()
        assert beat is not None
        return beat

    def turns(self, count: int = 3) -> None:
        for _ in range(count):
            self.window.turn()

    def until(self, condition: Callable[[], object], seconds: float = 20.0) -> None:
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, "it did not happen"
            self.window.turn()

    def post(self, kind: int, **values: Any) -> None:
        pygame.event.post(pygame.Event(kind, values))
        self.turns(2)

    def press(self, key: int, mod: int = 0) -> None:
        self.post(pygame.KEYDOWN, key=key, mod=mod, unicode="")

    def tap(self, key: int, mod: int = 0) -> None:
        self.press(key, mod)
        self.post(pygame.KEYUP, key=key, mod=mod)

    def until_action(self, action: Action) -> None:
        self.until(lambda: self.newest().lead.action == action)

    def said(self, text: str) -> bool:
        return any(text in notice for notice in self.session.notices.current())

    def pixels(self) -> npt.NDArray[np.uint8]:
        surface = pygame.display.get_surface()
        assert surface is not None
        return np.array(pygame.surfarray.array3d(surface))


@pytest.fixture
def play(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Play]:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.setattr("helios_demos.play.session.REWIND_SECONDS", 0.4)
    pygame.display.init()
    pygame.font.init()
    controller.init()
    hands = Play(tmp_path)
    yield hands
    hands.session.close()
    pygame.quit()


def test_held_keys_reach_the_world_and_the_picture_changes(play: Play) -> None:
    play.press(pygame.K_w)
    play.press(pygame.K_LEFT)
    play.until_action(Action({"forward", "turn_left"}))
    before = play.pixels()
    play.until(lambda: (play.pixels() != before).mean() > 0.1)
    play.post(pygame.KEYUP, key=pygame.K_LEFT, mod=0)
    play.until_action(Action({"forward"}))
    play.post(pygame.WINDOWFOCUSLOST)
    play.until_action(Action())


def test_the_picture_is_the_worlds_frame_in_whole_pixels(play: Play) -> None:
    play.tap(pygame.K_SPACE)
    play.tap(pygame.K_F2)
    shown, _ = play.session.poll()
    assert shown is not None
    expected = shown.item.picture(0, shown.frame).transpose(1, 0, 2).repeat(4, 0).repeat(4, 1)
    below_the_messages = slice(100, None)
    np.testing.assert_array_equal(play.pixels()[:, below_the_messages], expected[:, below_the_messages])


def test_the_window_may_be_resized(play: Play) -> None:
    pygame.display.set_mode((700, 200), pygame.RESIZABLE)
    play.post(pygame.VIDEORESIZE, size=(700, 200), w=700, h=200)
    play.tap(pygame.K_F2)
    pixels = play.pixels()
    assert pixels.shape == (700, 200, 3)
    # 3 × 128 by 3 × 64 in the middle; what is left and right of it is background.
    assert len(np.unique(pixels[:150].reshape(-1, 3), axis=0)) == 1
    assert len(np.unique(pixels[200:500].reshape(-1, 3), axis=0)) > 1
    pygame.display.set_mode((60, 20), pygame.RESIZABLE)
    play.turns(20)


def test_example_prompts_and_the_text_box(play: Play) -> None:
    play.tap(pygame.K_3)
    play.until(lambda: [part.text for part in play.newest().lead.prompt] == ["a blue floor"])
    play.tap(pygame.K_9)
    assert play.said("3 example prompts")
    play.press(pygame.K_w)
    play.press(pygame.K_t)
    play.post(pygame.TEXTINPUT, text="ein grünes Meerx")
    play.press(pygame.K_BACKSPACE)
    play.press(pygame.K_w)
    play.until_action(Action())
    with_box = play.pixels()
    play.press(pygame.K_RETURN)
    play.until(lambda: [part.text for part in play.newest().lead.prompt] == ["ein grünes Meer"])
    assert (play.pixels() != with_box).any()


def test_escape_leaves_the_text_box_without_a_word(play: Play) -> None:
    play.tap(pygame.K_1)
    play.until(lambda: [part.text for part in play.newest().lead.prompt] == ["a red floor"])
    play.press(pygame.K_RETURN)
    play.post(pygame.TEXTINPUT, text="never")
    play.tap(pygame.K_ESCAPE)
    play.press(pygame.K_d)
    play.until_action(Action({"strafe_right"}))
    assert [part.text for part in play.newest().lead.prompt] == ["a red floor"]


def test_tab_goes_through_dream_truth_and_both(play: Play) -> None:
    play.tap(pygame.K_F2)
    views, pictures = [], []
    for _ in range(4):
        views.append(play.window.screen.view)
        play.turns(4)
        pictures.append(play.pixels())
        play.tap(pygame.K_TAB)
    assert views == [View.DREAM, View.TRUTH, View.BOTH, View.DREAM]
    background = pictures[2][0, 0]
    assert (pictures[2][:, 60] == background).all()
    assert not (pictures[0][:, 60] == background).all()
    assert not (pictures[2][:, 70] == background).all()


def test_dream_and_truth_stay_in_step(play: Play) -> None:
    play.press(pygame.K_w)
    for _ in range(10):
        play.turns(5)
        dream, truth = play.newest().chunks
        assert (dream.index, dream.action) == (truth.index, truth.action)


def test_space_pauses(play: Play) -> None:
    play.tap(pygame.K_SPACE)
    play.turns(10)
    before, picture = play.newest().lead.index, play.pixels()
    play.turns(10)
    assert play.newest().lead.index == before
    assert (play.pixels() == picture).mean() > 0.99
    play.tap(pygame.K_SPACE)
    play.until(lambda: play.newest().lead.index > before + 2)


def test_rewind_goes_back_and_again_further(play: Play) -> None:
    every = round(0.4 / play.session.spec.chunk_seconds)
    play.until(lambda: play.newest().lead.index >= 2.2 * every)
    play.tap(pygame.K_SPACE)
    visited = [play.newest().lead.index]
    while visited[-1] > 0:
        play.tap(pygame.K_r)
        play.until(lambda: play.newest().lead.index < visited[-1])
        visited.append(play.newest().lead.index)
    assert len(visited) >= 3
    assert play.said("back at")
    play.tap(pygame.K_SPACE)
    play.until(lambda: play.newest().lead.index > 0)


def test_save_and_load(play: Play) -> None:
    play.tap(pygame.K_F9)
    play.until(lambda: play.said("no snapshot can be read"))
    play.press(pygame.K_w)
    play.until_action(Action({"forward"}))
    play.tap(pygame.K_F5)
    play.until(lambda: play.said("saved to"))
    saved = play.newest().lead.index
    play.until(lambda: play.newest().lead.index > saved + 12)
    play.tap(pygame.K_SPACE)
    play.tap(pygame.K_F9)
    play.until(lambda: play.said("loaded"))
    assert play.newest().lead.index <= saved + 2


def test_a_new_seed_begins_anew(play: Play) -> None:
    assert read_code(play.newest().lead.frames[0]).seed == 5
    play.tap(pygame.K_n)
    play.until(lambda: read_code(play.newest().lead.frames[0]).seed != 5)
    assert play.said("seed")


def test_recording_starts_and_stops_and_can_be_replayed(play: Play) -> None:
    play.tap(pygame.K_v)
    play.until(lambda: play.session.recorder.path is not None)
    path = play.session.recorder.path
    assert path is not None
    begun = play.newest().lead.index
    play.until(lambda: play.newest().lead.index > begun + 5)
    assert play.said("recording")
    play.tap(pygame.K_v)
    play.until(lambda: play.said("recorded"))
    log = read_log(path)
    assert log.chunks >= 4
    assert verify(log, RememberingWorld(fps=200)).same


def test_the_mouse_turns_while_it_is_captured(play: Play) -> None:
    play.post(pygame.MOUSEMOTION, rel=(45, 0), pos=(0, 0), buttons=(0, 0, 0))
    play.tap(pygame.K_m)
    assert pygame.mouse.get_relative_mode()
    play.post(pygame.MOUSEMOTION, rel=(45, 0), pos=(0, 0), buttons=(0, 0, 0))
    play.until_action(Action(axes={"turn": 0.5}))
    play.until_action(Action())
    play.tap(pygame.K_ESCAPE)
    assert not pygame.mouse.get_relative_mode()


def test_a_gamepad_walks_and_turns(play: Play) -> None:
    def stick(axis: int, value: int) -> None:
        play.post(pygame.CONTROLLERAXISMOTION, instance_id=0, axis=axis, value=value)

    stick(pygame.CONTROLLER_AXIS_LEFTY, -32768)
    stick(pygame.CONTROLLER_AXIS_RIGHTX, 32767)
    play.until_action(Action({"forward"}, {"turn": 1.0}))
    stick(pygame.CONTROLLER_AXIS_LEFTY, 1000)
    stick(pygame.CONTROLLER_AXIS_RIGHTX, -2000)
    play.until_action(Action())
    play.post(pygame.CONTROLLERBUTTONDOWN, instance_id=0, button=pygame.CONTROLLER_BUTTON_START)
    assert play.session.paused


def test_help_and_panels_are_shown_and_hidden(play: Play) -> None:
    play.tap(pygame.K_SPACE)
    play.turns(3)
    plain = play.pixels()
    play.tap(pygame.K_F1)
    assert (play.pixels() != plain).mean() > 0.05
    play.tap(pygame.K_h)
    play.tap(pygame.K_F2)
    assert (play.pixels() != plain).mean() > 0.02


def test_without_truth_tab_says_so(play: Play, tmp_path: Path) -> None:
    alone = Play(tmp_path, worlds=1)
    try:
        alone.tap(pygame.K_TAB)
        assert alone.window.screen.view is View.DREAM
        assert alone.said("--truth")
    finally:
        alone.session.close()


def test_play_opens_a_window_and_reports(tmp_path: Path) -> None:
    path = tmp_path / "all.mp4"
    options = PlayOptions(world="pattern", truth="pattern", script="tour", seconds=0.5, record=path, scale=2)
    report = run_play(options)
    assert report.figures.frames >= 2
    assert report.record == path
    assert read_log(path).chunks >= 1


def test_closing_the_window_ends_the_session(play: Play) -> None:
    pygame.event.post(pygame.Event(pygame.QUIT))
    play.window.run()
