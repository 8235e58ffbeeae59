"""Worlds for other processes: the server, its sessions and the engine that steps them. Importing this loads nothing."""
