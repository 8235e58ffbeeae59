"""The window: takes events to the session, shows what is there, and waits while nothing is new."""

from __future__ import annotations

import time

import pygame
from pygame._sdl2 import controller

from helios_demos.play.display import DisplayError
from helios_demos.play.gamepad import GAMEPAD_COMMANDS, Gamepads
from helios_demos.play.headless import load_script
from helios_demos.play.holding import Holding
from helios_demos.play.keys import COMMANDS, EXAMPLES, WALKING
from helios_demos.play.layout import scale_to_fit
from helios_demos.play.options import PlayOptions
from helios_demos.play.report import Report
from helios_demos.play.screen import Screen
from helios_demos.play.session import Session
from helios_demos.play.textbox import TextBox
from helios_demos.play.worlds import open_worlds
from helios_runtime.lockstep import Beat
from helios_runtime.pacing import Shown
from helios_runtime.script import ScriptPlayer
from helios_world.spec import WorldSpec

__all__ = ["Window", "play_in_window"]

_LONGEST_WAIT = 0.01  # seconds; how long a late chunk or a finished command may go unnoticed
_REDRAW_EVERY = 0.125  # seconds; for what changes without frames and events, such as figures
_SCREEN_SHARE = 2 / 3
_MOUSE_TURN = 1 / 90  # of a full turn per chunk, for each pixel


def play_in_window(options: PlayOptions) -> Report:
    """Open a window, play until it is closed or the time is over, and return what was measured."""
    try:
        pygame.display.init()
    except pygame.error as error:
        raise DisplayError(f"no window can be opened: {error}") from error
    try:
        pygame.font.init()
        controller.init()
        session = Session(open_worlds(options), options)
        try:
            window = Window(session, options)
            session.start()
            window.run()
            return Report(session.spec.name, options.script, options.record, session.figures())
        finally:
            session.close()
    finally:
        pygame.quit()


class Window:
    """One window on one session. The session is started and closed by whoever made it."""

    def __init__(self, session: Session, options: PlayOptions) -> None:
        self._session = session
        self._options = options
        self._textbox = TextBox()
        self._textbox.close()
        self._holding = Holding(session.spec.actions, session.inputs)
        self._has_turn_axis = "turn" in session.spec.actions.axis_names
        self._gamepads = Gamepads(self._holding, session.inputs, self._has_turn_axis)
        self._script = None if options.script is None else load_script(options.script).check(session.spec.actions)
        self._player: ScriptPlayer | None = None
        self._ends_at: float | None = None
        self._is_open = True
        self._drawn_at = 0.0
        self._surface = _open_surface(session.spec, options)
        self.screen = Screen(session, self._textbox)

    def run(self) -> None:
        """Show the session until the window is closed or `seconds` are over."""
        while self._is_open:
            self.turn()

    def turn(self) -> None:
        """Handle what has happened, show what is new, and wait for the next thing, but not for long."""
        wait = self._session.seconds_to_next_frame(_LONGEST_WAIT)
        has_news = self._handle_all(pygame.event.wait(max(round(1000 * wait), 1)))
        shown, is_new = self._session.poll()
        if shown is not None:
            self._follow_script()
        if is_new or has_news or time.monotonic() - self._drawn_at > _REDRAW_EVERY:
            self._draw(shown)
        if shown is not None and is_new:
            self._session.presented(shown)

    def write_prompt(self) -> None:
        self._holding.release_all()
        self._textbox.open()

    def next_view(self) -> None:
        if self._session.has_truth:
            self.screen.view = self.screen.view.next
        else:
            self._session.notices.say("no truth runs beside this world; start with --truth lands")

    def toggle_mouse(self) -> None:
        if self._has_turn_axis:
            self._hold_mouse(not pygame.mouse.get_relative_mode())
        else:
            self._session.notices.say("this world has no axis 'turn' for the mouse")

    def toggle_help(self) -> None:
        self.screen.shows_help = not self.screen.shows_help

    def toggle_hud(self) -> None:
        self.screen.shows_panels = not self.screen.shows_panels

    def escape(self) -> None:
        self._hold_mouse(False)
        self.screen.shows_help = False

    def _draw(self, shown: Shown[Beat] | None) -> None:
        # Asked for anew each time, because a resized window has another surface.
        self.screen.draw(pygame.display.get_surface() or self._surface, shown)
        pygame.display.flip()
        self._drawn_at = time.monotonic()

    def _handle_all(self, first: pygame.Event) -> bool:
        """Handle what has happened; whether it may be seen on screen."""
        events = [first, *pygame.event.get()]
        for event in events:
            self._handle(event)
        return any(event.type not in (pygame.NOEVENT, pygame.MOUSEMOTION) for event in events)

    def _handle(self, event: pygame.Event) -> None:
        match event.type:
            case pygame.QUIT:
                self._is_open = False
            case pygame.KEYDOWN | pygame.TEXTINPUT if self._textbox.is_open:
                self._say(self._textbox.handle(event))
            case pygame.KEYDOWN:
                self._key_down(event)
            case pygame.KEYUP:
                self._holding.release(event.key)
            case pygame.WINDOWFOCUSLOST:
                self._holding.release_all()
                self._hold_mouse(False)
            case pygame.MOUSEMOTION if pygame.mouse.get_relative_mode():
                self._session.inputs.nudge("turn", _MOUSE_TURN * event.rel[0])
            case _:
                self._handle_gamepad(event)

    def _handle_gamepad(self, event: pygame.Event) -> None:
        match event.type:
            case pygame.CONTROLLERDEVICEADDED:
                self._gamepads.connect(event.device_index)
            case pygame.CONTROLLERDEVICEREMOVED:
                self._gamepads.disconnect(event.instance_id)
            case pygame.CONTROLLERAXISMOTION:
                self._gamepads.move(event.axis, event.value)
            case pygame.CONTROLLERBUTTONDOWN if event.button in GAMEPAD_COMMANDS:
                self._command(GAMEPAD_COMMANDS[event.button])

    def _key_down(self, event: pygame.Event) -> None:
        if event.mod & (pygame.KMOD_CTRL | pygame.KMOD_META):
            self._is_open = self._is_open and event.key != pygame.K_q
        elif event.key in WALKING:
            self._holding.press(event.key, WALKING[event.key])
        elif event.key in EXAMPLES:
            self._session.say_example(EXAMPLES[event.key])
        elif event.key in COMMANDS:
            self._command(COMMANDS[event.key])

    def _command(self, name: str) -> None:
        """Run the command of this name: the window's own, or else the session's."""
        command = getattr(self, name, None) or getattr(self._session, name)
        command()

    def _say(self, text: str | None) -> None:
        if text is not None:
            self._session.say(text)

    def _hold_mouse(self, held: bool) -> None:
        pygame.mouse.set_relative_mode(held)

    def _follow_script(self) -> None:
        """From the first frame on: give the script's input at its time, and end when the time is over."""
        now = time.monotonic()
        if self._player is None and self._script is not None:
            self._player = ScriptPlayer(self._script, self._session.inputs, now)
        if self._player is not None:
            self._player.play_until(now)
        if self._options.seconds is not None:
            self._ends_at = self._ends_at or now + self._options.seconds
            self._is_open = self._is_open and now < self._ends_at


def _open_surface(spec: WorldSpec, options: PlayOptions) -> pygame.Surface:
    desktop = pygame.display.get_desktop_sizes()[0]
    room = (round(_SCREEN_SHARE * desktop[0]), round(_SCREEN_SHARE * desktop[1]))
    scale = float(options.scale or scale_to_fit(room, (spec.width, spec.height)))
    pygame.display.set_caption(f"helios-world · {spec.name}")
    size = (max(round(scale * spec.width), 1), max(round(scale * spec.height), 1))
    return pygame.display.set_mode(size, pygame.RESIZABLE)
