"""How to connect, and what to ask a server for. No sockets."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TypedDict

from pydantic import ValidationError

from helios_runtime.protocol.messages import Open
from helios_runtime.protocol.values import Encoding, Mode
from helios_world.errors import OptionError


@dataclass(frozen=True)
class ClientKeys:
    """CURVE keys, as `helios-world keys` makes them. Z85 text.

    Args:
        public, secret: the client's own pair.
        server: the server's public key.
    """

    public: bytes
    secret: bytes = field(repr=False)
    server: bytes

    @classmethod
    def read(cls, client: str | Path, server: str | Path) -> ClientKeys:
        """From the client's NAME.key_secret and the server's server.key.

        Raises:
            OptionError: a file that cannot be read, or holds no such key.
        """
        public, secret = _certificate(client)
        if secret is None:
            raise OptionError(f"{str(client)!r} has no secret key; the client's own file is NAME.key_secret")
        return cls(public, secret, _certificate(server)[0])

    @classmethod
    def given(cls, client: str | Path | None, server: str | Path | None) -> ClientKeys | None:
        """As `read`, where both files are given; else None."""
        return cls.read(client, server) if client and server else None


class ConnectOptions(TypedDict, total=False):
    """The keywords of `connect`; `ClientOptions` says what they mean."""

    world: str | None
    mode: Mode
    encoding: Encoding
    quality: int
    progressive: bool
    record: bool
    timeout: float
    retry_seconds: float
    keys: ClientKeys | None


@dataclass(frozen=True)
class ClientOptions:
    """How to connect, and what to ask for.

    Args:
        address: "tcp://127.0.0.1:5555", or without the scheme.
        world: one of the server's worlds, None for its default.
        mode: "lockstep", where step() makes a chunk, or "stream", where the server makes them by itself and
            stream() shows them.
        encoding: of frames on their way: "rgb24" as they are, "jpeg" or "h264" for slow links.
        quality: of the last two, 1 to 100.
        progressive: frames are sent while others of their chunk are still being encoded. For "jpeg" and "h264".
        record: the server records the session.
        timeout: seconds that any call takes at most.
        retry_seconds: after which a request without an answer is repeated; a world never steps twice for one request.
            After three times as long without a sign of life a new connection is tried. Longer than it takes to bring
            a chunk over.
        keys: for a server with CURVE keys.

    Raises:
        OptionError: a value that cannot be.
    """

    address: str
    world: str | None = None
    mode: Mode = "lockstep"
    encoding: Encoding = "rgb24"
    quality: int = 90
    progressive: bool = False
    record: bool = False
    timeout: float = 30.0
    retry_seconds: float = 5.0
    keys: ClientKeys | None = None

    def __post_init__(self) -> None:
        if min(self.retry_seconds, self.timeout) <= 0:
            raise OptionError(
                f"timeout is {self.timeout} and retry_seconds is {self.retry_seconds}; both are above 0 seconds"
            )
        try:
            self.open(1, "0" * 32)
        except ValidationError as error:
            fault = error.errors(include_url=False, include_context=False)[0]
            raise OptionError(f"{fault['loc'][0]} is {fault['input']!r}: {fault['msg']}") from None

    def open(self, seq: int, nonce: str) -> Open:
        """The message that opens such a session."""
        return Open(
            seq=seq,
            world=self.world,
            mode=self.mode,
            encoding=self.encoding,
            quality=self.quality,
            progressive=self.progressive,
            record=self.record,
            nonce=nonce,
        )


def _certificate(path: str | Path) -> tuple[bytes, bytes | None]:
    import zmq.auth

    try:
        return zmq.auth.load_certificate(path)
    except (OSError, ValueError) as error:
        raise OptionError(f"no key can be read from {str(path)!r}: {error}") from error
