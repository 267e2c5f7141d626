"""Where the far side of a link listens."""

from __future__ import annotations

from typing import NamedTuple


class Address(NamedTuple):
    """Host, port, and whether TLS is spoken there; ``path`` is a WebSocket's."""

    host: str
    port: int
    tls: bool = False
    path: str | None = None
