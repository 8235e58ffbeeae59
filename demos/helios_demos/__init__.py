"""Programs that a person runs: written against the contract alone, so they work on every world."""
