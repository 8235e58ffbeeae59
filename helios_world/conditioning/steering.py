"""Steering by words, for models that were trained on text and on no controls. No torch here.

What is held becomes a sentence that is appended to the scene prompt:

    "a brick garden at noon" and {forward, turn_left}
    -> "a brick garden at noon. The camera moves forward and turns left."

The model is asked, not commanded: how far it goes is its own choice. The words come from a table, a JSON file that
users edit a copy of; `helios_world.conditioning.steering_table` has its format, docs/steering.md an example.

How a sentence comes about: buttons that cancel each other are dropped; an axis that is not at rest takes over the
buttons that move it and speaks for the sum; the combinations that fit replace the phrases of their buttons, those of
the most buttons first; what is left speaks for itself. Phrases are joined by group, in the order movement, turn,
look, event, and those of one subject become one sentence.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import get_args

from pydantic import ValidationError

from helios_world.conditioning.prompt import MAX_PROMPTS
from helios_world.conditioning.steering_table import Group, SteeringTable
from helios_world.errors import CheckpointError
from helios_world.spec import Action, ActionSpec, Axis, Button, PromptWeight

GROUPS: tuple[Group, ...] = get_args(Group)
_CLOSING = "\"'\u201d\u2019\u00bb)]"
_STOPS = ".!?\u2026\u3002\uff01\uff1f"
_JOINTS = " \t\r\n,;:"

Mixture = tuple[PromptWeight, ...]
_Said = tuple[int, int, str]
"""A phrase with its place: the number of its group, and of its control in the table."""


@dataclass(frozen=True)
class Steering:
    """A valid table, and what it says. The same action gives the same words, whatever the order of its buttons."""

    table: SteeringTable

    @classmethod
    def load(cls, path: str | Path) -> Steering:
        """The table of a JSON file.

        Raises:
            CheckpointError: names the file and every wrong key.
        """
        try:
            data = Path(path).read_bytes()
        except OSError as error:
            raise CheckpointError(f"{str(path)!r} cannot be read: {error.strerror}") from error
        return cls.parse(data, str(path))

    @classmethod
    def default(cls) -> Steering:
        """The shipped table."""
        return cls.parse(default_table(), "steering.json")

    @classmethod
    def parse(cls, data: bytes, name: str) -> Steering:
        """The table of a JSON text; `name` is what errors call it. CheckpointError as in `load`."""
        try:
            return cls(SteeringTable.model_validate_json(data))
        except ValidationError as error:
            wrong = [_fault(e["loc"], e["msg"]) for e in error.errors()]
            raise CheckpointError(f"{name!r} is no steering table: {'; '.join(wrong)}") from error

    def to_json(self) -> str:
        """Equal texts give equal words."""
        return self.table.model_dump_json()

    @property
    def blend(self) -> int:
        """Chunks over which changed words fade in."""
        return self.table.blend

    @property
    def actions(self) -> ActionSpec:
        """The controls of a world that is steered by this table."""
        return ActionSpec(
            buttons=tuple(Button(b.name, self._meaning(b.group, b.phrase)) for b in self.table.buttons),
            axes=tuple(Axis(a.name, a.meaning, a.unit, a.low, a.high, a.combine) for a in self.table.axes),
            steering="prompt",
        )

    def phrase(self, action: Action) -> str:
        """One or more sentences for an action that `actions` allows; the text for rest when nothing is asked."""
        said = sorted(self._said(action))
        if not said:
            return _sentence(self.table.rest)
        spoken: dict[str, list[str]] = {}
        for group, _, phrase in said:
            spoken.setdefault(self._subject(GROUPS[group]), []).append(phrase)
        return " ".join(_sentence(f"{subject} {_listed(phrases)}") for subject, phrases in spoken.items())

    def compose(self, scene: str, phrase: str) -> str:
        """The prompt for a scene and a phrase.

        Without a phrase it is the scene, unchanged, and without a scene the phrase. A scene gets a full stop if it has
        no closing mark, unless the template goes on with a mark of its own.
        """
        if not phrase or not scene.strip(_JOINTS):
            return phrase or scene
        template = self.table.template
        after = template.partition("{scene}")[2]
        stands_alone = not after or after[0].isspace()
        ended = _closed(scene) if stands_alone else scene.strip().rstrip("." + _JOINTS)
        return template.format(scene=ended, phrase=phrase)

    def _said(self, action: Action) -> list[_Said]:
        held = _uncancelled(action.buttons, self.table)
        moved: list[_Said] = []
        for number, axis in enumerate(self.table.axes, start=len(self.table.buttons)):
            value = action.axes.get(axis.name, 0.0)
            if axis.says(value) is None:
                continue
            phrase = axis.says(math.fsum([value, *(axis.buttons.get(name, 0.0) for name in held)]))
            held -= set(axis.buttons)
            moved += [] if phrase is None else [(GROUPS.index(axis.group), number, phrase)]
        return moved + self._said_by_buttons(held)

    def _said_by_buttons(self, held: frozenset[str]) -> list[_Said]:
        places = {b.name: (GROUPS.index(b.group), number) for number, b in enumerate(self.table.buttons)}
        said: list[_Said] = []
        for combination in sorted(self.table.combinations, key=lambda c: -len(c.buttons)):
            if held.issuperset(combination.buttons):
                held -= set(combination.buttons)
                said.append((*places[combination.buttons[0]], combination.phrase))
        return said + [(*places[b.name], b.phrase) for b in self.table.buttons if b.name in held]

    def _subject(self, group: Group) -> str:
        subject: str = getattr(self.table.subjects, group)
        return subject

    def _meaning(self, group: Group, phrase: str) -> str:
        words = _sentence(f"{self._subject(group)} {phrase}")
        return f'asks the model in words, "{words}"; how far it goes is the model\'s choice'


def default_table() -> bytes:
    """The file of the shipped table, to be copied and edited."""
    return resources.files("helios_world").joinpath("official", "steering.json").read_bytes()


def mix(scene: Mixture, phrase: Mixture, compose: Callable[[str, str], str]) -> Mixture:
    """The product of two mixtures that fade at their own pace.

    Args:
        scene, phrase: their targets are last.
        compose: makes one text of one of each.

    Returns:
        At most MAX_PROMPTS distinct texts, the two targets' last, with weights that sum to 1. What is too much is
        dropped, the smallest first.
    """
    shares: dict[str, float] = {}
    for left in scene:
        for right in phrase:
            text = compose(left.text, right.text)
            shares[text] = shares.get(text, 0.0) + left.weight * right.weight
    target = compose(scene[-1].text, phrase[-1].text)
    aim = shares.pop(target)
    others = {text: share for text, share in shares.items() if share > 0}
    for text in sorted(others, key=others.__getitem__)[: max(0, len(others) + 1 - MAX_PROMPTS)]:
        del others[text]
    total = math.fsum([*others.values(), aim])
    return tuple(PromptWeight(text, share / total) for text, share in (*others.items(), (target, aim)))


def _uncancelled(buttons: frozenset[str], table: SteeringTable) -> frozenset[str]:
    cancelled = frozenset[str]().union(*(pair for pair in table.opposites() if pair <= buttons))
    return buttons - cancelled


def _listed(phrases: list[str]) -> str:
    *first, last = phrases
    return f"{', '.join(first)} and {last}" if first else last


def _sentence(words: str) -> str:
    text = words.strip()
    return _closed(text[:1].upper() + text[1:]) if text else ""


def _closed(text: str) -> str:
    """The text with a closing mark, which a quotation or a bracket at its end may have inside."""
    body = text.strip().rstrip(_JOINTS)
    return body if body.rstrip(_CLOSING).endswith(tuple(_STOPS)) else f"{body}."


def _fault(place: tuple[int | str, ...], message: str) -> str:
    reason = message.removeprefix("Value error, ")
    return f"{'.'.join(map(str, place))}: {reason}" if place else reason
