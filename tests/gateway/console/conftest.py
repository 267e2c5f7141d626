"""A console that is really served, and a real Chromium that looks at it."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser, async_playwright, expect

from gateway.console.feed import Feed
from gateway.console.server import serve_console
from gateway.console.serving import Address
from tests.gateway.console.looking import Watch

LIMIT_MS = 60_000  # only a fault reaches it, however much else the machine does


@pytest.fixture
def feed() -> Feed:
    return Feed()


@pytest_asyncio.fixture(loop_scope="module")
async def console(feed: Feed) -> AsyncIterator[Address]:
    async with serve_console(feed, "alpha", "127.0.0.1", 0) as address:
        yield address


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
    page.set_default_timeout(LIMIT_MS)
    expect.set_options(timeout=LIMIT_MS)
    page.on("console", lambda line: complaints.append(line.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda request: requests.append(request.url))
    await page.goto(console.url)
    await page.wait_for_selector("#line[data-line=live]")
    yield Watch(page, complaints, requests)
    await context.close()
