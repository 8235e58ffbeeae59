"""How long a chunk takes over the wire: ours, and three servers that are written as other projects write theirs."""
