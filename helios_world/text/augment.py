"""What a text encoder must bear: words lost, joined, inflected, misspelt, and unknown ones. No torch."""

from __future__ import annotations

import numpy as np

LOST = 0.04
SLIPPED = 0.04
INFLECTED = 0.06
JOINED = 0.15
STRANGE = 0.5
MOST_STRANGE = 4

_ONSETS = (*"bcdfghjklmnprstvwz", "br", "ch", "dr", "fl", "gr", "pl", "qu", "st", "tr", "")
_VOWELS = ("a", "e", "i", "o", "u", "ai", "ea", "oo", "ou", "y")
_CODAS = ("", "b", "ck", "d", "g", "l", "m", "n", "nt", "r", "rd", "s", "st", "t", "x", "ng", "sh")
_ENDINGS = ("s", "y", "ed", "er", "est", "ish", "like", "ing", "ly", "ier", "ies", "en")


def strange_word(rng: np.random.Generator) -> str:
    """One to three syllables that spell something, probably nothing."""
    parts = (_ONSETS, _VOWELS, _CODAS)
    return "".join(part[int(rng.integers(len(part)))] for _ in range(int(rng.integers(1, 4))) for part in parts)


def with_strange_words(rng: np.random.Generator, prompt: str, count: int) -> str:
    """`prompt` with `count` strange words put in at random places."""
    words = prompt.split()
    for _ in range(count):
        words.insert(int(rng.integers(len(words) + 1)), strange_word(rng))
    return " ".join(words)


def disturbed(rng: np.random.Generator, prompt: str) -> str:
    """`prompt` with words lost, changed and added, a few of each; never empty if it was not."""
    words = prompt.split()
    kept = [word for word, chance in zip(words, rng.random(len(words)), strict=True) if chance >= LOST] or words
    changed = [_changed(rng, word, chance) for word, chance in zip(kept, rng.random(len(kept)), strict=True)]
    if len(changed) > 1 and rng.random() < JOINED:
        at = int(rng.integers(len(changed) - 1))
        changed[at : at + 2] = [changed[at] + changed[at + 1]]
    count = int(rng.integers(1, MOST_STRANGE + 1)) if rng.random() < STRANGE else 0
    return with_strange_words(rng, " ".join(changed), count)


def _changed(rng: np.random.Generator, word: str, chance: float) -> str:
    if len(word) <= 3 or chance >= SLIPPED + INFLECTED:
        return word
    if chance < SLIPPED:
        return _slip(rng, word)
    stem = word.rstrip(",.;:!)").removesuffix("s").removesuffix("y").removesuffix("e")
    return stem + _ENDINGS[int(rng.integers(len(_ENDINGS)))]


def _slip(rng: np.random.Generator, word: str) -> str:
    """One letter lost, or replaced by another of the word."""
    at, other = (int(index) for index in rng.integers(len(word), size=2))
    return word[:at] + (word[other] if rng.random() < 0.5 else "") + word[at + 1 :]
