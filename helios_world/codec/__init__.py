"""Frames to latents and back, for worlds that bring their own small codec."""

from helios_world.codec.codec import CodecConfig, LatentCodec

__all__ = ["CodecConfig", "LatentCodec"]
