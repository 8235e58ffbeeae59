"""Worlds as Gymnasium environments. No torch here, until a world that needs it is opened.

>>> import gymnasium, helios_world.envs
>>> env = gymnasium.make("helios_world/Nano-v0", reward=lambda chunk: chunk.frames[-1].mean())

Importing the package registers helios_world/Nano-v0, Lands-v0 and Pattern-v0, and World-v0 for any other world.
"""

from __future__ import annotations

from helios_world.errors import DependencyError

try:
    import gymnasium
except ModuleNotFoundError as error:
    raise DependencyError(f'{error.name} is missing; pip install "helios-world[agents]"') from error

from helios_world.envs.single import WorldEnv
from helios_world.envs.vector import WorldVectorEnv

__all__ = ["MAX_CHUNKS", "WorldEnv", "WorldVectorEnv"]

MAX_CHUNKS = 600
"""Steps after which a registered environment truncates, unless make(max_episode_steps=…) says otherwise."""


def _register(name: str, **settings: str) -> None:
    identity = f"helios_world/{name}-v0"
    if identity in gymnasium.registry:
        return
    gymnasium.register(
        identity,
        entry_point="helios_world.envs.single:WorldEnv",
        vector_entry_point="helios_world.envs.vector:WorldVectorEnv",
        max_episode_steps=MAX_CHUNKS,
        kwargs=dict(settings),
    )


_register("Nano", world="nano")
_register("Lands", world="lands")
_register("Pattern", world="pattern")
_register("World")
