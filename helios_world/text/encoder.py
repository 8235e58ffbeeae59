"""The text encoder of small worlds: a prompt in, L tokens out.

Letters: B prompts, W words, P pieces, L output tokens, D width.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from helios_world.text.config import TextConfig
from helios_world.text.tokenizer import split_words, word_buckets

PIECE_DROPOUT = 0.3


class Attention(nn.Module):
    """Queries [B, Q, D] look at words [B, W, D] where `mask` [B, W] is true."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.to_q = nn.Linear(width, width)
        self.to_kv = nn.Linear(width, 2 * width)
        self.to_out = nn.Linear(width, width)

    def forward(self, queries: Tensor, words: Tensor, mask: Tensor) -> Tensor:
        batch, count, width = queries.shape
        key, value = self.to_kv(words).chunk(2, dim=-1)
        q, k, v = (x.unflatten(-1, (self.heads, -1)).transpose(1, 2) for x in (self.to_q(queries), key, value))
        mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=mask[:, None, None, :])
        out: Tensor = self.to_out(mixed.transpose(1, 2).reshape(batch, count, width))
        return out


class Layer(nn.Module):
    """A pre-norm transformer layer over the words."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norm_attention = nn.LayerNorm(width)
        self.attention = Attention(width, heads)
        self.norm_feed = nn.LayerNorm(width)
        self.feed = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))

    def forward(self, words: Tensor, mask: Tensor) -> Tensor:
        normed = self.norm_attention(words)
        words = words + self.attention(normed, normed, mask)
        out: Tensor = words + self.feed(self.norm_feed(words))
        return out


class TextEncoder(nn.Module):
    """Any strings to [B, L, text_dim]. A string without a word gives the learned null embedding.

    A word is the mean of its pieces' embeddings, mixed with its two neighbours. Learned queries gather the
    words, so a prompt of one word and a prompt of forty both fill all L tokens. In training, pieces drop out.
    """

    def __init__(self, config: TextConfig) -> None:
        super().__init__()
        self.config = config
        width = config.width
        self.pieces = nn.Parameter(torch.randn(config.buckets, width) * width**-0.5)
        self.neighbours = nn.Conv1d(width, width, 3, padding=1, groups=width)
        self.layers = nn.ModuleList(Layer(width, config.heads) for _ in range(config.layers))
        self.norm_words = nn.LayerNorm(width)
        self.queries = nn.Parameter(torch.randn(config.tokens, width) * 0.5)
        self.gather = Attention(width, config.heads)
        self.project = nn.Linear(width, config.text_dim)
        self.null = nn.Parameter(torch.randn(config.tokens, config.text_dim))
        self.norm_out = nn.LayerNorm(config.text_dim)

    def forward(self, prompts: Sequence[str]) -> Tensor:
        """Embed `prompts`: [B, L, text_dim], each token layer-normed."""
        split = [split_words(prompt, self.config.max_words) for prompt in prompts]
        tokens = self.null.expand(len(split), -1, -1)
        spoken = torch.tensor([bool(words) for words in split], device=self.null.device)
        if any(split):
            tokens = tokens.masked_scatter(spoken[:, None, None], self._spoken([words for words in split if words]))
        out: Tensor = self.norm_out(tokens)
        return out

    def _spoken(self, split: list[list[str]]) -> Tensor:
        """Tokens [B, L, text_dim] of prompts that have a word each, before the last norm."""
        mask = self._mask(split)
        words = self._embed(split, mask)
        mixed = self.neighbours(words.transpose(1, 2)).transpose(1, 2)
        words = (words + mixed) * mask[..., None]
        for layer in self.layers:
            words = layer(words, mask)
        gathered = self.gather(self.queries.expand(len(split), -1, -1), self.norm_words(words), mask)
        out: Tensor = self.project(gathered + self.queries)
        return out

    def _mask(self, split: list[list[str]]) -> Tensor:
        longest = max(len(words) for words in split)
        return torch.tensor([[at < len(words) for at in range(longest)] for words in split], device=self.null.device)

    def _embed(self, split: list[list[str]], mask: Tensor) -> Tensor:
        """The words [B, W, D], zeros behind a prompt's last word."""
        buckets = [word_buckets(word, self.config.buckets) for words in split for word in words]
        device = mask.device
        flat = torch.tensor([bucket for word in buckets for bucket in word], device=device)
        sizes = torch.tensor([len(word) for word in buckets], device=device)
        shares = (self.config.width**0.5 / sizes).to(self.pieces.dtype).repeat_interleave(sizes)
        # Without some of its pieces a word still has to be known: so it is known by its relatives, too.
        shares = F.dropout(shares, PIECE_DROPOUT, self.training)
        words = F.embedding_bag(flat, self.pieces, sizes.cumsum(0) - sizes, mode="sum", per_sample_weights=shares)
        padded = words.new_zeros(*mask.shape, self.config.width)
        return padded.masked_scatter(mask[..., None], words)


class SceneHead(nn.Module):
    """Reads the land and the moment off a prompt's mean token; for training only.

    [B, L, text_dim] to the logits [B, lands] and [B, moments].
    """

    def __init__(self, text_dim: int, lands: int = 4, moments: int = 4) -> None:
        super().__init__()
        self.land = nn.Linear(text_dim, lands)
        self.moment = nn.Linear(text_dim, moments)

    def forward(self, text: Tensor) -> tuple[Tensor, Tensor]:
        mean = text.mean(dim=1)
        return self.land(mean), self.moment(mean)
