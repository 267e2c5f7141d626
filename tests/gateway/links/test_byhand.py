"""A link that a courier is: what was imported arrives once, words wait for the export, envelopes are not taken."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from gateway.bundles.folder import BundleFolder
from gateway.links import Frame, LinkError, LinkState, Parcel, SendRefusal, Settings, byhand
from gateway.links.byhand import HandLink
from gateway.links.urls import open_link
from protocols.carrier import Contents, Header, Kind, Part
from protocols.envelope import pack_envelope, pack_header
from tests.gateway.links.life import WAIT_S, until

HEADER = Header(sender="bravo", to="alpha", made_s=1_800_000_000)
EID = bytes(range(8))
KEY_TOPIC = "comity/1/bravo/alpha/k/0001020304050607"


def envelope(number: int) -> bytes:
    return pack_envelope(pack_header(1, 2, EID, 0, number), bytes(40))


def data(*numbers: int) -> list[Part]:
    return [Part(Kind.DATA, envelope(number)) for number in numbers]


def link_to(folder: Path) -> HandLink:
    made = open_link("courier", Settings(f"bundles://{folder}", "alpha"))
    assert isinstance(made, HandLink)
    return made


async def frames(link: HandLink, count: int) -> list[Frame]:
    found: list[Frame] = []
    async with asyncio.timeout(WAIT_S):
        async for batch in link.batches():
            found += batch
            if len(found) >= count:
                break
    return found


async def gone(folder: Path) -> None:
    """Wait until no portion waits."""
    await until(lambda: not BundleFolder(folder).waiting())


async def test_what_was_imported_arrives_with_the_topics_of_mailboxes(tmp_path: Path) -> None:
    BundleFolder(tmp_path).put(
        Contents(HEADER, [*data(0), Part(Kind.KEYS, b"ann", EID), Part(Kind.CONTROL, envelope(1))], 0, 0)
    )
    async with link_to(tmp_path) as link:
        assert link.state is LinkState.UP
        found = await frames(link, 3)
    assert [(frame.topic, frame.data) for frame in found] == [
        ("comity/1/alpha/bravo/k/0001020304050607", b"ann"),
        ("comity/1/alpha/bravo/d/0", envelope(0)),
        ("comity/1/alpha/bravo/c", envelope(1)),
    ]


async def test_a_portion_is_kept_until_every_frame_of_it_is_settled(tmp_path: Path) -> None:
    BundleFolder(tmp_path).put(Contents(HEADER, data(0, 1), 0, 0))
    async with link_to(tmp_path) as link:
        first, second = await frames(link, 2)
        first.ack()
        await asyncio.sleep(0.3)
        assert BundleFolder(tmp_path).waiting()
        second.refuse("replay")
        await gone(tmp_path)
        assert (link.statistics.received, link.statistics.acknowledged, link.statistics.refused) == (2, 1, 1)


async def test_what_was_not_settled_comes_again_after_a_restart(tmp_path: Path) -> None:
    BundleFolder(tmp_path).put(Contents(HEADER, data(0, 1), 0, 0))
    for _ in range(2):
        async with link_to(tmp_path) as link:
            found = await frames(link, 2)
            found[0].ack()
    assert [frame.data for frame in found] == [envelope(0), envelope(1)]


async def test_what_is_imported_while_the_gateway_runs_arrives(tmp_path: Path) -> None:
    async with link_to(tmp_path) as link:
        await asyncio.sleep(0.1)
        BundleFolder(tmp_path).put(Contents(HEADER, data(7), 0, 0))
        (frame,) = await frames(link, 1)
        assert frame.data == envelope(7)


async def test_many_portions_are_taken_a_few_at_a_time_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.bundles.folder.PORTION", 200)
    BundleFolder(tmp_path).put(Contents(HEADER, data(*range(30)), 0, 0))
    async with link_to(tmp_path) as link:
        found = []
        async with asyncio.timeout(WAIT_S):
            async for batch in link.batches():
                for frame in batch:
                    found.append(frame.data)
                    frame.ack()
                if len(found) == 30:
                    break
        assert found == [envelope(number) for number in range(30)]
        await gone(tmp_path)


async def test_words_wait_on_disk_for_the_export(tmp_path: Path) -> None:
    async with link_to(tmp_path) as link:
        parcels = [Parcel(KEY_TOPIC, b"ann", retain=True), Parcel("comity/1/bravo/alpha/c", b"word")]
        assert list(await link.send_all(parcels)) == [None, None]
    assert list(BundleFolder(tmp_path).words("bravo")) == [Part(Kind.KEYS, b"ann", EID), Part(Kind.CONTROL, b"word")]


async def test_an_envelope_is_held_and_then_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(byhand, "HOLD_S", 0.3)
    async with link_to(tmp_path) as link:
        started = asyncio.get_running_loop().time()
        answers = await link.send_all([Parcel("comity/1/bravo/alpha/d/3", b"envelope")])
        took = asyncio.get_running_loop().time() - started
    assert list(answers) == [SendRefusal.BY_HAND]
    assert took >= 0.3


async def test_what_is_no_envelope_is_passed_over(tmp_path: Path) -> None:
    BundleFolder(tmp_path).put(Contents(HEADER, [Part(Kind.DATA, b"no envelope"), *data(1)], 0, 0))
    BundleFolder(tmp_path).put(Contents(HEADER, [Part(Kind.DATA, b"nothing but this")], 0, 0))
    async with link_to(tmp_path) as link:
        (frame,) = await frames(link, 1)
        frame.ack()
        await gone(tmp_path)


async def test_a_folder_that_cannot_be_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(LinkError, match=r"^/[^\n]*file/bundles: not a directory$"):
        async with link_to(tmp_path / "file" / "bundles"):
            pass
    with pytest.raises(LinkError, match="absolute path"):
        open_link("courier", Settings("bundles://host/place", "alpha"))
