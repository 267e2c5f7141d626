"""The one thread that owns the store. What is asked while it writes goes into the next group: no waiting on purpose."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable, Iterable, Sequence
from queue import Empty, SimpleQueue
from typing import Final, NamedTuple

from gateway.spool import Kept, SpoolError, Trouble
from gateway.spool.fault import of_index, of_system
from gateway.spool.store import Store

_GROUP_BYTES: Final = 8 << 20
_LINGER_S: Final = 0.05  # how long what is done may wait for something to be written with
_RETRY_S: Final = 1.0  # after trouble

Future = asyncio.Future  # of whatever was asked for
Answers = list[tuple["Future[object] | None", object]]


class Asked(NamedTuple):
    """One thing asked of the store. ``things``: a put, which may share a group with others."""

    future: Future[object] | None
    call: Callable[[Store], object] | None = None
    things: Sequence[Kept] = ()
    done: Iterable[int] = ()
    released: Iterable[int] = ()


class Writer(threading.Thread):
    """Takes what is asked, does it, and brings the answers of a whole group back to the event loop at once."""

    def __init__(self, store: Store, answer: Callable[[Answers, list[tuple[str, bool]]], None]) -> None:
        """``answer`` is called in this thread."""
        super().__init__(name="spool", daemon=True)
        self._store = store
        self._answer = answer
        self._asked: SimpleQueue[Asked | None] = SimpleQueue()
        self._pause_s: float | None = None  # until there is something to do unasked

    def ask(self, asked: Asked) -> None:
        """From any thread."""
        self._asked.put(asked)

    def stop(self) -> None:
        """After everything that was asked before."""
        self._asked.put(None)

    def run(self) -> None:
        """Until ``stop``."""
        running = True
        while running:
            group, running = self._next_group()
            answers: Answers = []
            try:
                self._serve(group, answers)
            finally:  # also when there is a bug in it: nobody waits for ever
                given = {id(future) for future, _ in answers}
                lost = SpoolError(Trouble.IO)
                answers += [(one.future, lost) for one in group if one.future and id(one.future) not in given]
                lanes = {kept.lane for one in group for kept in one.things}
                self._answer(answers, self._store.room.levels(lanes))
        self._store.close()

    def _next_group(self) -> tuple[list[Asked], bool]:
        """Everything that is asked by now, up to a size."""
        group: list[Asked] = []
        size = 0
        try:
            one = self._asked.get(timeout=self._pause_s)
            while one is not None:
                group.append(one)
                size += sum(len(kept.data) for kept in one.things)
                if size >= _GROUP_BYTES:
                    return group, True
                one = self._asked.get_nowait()
        except Empty:
            return group, True
        return group, False

    def _serve(self, group: list[Asked], answers: Answers) -> None:
        """What is done and given back first, then what is new, then everything else in turn."""
        store = self._store
        for one in group:
            store.hand.release(one.released)
        puts = [one for one in group if one.things]
        calls = [(one.future, one.call) for one in group if one.call is not None]
        self._pause_s = None
        store.finish(row for one in group for row in one.done)
        if store.unwritten and (puts or calls or not group):
            self._try(lambda: store.forget(()))
        elif store.unwritten:
            self._pause_s = _LINGER_S
        for one, answer in zip(puts, store.put([put.things for put in puts]) if puts else (), strict=True):
            answers.append((one.future, answer))
        for future, call in calls:
            answers.append((future, self._call(call)))
        if not self._asked.empty() or self._pause_s:
            return
        if self._try(store.tidy):
            self._pause_s = 0.0
        elif store.unwritten:
            self._pause_s = _LINGER_S

    def _call(self, call: Callable[[Store], object]) -> object:
        """What it gives, or the SpoolError that it ends with: that is the spool's trouble until it works again."""
        try:
            return call(self._store)
        except SpoolError as error:
            answer = error
        except sqlite3.Error as error:
            answer = SpoolError(of_index(error))
        except OSError as error:
            answer = SpoolError(of_system(error))
        self._store.trouble = answer.reason
        return answer

    def _try(self, call: Callable[[], object]) -> bool:
        """Do what nobody waits for; whether there is more of it. In trouble it is tried again after a while."""
        answer = self._call(lambda _: call())
        if isinstance(answer, SpoolError):
            self._pause_s = _RETRY_S
            return False
        return bool(answer)
