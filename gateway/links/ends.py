"""How a connection begins and ends, whatever is spoken over it: what a failed attempt means, and time for a goodbye."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Iterator

from gateway.links.fault import LostError, RefusedError

GOODBYE_S = 1.0


@contextlib.contextmanager
def connecting() -> Iterator[None]:
    """Connect within. Raise RefusedError when the far side does not prove who it is, LostError when there is none."""
    try:
        yield
    except ssl.SSLCertVerificationError as error:
        raise RefusedError(f"the far side's certificate: {error.verify_message}") from None
    except ssl.SSLError as error:
        raise LostError(f"TLS: {(error.reason or 'failed').lower().replace('_', ' ')}") from None
    except TimeoutError:
        raise LostError("no answer") from None
    except OSError as error:
        raise LostError((error.strerror or "cannot connect").lower()) from None


async def let_go(transport: asyncio.Transport, gone: asyncio.Event) -> None:
    """Return once the socket is closed; a far side that does not answer a goodbye has a second for it."""
    try:
        async with asyncio.timeout(GOODBYE_S):
            await gone.wait()
    except TimeoutError:
        transport.abort()
        await asyncio.sleep(0)
    finally:
        transport.abort()
