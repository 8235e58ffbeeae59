from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from helios_world.text.augment import disturbed, with_strange_words
from helios_world.text.tokenizer import LONGEST_WORD, split_words, word_buckets, word_pieces


def test_words_are_plain_and_lower_case() -> None:
    assert split_words("A Café's garden, at 3PM — don't!", 48) == [
        "a",
        "cafes",
        "garden",
        "at",
        "3",
        "pm",
        "dont",
    ]
    assert split_words("…!? _ ", 48) == []


@settings(deadline=None)
@given(text=st.text(), limit=st.integers(0, 48))
def test_words_are_few_and_short(text: str, limit: int) -> None:
    words = split_words(text, limit)
    assert len(words) <= limit
    assert all(0 < len(word) <= LONGEST_WORD for word in words)


def test_pieces_are_marked_runs() -> None:
    assert word_pieces("ice") == ["<ice>", "<ic", "ice", "ce>", "<ice", "ice>"]
    assert word_pieces("a") == ["<a>"]


def test_a_misspelt_word_keeps_more_pieces_than_another_word() -> None:
    skyscraper, misspelt, other = (set(word_buckets(word, 4096)) for word in ("skyscraper", "skyscaper", "orchard"))
    assert len(skyscraper & misspelt) > 10 > len(skyscraper & other)


def test_buckets_stay_what_they_are() -> None:
    # Weights that were trained on these buckets are lost when the hash changes.
    assert word_buckets("neon", 4096) == (1464, 1560, 3091, 3054, 3725, 3332, 3536, 4018, 86, 3743)


@settings(deadline=None)
@given(word=st.text(min_size=1, max_size=24), buckets=st.integers(1, 5000))
def test_buckets_are_in_range(word: str, buckets: int) -> None:
    assert all(0 <= bucket < buckets for bucket in word_buckets(word, buckets))


def test_strange_words_leave_the_prompt_in_order() -> None:
    prompt = "an ice palace at night"
    strange = with_strange_words(np.random.default_rng(0), prompt, 3).split()
    assert len(strange) == 8
    kept = iter(strange)
    assert all(word in kept for word in prompt.split())


@settings(deadline=None)
@given(prompt=st.text(alphabet="abc ,.y", max_size=60), seed=st.integers(0, 2**32))
def test_a_disturbed_prompt_keeps_a_word_and_depends_on_the_seed_only(prompt: str, seed: int) -> None:
    first, second = (disturbed(np.random.default_rng(seed), prompt) for _ in range(2))
    assert first == second
    assert bool(first.split()) or not prompt.split()
