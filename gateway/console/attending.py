"""What waits for an acknowledgement, and the one thing that somebody at the console can do: acknowledge it.

A page of another site must not do that in the reader's name. So a request needs a secret of this run, which only a page
of this origin can have read; it comes in a header that no form and no image can send; and what a browser says about
where the request comes from must agree.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from datetime import UTC
from hmac import compare_digest
from typing import Protocol

import msgspec
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from gateway.console.meaning import gist
from gateway.console.words import Words, plain
from gateway.escalation.waiting import Waiting
from protocols.quantity import Value

TOKEN = "x-comity-token"  # noqa: S105 - the name of a header
SHOWN_MAX = 200  # of those that wait; the oldest come first
_NO_STORE = {"cache-control": "no-store"}


class Attending(Protocol):
    """Who knows what waits for an acknowledgement."""

    def waiting(self) -> Sequence[Waiting]:
        """Everything that waits, oldest first."""

    def acknowledge(self, key: str) -> bool:
        """Acknowledge for the unit; False when it does not wait (any more)."""


class Asked(Value, frozen=True):
    """One message that waits. Times are UTC, ISO 8601; ``asked`` are the units that were given it, in order."""

    key: str
    source: str | None
    asked: tuple[str, ...]
    kind: str
    gist: str
    message: str
    since: str
    due: str
    marking: str | None = None
    precedence: int | None = None


class Answer(Value, frozen=True):
    """What waits, and the secret with which it is acknowledged."""

    token: str
    waiting: tuple[Asked, ...]
    more: int


def asked(case: Waiting, words: Words) -> Asked:
    """One that waits, as a page shows it."""
    message = case.message
    return Asked(
        key=case.key,
        source=message.origin,
        asked=case.asked,
        kind=message.kind,
        gist=gist(message, words),
        message=message.id,
        since=case.since.astimezone(UTC).isoformat(),
        due=case.due.astimezone(UTC).isoformat(),
        marking=None if message.label is None else plain(message.label.classification, 80),
        precedence=None if message.precedence is None else int(message.precedence),
    )


class Desk:
    """The pages about acknowledgements."""

    def __init__(self, attending: Attending, words: Words) -> None:
        self._attending = attending
        self._words = words
        self._token = secrets.token_urlsafe(32)

    def routes(self) -> list[Route]:
        """Where they are."""
        return [
            Route("/waiting", self._list),
            Route("/waiting/{key}", self._acknowledge, methods=["POST"]),
        ]

    async def _list(self, _request: Request) -> Response:
        cases = self._attending.waiting()
        shown = tuple(asked(case, self._words) for case in cases[:SHOWN_MAX])
        answer = Answer(token=self._token, waiting=shown, more=len(cases) - len(shown))
        return Response(msgspec.json.encode(answer), media_type="application/json", headers=_NO_STORE)

    async def _acknowledge(self, request: Request) -> Response:
        site = request.headers.get("sec-fetch-site", "same-origin")
        given = request.headers.get(TOKEN, "")
        if site != "same-origin" or not compare_digest(given.encode(), self._token.encode()):
            return PlainTextResponse("not from this console\n", status_code=403, headers=_NO_STORE)
        if not self._attending.acknowledge(request.path_params["key"]):
            return PlainTextResponse("waits no longer\n", status_code=404, headers=_NO_STORE)
        return Response(status_code=204, headers=_NO_STORE)


class Nothing:
    """Where nobody asks for acknowledgements."""

    def waiting(self) -> Sequence[Waiting]:
        """Nothing waits."""
        return ()

    def acknowledge(self, _key: str) -> bool:
        """There is nothing to acknowledge."""
        return False
