"""The worlds of all sessions. Only the engine's thread touches them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from helios_runtime.protocol.errors import ProtocolError
from helios_runtime.server.jobs import Close, Fork, Job, Open, Record, Value
from helios_runtime.server.seat import Rest, Seat
from helios_world.batch import groups
from helios_world.errors import RecordingError, StateError
from helios_world.spec import World


class Seats:
    """The table of seats, and everything that is done to one of them but steps.

    Args:
        load: gives a new world by its name.
        recordings: the folder for them, made if it is not there; None to record nothing.
    """

    def __init__(self, load: Callable[[str], World], recordings: Path | None) -> None:
        self._load, self._recordings = load, recordings
        self._all: dict[str, Seat] = {}
        if recordings is not None:
            recordings.mkdir(parents=True, exist_ok=True)

    def __contains__(self, name: str) -> bool:
        return name in self._all

    def __getitem__(self, name: str) -> Seat:
        if name not in self._all:
            raise ProtocolError("unknown_session", f"no session {name} is running", sid=name)
        return self._all[name]

    def has(self, seat: Seat) -> bool:
        """Whether this very seat is still taken; there may be another one of its name."""
        return self._all.get(seat.name) is seat

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._all)

    def together(self, names: Sequence[str]) -> Sequence[str]:
        """Of some names, those whose worlds can be stepped in one pass with the first one's, that one first."""
        first = self._all.get(names[0])
        if first is None:
            return names[:1]
        return [name for name in names if name in self._all and self._all[name].company is first.company]

    def do(self, job: Job) -> Value | Rest:
        """Any job but a step; for one that takes a while, what is left to do in another thread."""
        match job:
            case Open():
                return self._sit(job.seat, self._load(job.world)).world.spec
            case Fork():
                self._sit(job.twin, self[job.seat].world.fork())
                return None
            case Close():
                return self.leave(job.seat)
            case Record(on=True):
                return self._record(self[job.seat])
            case Record():
                return self[job.seat].stop_recording()
        return self[job.seat].do(job)

    def leave(self, name: str) -> Rest | None:
        """Close a world. What is left to do, None for nothing."""
        seat = self._all.pop(name, None)
        return None if seat is None else seat.close()

    def _sit(self, name: str, world: World) -> Seat:
        if name in self._all:
            world.close()
            raise StateError(f"the seat {name!r} is taken")
        self._all[name] = seat = Seat(name, world, self._company(world))
        return seat

    def _company(self, world: World) -> object:
        """Found once, so that it costs nothing at every step."""
        seats = self._all.values()
        return next((seat.company for seat in seats if len(groups([seat.world, world])) == 1), object())

    def _record(self, seat: Seat) -> str:
        if self._recordings is None:
            raise RecordingError("this server records nothing; it was started without a folder for recordings")
        return seat.record(self._recordings)
