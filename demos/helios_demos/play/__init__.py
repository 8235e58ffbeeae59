"""`helios-world play`: walk through a world with the keyboard, in a window or from a script."""
