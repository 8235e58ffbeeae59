"""Rows of conditions that hold for segments of the tokens, such as one row for the history and one for the rest.

Shapes: B batch, N tokens, R rows and segments, D width.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from torch import Tensor

Ends = tuple[int, ...] | None
"""Where the segments end, such as (2400, 11040); None for R segments of N/R tokens each."""


def check_segments(tokens: int, ends: Ends, *conditions: Tensor) -> None:
    """See that every condition [B or 1, R, D] goes with the segments of N tokens; one row goes with all of them.

    Raises:
        ValueError: it does not, or the ends do not rise to N.
    """
    if ends is not None and (not ends or list(ends) != sorted(ends) or ends[0] < 0 or ends[-1] != tokens):
        raise ValueError(f"segments end at {ends}; the ends have to rise and the last to be {tokens}, all tokens")
    for condition in conditions:
        rows = condition.shape[1]
        if ends is not None and rows not in (1, len(ends)):
            raise ValueError(f"{rows} rows of conditions for {len(ends)} segments; there may be 1 or {len(ends)}")
        if ends is None and (rows == 0 or tokens % rows):
            raise ValueError(f"{rows} rows of conditions do not divide {tokens} tokens; say where segments end")


def each_segment(ends: Sequence[int], rows: Sequence[Tensor]) -> Iterator[tuple[slice, list[Tensor]]]:
    """The tokens of each segment, and its row of every condition, [B or 1, 1, D]."""
    for number, (start, end) in enumerate(zip((0, *ends), ends, strict=False)):
        own = [row if row.shape[1] == 1 else row[:, number : number + 1] for row in rows]
        yield slice(start, end), own
