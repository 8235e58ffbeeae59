"""Words as hashed pieces: no vocabulary, so any string will do, and a misspelt word keeps most of its pieces.

A pure function: the same string gives the same numbers in every process. No torch here.
"""

from __future__ import annotations

import re
import unicodedata
import zlib
from functools import lru_cache

SHORTEST_PIECE = 3
LONGEST_PIECE = 5
LONGEST_WORD = 24

_WORD = re.compile(r"[^\W\d_]+|\d+")


def split_words(text: str, limit: int) -> list[str]:
    """The first `limit` words: lower case, without accents, apostrophes and punctuation; numbers stand alone.

    >>> split_words("A café, at 3pm!", 48)
    ['a', 'cafe', 'at', '3', 'pm']
    """
    plain = unicodedata.normalize("NFKD", text.lower()).replace("'", "").replace("\u2019", "")
    plain = "".join(mark for mark in plain if not unicodedata.combining(mark))
    return [match.group()[:LONGEST_WORD] for match, _ in zip(_WORD.finditer(plain), range(limit), strict=False)]


def word_pieces(word: str) -> list[str]:
    """The word between its boundary marks, and its runs of 3 to 5 characters, marks included.

    >>> word_pieces("ice")
    ['<ice>', '<ic', 'ice', 'ce>', '<ice', 'ice>']
    """
    marked = f"<{word}>"
    lengths = range(SHORTEST_PIECE, min(LONGEST_PIECE, len(marked) - 1) + 1)
    runs = [marked[start : start + length] for length in lengths for start in range(len(marked) - length + 1)]
    return [marked, *runs]


@lru_cache(maxsize=16384)
def word_buckets(word: str, buckets: int) -> tuple[int, ...]:
    """A bucket in [0, buckets) for each piece. The whole word never shares the hash of a run of letters."""
    whole, *runs = word_pieces(word)
    return (zlib.crc32(f"={whole}".encode()) % buckets, *(zlib.crc32(run.encode()) % buckets for run in runs))
