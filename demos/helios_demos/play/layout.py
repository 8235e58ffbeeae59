"""Where the pictures go in a window of any size: without blur, with whole multiples where they fit."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Rect", "place", "scale_to_fit"]

_GAP = 12  # pixels between two pictures, if there is room to spare


@dataclass(frozen=True, slots=True)
class Rect:
    """In pixels of the window, from its upper left corner."""

    x: int
    y: int
    width: int
    height: int


def scale_to_fit(window: tuple[int, int], content: tuple[int, int]) -> float:
    """The largest whole multiple of `content` (width, height) that fits, a fraction if it must shrink."""
    scale = min(window[0] / content[0], window[1] / content[1])
    return float(int(scale)) if scale >= 1 else scale


def place(window: tuple[int, int], picture: tuple[int, int], count: int) -> tuple[Rect, ...]:
    """Rectangles for `count` pictures of one size (width, height), side by side in the middle."""
    scale = scale_to_fit(window, (count * picture[0], picture[1]))
    wide, high = (max(int(scale * size), 1) for size in picture)
    step = wide + min(_GAP, max(window[0] - count * wide, 0))
    left = (window[0] - (count - 1) * step - wide) // 2
    top = (window[1] - high) // 2
    return tuple(Rect(left + number * step, top, wide, high) for number in range(count))
