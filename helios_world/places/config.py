"""The sizes of an atlas."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from helios_world.errors import CheckpointError


@dataclass(frozen=True)
class AtlasConfig:
    """`atlas/config.json`.

    Args:
        lands, moments: how many of each a scene is made of; every land has weights of its own.
        controls: components of an action.
        text_dim: channels of a text token.
        latent_channels, height, width: of the latent of one chunk.
        view: degrees that a frame is wide.
        hidden, depth: of the light field, per land.
        stride: hidden channels of the odometry.
        landmarks: hidden channels of the localizer.

    Raises:
        CheckpointError: a value that an atlas cannot have.
    """

    lands: int
    moments: int
    controls: int
    text_dim: int
    latent_channels: int
    height: int
    width: int
    view: float
    hidden: int
    depth: int
    stride: int
    landmarks: int

    def __post_init__(self) -> None:
        counts = {name: value for name, value in asdict(self).items() if name != "view"}
        wrong = {name: value for name, value in counts.items() if type(value) is not int or value < 1}
        if wrong or not 0 < self.view < 180:
            raise CheckpointError(f"an atlas has positive sizes and a view below 180 degrees; got {self}")

    @property
    def scene(self) -> int:
        """Numbers that describe a scene: a share for every land, then one for every moment."""
        return self.lands + self.moments

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> AtlasConfig:
        known = {field.name for field in fields(cls)}
        if set(data) != known:
            raise CheckpointError(f"the atlas's config has the keys {sorted(known)}; got {sorted(data)}")
        return cls(**data)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)
