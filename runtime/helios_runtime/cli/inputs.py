"""Where the actions and prompts of a generated session come from: a script, or the log of another session."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from helios_runtime.cli.options import existing_file

if TYPE_CHECKING:
    from helios_runtime.script import Script
    from helios_world.recording import ChunkRecord
    from helios_world.spec import ActionSpec, Chunk, World, WorldSpec


class Inputs(Protocol):
    """Where the actions and prompts of a session come from."""

    def seconds(self, spec: WorldSpec) -> float:
        """How long there is any input; 0 for none."""
        ...

    def play(self, world: World, count: int, start: dict[str, Any]) -> Iterator[Chunk]:
        """Yield `count` chunks, the first one of a reset with `start`."""
        ...


class ScriptedInputs:
    """A script in seconds. What it does up to the time a chunk is first shown is in that chunk."""

    def __init__(self, script: Script) -> None:
        self._script = script

    def seconds(self, spec: WorldSpec) -> float:
        return self._script.seconds

    def play(self, world: World, count: int, start: dict[str, Any]) -> Iterator[Chunk]:
        from helios_runtime.inputs import InputSampler
        from helios_runtime.script import ScriptPlayer

        inputs = InputSampler(world.spec.actions, now=lambda: 0.0)
        player = ScriptPlayer(self._script, inputs, start=0.0)
        yield world.reset(**start)
        for number in range(1, count):
            player.play_until(number * world.spec.chunk_seconds)
            sample = inputs.sample()
            yield world.step(sample.action, sample.prompt)


class LoggedInputs:
    """The steps of a recorded session, chunk by chunk; nothing is done after its end."""

    def __init__(self, steps: Sequence[ChunkRecord]) -> None:
        self._steps = steps

    @classmethod
    def read(cls, path: Path) -> LoggedInputs:
        from helios_world.recording import ChunkRecord, read_log

        records = read_log(existing_file(path)).records
        return cls([entry for entry in records if isinstance(entry, ChunkRecord) and entry.call == "step"])

    def check(self, spec: ActionSpec) -> LoggedInputs:
        """Itself, or ActionError for a control that the world does not have."""
        for step in self._steps:
            if step.action is not None:
                spec.check(step.action)
        return self

    def seconds(self, spec: WorldSpec) -> float:
        return (1 + len(self._steps)) * spec.chunk_seconds

    def play(self, world: World, count: int, start: dict[str, Any]) -> Iterator[Chunk]:
        yield world.reset(**start)
        for number in range(count - 1):
            step = self._steps[number] if number < len(self._steps) else None
            yield world.step() if step is None else world.step(step.action, step.prompt)


def given_inputs(world: World, script: Path | None, actions: Path | None) -> Inputs:
    """What to do in the world; ActionError for a control that it does not have."""
    from helios_runtime.script import Script

    if actions is not None:
        return LoggedInputs.read(actions).check(world.spec.actions)
    played = Script(()) if script is None else Script.load(script)
    return ScriptedInputs(played.check(world.spec.actions))
