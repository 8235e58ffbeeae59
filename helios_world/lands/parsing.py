"""Which scene a prompt means, by the words of the lexicon. The ground-truth game reads its prompts with this.

Every entry of the word lists votes for its class: as a phrase when all of it stands in the prompt, and word
by word with the square of the class's share of the entries with that word. Words that are rare there say
little, and so do words that stand everywhere.
"""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from helios_world.errors import PromptError
from helios_world.lands.land_words import LAND_WORDS
from helios_world.lands.moment_words import MOMENT_WORDS
from helios_world.lands.scene import LANDS, Scene, canonical
from helios_world.lands.templates import CLOSERS, MOODS, OPENERS, REALMS, SCENES

LONGEST_PROMPT = 400
LEAST_SCORE = 0.5
MISSPELT_RATIO = 0.84
RARE = 2

_SILENT = frozenset(
    re.findall(
        r"\w+",
        """a am an and are as at be before by cannot far for from full i in into is it its like low not of off
        on one or out over s see so that the this through to up was when where while with you your""",
    )
)
# A colour tells the light, and never the land: red brick stands under a red sky, too.
_COLOURS = frozenset(
    re.findall(r"\w+", "amber blue crimson golden gray grey light orange pink purple red violet white")
)


@dataclass(frozen=True)
class _Axis:
    """The votes of words and phrases for the classes of one axis."""

    words: dict[str, tuple[float, ...]]
    phrases: dict[tuple[str, ...], int]
    classes: int

    def scores(self, tokens: Sequence[str]) -> list[float]:
        totals = [0.0] * self.classes
        for token in tokens:
            for index, vote in enumerate(self.words.get(token, ())):
                totals[index] += vote
        for length in range(1, 5):
            for start in range(len(tokens) - length + 1):
                index_or_none = self.phrases.get(tuple(tokens[start : start + length]))
                if index_or_none is not None:
                    totals[index_or_none] += length
        return totals


def parse(prompt: str, default: Scene | None = None) -> Scene:
    """The scene that `prompt` means; words that are not known are ignored.

    Args:
        default: gives the land or the moment that the prompt does not name. Without it the moment is noon.
    Raises:
        PromptError: no land can be told and there is no default.
    """
    lands, moments = _axes()
    tokens = [_corrected(token) for token in _tokens(prompt)[:LONGEST_PROMPT]]
    land, moment = _best(lands.scores(tokens)), _best(moments.scores(tokens))
    if land is None and default is None:
        examples = ", ".join(repr(canonical(Scene(index, index))) for index in range(len(LANDS)))
        raise PromptError(f"no land can be told from the prompt {prompt!r}; say for example {examples}")
    assumed = default if default is not None else Scene(land or 0, 0)
    return Scene(assumed.land if land is None else land, assumed.moment if moment is None else moment)


def _best(scores: Sequence[float]) -> int | None:
    best = max(scores)
    return scores.index(best) if best >= LEAST_SCORE else None


def _tokens(text: str) -> list[str]:
    plain = "".join(mark for mark in unicodedata.normalize("NFKD", text.lower()) if not unicodedata.combining(mark))
    found = [token.replace(" ", "") for token in re.findall(r"\d+ ?[ap]m\b|[^\W\d_]+|\d+", plain)]
    return [token for token in found if token not in _SILENT]


@lru_cache(maxsize=1)
def _axes() -> tuple[_Axis, _Axis]:
    land_entries = [entries.all for entries in LAND_WORDS]
    moment_entries = [entries.all for entries in MOMENT_WORDS]
    land_counts = [_word_counts(entries) for entries in land_entries]
    moment_counts = [_word_counts(entries) for entries in moment_entries]
    neutral = frozenset(_word_counts(MOODS.all + REALMS.all + OPENERS.all + CLOSERS.all))
    return (
        _axis(land_entries, land_counts, sum(moment_counts, Counter()), neutral | _COLOURS),
        _axis(moment_entries, moment_counts, sum(land_counts, Counter()), neutral),
    )


def _word_counts(entries: Iterable[str]) -> Counter[str]:
    return Counter(token for entry in entries for token in set(_tokens(entry)))


def _axis(
    entries: Sequence[tuple[str, ...]],
    counts: Sequence[Counter[str]],
    elsewhere: Counter[str],
    mute: frozenset[str],
) -> _Axis:
    """Votes of one axis. A word that the other axis uses as well counts by the share that it has here."""
    votes: dict[str, tuple[float, ...]] = {}
    for token in set().union(*counts):
        here = sum(count[token] for count in counts)
        weight = 0.0 if token in mute else here / (here + elsewhere[token]) * here / (here + RARE)
        votes[token] = tuple(weight * (count[token] / here) ** 2 for count in counts)
    phrases = {tuple(_tokens(entry)): index for index, listed in enumerate(entries) for entry in listed}
    return _Axis(votes, {phrase: index for phrase, index in phrases.items() if phrase}, len(entries))


@lru_cache(maxsize=1)
def _vocabulary() -> tuple[frozenset[str], dict[str, list[str]]]:
    """Every known word, neutral ones too; and by first letter those that a misspelt word may be taken for."""
    lands, moments = _axes()
    telling = lands.words.keys() | moments.words.keys()
    neutral = (entry for listed in (MOODS, REALMS, OPENERS, CLOSERS, SCENES) for entry in listed.all)
    by_letter: dict[str, list[str]] = {}
    for token in sorted(telling):
        by_letter.setdefault(token[0], []).append(token)
    return frozenset(telling) | {token for entry in neutral for token in _tokens(entry)}, by_letter


@lru_cache(maxsize=4096)
def _corrected(token: str) -> str:
    known, by_letter = _vocabulary()
    if token in known or not 5 <= len(token) <= 20:
        return token
    close = difflib.get_close_matches(token, by_letter.get(token[0], []), n=1, cutoff=MISSPELT_RATIO)
    return close[0] if close else token
