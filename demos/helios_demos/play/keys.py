"""Which key does what: walking keys hold buttons, the others are commands named after methods."""

from __future__ import annotations

from collections.abc import Sequence

import pygame

from helios_world.spec import ActionSpec

__all__ = ["COMMANDS", "EXAMPLES", "WALKING", "example_rows", "help_rows"]

WALKING: dict[int, tuple[str, ...]] = {
    pygame.K_w: ("forward",),
    pygame.K_s: ("back",),
    pygame.K_a: ("strafe_left",),
    pygame.K_d: ("strafe_right",),
    pygame.K_LEFT: ("turn_left",),
    pygame.K_RIGHT: ("turn_right",),
    pygame.K_UP: ("look_up", "forward"),
    pygame.K_DOWN: ("look_down", "back"),
    pygame.K_c: ("jump",),
    pygame.K_e: ("use",),
    pygame.K_q: ("attack",),
}
"""The buttons that each key holds: the first one that the world has."""

COMMANDS: dict[int, str] = {
    pygame.K_RETURN: "write_prompt",
    pygame.K_KP_ENTER: "write_prompt",
    pygame.K_t: "write_prompt",
    pygame.K_TAB: "next_view",
    pygame.K_m: "toggle_mouse",
    pygame.K_r: "rewind",
    pygame.K_F5: "save",
    pygame.K_F9: "load",
    pygame.K_SPACE: "toggle_pause",
    pygame.K_v: "toggle_record",
    pygame.K_n: "new_seed",
    pygame.K_F1: "toggle_help",
    pygame.K_h: "toggle_help",
    pygame.K_F2: "toggle_hud",
    pygame.K_ESCAPE: "escape",
}

EXAMPLES: dict[int, int] = {
    **{pygame.K_1 + number: number for number in range(9)},
    pygame.K_0: 9,
}
"""The example prompt that each number key says."""

_HELP_COMMANDS = (
    ("T or Enter", "say what the world is"),
    ("Tab", "dream, truth, side by side"),
    ("M", "turn with the mouse (Esc: let it go)"),
    ("R", "rewind, again: further"),
    ("F5   F9", "save, load"),
    ("Space", "pause"),
    ("V", "record to a video, stop"),
    ("N", "a new seed"),
    ("F2", "hide the panels"),
    ("Ctrl + Q", "quit"),
)


def help_rows(spec: ActionSpec) -> tuple[tuple[str, str], ...]:
    """Keys and what they do in a world with these controls."""
    names = set(spec.button_names)
    keys: dict[str, list[str]] = {}
    for key, wanted in WALKING.items():
        button = next((name for name in wanted if name in names), None)
        if button is not None:
            keys.setdefault(button, []).append(_key_name(key))
    walking = tuple((" or ".join(found), button.replace("_", " ")) for button, found in keys.items())
    return walking + _HELP_COMMANDS


def example_rows(prompts: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """Number keys and what they say in a world with these example prompts."""
    return tuple((pygame.key.name(key), prompts[n]) for key, n in EXAMPLES.items() if n < len(prompts))


def _key_name(key: int) -> str:
    arrows = {pygame.K_LEFT: "←", pygame.K_RIGHT: "→", pygame.K_UP: "↑", pygame.K_DOWN: "↓"}
    return arrows.get(key) or pygame.key.name(key).upper()
