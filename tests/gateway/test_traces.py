"""What passed is known after a restart, whatever a crash, a full disk or a damaged page left of the files."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.keyring.keystore import KeyringError
from gateway.repeats import Repeats
from gateway.traces import NEWER, OLDER, Others, Owned, Trace, Traces
from protocols.message import Message
from protocols.record import Refused, Withheld
from tests.disks import files_at_most
from tests.gateway.reports import a_delete, a_track

SIZE = 80  # bytes of a record
BRAVO = {"origin": "bravo/ops"}


def passed(state: Path, *messages: Message, remembered: int = 1000) -> list[Refused | Withheld | None]:
    """What one process makes of messages, each handed over and committed as it passes."""
    memory = Repeats.open(state, remembered)
    found = []
    for message in messages:
        found.append(memory.objection(message))
        if found[-1] is None:
            memory.commit([message])
    memory.close()
    return found


def test_a_report_that_was_handed_over_is_a_duplicate_after_a_restart(tmp_path: Path) -> None:
    assert passed(tmp_path, a_track(0)) == [None]
    assert passed(tmp_path, a_track(0), a_track(0, whole=True), a_track(1)) == [
        Refused.DUPLICATE, Refused.DUPLICATE, None,
    ]  # fmt: skip


def test_a_subject_stays_its_originators_after_a_restart(tmp_path: Path) -> None:
    passed(tmp_path, a_track(5))
    asked = [a_track(6, **BRAVO), a_delete("S-1", **BRAVO), a_track(4), a_delete("S-1")]  # type: ignore[arg-type]

    assert passed(tmp_path, *asked) == [Withheld.NOT_ORIGINATOR, Withheld.NOT_ORIGINATOR, Refused.SUPERSEDED, None]


def test_what_was_not_handed_over_before_a_crash_may_come_again(tmp_path: Path) -> None:
    memory = Repeats.open(tmp_path)
    given, lost = a_track(0), a_track(1)
    assert memory.objection(given) is None
    assert memory.objection(lost) is None
    memory.commit([given])  # and then the process is killed

    assert passed(tmp_path, a_track(0), a_track(1)) == [Refused.DUPLICATE, None]


def test_a_refused_copy_does_not_put_its_original_on_disk(tmp_path: Path) -> None:
    memory = Repeats.open(tmp_path)
    slow, copy = a_track(0), a_track(0)
    assert memory.objection(slow) is None
    assert memory.objection(copy) is Refused.DUPLICATE
    memory.commit([copy])  # its frame is acknowledged; the original's is not yet

    assert passed(tmp_path, a_track(0)) == [None]


def test_what_nobody_got_may_come_again_but_not_from_another(tmp_path: Path) -> None:
    memory = Repeats.open(tmp_path)
    kept = a_track(0)
    assert memory.objection(kept) is None
    memory.forget(kept)
    memory.commit([kept])
    memory.close()

    assert passed(tmp_path, a_track(0, **BRAVO), a_track(0)) == [Withheld.NOT_ORIGINATOR, None]  # type: ignore[arg-type]


@pytest.mark.parametrize("cut", [1, 17, 79])
def test_a_torn_record_is_cut_and_costs_no_other(tmp_path: Path, cut: int) -> None:
    passed(tmp_path, a_track(0), a_track(1))
    file = tmp_path / NEWER
    os.truncate(file, file.stat().st_size - cut)

    assert passed(tmp_path, a_track(2)) == [None]  # written where the torn one began
    assert file.stat().st_size == 2 * SIZE
    assert passed(tmp_path, a_track(0), a_track(2), a_track(3)) == [Refused.DUPLICATE, Refused.DUPLICATE, None]


@given(place=st.integers(0, 3 * SIZE - 1), bit=st.integers(0, 7))
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_flipped_bit_costs_its_own_record_alone(tmp_path: Path, place: int, bit: int) -> None:
    file = tmp_path / NEWER
    file.unlink(missing_ok=True)
    passed(tmp_path, *(a_track(0, subject=f"S-{number}") for number in range(3)))
    data = bytearray(file.read_bytes())
    data[place] ^= 1 << bit
    file.write_bytes(data)
    expected: list[object] = [Refused.DUPLICATE] * 3
    expected[place // SIZE] = None

    assert Traces(tmp_path, 10).damaged == 1
    assert passed(tmp_path, *(a_track(0, subject=f"S-{number}") for number in range(3))) == expected


def test_a_page_of_zeros_is_passed_over(tmp_path: Path) -> None:
    passed(tmp_path, a_track(0))
    with (tmp_path / NEWER).open("ab") as file:
        file.write(bytes(10 * SIZE))

    assert Traces(tmp_path, 100).damaged == 10
    assert passed(tmp_path, a_track(0), a_track(1)) == [Refused.DUPLICATE, None]


def test_the_disk_is_bounded_and_the_newest_are_kept(tmp_path: Path) -> None:
    many = [a_track(0, subject=f"S-{number}") for number in range(200)]
    passed(tmp_path, *many, remembered=80)  # 20 records in a file

    assert {file.name for file in tmp_path.iterdir()} == {NEWER, OLDER}
    assert sum(file.stat().st_size for file in tmp_path.iterdir()) <= 40 * SIZE
    assert set(passed(tmp_path, *many[-20:], remembered=80)) == {Refused.DUPLICATE}


def test_only_we_may_read_the_files(tmp_path: Path) -> None:
    passed(tmp_path, a_track(0))

    assert stat.S_IMODE((tmp_path / NEWER).stat().st_mode) == 0o600
    assert b"S-1" not in (tmp_path / NEWER).read_bytes()


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / NEWER).mkdir()

    with pytest.raises(KeyringError, match="traces in"):
        Repeats.open(tmp_path)


def test_what_the_disk_does_not_take_is_counted_and_the_next_write_begins_where_it_should(tmp_path: Path) -> None:
    memory = Repeats.open(tmp_path)
    first, refused, last = a_track(0), a_track(1), a_track(2)
    assert [memory.objection(each) for each in (first, refused, last)] == [None] * 3
    memory.commit([first])
    with files_at_most(SIZE + 30):  # thirty bytes more, and the disk is full
        memory.commit([refused])
    memory.commit([last])

    assert memory.unwritten == 1
    assert memory.objection(a_track(1)) is Refused.DUPLICATE
    assert passed(tmp_path, a_track(0), a_track(2), a_track(3)) == [Refused.DUPLICATE, Refused.DUPLICATE, None]


@pytest.mark.parametrize("newest", [None, 0, -5, 1_773_522_450_125_000])
@pytest.mark.parametrize("foreign", [False, True])
def test_whose_a_subject_is_reads_back(newest: int | None, foreign: bool) -> None:  # noqa: FBT001
    owned = Owned(b"o" * 16, newest, foreign)

    assert len(owned.pack()) == 28
    assert Owned.unpack(owned.pack()) == owned


def test_writing_nothing_touches_nothing(tmp_path: Path) -> None:
    traces = Traces(tmp_path, 1)
    traces.write([])
    traces.write([Trace((), b"s" * 16, Owned(b"o" * 16, None, foreign=False).pack())])
    traces.write([])

    assert (tmp_path / NEWER).stat().st_size == SIZE
    assert not (tmp_path / OLDER).exists()


def test_workers_know_what_the_others_let_pass_and_whose_subjects_are(tmp_path: Path) -> None:
    one, two, three = (tmp_path / name for name in ("one", "two", "three"))
    for folder in (one, two):
        folder.mkdir()
    first = Repeats.open(one, beside=(two, three))
    second = Repeats.open(two, beside=(one, three))
    for memory in (first, second):
        assert memory._others is not None
        memory._others._looked = float("-inf")
        memory._others._clock = lambda: float("inf")  # look each time

    report = a_track(5)
    assert first.objection(report) is None
    first.commit([report])
    assert second.objection(a_track(5)) is Refused.DUPLICATE
    assert second.objection(a_track(6, **BRAVO)) is Withheld.NOT_ORIGINATOR  # type: ignore[arg-type]
    assert second.objection(a_delete("S-1", **BRAVO)) is Withheld.NOT_ORIGINATOR
    for memory, second_of in ((second, 7), (first, 8)):
        passing = a_track(second_of)
        assert memory.objection(passing) is None
        memory.commit([passing])
    assert second.objection(a_track(6)) is Refused.SUPERSEDED
    assert first.objection(a_track(7)) is Refused.DUPLICATE
    assert second.objection(a_delete("S-1")) is None
    first.close()
    second.close()


def test_a_worker_reads_on_where_another_began_a_new_file(tmp_path: Path) -> None:
    one = tmp_path / "one"
    one.mkdir()
    written = Traces(one, 4)
    seen = Others((one,), 1000, lambda: float("inf"))
    for number in range(23):
        written.write([Trace((bytes([number + 1]) * 16,), bytes([number + 1]) * 16, bytes(28))])
        if number % 3 == 0:
            assert seen.seen(bytes([number + 1]) * 16)
    assert all(seen.seen(bytes([number + 1]) * 16) for number in range(23))
    assert seen.owned(b"\x05" * 16) == bytes(28)
    assert seen.owned(b"\xee" * 16) is None
    written.close()
