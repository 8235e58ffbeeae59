"""Values that are computed once and kept as long as there is room."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

V = TypeVar("V")


class Kept(Generic[V]):
    """The values that were used last, by their keys.

    Args:
        count: of values at most.
        limit: of what they weigh together; the newest stays whatever it weighs. None for no limit.
        weigh: what a value weighs.
    """

    def __init__(self, count: int, limit: int | None = None, weigh: Callable[[V], int] = lambda _: 0) -> None:
        self._count, self._limit, self._weigh = count, limit, weigh
        self._values: OrderedDict[Hashable, V] = OrderedDict()

    def get(self, key: Hashable, make: Callable[[], V]) -> V:
        """The value of `key`; `make` is called if it is not there."""
        if key not in self._values:
            self.put(key, make())
        self._values.move_to_end(key)
        return self._values[key]

    def put(self, key: Hashable, value: V) -> None:
        """Set the value of `key`, and let go of what there is no room for any more."""
        self._values[key] = value
        self._values.move_to_end(key)
        while len(self._values) > 1 and (len(self._values) > self._count or self._too_heavy()):
            self._values.popitem(last=False)

    def items(self) -> list[tuple[Hashable, V]]:
        """Keys and values, the one used last at the end."""
        return list(self._values.items())

    def clear(self) -> None:
        self._values.clear()

    @property
    def weight(self) -> int:
        """Of all values together."""
        return sum(map(self._weigh, self._values.values()))

    def __len__(self) -> int:
        return len(self._values)

    def _too_heavy(self) -> bool:
        return self._limit is not None and self.weight > self._limit
