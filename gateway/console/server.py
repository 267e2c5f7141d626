"""The two listeners of a gateway: the liaison console, and metrics for Prometheus."""

from __future__ import annotations

import ipaddress
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from gateway.console.feed import Feed
from gateway.console.pages import NOTHING, Behind, Console
from gateway.console.serving import Address, Guard, ListenError, serve


@asynccontextmanager
async def serve_console(
    feed: Feed, gateway: str, host: str, port: int, behind: Behind = NOTHING
) -> AsyncIterator[Address]:
    """Serve the console of one gateway, on loopback."""
    if not ipaddress.ip_address(host).is_loopback:
        raise ListenError(f"the console is for this machine only, not for {host}: it asks nobody who they are")
    console = Console(feed, gateway, behind)
    async with serve(Guard(console.app()), host, port) as address:
        try:
            yield address
        finally:
            feed.close()


@asynccontextmanager
async def serve_metrics(
    registry: CollectorRegistry, host: str, port: int, hosts: Collection[str] = ()
) -> AsyncIterator[Address]:
    """Serve /metrics. ``hosts`` are names by which scrapers may call this gateway, beside its addresses."""

    async def metrics(request: Request) -> Response:
        write, media_type = choose_encoder(request.headers.get("accept", ""))
        return Response(write(registry), headers={"content-type": media_type, "cache-control": "no-store"})

    async def alive(_request: Request) -> Response:
        return PlainTextResponse("alive\n")

    app = Starlette(routes=[Route("/metrics", metrics), Route("/healthz", alive)])
    async with serve(Guard(app, hosts), host, port) as address:
        yield address
