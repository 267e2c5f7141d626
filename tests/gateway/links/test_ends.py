"""What a failed attempt to connect means, and how long a goodbye may take."""

from __future__ import annotations

import asyncio
import errno
import ssl

import pytest

from gateway.links.ends import connecting, let_go
from gateway.links.fault import LostError, ProtocolError, RefusedError


def certificate_error() -> ssl.SSLCertVerificationError:
    error = ssl.SSLCertVerificationError(1, "certificate verify failed")
    error.verify_message = "Hostname mismatch"
    return error


def protocol_error() -> ssl.SSLError:
    error = ssl.SSLError(1, "[SSL] wrong version number (_ssl.c:1006)")
    error.reason = "WRONG_VERSION_NUMBER"
    return error


@pytest.mark.parametrize(
    ("happened", "kind", "told"),
    [
        (certificate_error(), RefusedError, "the far side's certificate: Hostname mismatch"),
        (protocol_error(), LostError, "TLS: wrong version number"),
        (TimeoutError(), LostError, "no answer"),
        (ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused"), LostError, "connection refused"),
        (OSError("Multiple exceptions: 192.0.2.1, 192.0.2.2"), LostError, "cannot connect"),  # asyncio's; has addresses
        (RefusedError("the server has no TLS"), RefusedError, "the server has no TLS"),
        (ProtocolError("malformed INFO"), ProtocolError, "malformed INFO"),
    ],
)
def test_only_what_an_operator_must_mend_is_a_refusal(happened: Exception, kind: type[Exception], told: str) -> None:
    with pytest.raises(kind) as caught, connecting():
        raise happened
    assert type(caught.value) is kind
    assert str(caught.value) == told


class Deaf(asyncio.Transport):
    """A transport whose far side says nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.aborted = False

    def abort(self) -> None:
        self.aborted = True


async def test_a_goodbye_that_is_answered_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.links.ends.GOODBYE_S", 60.0)
    transport, gone = Deaf(), asyncio.Event()
    waiting = asyncio.create_task(let_go(transport, gone))
    await asyncio.sleep(0)
    assert (transport.aborted, waiting.done()) == (False, False)
    gone.set()
    await waiting


async def test_one_that_is_not_is_cut_short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.links.ends.GOODBYE_S", 0.0)
    transport = Deaf()
    await let_go(transport, asyncio.Event())
    assert transport.aborted
