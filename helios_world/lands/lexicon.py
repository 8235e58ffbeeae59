"""The notation of the word lists that captions are made of.

A trailing * keeps an entry out of training: captions of the "unseen" split use these and nothing else. An
entry stands in one class of its axis only, and says nothing about the other axis: "neon" is not "night".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Split = Literal["train", "unseen"]


@dataclass(frozen=True, slots=True)
class Words:
    """Entries of one kind, parted by split."""

    train: tuple[str, ...]
    unseen: tuple[str, ...]

    @property
    def all(self) -> tuple[str, ...]:
        return self.train + self.unseen

    def of(self, split: Split) -> tuple[str, ...]:
        return self.unseen if split == "unseen" else self.train


@dataclass(frozen=True, slots=True)
class LandWords:
    """`names` take no article, `places` are nouns, `traits` adjectives, `features` what one sees there."""

    names: Words
    places: Words
    traits: Words
    features: Words

    @property
    def all(self) -> tuple[str, ...]:
        return self.names.all + self.places.all + self.traits.all + self.features.all


@dataclass(frozen=True, slots=True)
class MomentWords:
    """`whens` follow a place ("at noon"), `skies` stand before a noun or after "is", `airs` are nouns."""

    whens: Words
    skies: Words
    airs: Words

    @property
    def all(self) -> tuple[str, ...]:
        return self.whens.all + self.skies.all + self.airs.all


def words(text: str, separator: str = ",") -> Words:
    """Part a list into training entries and starred ones.

    >>> words("fog, mist, brume*")
    Words(train=('fog', 'mist'), unseen=('brume',))
    """
    entries = [" ".join(part.split()) for part in text.split(separator) if part.strip()]
    starred = tuple(entry[:-1] for entry in entries if entry.endswith("*"))
    return Words(tuple(entry for entry in entries if not entry.endswith("*")), starred)
