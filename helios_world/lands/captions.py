"""Captions that are true by construction: many ways to say which land it is and which moment.

>>> import numpy as np
>>> parse(caption(np.random.default_rng(0), Scene(1, 2)))
Scene(land=1, moment=2)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from string import Formatter
from typing import Literal

import numpy as np
import numpy.typing as npt

from helios_world.lands.land_words import LAND_WORDS
from helios_world.lands.lexicon import LandWords, Split
from helios_world.lands.moment_words import MOMENT_WORDS
from helios_world.lands.parsing import parse
from helios_world.lands.scene import LANDS, MOMENTS, Scene, all_scenes, canonical
from helios_world.lands.templates import (
    BARE_FORMS,
    CLOSERS,
    MOODS,
    OPENERS,
    REALMS,
    SCENES,
    TAG_FORMS,
    WHOLE_FORMS,
)

__all__ = [
    "LANDS",
    "MOMENTS",
    "Scene",
    "all_scenes",
    "canonical",
    "caption",
    "caption_batch",
    "parse",
    "partial_caption",
]

LAND_ONLY_SHARE = 0.10
MOMENT_ONLY_SHARE = 0.04
MISSPELT_SHARE = 0.08

_MOMENT_TEMPLATES = (
    "{when}",
    "{air}",
    "it is {sky}",
    "make it {sky}",
    "{sky}",
    "now {when}",
    "{sky}, {air}",
    "{sky} {realm}",
)
_LAND_TEMPLATES = (
    "{land}",
    "{bare}",
    "{tags}",
    "take me to {land}",
    "walking through {land}",
    "I am in {land}",
)


class _Filler:
    """Fills templates with words that are true of one scene."""

    def __init__(self, rng: np.random.Generator, scene: Scene, split: Split) -> None:
        self._rng = rng
        self._split = split
        self._land: LandWords = LAND_WORDS[scene.land]
        moment = MOMENT_WORDS[scene.moment]
        entries = {
            "name": self._land.names,
            "place": self._land.places,
            "trait": self._land.traits,
            "feature": self._land.features,
            "other": self._land.features,
            "when": moment.whens,
            "sky": moment.skies,
            "air": moment.airs,
            "mood": MOODS,
            "realm": REALMS,
        }
        self._entries = {name: listed.of(split) for name, listed in entries.items()}
        self._forms: dict[str, Callable[[], str]] = {
            "land": self._with_article,
            "bare": self._bare,
            "tags": self._tags,
        }

    def pick(self, choices: Sequence[str]) -> str:
        return choices[int(self._rng.integers(len(choices)))]

    def fill(self, template: str) -> str:
        parts: list[str] = []
        for text, field, _, _ in Formatter().parse(template):
            parts.append(text)
            if field is not None:
                parts.append(self._field(field))
        return "".join(parts)

    def _field(self, field: str) -> str:
        form = self._forms.get(field)
        return form() if form is not None else self.pick(self._entries[field])

    def _bare(self) -> str:
        return self.fill(self.pick(BARE_FORMS))

    def _tags(self) -> str:
        return self.fill(self.pick(TAG_FORMS))

    def _with_article(self) -> str:
        if self._rng.random() < 0.25:
            return self.fill(self.pick(WHOLE_FORMS))
        bare = self._bare()
        article = self.pick(("a", "a", "a", "a", "the", "this", "my", "some", ""))
        article = "an" if article == "a" and bare[0] in "aeiou" else article
        return f"{article} {bare}".strip()


def caption(rng: np.random.Generator, scene: Scene, split: Split = "train") -> str:
    """One description of `scene`; both its land and its moment are said.

    Args:
        split: "unseen" takes templates and words that the "train" split never uses.
    """
    return _written(rng, scene, split, SCENES.of(split))


def partial_caption(
    rng: np.random.Generator, scene: Scene, part: Literal["land", "moment"], split: Split = "train"
) -> str:
    """A description of the scene's land only, or of its moment only."""
    return _written(rng, scene, split, _LAND_TEMPLATES if part == "land" else _MOMENT_TEMPLATES)


def caption_batch(
    rng: np.random.Generator, size: int, split: Split = "train"
) -> tuple[list[str], npt.NDArray[np.int64]]:
    """Captions of random scenes, and labels [size, 2]: the land and the moment that each means.

    A few captions of the train split name no moment, which means noon. A few name no land: it is -1, unknown.
    """
    prompts: list[str] = []
    labels = rng.integers(0, (len(LANDS), len(MOMENTS)), size=(size, 2))
    for row in labels:
        scene, chance = Scene(int(row[0]), int(row[1])), rng.random()
        if split == "unseen" or chance > LAND_ONLY_SHARE + MOMENT_ONLY_SHARE:
            prompts.append(caption(rng, scene, split))
        elif chance < LAND_ONLY_SHARE:
            prompts.append(partial_caption(rng, scene, "land"))
            row[1] = 0
        else:
            prompts.append(partial_caption(rng, scene, "moment"))
            row[0] = -1
    return prompts, labels


def _written(rng: np.random.Generator, scene: Scene, split: Split, templates: Sequence[str]) -> str:
    filler = _Filler(rng, scene, split)
    text = filler.fill(filler.pick(templates))
    if rng.random() < 0.15:
        text = f"{filler.pick(OPENERS.of(split))} {text}"
    if rng.random() < 0.15:
        text = f"{text}{filler.pick((', ', ' '))}{filler.pick(CLOSERS.of(split))}"
    if rng.random() < MISSPELT_SHARE:
        text = _misspelt(rng, text)
    return _styled(rng, text)


def _misspelt(rng: np.random.Generator, text: str) -> str:
    """One slip in a word of five letters or more: a letter lost, doubled, or swapped with the next."""
    parts = text.split(" ")
    long = [index for index, part in enumerate(parts) if len(part) >= 5]
    if not long:
        return text
    index = long[int(rng.integers(len(long)))]
    part, at = parts[index], int(rng.integers(1, len(parts[index]) - 1))
    slips = (
        part[:at] + part[at + 1 :],
        part[:at] + part[at] + part[at:],
        part[:at] + part[at + 1] + part[at] + part[at + 2 :],
    )
    parts[index] = slips[int(rng.integers(len(slips)))]
    return " ".join(parts)


def _styled(rng: np.random.Generator, text: str) -> str:
    styles = (str.lower, str.lower, str, str, str.capitalize, str.capitalize, str.upper, str.title)
    endings = ("", "", "", ".", ".", "!", "...", " ")
    return styles[int(rng.integers(len(styles)))](text) + endings[int(rng.integers(len(endings)))]
