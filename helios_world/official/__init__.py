"""The official Helios checkpoints: their folders, and the worlds made of them."""
