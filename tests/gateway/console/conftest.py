"""A console that is really served, and a real Chromium that looks at it."""

from __future__ import annotations

import asyncio
import shutil
import urllib.error
import urllib.request
from collections.abc import AsyncIterator
from typing import NamedTuple

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, async_playwright

from gateway.console.feed import Feed
from gateway.console.server import serve_console
from gateway.console.serving import Address


class Answer(NamedTuple):
    """An HTTP answer."""

    status: int
    headers: dict[str, str]
    text: str


async def get(url: str, **headers: str) -> Answer:
    """Ask for a page as a plain client does."""
    return await asyncio.to_thread(_get, url, headers)


def _get(url: str, headers: dict[str, str]) -> Answer:
    request = urllib.request.Request(url, headers=headers)  # noqa: S310 - the address of the test's own listener
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310 - the same
            return Answer(answer.status, _lower(answer.headers.items()), answer.read().decode())
    except urllib.error.HTTPError as error:
        with error:
            return Answer(error.code, _lower(error.headers.items()), error.read().decode())


def _lower(items: list[tuple[str, str]]) -> dict[str, str]:
    return {name.lower(): value for name, value in items}


@pytest.fixture
def feed() -> Feed:
    return Feed()


@pytest_asyncio.fixture(loop_scope="module")
async def console(feed: Feed) -> AsyncIterator[Address]:
    async with serve_console(feed, "alpha", "127.0.0.1", 0) as address:
        yield address


class Watch(NamedTuple):
    """A page of the console, and everything it said or asked for."""

    page: Page
    complaints: list[str]
    requests: list[str]


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def browser() -> AsyncIterator[Browser]:
    """Chromium, started once for a module."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("no Chromium on this machine (Debian package chromium)")
    async with async_playwright() as tool:
        browser = await tool.chromium.launch(executable_path=chromium)
        yield browser
        await browser.close()


@pytest_asyncio.fixture(loop_scope="module")
async def watch(console: Address, browser: Browser) -> AsyncIterator[Watch]:
    """The console's page, in a browser profile of its own."""
    complaints: list[str] = []
    requests: list[str] = []
    context = await browser.new_context(viewport={"width": 1500, "height": 860})
    page = await context.new_page()
    page.set_default_timeout(10_000)
    page.on("console", lambda line: complaints.append(line.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda request: requests.append(request.url))
    await page.goto(console.url)
    await page.wait_for_selector("#line[data-line=live]")
    yield Watch(page, complaints, requests)
    await context.close()
