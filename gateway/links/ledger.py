"""What was handed to a link and is not yet answered: one future per batch, never one per message."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from gateway.links import LinkError, Parcel, SendRefusal


class Batch:
    """Parcels sent together; ``done`` when the far side has answered each."""

    __slots__ = ("done", "left", "results")

    def __init__(self, size: int, done: asyncio.Future[None]) -> None:
        self.done = done
        self.left = size
        self.results: list[SendRefusal | None] = [None] * size


class Entry:
    """One parcel on its way, and its place in its batch."""

    __slots__ = ("batch", "index", "parcel", "sent")

    def __init__(self, parcel: Parcel, batch: Batch, index: int) -> None:
        self.parcel = parcel
        self.batch = batch
        self.index = index
        self.sent = False  # at least once handed to a transport that cannot tell

    @property
    def abandoned(self) -> bool:
        """Whether nobody waits any more: the sender was cancelled."""
        return self.batch.done.done()

    def settle(self, refusal: SendRefusal | None) -> None:
        """Note the far side's answer."""
        batch = self.batch
        if refusal is not None:
            batch.results[self.index] = refusal
        batch.left -= 1
        if not batch.left and not batch.done.done():
            batch.done.set_result(None)


class Ledger:
    """Room for what is on its way: senders wait while ``bytes_max`` or ``parcels_max`` are under way."""

    def __init__(self, parcels_max: int, bytes_max: int) -> None:
        self._parcels_max = parcels_max
        self._bytes_max = bytes_max
        self._parcels = 0
        self._bytes = 0
        self._room = asyncio.Event()
        self._room.set()
        self._empty = asyncio.Event()
        self._empty.set()
        self._batches: set[Batch] = set()
        self._closed = False

    @property
    def waiting(self) -> int:
        """Parcels that senders wait for."""
        return self._parcels

    async def admit(self, parcels: Sequence[Parcel]) -> list[Entry]:
        """Entries for a batch, once there is room for it. A batch bigger than all room waits to be alone."""
        size = sum(len(parcel.data) for parcel in parcels)
        while not self._fits(len(parcels), size):
            self._room.clear()
            await self._room.wait()
        if self._closed:
            raise LinkError("the link is closed")
        self._parcels += len(parcels)
        self._empty.clear()
        self._bytes += size
        batch = Batch(len(parcels), asyncio.get_running_loop().create_future())
        self._batches.add(batch)
        return [Entry(parcel, batch, index) for index, parcel in enumerate(parcels)]

    async def settled(self, entries: Sequence[Entry]) -> Sequence[SendRefusal | None]:
        """The answers to a batch, once all are there."""
        batch = entries[0].batch
        try:
            await batch.done
        finally:
            self._batches.discard(batch)
            self._parcels -= len(entries)
            self._bytes -= sum(len(entry.parcel.data) for entry in entries)
            self._room.set()
            if not self._parcels:
                self._empty.set()
        return batch.results

    async def empty(self) -> None:
        """Return once nobody waits for an answer."""
        await self._empty.wait()

    def close(self) -> None:
        """Fail whoever still waits."""
        self._closed = True
        self._room.set()
        for batch in self._batches:
            if not batch.done.done():
                batch.done.set_exception(LinkError("the link was closed before the far side answered"))

    def _fits(self, parcels: int, size: int) -> bool:
        if self._closed or not self._parcels:
            return True
        return self._parcels + parcels <= self._parcels_max and self._bytes + size <= self._bytes_max
