"""A walker that wanders: random inputs, held for a while, and a turn away from where it cannot go on."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from helios_world.lands.maps import REACH

# (share, forward, strafe, turn): what is held; turns take either sign with equal chance
_HABITS = np.array(
    [
        (0.26, 1, 0, 0),
        (0.24, 1, 0, 1),
        (0.20, 0, 0, 1),
        (0.10, -1, 0, 0),
        (0.03, -1, 0, 1),
        (0.09, 0, 1, 0),
        (0.03, 1, 1, 0),
        (0.05, 0, 0, 0),
    ]
)


class Explorer:
    """N independent wanderers: their `controls` [N, 3], the chunks `left` [N] to hold them, and the generator."""

    def __init__(self, count: int, rng: np.random.Generator, rest: float = 0.0) -> None:
        """`rest` is the share of choices, besides those of the habits, to stand still."""
        self.rng, self.rest = rng, rest
        self.controls = np.zeros((count, 3), np.float32)
        self.left = np.zeros(count, np.int64)

    def sample(self, states: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
        """Controls [N, 3] for the next chunk, given the states [N, 6]."""
        return self.sample_for(np.arange(len(self.left)), states)

    def sample_for(self, which: npt.NDArray[np.int64], states: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
        """Controls for the wanderers `which` [K] only; states [K, 6] are theirs."""
        bored = self.left[which] <= 0
        self._choose(which[bored])
        self._avoid_edges(which, states)
        self.left[which] -= 1
        return self.controls[which].copy()

    def forget(self, which: npt.NDArray[np.int64]) -> None:
        """These wanderers were put somewhere else and begin anew."""
        self.left[which] = 0

    def _choose(self, which: npt.NDArray[np.int64]) -> None:
        count = len(which)
        habit = _HABITS[self.rng.choice(len(_HABITS), count, p=_HABITS[:, 0])]
        signs = np.where(self.rng.random((count, 2)) < 0.5, -1.0, 1.0)
        strength = np.where(self.rng.random(count) < 0.7, 1.0, self.rng.uniform(0.2, 1.0, count))
        self.controls[which, 0] = habit[:, 1]
        self.controls[which, 1] = habit[:, 2] * signs[:, 0]
        self.controls[which, 2] = habit[:, 3] * signs[:, 1] * strength
        self.controls[which[self.rng.random(count) < self.rest]] = 0
        self.left[which] = self.rng.integers(2, 9, count)

    def _avoid_edges(self, which: npt.NDArray[np.int64], states: npt.NDArray[np.float64]) -> None:
        ahead = states[:, :2] + 1.5 * np.stack([np.cos(states[:, 2]), np.sin(states[:, 2])], axis=1)
        stuck = (np.abs(ahead).max(axis=1) > REACH) & (self.controls[which, 0] > 0)
        turning = which[stuck]
        side = np.where(self.rng.random(len(turning)) < 0.5, -1.0, 1.0)
        keep = np.sign(self.controls[turning, 2])
        self.controls[turning] = np.stack(
            [np.zeros(len(turning)), np.zeros(len(turning)), np.where(keep, keep, side)], 1
        )
        self.left[turning] = np.maximum(self.left[turning], self.rng.integers(6, 14, len(turning)))
