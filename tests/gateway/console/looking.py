"""How tests look at a console: as a plain HTTP client, and as a browser's page."""

from __future__ import annotations

import asyncio
import urllib.error
import urllib.request
from typing import NamedTuple

from playwright.async_api import Page


class Answer(NamedTuple):
    """An HTTP answer."""

    status: int
    headers: dict[str, str]
    text: str


async def get(url: str, **headers: str) -> Answer:
    """Ask for a page as a plain client does."""
    return await asyncio.to_thread(_get, url, headers)


def _get(url: str, headers: dict[str, str]) -> Answer:
    request = urllib.request.Request(url, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return Answer(answer.status, _lower(answer.headers.items()), answer.read().decode())
    except urllib.error.HTTPError as error:
        with error:
            return Answer(error.code, _lower(error.headers.items()), error.read().decode())


def _lower(items: list[tuple[str, str]]) -> dict[str, str]:
    return {name.lower(): value for name, value in items}


class Watch(NamedTuple):
    """A page of the console, and everything it said or asked for."""

    page: Page
    complaints: list[str]
    requests: list[str]
