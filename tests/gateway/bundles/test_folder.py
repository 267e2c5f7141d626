"""What lies in the folder of a link by hand: imported portions in their order, words for the next export."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from gateway.bundles import folder as folders
from gateway.bundles.folder import KEYS_AGE_S, BundleFolder
from protocols.carrier import Contents, Header, Kind, Part

HEADER = Header(sender="alpha", to="bravo", made_s=1_800_000_000)
EID = bytes(range(8))
KEYS = Part(Kind.KEYS, b"announcement", EID)


@pytest.fixture
def folder(tmp_path: Path) -> BundleFolder:
    made = BundleFolder(tmp_path / "bundles")
    made.prepare()
    return made


def data(*names: str) -> list[Part]:
    return [Part(Kind.DATA, name.encode()) for name in names]


def taken(folder: BundleFolder) -> list[Part]:
    found = []
    for name in folder.waiting():
        contents = folder.take(name)
        assert contents is not None
        found += contents.parts
    return found


def test_announcements_come_before_the_envelopes_that_need_them(folder: BundleFolder) -> None:
    folder.put(Contents(HEADER, [*data("a"), KEYS, *data("b")], 0, 0))
    assert taken(folder) == [KEYS, *data("a", "b")]


def test_portions_are_bounded_and_keep_the_order(folder: BundleFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folders, "PORTION", 1_000)
    some = [Part(Kind.DATA, b"%03d" % number * 50) for number in range(40)]
    assert folder.put(Contents(HEADER, some, 0, 0)) == 8
    assert taken(folder) == some
    later = Header(sender="alpha", to="bravo", made_s=1_800_000_060)
    folder.put(Contents(later, data("later"), 0, 0))
    assert taken(folder) == [*some, *data("later")]


def test_the_same_import_twice_is_there_once(folder: BundleFolder) -> None:
    for _ in range(2):
        folder.put(Contents(HEADER, data("a", "b"), 0, 0))
    assert taken(folder) == data("a", "b")


def test_a_portion_is_gone_when_it_is_done(folder: BundleFolder) -> None:
    folder.put(Contents(HEADER, data("a"), 0, 0))
    (name,) = folder.waiting()
    folder.done(name)
    folder.done(name)
    assert folder.waiting() == []


def test_a_portion_that_went_bad_is_put_aside(folder: BundleFolder, tmp_path: Path) -> None:
    folder.put(Contents(HEADER, data("a"), 0, 0))
    (name,) = folder.waiting()
    (tmp_path / "bundles" / "in" / name).write_bytes(b"spoilt")
    assert folder.take(name) is None
    assert folder.waiting() == []
    assert (tmp_path / "bundles" / "damaged" / name).read_bytes() == b"spoilt"


def test_words_are_given_for_their_partner_announcements_first(folder: BundleFolder) -> None:
    folder.keep("bravo", Part(Kind.CONTROL, b"one"))
    folder.keep("charlie", Part(Kind.CONTROL, b"not for bravo"))
    folder.keep("bravo", KEYS)
    folder.keep("bravo", Part(Kind.CONTROL, b"two"))
    found = list(folder.words("bravo"))
    assert found[0] == KEYS
    assert {part.data for part in found[1:]} == {b"one", b"two"}
    assert list(folder.words("delta")) == []


def test_an_epoch_has_one_announcement_the_newest(folder: BundleFolder) -> None:
    folder.keep("bravo", KEYS)
    folder.keep("bravo", Part(Kind.KEYS, b"wider", EID))
    assert list(folder.words("bravo")) == [Part(Kind.KEYS, b"wider", EID)]


def test_words_are_on_the_disk_when_they_are_kept(folder: BundleFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as broken:
        broken.setattr("gateway.durable.os.fsync", full)
        with pytest.raises(OSError, match="No space"):
            folder.keep("bravo", KEYS)
    assert list(folder.words("bravo")) == []


def test_words_are_bounded_the_oldest_go(folder: BundleFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folders, "CONTROL_KEPT", 5)
    for number in range(12):
        folder.keep("bravo", Part(Kind.CONTROL, b"%d" % number))
    assert {part.data for part in folder.words("bravo")} == {b"%d" % number for number in range(7, 12)}


def test_an_announcement_goes_when_its_epoch_is_over(folder: BundleFolder, tmp_path: Path) -> None:
    folder.keep("bravo", KEYS)
    long_ago = time.time() - KEYS_AGE_S - 1
    os.utime(tmp_path / "bundles" / "words" / "bravo" / f"k-{EID.hex()}", (long_ago, long_ago))
    folder.keep("bravo", Part(Kind.CONTROL, b"word"))
    assert list(folder.words("bravo")) == [Part(Kind.CONTROL, b"word")]
