"""What several kernels share: which tokens a program has, and sums of a tile."""

# mypy: disable-error-code="import-not-found,import-untyped,untyped-decorator,no-untyped-def"
from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def tokens_of(program, ends, length, EACH: tl.constexpr):
    """The segment of a program, its first token and the end of its tokens, at most EACH of one segment.

    With no `ends` all segments are `length` tokens long.
    """
    segment = program * 0
    if len(ends) == 0:
        each = tl.cdiv(length, EACH)
        segment = program // each
        first = segment * length + (program % each) * EACH
        stop = tl.minimum(first + EACH, (segment + 1) * length)
    else:
        first = program * 0
        stop = program * 0
        before = 0
        begin = 0
        for number in tl.static_range(len(ends)):
            end = ends[number]
            count = tl.cdiv(end - begin, EACH)
            here = (program >= before) & (program < before + count)
            start = begin + (program - before) * EACH
            segment = tl.where(here, number, segment)
            first = tl.where(here, start, first)
            stop = tl.where(here, tl.minimum(start + EACH, end), stop)
            before += count
            begin = end
    return segment.to(tl.int64), first.to(tl.int64), stop.to(tl.int64)


@triton.jit
def condition(row, channel, within):
    """A row of conditions or weights in float32. The next programs want it again, unlike the tokens."""
    return tl.load(row + channel, mask=within, other=0.0, eviction_policy="evict_last").to(tl.float32)


@triton.jit
def normalised(values, inside, width, eps):
    """Rows less their mean, over their standard deviation; and both, [ROWS] each."""
    mean = tl.sum(values, 1) / width
    centred = tl.where(inside, values - mean[:, None], 0.0)
    inverse = tl.rsqrt(tl.sum(centred * centred, 1) / width + eps)
    return centred * inverse[:, None], mean, inverse


@triton.jit
def turned(values, table, channels, sign, HEADS: tl.constexpr, BLOCK: tl.constexpr):
    """Heads [HEADS, BLOCK] times a row of the table, `channels` numbers: real and imaginary parts in turn."""
    channel = tl.arange(0, BLOCK)
    row = tl.load(table + channel, mask=channel < channels, other=0.0)
    real, imaginary = tl.split(tl.reshape(row, (BLOCK // 2, 2)))
    imaginary = sign * imaginary
    even, odd = tl.split(tl.reshape(values, (HEADS, BLOCK // 2, 2)))
    turned_even = even * real[None, :] - odd * imaginary[None, :]
    turned_odd = even * imaginary[None, :] + odd * real[None, :]
    return tl.reshape(tl.join(turned_even, turned_odd), (HEADS, BLOCK))
