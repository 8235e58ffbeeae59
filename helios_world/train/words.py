"""Prompts of many walkers at once: taken apart when they are made, embedded in every step.

`embed` is the twin of `TextEncoder.forward` that reads no strings: what a prompt consists of is looked up once in the
prompt's life, and a batch is put together without waiting for the device.

Letters: K prompts, W words of the longest one, P pieces of all words, L output tokens.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from helios_world.lands.painters import upload
from helios_world.text import TextConfig, TextEncoder
from helios_world.text.encoder import PIECE_DROPOUT
from helios_world.text.tokenizer import split_words, word_buckets

I64 = npt.NDArray[np.int64]


class Phrase(NamedTuple):
    """A prompt taken apart: the buckets of all its pieces, and how many pieces each word has."""

    pieces: I64
    sizes: I64


@dataclass(frozen=True)
class Words:
    """K prompts on a device.

    Args:
        pieces, shares: [P], every piece's bucket and its weight in its word.
        places: [P], where the word lies in the table of K rows and W columns; used: [K, W], where there is a word.
        spoken: [K], whether the prompt has a word at all.
    """

    pieces: Tensor
    shares: Tensor
    places: Tensor
    used: Tensor
    spoken: Tensor


def take_apart(prompt: str, config: TextConfig) -> Phrase:
    """The pieces of a prompt's words."""
    words = [word_buckets(word, config.buckets) for word in split_words(prompt, config.max_words)]
    flat = [bucket for word in words for bucket in word]
    return Phrase(np.array(flat, np.int64), np.array([len(word) for word in words], np.int64))


def put_together(phrases: Sequence[Phrase], config: TextConfig, device: torch.device) -> Words:
    """A batch of prompts on a device."""
    sizes = np.concatenate([phrase.sizes for phrase in phrases])
    lengths = np.array([len(phrase.sizes) for phrase in phrases])
    used = np.arange(max(int(lengths.max()), 1)) < lengths[:, None]
    shares = np.repeat((config.width**0.5 / np.maximum(sizes, 1)).astype(np.float32), sizes)
    return Words(
        pieces=upload(np.concatenate([phrase.pieces for phrase in phrases]), device),
        shares=upload(shares, device),
        places=upload(np.repeat(np.flatnonzero(used), sizes), device),
        used=upload(used, device),
        spoken=upload(lengths > 0, device),
    )


def embed(encoder: TextEncoder, words: Words) -> Tensor:
    """What `encoder` makes of the prompts: [K, L, text_dim]."""
    count, used = len(words.used), words.used
    width = encoder.config.width
    shares = F.dropout(words.shares, PIECE_DROPOUT, encoder.training)
    pieces = encoder.pieces.index_select(0, words.pieces) * shares[:, None]
    table = pieces.new_zeros(used.numel(), width).index_add(0, words.places, pieces).view(*used.shape, width)
    mixed = encoder.neighbours(table.transpose(1, 2)).transpose(1, 2)
    table = (table + mixed) * used[..., None]
    # Attention needs something to look at; what it makes of a prompt without words is thrown away below.
    seen = used | ~words.spoken[:, None]
    for layer in encoder.layers:
        table = layer(table, seen)
    gathered = encoder.gather(encoder.queries.expand(count, -1, -1), encoder.norm_words(table), seen)
    said = encoder.project(gathered + encoder.queries)
    out: Tensor = encoder.norm_out(torch.where(words.spoken[:, None, None], said, encoder.null))
    return out
