"""For whoever tests what uses or makes worlds: a world without weights, and the conformance test."""

from helios_world.testing.conformance import check_world
from helios_world.testing.pattern import PatternCode, PatternWorld, read_code

__all__ = ["PatternCode", "PatternWorld", "check_world", "read_code"]
