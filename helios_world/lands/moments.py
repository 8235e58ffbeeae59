"""The four moments: the light that falls on a land. Colours are RGB in [0, 1]."""

from __future__ import annotations

from dataclasses import dataclass

from helios_world.lands.maps import RGB


@dataclass(frozen=True, slots=True)
class Moment:
    """A time of day or a weather.

    Args:
        zenith, horizon: colours of the sky above and below.
        ambient: multiplies every colour that does not glow.
        haze: share of the horizon's colour that a metre of air adds (exponential).
        light: heading (degrees) and rise (tangent of the elevation) of the sun or the moon, its radius in degrees.
        disc: its colour.
        stars: their brightness.
    """

    name: str
    zenith: RGB
    horizon: RGB
    ambient: RGB
    haze: float
    light: tuple[float, float, float]
    disc: RGB
    stars: float = 0.0


ALL_MOMENTS: tuple[Moment, ...] = (
    Moment(
        "noon",
        (0.32, 0.56, 0.90),
        (0.74, 0.87, 0.97),
        (1.0, 1.0, 1.0),
        0.010,
        (60.0, 0.36, 4.5),
        (1.0, 0.98, 0.84),
    ),
    Moment(
        "sunset",
        (0.42, 0.26, 0.52),
        (0.97, 0.60, 0.32),
        (0.98, 0.74, 0.60),
        0.014,
        (250.0, 0.12, 6.0),
        (1.0, 0.90, 0.60),
    ),
    Moment(
        "night",
        (0.10, 0.13, 0.33),
        (0.26, 0.34, 0.60),
        (0.50, 0.58, 0.86),
        0.012,
        (140.0, 0.34, 4.5),
        (0.96, 0.96, 0.88),
        0.5,
    ),
    Moment(
        "fog",
        (0.70, 0.73, 0.76),
        (0.80, 0.82, 0.83),
        (0.84, 0.86, 0.88),
        0.055,
        (60.0, 0.36, 7.0),
        (0.88, 0.88, 0.86),
    ),
)
