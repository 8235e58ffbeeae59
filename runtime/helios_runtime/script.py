"""Recorded input: JSON lines such as `{"t": 1.5, "press": "forward"}`, played into an InputSampler. No torch.

Each line has a time `t` in seconds from the first frame, not before the line above, and one of
`"press": button`, `"release": button`, `"axis": [name, value]`, `"prompt": text`. Empty lines are skipped.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from helios_runtime.inputs import InputSampler
from helios_world.errors import ActionError
from helios_world.spec import Action, ActionSpec

__all__ = ["Axis", "Event", "Press", "Prompt", "Release", "Script", "ScriptPlayer"]


@dataclass(frozen=True, slots=True)
class Press:
    button: str


@dataclass(frozen=True, slots=True)
class Release:
    button: str


@dataclass(frozen=True, slots=True)
class Axis:
    name: str
    value: float


@dataclass(frozen=True, slots=True)
class Prompt:
    text: str


@dataclass(frozen=True, slots=True)
class Event:
    """`what` happens `at` so many seconds after the first frame."""

    at: float
    what: Press | Release | Axis | Prompt


@dataclass(frozen=True)
class Script:
    """Events in the order of their times."""

    events: tuple[Event, ...]

    @property
    def seconds(self) -> float:
        """When the last event happens."""
        return self.events[-1].at if self.events else 0.0

    @classmethod
    def load(cls, path: str | Path) -> Script:
        """Read a file of JSON lines; ActionError names the file, the line and what is wrong with it."""
        try:
            text = Path(path).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ActionError(f"no script can be read from {str(path)!r}: {error}") from error
        return cls.parse(text.splitlines(), str(path))

    @classmethod
    def parse(cls, lines: Iterable[str], name: str = "script") -> Script:
        return cls(tuple(_events(lines, name)))

    def check(self, spec: ActionSpec) -> Script:
        """Return the script, or raise ActionError for a control that the world does not have."""
        for event in self.events:
            match event.what:
                case Press(button) | Release(button):
                    spec.check(Action({button}))
                case Axis(name, value):
                    spec.check(Action(axes={name: value}))
        return self


class ScriptPlayer:
    """Gives a script's events to a sampler as their times come.

    Args:
        script: what to play.
        inputs: where to.
        start: the time of the first frame, in the sampler's seconds.
    """

    def __init__(self, script: Script, inputs: InputSampler, start: float) -> None:
        self._events = script.events
        self._inputs = inputs
        self._start = start
        self._done = 0

    @property
    def next_at(self) -> float | None:
        """When the next event happens, None after the last one."""
        return self._start + self._events[self._done].at if self._done < len(self._events) else None

    def play_until(self, now: float) -> None:
        """Give all events up to `now`. Each counts as made at its own time, however late this is called."""
        while self.next_at is not None and self.next_at <= now:
            _give(self._inputs, self._events[self._done].what, self.next_at)
            self._done += 1


def _give(inputs: InputSampler, what: Press | Release | Axis | Prompt, at: float) -> None:
    match what:
        case Press(button):
            inputs.press(button, at)
        case Release(button):
            inputs.release(button, at)
        case Axis(name, value):
            inputs.move(name, value, at)
        case Prompt(text):
            inputs.say(text, at)


def _events(lines: Iterable[str], name: str) -> Iterator[Event]:
    newest = 0.0
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        event = _event(line, f"{name}:{number}")
        if event.at < newest:
            raise ActionError(f"{name}:{number}: t is {event.at}, before {newest} in a line above; times go forward")
        newest = event.at
        yield event


def _event(line: str, place: str) -> Event:
    try:
        data = json.loads(line)
    except ValueError as error:
        raise ActionError(f"{place}: no JSON object: {line.strip()[:80]!r} ({error})") from error
    what = _what(data) if isinstance(data, dict) and len(data) == 2 else None
    if what is None or not _is_number(data.get("t")) or not 0 <= data["t"] < float("inf"):
        raise ActionError(
            f'{place}: got {line.strip()[:80]}; expected "t" (seconds, 0 or more) and one of '
            '"press": button, "release": button, "axis": [name, value], "prompt": text'
        )
    return Event(float(data["t"]), what)


def _what(data: dict[str, Any]) -> Press | Release | Axis | Prompt | None:
    match data:
        case {"press": str(button)}:
            return Press(button)
        case {"release": str(button)}:
            return Release(button)
        case {"axis": [str(name), value]} if _is_number(value):
            return Axis(name, float(value))
        case {"prompt": str(text)}:
            return Prompt(text)
    return None


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
