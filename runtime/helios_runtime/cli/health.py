"""`helios-world health`: whether a server answers, and whether its device does."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from helios_runtime.cli.console import print_json, print_rows
from helios_runtime.cli.options import AsJson, Key, ServerKey, check_keys

if TYPE_CHECKING:
    import zmq

    from helios_runtime.client.options import ClientKeys
    from helios_runtime.protocol.messages import Pong

UNHEALTHY = 1
HINT = "is the server running, and are the address and the keys right?"


@dataclass(frozen=True)
class Health:
    """What a server says of itself.

    Args:
        round_trip_ms: from PING to PONG; None without an answer.
        busy_seconds: how long the device has been at the present step; None if it waits for work.
        queue: requests that wait for the device.
        problem: why it is not healthy, None if it is.
    """

    address: str
    round_trip_ms: float | None = None
    busy_seconds: float | None = None
    queue: int = 0
    sessions: int = 0
    problem: str | None = None


def health(
    address: Annotated[str, typer.Argument(metavar="[ADDRESS]", help="host:port of the server.")] = "127.0.0.1:5555",
    timeout: Annotated[
        float, typer.Option(min=0.001, help="Seconds to wait for the answer, also of a server that is only starting.")
    ] = 5.0,
    max_busy: Annotated[
        float | None, typer.Option(min=0, help="Seconds that one step may take before the device counts as stuck.")
    ] = None,
    key: Key = None,
    server_key: ServerKey = None,
    as_json: AsJson = False,
) -> None:
    """Ask a server how it is. The exit code is 0 if it is well, 1 if it does not answer or its device is stuck.

    Example: helios-world health 127.0.0.1:5555 --max-busy 60
    """
    from helios_runtime.client.options import ClientKeys

    check_keys(key, server_key)
    found = ask(address, timeout, ClientKeys.given(key, server_key))
    if max_busy is not None and (found.busy_seconds or 0) > max_busy:
        found = Health(
            **{**asdict(found), "problem": f"its device has been at one step for {found.busy_seconds:.0f} s"}
        )
    show(found, as_json)
    if found.problem:
        raise typer.Exit(UNHEALTHY)


def show(found: Health, as_json: bool) -> None:
    if as_json:
        print_json({"healthy": found.problem is None, **asdict(found)})
        return
    rows = [("state", found.problem or "healthy")]
    if found.round_trip_ms is not None:
        busy = "waiting for work" if found.busy_seconds is None else f"at one step for {found.busy_seconds:.1f} s"
        rows += [
            ("round trip", f"{found.round_trip_ms:.1f} ms"),
            ("device", busy),
            ("queue", str(found.queue)),
            ("sessions", str(found.sessions)),
        ]
    print_rows(found.address, rows)


def ask(address: str, timeout: float, keys: ClientKeys | None = None) -> Health:
    """Send PINGs."""
    import zmq

    from helios_runtime.protocol.errors import ProtocolError

    with zmq.Context() as context, context.socket(zmq.DEALER) as socket:
        socket.linger = 0
        if keys is not None:
            socket.curve_publickey, socket.curve_secretkey = keys.public, keys.secret
            socket.curve_serverkey = keys.server
        place = connect(socket, address)
        try:
            return converse(socket, place, timeout)
        except ProtocolError as error:
            return Health(place, problem=f"something else answers there: {error}")


def converse(socket: zmq.Socket[bytes], place: str, timeout: float) -> Health:
    end = time.monotonic() + timeout
    pong = ping(socket, 1, end)  # which also waits for the connection
    sent = time.monotonic()
    pong = pong and ping(socket, 2, end)
    if pong is None:
        return Health(place, problem=f"no answer within {timeout:g} s; {HINT}")
    return Health(place, round(1e3 * (time.monotonic() - sent), 3), pong.busy_since, pong.queue, pong.sessions)


def connect(socket: zmq.Socket[bytes], address: str) -> str:
    """Returns the whole address."""
    import zmq

    from helios_runtime.server.security import full_address
    from helios_runtime.server.settings import checked_address

    try:
        place = full_address(checked_address(address))
        socket.connect(place)
    except (ValueError, zmq.ZMQError) as error:
        raise typer.BadParameter(f"{address!r}: {error}") from error
    return place


def ping(socket: zmq.Socket[bytes], number: int, end: float) -> Pong | None:
    """The answer to PING `number`, None if it has not come at `end`."""
    from helios_runtime.protocol.messages import Ping, Pong
    from helios_runtime.protocol.wire import decode_server, encode

    socket.send_multipart(encode(Ping(n=number)))
    while (left := end - time.monotonic()) > 0:
        if socket.poll(max(1, round(1e3 * left))):
            message, _ = decode_server(socket.recv_multipart())
            if isinstance(message, Pong) and message.n == number:
                return message
    return None
