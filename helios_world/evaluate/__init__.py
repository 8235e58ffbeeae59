"""How good a world is: its frames alone and against the ground-truth game. `run.evaluate` does it all."""
