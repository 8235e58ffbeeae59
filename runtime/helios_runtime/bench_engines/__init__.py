"""How fast the clients of game engines are: C# under Mono and GDScript in Godot, beside our own in Python.

Each client runs in a process of its own, a probe, which is told on its standard input what to do.

- `engines`: which clients can run here, and how; `probe`: one that runs
- `measure`: round trips and frames per second of all of them, in turns
"""
