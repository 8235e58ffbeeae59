"""Worlds of other games: recordings, robot episodes and Gymnasium environments become training shards."""
