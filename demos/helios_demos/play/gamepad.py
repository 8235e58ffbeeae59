"""A gamepad, if there is one: the left stick walks, the right stick turns."""

from __future__ import annotations

import pygame
from pygame._sdl2 import controller

from helios_demos.play.holding import Holding
from helios_runtime.inputs import InputSampler

__all__ = ["GAMEPAD_COMMANDS", "Gamepads"]

GAMEPAD_COMMANDS: dict[int, str] = {
    pygame.CONTROLLER_BUTTON_START: "toggle_pause",
    pygame.CONTROLLER_BUTTON_BACK: "rewind",
    pygame.CONTROLLER_BUTTON_Y: "next_view",
    pygame.CONTROLLER_BUTTON_X: "toggle_record",
}

_HOLD = 0.45  # how far a stick has to be pushed to hold a button, in [0, 1]
_REST = 0.15  # what counts as the middle
_FULL = 32767
_STICK_BUTTONS = {
    (pygame.CONTROLLER_AXIS_LEFTX, -1): "strafe_left",
    (pygame.CONTROLLER_AXIS_LEFTX, 1): "strafe_right",
    (pygame.CONTROLLER_AXIS_LEFTY, -1): "forward",
    (pygame.CONTROLLER_AXIS_LEFTY, 1): "back",
}
_TURN_BUTTONS = {-1: "turn_left", 1: "turn_right"}


class Gamepads:
    """Opens every gamepad that is or will be connected, and passes its sticks on."""

    def __init__(self, holding: Holding, inputs: InputSampler, has_turn_axis: bool) -> None:
        self._holding = holding
        self._inputs = inputs
        self._has_turn_axis = has_turn_axis
        self._open: dict[int, controller.Controller] = {}

    def connect(self, index: int) -> None:
        """Open the device of this index; it says nothing before that."""
        if controller.is_controller(index):
            pad = controller.Controller(index)
            self._open[pad.id] = pad

    def disconnect(self, instance: int) -> None:
        self._open.pop(instance, None)
        self._holding.release_all()

    def move(self, axis: int, raw: int) -> None:
        """A stick was moved; `raw` is in [-32768, 32767]."""
        value = max(raw / _FULL, -1.0)
        if axis == pygame.CONTROLLER_AXIS_RIGHTX:
            self._turn(value)
        elif axis in (pygame.CONTROLLER_AXIS_LEFTX, pygame.CONTROLLER_AXIS_LEFTY):
            for sign in (-1, 1):
                self._hold((axis, sign), _STICK_BUTTONS[axis, sign], sign * value)

    def _turn(self, value: float) -> None:
        if not self._has_turn_axis:
            for sign, button in _TURN_BUTTONS.items():
                self._hold((pygame.CONTROLLER_AXIS_RIGHTX, sign), button, sign * value)
            return
        pushed = max(abs(value) - _REST, 0.0) / (1.0 - _REST)
        self._inputs.move("turn", pushed if value > 0 else -pushed)

    def _hold(self, source: tuple[int, int], button: str, pushed: float) -> None:
        if pushed > _HOLD:
            self._holding.press(source, (button,))
        else:
            self._holding.release(source)
