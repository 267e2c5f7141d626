"""What the console answers: the page, its live stream, one outcome, health; and what waits for an acknowledgement."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import aclosing
from typing import NamedTuple

import msgspec
from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from gateway.console.attending import Attending, Desk, Nothing
from gateway.console.feed import Batch, Entry, Feed, Flow
from gateway.console.view import Detail, Row, detail, row
from gateway.console.words import Words
from gateway.console.words import load as load_words
from protocols.body import Body
from protocols.quantity import Value
from protocols.record import Event

PACE_S = 0.1  # a viewer gets at most ten batches a second, whatever passes
HEARTBEAT_S = 10.0  # silence after which a comment tells the viewer, and every proxy, that the line is alive
RETRY_MS = 1000  # after which a browser comes back
VIEWERS_MAX = 24  # at once
JOURNEY_MAX = 50  # outcomes of one message that are told

_NO_STORE = {"cache-control": "no-store"}
_VERDICTS = (Event.DELIVERED, Event.FORWARDED, Event.WITHHELD, Event.REFUSED)


class Update(Value, frozen=True):
    """What one event of the live stream says."""

    rows: tuple[Row, ...]
    totals: Mapping[str, int]
    flows: tuple[Flow, ...]
    missed: int = 0


def _always_ready() -> str | None:
    return None


class Behind(NamedTuple):
    """What stands behind the pages beside the feed.

    ``ready`` tells what keeps the gateway from working, or None; it is asked at every /readyz.
    """

    ready: Callable[[], str | None] = _always_ready
    attending: Attending = Nothing()


NOTHING = Behind()


class Console:
    """The pages of one gateway's console."""

    def __init__(self, feed: Feed, gateway: str, behind: Behind = NOTHING) -> None:
        self._feed = feed
        self._gateway = gateway
        self._ready = behind.ready
        self._words = load_words()
        self._desk = Desk(behind.attending, self._words)
        self._viewers = 0
        self._page = _page(gateway, self._words)

    def app(self) -> Starlette:
        """The application."""
        static = StaticFiles(packages=[("gateway.console", "static")])
        return Starlette(
            routes=[
                Route("/", self._home),
                Route("/events", self._events),
                Route("/records/{sequence:int}", self._one_record),
                Route("/messages/{id}", self._one_message),
                *self._desk.routes(),
                Route("/healthz", _alive),
                Route("/readyz", self._readiness),
                Mount("/static", static),
            ]
        )

    async def _home(self, _request: Request) -> Response:
        return HTMLResponse(self._page, headers=_NO_STORE)

    async def _events(self, request: Request) -> Response:
        if self._viewers >= VIEWERS_MAX:
            return PlainTextResponse("too many viewers\n", status_code=503, headers={"retry-after": "10"})
        place = self._feed.start_place(request.headers.get("last-event-id"))
        headers = {**_NO_STORE, "x-accel-buffering": "no"}
        return StreamingResponse(self._stream(place), media_type="text/event-stream", headers=headers)

    async def _stream(self, place: int) -> AsyncIterator[bytes]:
        self._viewers += 1
        try:
            first = self._feed.since(place)
            yield f"retry: {RETRY_MS}\n\n".encode() + self._event(first)
            async with aclosing(self._feed.follow(first.last, PACE_S, HEARTBEAT_S)) as batches:
                async for batch in batches:
                    yield b": alive\n\n" if batch is None else self._event(batch)
        finally:
            self._viewers -= 1

    def _event(self, batch: Batch) -> bytes:
        update = Update(
            rows=tuple(row(entry, self._words) for entry in batch.entries),
            totals=self._feed.totals,
            flows=self._feed.flows,
            missed=batch.missed,
        )
        head = f"id: {self._feed.boot}-{batch.last}\nevent: update\ndata: "
        return head.encode() + msgspec.json.encode(update) + b"\n\n"

    async def _one_record(self, request: Request) -> Response:
        entry = self._feed.find(request.path_params["sequence"])
        return _gone() if entry is None else self._story(entry)

    async def _one_message(self, request: Request) -> Response:
        entries = self._feed.of_message(request.path_params["id"])
        return self._story(entries[-1]) if entries else _gone()

    def _story(self, entry: Entry) -> Response:
        message = entry.record.message
        journey = () if message is None else self._feed.of_message(message)[-JOURNEY_MAX:]
        return _json(detail(entry, journey, self._words))

    async def _readiness(self, _request: Request) -> Response:
        obstacle = self._ready()
        if obstacle is None:
            return PlainTextResponse("ready\n", headers=_NO_STORE)
        return PlainTextResponse(f"not ready: {obstacle}\n", status_code=503, headers=_NO_STORE)


async def _alive(_request: Request) -> Response:
    return PlainTextResponse("alive\n", headers=_NO_STORE)


def _gone() -> Response:
    return PlainTextResponse("not kept\n", status_code=404, headers=_NO_STORE)


def _json(value: Detail) -> Response:
    return Response(msgspec.json.encode(value), media_type="application/json", headers=_NO_STORE)


def _page(gateway: str, words: Words) -> str:
    """The page's HTML, the same for everybody, so it is rendered once."""
    loader = PackageLoader("gateway.console", "templates")
    environment = Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    tables = ("event", "reason", "kind", "precedence", "mode", "format", "ui")
    return environment.get_template("console.html").render(
        gateway=gateway,
        verdicts=[event.value for event in _VERDICTS],
        kinds=sorted(str(kind.__struct_config__.tag) for kind in Body.__args__),
        words={name: dict(words.table(name)) for name in tables},
        ui=words.table("ui"),
    )
