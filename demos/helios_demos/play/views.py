"""What the window shows: the dream, the truth, or both."""

from __future__ import annotations

from enum import Enum

__all__ = ["Name", "View"]


class Name(Enum):
    """A world in the window, and its place among those that are stepped together."""

    DREAM = 0
    TRUTH = 1


class View(Enum):
    DREAM = "dream"
    TRUTH = "truth"
    BOTH = "side by side"

    @property
    def worlds(self) -> tuple[Name, ...]:
        """Those that are shown, from left to right."""
        return _SHOWN[self]

    @property
    def next(self) -> View:
        """The view that Tab goes to from this one."""
        views = list(View)
        return views[(views.index(self) + 1) % len(views)]


_SHOWN = {
    View.DREAM: (Name.DREAM,),
    View.TRUTH: (Name.TRUTH,),
    View.BOTH: (Name.DREAM, Name.TRUTH),
}
