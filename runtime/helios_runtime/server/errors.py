"""What a client is told of an exception. Tracebacks stay in the log."""

from __future__ import annotations

import logging
import secrets

from helios_runtime.protocol.errors import CODES
from helios_runtime.protocol.messages import ErrorMessage
from helios_runtime.protocol.values import Scalar
from helios_world.errors import HeliosError

_log = logging.getLogger(__name__)
_LONGEST = 1000


def refusal(
    code: str, message: str, *, seq: int | None = None, sid: str | None = None, **details: Scalar | tuple[Scalar, ...]
) -> ErrorMessage:
    """An ERROR with a code of the protocol."""
    text = message if len(message) <= _LONGEST else f"{message[:_LONGEST]}…"
    retryable = CODES[code].retryable
    return ErrorMessage(seq=seq, sid=sid, code=code, message=text, retryable=retryable, details=details)


def explain(error: Exception, *, seq: int | None = None, sid: str | None = None) -> ErrorMessage:
    """The ERROR for an exception; one that was not raised on purpose is told to the log only."""
    if isinstance(error, HeliosError) and error.code in CODES:
        return refusal(error.code, str(error), seq=seq, sid=sid)
    number = secrets.token_hex(4)
    _log.error("fault %s in session %s", number, sid, exc_info=error)
    return refusal("internal", f"a fault of the server; its log tells more under {number}", seq=seq, sid=sid)
