"""What waits is shown, and only this console's own page can acknowledge it."""

from __future__ import annotations

import asyncio
import json
import urllib.error
import urllib.request
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace
from playwright.async_api import Browser, expect

from gateway.console.attending import SHOWN_MAX
from gateway.console.feed import Feed
from gateway.console.pages import Behind
from gateway.console.server import serve_console
from gateway.escalation.waiting import Waiting
from protocols.agreement import Transformation
from protocols.message import Precedence
from protocols.record import Event
from tests.gateway.console import traffic
from tests.gateway.console.looking import get


class Cell:
    """Somebody whom messages wait for."""

    def __init__(self, *cases: Waiting) -> None:
        self.cases = {case.key: case for case in cases}

    def waiting(self) -> Sequence[Waiting]:
        return tuple(self.cases.values())

    def acknowledge(self, key: str) -> bool:
        return self.cases.pop(key, None) is not None


def waits(number: int = 1, *asked: str, left_s: float = 300) -> Waiting:
    """A medevac request that waits."""
    now = datetime.now(UTC)
    return Waiting(
        message=replace(traffic.medevac(number), precedence=Precedence.FLASH),
        agreement="alpha-bravo",
        transformation=Transformation(),
        asked=asked or ("alpha/cell",),
        names=(),
        within_s=300,
        since=now,
        due=now + timedelta(seconds=left_s),
    )


async def post(url: str, **headers: str) -> int:
    """Send nothing, with these headers; the status of the answer."""

    def send() -> int:
        request = urllib.request.Request(url, data=b"", headers=headers, method="POST")
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            with error:
                return error.code

    return await asyncio.to_thread(send)


async def test_what_waits_is_told_with_who_was_asked_and_until_when(feed: Feed) -> None:
    case = waits(1, "alpha/cell", "alpha/desk")
    async with serve_console(feed, "alpha", "127.0.0.1", 0, Behind(attending=Cell(case))) as console:
        answer = await get(f"{console.url}/waiting")

    told = json.loads(answer.text)
    (row,) = told["waiting"]
    assert answer.headers["cache-control"] == "no-store"
    assert (row["asked"], row["kind"], row["precedence"]) == (["alpha/cell", "alpha/desk"], "medevac", 4)
    assert datetime.fromisoformat(row["due"]) == case.due
    assert told["more"] == 0
    assert len(told["token"]) >= 40


async def test_what_waits_is_bounded_and_counted(feed: Feed) -> None:
    cases = [waits(1, f"alpha/cell-{number}") for number in range(SHOWN_MAX + 7)]
    async with serve_console(feed, "alpha", "127.0.0.1", 0, Behind(attending=Cell(*cases))) as console:
        told = json.loads((await get(f"{console.url}/waiting")).text)

    assert (len(told["waiting"]), told["more"]) == (SHOWN_MAX, 7)


async def test_this_consoles_own_page_acknowledges_once(feed: Feed) -> None:
    case = waits()
    cell = Cell(case)
    async with serve_console(feed, "alpha", "127.0.0.1", 0, Behind(attending=cell)) as console:
        token = json.loads((await get(f"{console.url}/waiting")).text)["token"]
        url = f"{console.url}/waiting/{case.key}"
        assert await post(url, **{"X-Comity-Token": token, "Sec-Fetch-Site": "same-origin"}) == 204
        assert cell.cases == {}
        assert await post(url, **{"X-Comity-Token": token, "Sec-Fetch-Site": "same-origin"}) == 404


@pytest.mark.parametrize("site", ["cross-site", "same-site", "none"])
async def test_a_request_that_a_browser_says_is_from_elsewhere_is_refused(feed: Feed, site: str) -> None:
    case = waits()
    cell = Cell(case)
    async with serve_console(feed, "alpha", "127.0.0.1", 0, Behind(attending=cell)) as console:
        token = json.loads((await get(f"{console.url}/waiting")).text)["token"]
        refused = await post(f"{console.url}/waiting/{case.key}", **{"X-Comity-Token": token, "Sec-Fetch-Site": site})

    assert refused == 403
    assert cell.cases


@pytest.mark.parametrize("token", [None, "", "x" * 43, "\u00e9"])
async def test_a_request_without_the_secret_is_refused(feed: Feed, token: str | None) -> None:
    case = waits()
    cell = Cell(case)
    headers = {} if token is None else {"X-Comity-Token": token}
    async with serve_console(feed, "alpha", "127.0.0.1", 0, Behind(attending=cell)) as console:
        url = f"{console.url}/waiting/{case.key}"
        assert await post(url, **headers) == 403
        assert await post(url, Host="evil.example", **headers) == 421
        assert (await get(url)).status == 405

    assert cell.cases


async def test_each_run_has_a_secret_of_its_own(feed: Feed) -> None:
    tokens = set()
    for _ in range(2):
        async with serve_console(feed, "alpha", "127.0.0.1", 0) as console:
            tokens.add(json.loads((await get(f"{console.url}/waiting")).text)["token"])

    assert len(tokens) == 2


async def test_where_nobody_asks_nothing_waits(feed: Feed) -> None:
    async with serve_console(feed, "alpha", "127.0.0.1", 0) as console:
        told = json.loads((await get(f"{console.url}/waiting")).text)
        assert told["waiting"] == []
        assert await post(f"{console.url}/waiting/abc", **{"X-Comity-Token": told["token"]}) == 404


@pytest.mark.asyncio(loop_scope="module")
async def test_somebody_sees_what_waits_and_acknowledges_it(feed: Feed, browser: Browser, tmp_path: Path) -> None:
    first, late = waits(1, "alpha/cell"), waits(2, "alpha/cell", "alpha/desk", left_s=-5)
    cell = Cell(first, late)
    complaints: list[str] = []
    async with serve_console(feed, "alpha", "127.0.0.1", 0, Behind(attending=cell)) as console:
        page = await browser.new_page(viewport={"width": 1500, "height": 860})
        page.on("console", lambda line: complaints.append(line.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        await page.goto(console.url)
        lines = page.locator("#waiting li")
        await expect(lines).to_have_count(2)
        await expect(lines.nth(0)).to_contain_text("min left")
        await expect(lines.nth(1)).to_contain_text("overdue")
        await expect(lines.nth(1)).to_contain_text("alpha/desk")
        await page.screenshot(path=tmp_path / "waiting.png")
        await lines.nth(0).get_by_role("button").click()
        await expect(lines).to_have_count(1)
        assert list(cell.cases) == [late.key]
        cell.cases.clear()
        feed(traffic.outcome(Event.ACKNOWLEDGED, traffic.track(9), reason="by-receipt"))
        await expect(page.locator("#waiting-panel")).to_be_hidden()
        await expect(page.locator("#rows tr").first).to_contain_text("Acknowledged")
        await page.close()

    assert complaints == []


@pytest.mark.asyncio(loop_scope="module")
async def test_a_page_of_another_site_cannot_acknowledge(feed: Feed, browser: Browser) -> None:
    case = waits()
    cell = Cell(case)
    async with (
        serve_console(feed, "alpha", "127.0.0.1", 0, Behind(attending=cell)) as console,
        serve_console(Feed(), "other", "127.0.0.1", 0) as other,
    ):
        page = await browser.new_page()
        await page.goto(f"http://localhost:{other.port}/healthz")
        outcome = await page.evaluate(
            """async (url) => {
                const tries = [
                    () => fetch(url, { method: "POST", headers: { "x-comity-token": "guess" } }),
                    () => fetch(url, { method: "POST", mode: "no-cors" }),
                    () => fetch(url.replace(/[^/]*$/, "")).then((answer) => answer.text()),
                ];
                const said = (answer) => answer.type ?? "read";
                return Promise.all(tries.map((each) => each().then(said, () => "blocked")));
            }""",
            f"{console.url}/waiting/{case.key}",
        )
        await page.close()

    assert "read" not in outcome
    assert list(cell.cases) == [case.key]
