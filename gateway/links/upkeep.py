"""Keeping one link up: connect, watch, wait with jitter, connect again, until it is closed. For every broker."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from collections.abc import AsyncIterator, Coroutine, Sequence
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

from gateway.links import Frame, LinkError, LinkState, Parcel, SendError, SendRefusal, Settings, secure
from gateway.links.backoff import Backoff, Pace
from gateway.links.fault import LostError, RefusedError
from gateway.links.inbox import Inbox
from gateway.links.ledger import Entry, Ledger

F = TypeVar("F", bound=Frame)

START_S = 2.0  # that a start waits for a link; after that it goes on connecting while the gateway works
BYTES_MAX = 64 * 1024 * 1024  # payload waiting in either direction
PARCELS_MAX = 65_536
LOOK_S = 2.0  # how often files are looked at
LINGER_S = 2.0  # how long closing waits for acknowledgements
_log = logging.getLogger("comity.link")


class Upkeep(Generic[F]):
    """State, inbox, ledger and the reconnecting task of one link. A transport fills in the ``_`` methods that raise."""

    def __init__(self, name: str, settings: Settings, pace: Pace) -> None:
        self.name = name
        self.settings = settings
        self._inbox: Inbox[F] = Inbox(4 * settings.receive_maximum + 1024, BYTES_MAX, self._taken)
        self._ledger = Ledger(PARCELS_MAX, BYTES_MAX)
        self._backoff = Backoff(pace, random.SystemRandom())
        self._state = LinkState.CLOSED
        self._up = asyncio.Event()
        self._closing = asyncio.Event()
        self._keeper: asyncio.Task[None] | None = None
        self._renewing = False
        self._up_since: float | None = None
        self._connects = 0
        self.trouble: str | None = None  # why it is not up, bounded text

    @property
    def state(self) -> LinkState:
        """See Link."""
        return self._state

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name} {self._state}{f' ({self.trouble})' if self.trouble else ''}>"

    async def __aenter__(self) -> Self:
        self._check()
        self._state = LinkState.CONNECTING
        self._keeper = asyncio.create_task(self._keep(), name=f"link {self.name}")
        up = asyncio.create_task(self._up.wait(), name=f"link {self.name} up")
        try:
            await asyncio.wait((up, self._keeper), return_when=asyncio.FIRST_COMPLETED, timeout=START_S)
        except asyncio.CancelledError:
            await self._stop()
            raise
        finally:
            up.cancel()
        if self._keeper.done():
            self._keeper.result()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LINGER_S if self._state is LinkState.UP else 0):
                await self._ledger.empty()
        await self._stop()

    def batches(self, limit: int = 256) -> AsyncIterator[Sequence[F]]:
        """See Link."""
        return self._inbox.batches(limit)

    async def __aiter__(self) -> AsyncIterator[F]:
        async for batch in self._inbox.batches(1):
            yield batch[0]

    async def send(self, parcel: Parcel) -> None:
        """See Link."""
        refusal = (await self.send_all((parcel,)))[0]
        if refusal is not None:
            raise SendError(refusal)

    async def send_all(self, parcels: Sequence[Parcel]) -> Sequence[SendRefusal | None]:
        """See Link."""
        if not parcels:
            return ()
        entries = await self._ledger.admit(parcels)
        self._submit(entries)
        return await self._ledger.settled(entries)

    def _check(self) -> None:
        """Raise LinkError when the link never can be: a file is missing or wrong."""
        raise NotImplementedError

    async def _connection(self) -> None:
        """Hold one connection until it ends. Raise LostError or RefusedError; return when closing."""
        raise NotImplementedError

    def _submit(self, entries: Sequence[Entry]) -> None:
        """Queue what is to be sent, and send what can be."""
        raise NotImplementedError

    def _taken(self) -> None:
        """Read on when reading was paused: the relay has taken a batch."""
        raise NotImplementedError

    def _came_up(self) -> None:
        """Note that the connection works."""
        self._state = LinkState.UP
        self.trouble = None
        self._connects += 1
        self._up_since = asyncio.get_running_loop().time()
        self._up.set()
        _log.info("link %s is up", self.name)

    async def _both_ways(self, reading: Coroutine[Any, Any, None], writing: Coroutine[Any, Any, None]) -> None:
        """Read and write side by side until one of them ends; raise what it raised, and leave neither behind."""
        both = [
            asyncio.create_task(reading, name=f"link {self.name} reads"),
            asyncio.create_task(writing, name=f"link {self.name} writes"),
        ]
        try:
            done, _ = await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in both:
                task.cancel()
            await asyncio.wait(both)

    async def _keep(self) -> None:
        try:
            while not self._closing.is_set():
                wait_s = await self._attempt()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(wait_s):
                        await self._closing.wait()
        except BaseException as error:
            # A bug, or a certificate that went bad: whoever reads or sends must hear of it rather than wait for ever.
            self._state = LinkState.CLOSED
            self._inbox.close(error if isinstance(error, Exception) else None)
            self._ledger.close()
            raise

    async def _attempt(self) -> float:
        """One connection; the seconds to wait before the next."""
        self._up_since = None
        try:
            await self._until_files_change()
        except (RefusedError, LinkError) as error:
            # LinkError: a file was good at the start and is not now; the next attempt reads it again.
            self._fell(LinkState.REFUSED, str(error))
            return self._backoff.after_refusal()
        except LostError as error:
            self._fell(LinkState.CONNECTING, str(error))
        return self._backoff.after_fault(self._held_s())

    async def _until_files_change(self) -> None:
        """Hold one connection, and end it in order when a file that it was made from has been replaced."""
        connection = asyncio.create_task(self._connection(), name=f"link {self.name} connection")
        marks = secure.marks(self.settings)
        try:
            while True:
                done, _ = await asyncio.wait((connection,), timeout=LOOK_S if marks else None)
                if done:
                    connection.result()
                    return
                if self._state is LinkState.UP and secure.marks(self.settings) != marks and self._usable():
                    self._renewing = True
                    _log.info("link %s connects again: its files have changed", self.name)
                    return
        finally:
            # Again, because before Python 3.12 a wait_for in a library can swallow a cancellation.
            while not connection.done():
                connection.cancel()
                await asyncio.wait((connection,), timeout=5.0)
            self._renewing = False

    def _usable(self) -> bool:
        """Whether the files are whole: a half-written certificate must not end a good connection."""
        try:
            self._check()
        except LinkError:
            return False
        return True

    @property
    def _in_order(self) -> bool:
        """Whether the connection ends because we want it to."""
        return self._closing.is_set() or self._renewing

    def _held_s(self) -> float:
        since = self._up_since
        return 0.0 if since is None else asyncio.get_running_loop().time() - since

    def _fell(self, state: LinkState, trouble: str) -> None:
        if trouble != self.trouble or state is not self._state:
            _log.warning("link %s: %s", self.name, trouble)
        self._state = state
        self.trouble = trouble

    async def _stop(self) -> None:
        self._closing.set()
        keeper = self._keeper
        if keeper is not None and not keeper.done():
            keeper.cancel()
        if keeper is not None:
            await asyncio.wait((keeper,))
            await asyncio.sleep(0)  # an aborted transport closes its socket in the next turn
        if keeper is not None and not keeper.cancelled() and keeper.exception() is not None:
            _log.debug("link %s ended with %s", self.name, type(keeper.exception()).__name__)
        self._state = LinkState.CLOSED
        self._inbox.close()
        self._ledger.close()
