"""The table that turns buttons and axes into words: its format, and what makes one valid. No torch here.

A JSON file, read strictly: unknown keys are errors. docs/steering.md describes it for those who edit one.

    format        1
    template      how a scene and what is asked for become one text; has {scene} and {phrase}, each once
    rest          what is said when nothing is asked for; empty to leave the scene as it is
    blend         chunks over which changed words fade in
    subjects      for each group (movement, turn, look, event), what its phrases speak of: "the camera"
    buttons       name, group, phrase ("moves forward"), and `cancels`, a button that is its opposite
    combinations  buttons, phrase: said in place of the phrases of these buttons
    axes          name, group, meaning, unit, low, high, combine as in `helios_world.spec.Axis`;
                  positive, negative: phrases by sign, in which {how} is the word of the band
                  bands: at_least, how; the highest `at_least` that |value| reaches counts, below all nothing is said
                  buttons: what a held button adds to the axis, when the axis is not at rest
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from itertools import pairwise
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, field_validator, model_validator

MOST_SAID = 1_000
"""Characters of everything that can be asked for at once, so that words fit into a prompt."""

Group = Literal["movement", "turn", "look", "event"]
Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
Line = Annotated[str, StringConstraints(strip_whitespace=True, max_length=200, pattern=r"^[^\r\n]*$")]


def _is_clause(phrase: str) -> str:
    if not phrase:
        raise ValueError("a phrase cannot be empty; leave the control out of the table instead")
    if phrase[-1] in ".!?,;:":
        raise ValueError(f"{phrase!r} ends with {phrase[-1]!r}; phrases are joined, and get their marks then")
    return phrase


def _has_no_place(phrase: str) -> str:
    if "{" in phrase:
        raise ValueError(f"{phrase!r} has a place to be filled in; only the phrases of an axis have one, {{how}}")
    return phrase


Clause = Annotated[Line, AfterValidator(_is_clause)]
PlainClause = Annotated[Clause, AfterValidator(_has_no_place)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class Subjects(_Part):
    """What the phrases of a group speak of; empty when they are whole sentences."""

    movement: Line
    turn: Line
    look: Line
    event: Line


class ButtonWords(_Part):
    """A button, and what is said while it is held."""

    name: Name
    group: Group
    phrase: PlainClause
    cancels: Name | None = None


class Combination(_Part):
    """What is said of several buttons in place of their own phrases; the first one's group is its group."""

    buttons: Annotated[tuple[Name, ...], Field(min_length=2)]
    phrase: PlainClause


class Band(_Part):
    """A range of an axis, from |value| = `at_least` to the next one, and the word for it."""

    at_least: Annotated[float, Field(ge=0)]
    how: Line


class AxisWords(_Part):
    """An axis, and what is said by sign and strength."""

    name: Name
    group: Group
    meaning: Annotated[Line, Field(min_length=1)]
    unit: Annotated[Line, Field(min_length=1)]
    low: float
    high: float
    combine: Literal["sum", "latest"] = "latest"
    negative: Clause | None = None
    positive: Clause | None = None
    bands: Annotated[tuple[Band, ...], Field(min_length=1)]
    buttons: dict[Name, float] = {}

    @model_validator(mode="after")
    def _checked(self) -> AxisWords:
        if not self.low <= 0 <= self.high or self.low == self.high:
            raise ValueError(f"goes from {self.low} to {self.high}; 0, at rest, has to be within")
        starts = [band.at_least for band in self.bands]
        if any(low >= high for low, high in pairwise(starts)):
            raise ValueError(f"bands begin at {starts}; each has to begin above the one before")
        if starts[-1] > max(-self.low, self.high):
            raise ValueError(f"bands: no value from {self.low} to {self.high} is as far from 0 as {starts[-1]}")
        for side, reached, phrase in (
            ("negative", self.low < 0, self.negative),
            ("positive", self.high > 0, self.positive),
        ):
            self._check_side(side, reached, phrase)
        for button, value in self.buttons.items():
            if value == 0 or not self.low <= value <= self.high:
                raise ValueError(f"buttons: {button!r} adds {value}; allowed is {self.low} to {self.high} without 0")
        return self

    def _check_side(self, side: str, reached: bool, phrase: str | None) -> None:
        if reached != (phrase is not None):
            fault = "is missing" if reached else "is never said"
            raise ValueError(f"{side}: {fault}; the axis goes from {self.low} to {self.high}")
        if phrase is None:
            return
        places, worded = phrase.count("{how}"), any(band.how for band in self.bands)
        if phrase.count("{") != places or (worded and not places):
            raise ValueError(f"{side}: {phrase!r} needs {{how}}, where the words of the bands go, and no other braces")

    def says(self, value: float) -> str | None:
        """The phrase for a value, None when it is below all bands."""
        reached = [band.how for band in self.bands if 0 < abs(value) >= band.at_least]
        phrase = self.positive if value > 0 else self.negative
        return " ".join(phrase.replace("{how}", reached[-1]).split()) if reached and phrase is not None else None


class SteeringTable(_Part):
    """Everything that `helios_world.conditioning.steering.Steering` says."""

    format: Literal[1]
    template: Line
    rest: Line
    blend: Annotated[int, Field(gt=0)]
    subjects: Subjects
    buttons: tuple[ButtonWords, ...]
    combinations: tuple[Combination, ...] = ()
    axes: tuple[AxisWords, ...] = ()

    @field_validator("template")
    @classmethod
    def _has_both(cls, template: str) -> str:
        places = [template.count(name) for name in ("{scene}", "{phrase}", "{", "}")]
        if places != [1, 1, 2, 2]:
            raise ValueError(f"{template!r} needs {{scene}} and {{phrase}}, each once, and no other braces")
        return template

    @model_validator(mode="after")
    def _fits(self) -> SteeringTable:
        names = [button.name for button in self.buttons]
        _distinct("buttons", names)
        _distinct("axes", [axis.name for axis in self.axes])
        _distinct("axes: buttons", [name for axis in self.axes for name in axis.buttons])
        for where, used in self._uses():
            unknown = sorted(set(used) - set(names))
            if unknown:
                raise ValueError(f"{where}: no button is called {unknown}; the table has {names}")
        self._check_combinations()
        longest = self._longest()
        if longest > MOST_SAID:
            raise ValueError(f"buttons, axes: up to {longest} characters at once; allowed are {MOST_SAID}")
        return self

    def opposites(self) -> frozenset[frozenset[str]]:
        """Pairs of buttons that cancel when both are held."""
        return frozenset(frozenset({b.name, b.cancels}) for b in self.buttons if b.cancels is not None)

    def _uses(self) -> Iterable[tuple[str, Iterable[str]]]:
        yield from ((f"buttons.{b.name}.cancels", [b.cancels]) for b in self.buttons if b.cancels is not None)
        yield from ((f"combinations.{n}.buttons", c.buttons) for n, c in enumerate(self.combinations))
        yield from ((f"axes.{axis.name}.buttons", axis.buttons) for axis in self.axes)

    def _check_combinations(self) -> None:
        for button in self.buttons:
            if button.cancels == button.name:
                raise ValueError(f"buttons.{button.name}.cancels: a button is not its own opposite")
        _distinct("combinations", [str(sorted(c.buttons)) for c in self.combinations])
        for number, combination in enumerate(self.combinations):
            where, held = f"combinations.{number}.buttons", frozenset(combination.buttons)
            _distinct(where, combination.buttons)
            never = [sorted(pair) for pair in self.opposites() if pair <= held]
            if never:
                raise ValueError(f"{where}: is never said, because {' and '.join(min(never))} cancel each other")

    def _longest(self) -> int:
        """At least the characters of the longest text that can be asked for."""
        joint = len(" and ")
        together = [max(map(len, (b.phrase, *self._said_with(b.name)))) + joint for b in self.buttons]
        moved = [
            max(len(axis.positive or ""), len(axis.negative or "")) + max(len(band.how) for band in axis.bands) + joint
            for axis in self.axes
        ]
        subjects = [len(subject) + 3 for subject in self.subjects.model_dump().values()]
        return max(sum(together) + sum(moved) + sum(subjects), len(self.rest))

    def _said_with(self, name: str) -> Iterable[str]:
        return (c.phrase for c in self.combinations if name in c.buttons)


def _distinct(where: str, names: Iterable[str]) -> None:
    twice = sorted(name for name, count in Counter(names).items() if count > 1)
    if twice:
        raise ValueError(f"{where}: more than once: {', '.join(twice)}")
