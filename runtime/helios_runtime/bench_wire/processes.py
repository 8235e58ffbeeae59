"""Servers in processes of their own, which end when what started them does."""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection as Pipe

from helios_runtime.bench_wire.way import ChunkSize, InstantWorld, Way

START_SECONDS = 60.0
STOP_SECONDS = 10.0


@contextmanager
def served(way: Way, size: ChunkSize) -> Iterator[str]:
    """A server of `way` in a new process; yields its address.

    Raises:
        RuntimeError: it did not start.
    """
    spawn = multiprocessing.get_context("spawn")
    ours, theirs = spawn.Pipe()
    process = spawn.Process(target=_serve, args=(way.serve, size, theirs), daemon=True)
    process.start()
    theirs.close()
    try:
        yield _address(way, ours)
    finally:
        ours.close()
        process.join(STOP_SECONDS)
        if process.is_alive():
            process.kill()
            process.join()


def _address(way: Way, pipe: Pipe) -> str:
    try:
        if pipe.poll(START_SECONDS):
            return str(pipe.recv())
        raise RuntimeError(f"the server of {way.name!r} said no address in {START_SECONDS:.0f} s")
    except EOFError as error:
        raise RuntimeError(f"the server of {way.name!r} ended while it started; see what it wrote above") from error


def _serve(serve: Callable[[InstantWorld, Callable[[str], None]], None], size: ChunkSize, pipe: Pipe) -> None:
    def announce(address: str) -> None:
        pipe.send(address)
        threading.Thread(target=_leave_with, args=(pipe,), daemon=True).start()

    serve(InstantWorld(size), announce)


def _leave_with(pipe: Pipe) -> None:
    """End this process when the other end of the pipe is closed; a server that is serving cannot be asked to."""
    try:
        pipe.recv()
    except EOFError:
        os._exit(0)
