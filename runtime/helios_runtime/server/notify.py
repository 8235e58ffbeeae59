"""Tells systemd how a service of Type=notify is doing; see sd_notify(3). Elsewhere nobody is told."""

from __future__ import annotations

import os
import socket


def notify(state: str, address: str | None = None) -> bool:
    """Send a line such as "READY=1"; returns whether anybody listens.

    Args:
        address: of the socket; by default what systemd has put into NOTIFY_SOCKET. "@" begins an abstract one.
    """
    address = os.environ.get("NOTIFY_SOCKET", "") if address is None else address
    if not address or not hasattr(socket, "AF_UNIX"):
        return False
    place = "\0" + address[1:] if address.startswith("@") else address
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        try:
            channel.sendto(state.encode(), place)
        except OSError:
            return False
    return True
