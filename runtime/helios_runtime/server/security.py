"""Who may connect: loopback, or CURVE keys. And what the socket allows at most.

A folder of keys, as `make_keys` writes it and zmq.auth reads it:

    server.key          the server's public key; every client needs it
    server.key_secret   the server's own
    clients/NAME.key    public keys of those who may connect; the list can be changed while the server runs
    NAME.key_secret     for the client NAME: its own pair; take it there and delete it here
"""

from __future__ import annotations

import ipaddress
import logging
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import zmq
import zmq.auth
from zmq.auth.thread import ThreadAuthenticator

from helios_runtime.server.quota import Complaints
from helios_world.errors import OptionError

_log = logging.getLogger(__name__)
_SCHEMES = ("tcp", "ipc", "inproc")
_HANDSHAKE_MS = 5_000
_HEARTBEAT_MS, _HEARTBEAT_TIMEOUT_MS = 5_000, 30_000
_LINGER_MS = 1_000
_BACKLOG = 512
_SEND_QUEUE, _RECEIVE_QUEUE = 8, 32
"""Messages of one connection; what a client does not read is kept back by its session."""
_SLACK = 1 << 20
"""A message just above the limit is still answered with an error; beyond that ZeroMQ closes the connection."""


def full_address(bind: str) -> str:
    """`bind` with its scheme: "127.0.0.1:5555" is "tcp://127.0.0.1:5555"."""
    return bind if "://" in bind else f"tcp://{bind}"


def check_bind(address: str, *, keys: Path | None, insecure: bool) -> None:
    """Refuse to listen where strangers are, without keys.

    Raises:
        OptionError: says what to do instead.
    """
    scheme, _, place = address.partition("://")
    if scheme not in _SCHEMES:
        raise OptionError(f"cannot bind {address!r}: the scheme is one of {list(_SCHEMES)}")
    if scheme != "tcp" or keys is not None or insecure or _is_loopback(place.rpartition(":")[0]):
        return
    raise OptionError(
        f"{address!r} can be reached from other machines, and there are no keys: make some with `helios-world keys "
        "FOLDER` and serve with --keys FOLDER; or bind 127.0.0.1 and use a tunnel; or, in a network where everybody "
        "may use the server and read along, add --insecure"
    )


def make_keys(folder: str | Path, clients: Sequence[str] = ()) -> list[Path]:
    """Make the server's keys, if there are none, and those of new clients. Returns the files that were written.

    Raises:
        OptionError: a client's name that is no file name.
        FileExistsError: a client of that name has keys already.
    """
    root = Path(folder)
    (root / "clients").mkdir(parents=True, exist_ok=True, mode=0o700)
    for name in clients:
        if name in ("", "server") or not all(letter.isalnum() or letter in "-_" for letter in name):
            raise OptionError(f"{name!r} cannot name a client: use letters, digits, - and _, and not 'server'")
    written: list[Path] = []
    if not (root / "server.key_secret").exists():
        written += _write_pair(root / "server.key", root / "server.key_secret")
    for name in clients:
        written += _write_pair(root / "clients" / f"{name}.key", root / f"{name}.key_secret")
    return written


@dataclass(frozen=True)
class Keys:
    """A server's key pair, and the folder of its clients' public keys."""

    public: bytes
    secret: bytes
    clients: Path

    @classmethod
    def read(cls, folder: str | Path) -> Keys:
        """The keys of a folder; OptionError if they are not there."""
        path = Path(folder) / "server.key_secret"
        try:
            public, secret = zmq.auth.load_certificate(path)
        except (OSError, ValueError) as error:
            raise OptionError(f"no server keys in {str(folder)!r} ({error}): helios-world keys {folder}") from error
        if secret is None:
            raise OptionError(f"{str(path)!r} has no secret key: helios-world keys FOLDER makes new ones")
        if os.name == "posix" and path.stat().st_mode & 0o077:
            _log.warning("%s can be read by others: chmod 600 it", path)
        return cls(public, secret, Path(folder) / "clients")


class AllowList:
    """Says to ZAP whether a client's key is in the folder, as the folder is at that moment."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._log_lines = Complaints()

    def callback(self, domain: str, key: bytes) -> bool:
        """`key` is in Z85. Whatever goes wrong is a no."""
        try:
            allowed = key in zmq.auth.load_certificates(self.folder)
        except (OSError, ValueError) as error:
            _log.error("the allowed keys in %s cannot be read: %r", self.folder, error)
            return False
        if not allowed:
            held_back = self._log_lines.take(time.monotonic())
            if held_back is not None:
                unknown = key.decode("ascii", "replace")
                _log.warning("a client with the unknown key %s was refused (%d before it)", unknown, held_back)
        return allowed


def guard(context: zmq.Context[zmq.Socket[bytes]], socket: zmq.Socket[bytes], keys: Keys) -> ThreadAuthenticator:
    """Let only clients with allowed keys through. Before bind(); the caller stops what is returned."""
    authenticator = ThreadAuthenticator(context)
    authenticator.start()
    authenticator.configure_curve_callback(domain="*", credentials_provider=AllowList(keys.clients))
    socket.curve_publickey, socket.curve_secretkey = keys.public, keys.secret
    socket.curve_server = True
    return authenticator


def harden(socket: zmq.Socket[bytes], max_message: int) -> None:
    """Give every queue, message and wait of a ROUTER a limit. Before bind()."""
    socket.setsockopt(zmq.ROUTER_MANDATORY, 1)
    socket.setsockopt(zmq.MAXMSGSIZE, max_message + _SLACK)
    socket.setsockopt(zmq.SNDHWM, _SEND_QUEUE)
    socket.setsockopt(zmq.RCVHWM, _RECEIVE_QUEUE)
    socket.setsockopt(zmq.LINGER, _LINGER_MS)
    socket.setsockopt(zmq.BACKLOG, _BACKLOG)
    socket.setsockopt(zmq.HANDSHAKE_IVL, _HANDSHAKE_MS)
    socket.setsockopt(zmq.HEARTBEAT_IVL, _HEARTBEAT_MS)
    socket.setsockopt(zmq.HEARTBEAT_TIMEOUT, _HEARTBEAT_TIMEOUT_MS)
    socket.setsockopt(zmq.HEARTBEAT_TTL, _HEARTBEAT_TIMEOUT_MS)


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _write_pair(public_path: Path, secret_path: Path) -> list[Path]:
    if public_path.exists() or secret_path.exists():
        raise FileExistsError(
            f"{str(secret_path)!r} or {str(public_path)!r} exists already; delete both to make new keys"
        )
    public, secret = (key.decode("ascii") for key in zmq.curve_keypair())
    _write(secret_path, f'curve\n    public-key = "{public}"\n    secret-key = "{secret}"\n', "the secret key; keep it")
    _write(public_path, f'curve\n    public-key = "{public}"\n', "a public key")
    return [public_path, secret_path]


def _write(path: Path, keys: str, what: str) -> None:
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as file:
        file.write(f"# ZeroMQ CURVE: {what}\n\n{keys}")
