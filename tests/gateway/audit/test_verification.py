"""Whatever is done to a log is found: by its chain, and by checkpoints where somebody computed the chain anew."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.audit import Audit, AuditError, verification
from gateway.audit import segments as segments_module
from gateway.audit.resume import checkpoint_file
from gateway.audit.segments import Segment, Walk, aside, segments
from gateway.audit.verification import Verified, claims, verify
from gateway.audit.vouchers import Vouchers
from gateway.keyring.ring import Keyring
from tests.fakes import NOW
from tests.gateway.audit.logs import outcome, rechained, signed, witnessed, written

COUNT = 40
SIZES = (7, 20, 33, 40)
SEEN = (7, 20, 33)  # what the witness got; the last one never reached it


class Kept(NamedTuple):
    """A log that somebody means harm to, what stands beside it, and what a witness has."""

    file: Path
    lines: list[bytes]
    checkpoints: list[bytes]
    witness: Path
    vouchers: Vouchers

    def __repr__(self) -> str:
        return "Kept"


@pytest.fixture(scope="module")
def kept(states: Mapping[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Kept:
    folder = tmp_path_factory.mktemp("log")
    file, witness = folder / "audit.log", folder / "from-bravo"
    keyring = Keyring.open(states["alpha"], NOW)
    sent = signed(file, keyring, COUNT, *SIZES)
    keyring.close()
    witnessed(witness, sent[: len(SEEN)])
    vouchers = Vouchers.read((states["alpha"] / "bundles").glob("*.bundle"))
    lines = file.read_bytes().splitlines(keepends=True)
    return Kept(file, lines, checkpoint_file(file).read_bytes().splitlines(keepends=True), witness, vouchers)


def verified(kept: Kept, lines: list[bytes], checkpoints: list[bytes] | None = None) -> Verified:
    """What an auditor finds when the log says this, with these checkpoints beside it (those that were there)."""
    kept.file.write_bytes(b"".join(lines))
    own = checkpoint_file(kept.file)
    own.write_bytes(b"".join(kept.checkpoints if checkpoints is None else checkpoints))
    found = [*claims(own, kept.vouchers, own=True), *claims(kept.witness, kept.vouchers, own=False)]
    return verify(kept.file, found)


@pytest.mark.parametrize("block", [1, 3, 7, 4096])
def test_an_honest_log_holds(kept: Kept, block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verification, "_BLOCK", block)
    held = verified(kept, kept.lines)

    assert held[:2] + held[3:] == (COUNT, 1, 4, 3, 40, 33)
    assert held.chain.hex() == kept.lines[-1][:64].decode()


INDEX = st.integers(0, COUNT - 1)
EARLY = st.integers(0, SEEN[-1] - 1)  # of lines that a witness's checkpoint covers
QUICK = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@QUICK
@given(index=INDEX, data=st.data())
def test_a_changed_byte_is_found_at_its_line(kept: Kept, index: int, data: st.DataObject) -> None:
    line = kept.lines[index]
    at = data.draw(st.integers(0, len(line) - 2))
    new = data.draw(st.integers(0, 255).filter(lambda each: each not in {line[at], 10}))
    lines = [*kept.lines[:index], line[:at] + bytes((new,)) + line[at + 1 :], *kept.lines[index + 1 :]]

    with pytest.raises(AuditError, match=rf"audit\.log:{index + 1}: does not follow"):
        verified(kept, lines)


@QUICK
@given(index=st.integers(0, COUNT - 2))
def test_a_removed_record_is_found_at_its_line(kept: Kept, index: int) -> None:
    with pytest.raises(AuditError, match=rf"audit\.log:{index + 1}: does not follow"):
        verified(kept, kept.lines[:index] + kept.lines[index + 1 :])


@QUICK
@given(one=INDEX, two=INDEX)
def test_records_that_changed_places_are_found_at_the_first(kept: Kept, one: int, two: int) -> None:
    lines = list(kept.lines)
    lines[one], lines[two] = lines[two], lines[one]
    if one != two:
        with pytest.raises(AuditError, match=rf"audit\.log:{min(one, two) + 1}: does not follow"):
            verified(kept, lines)


@QUICK
@given(index=INDEX, copied=INDEX)
def test_an_inserted_record_is_found_at_its_line(kept: Kept, index: int, copied: int) -> None:
    lines = [*kept.lines[:index], kept.lines[copied], *kept.lines[index:]]

    expected = index + 2 if copied == index else index + 1  # a line twice: the second does not follow
    with pytest.raises(AuditError, match=rf"audit\.log:{expected}: does not follow"):
        verified(kept, lines)


def removed(lines: list[bytes], one: int, _: int) -> list[bytes]:
    return lines[:one] + lines[one + 1 :]


def changed(lines: list[bytes], one: int, _: int) -> list[bytes]:
    return [*lines[:one], lines[one].replace(b"delivered", b"withheld!"), *lines[one + 1 :]]


def swapped(lines: list[bytes], one: int, two: int) -> list[bytes]:
    lines[one], lines[two] = lines[two], lines[one]
    return lines


def inserted(lines: list[bytes], one: int, two: int) -> list[bytes]:
    return [*lines[:one], lines[two], *lines[one:]]


def salted_anew(lines: list[bytes], one: int, _: int) -> list[bytes]:
    line = lines[one]
    return [*lines[:one], line[:65] + b"0" * 32 + line[97:], *lines[one + 1 :]]


def cut(lines: list[bytes], one: int, _: int) -> list[bytes]:
    return lines[:one]


WAYS = (removed, changed, swapped, inserted, salted_anew, cut)


@QUICK
@given(way=st.sampled_from(WAYS), one=EARLY, two=EARLY, kept_beside=st.integers(0, len(SIZES)))
def test_a_log_that_was_written_anew_contradicts_its_witness(
    kept: Kept, way: Callable[[list[bytes], int, int], list[bytes]], one: int, two: int, kept_beside: int
) -> None:
    """Whoever holds the machine computes the whole chain anew, and takes away checkpoints that tell on it."""
    lines = rechained(way(list(kept.lines), one, two))

    if lines[: SEEN[-1]] == kept.lines[: SEEN[-1]]:
        return  # a copy of the last line behind it: what the witness has seen is as it was
    with pytest.raises(
        AuditError, match=r"audit\.log: (of lines \d+ to \d+ at least one|ends at line)|not the first line"
    ):
        verified(kept, lines, kept.checkpoints[:kept_beside])


@pytest.mark.parametrize("left", [0, 1, 6, 7, 20, 32])
def test_a_tail_that_was_cut_off_is_told_with_its_length(kept: Kept, left: int) -> None:
    beside = [line for size, line in zip(SIZES, kept.checkpoints, strict=True) if size <= left]

    with pytest.raises(AuditError, match=rf"ends at line {left}, but there were 33 when alpha signed .*from-bravo:3"):
        verified(kept, kept.lines[:left], beside)


def test_lines_after_the_last_checkpoint_can_be_cut_unnoticed(kept: Kept) -> None:
    """What nobody has signed nobody can vouch for: that is why checkpoints are made every few minutes."""
    assert verified(kept, kept.lines[:33], kept.checkpoints[:3]).lines == 33


def test_what_was_rewritten_lies_between_two_checkpoints(kept: Kept) -> None:
    lines = rechained(changed(list(kept.lines), 24, 0))

    with pytest.raises(AuditError, match=r"of lines 21 to 33 at least one is not what it was when alpha signed 2026-"):
        verified(kept, lines)


def test_another_log_of_the_same_partner_is_not_this_one(kept: Kept, tmp_path: Path) -> None:
    written(tmp_path / "audit.log", *range(1, COUNT + 1))

    with pytest.raises(AuditError, match=r"audit\.log:1: is not the first line of the log that alpha signed"):
        verified(kept, (tmp_path / "audit.log").read_bytes().splitlines(keepends=True))


def test_a_forged_checkpoint_is_told_with_its_line(kept: Kept, tmp_path: Path) -> None:
    checkpoints = list(kept.checkpoints)
    at = len(checkpoints[1]) - 2000
    checkpoints[1] = (
        checkpoints[1][:at] + (b"A" if checkpoints[1][at : at + 1] != b"A" else b"B") + checkpoints[1][at + 1 :]
    )

    with pytest.raises(AuditError, match=r"audit\.checkpoints:2: the checkpoint does not hold: bad-signature"):
        verified(kept, kept.lines, checkpoints)
    with pytest.raises(AuditError, match=r"audit\.checkpoints:2: not a checkpoint"):
        verified(kept, kept.lines, [checkpoints[0], b"1 not base64!\n"])
    with pytest.raises(AuditError, match="No such file"):
        list(claims(tmp_path / "absent", kept.vouchers, own=False))


def test_without_bundles_checkpoints_are_compared_all_the_same(kept: Kept) -> None:
    kept.file.write_bytes(b"".join(rechained(removed(list(kept.lines), 3, 0))))

    with pytest.raises(AuditError, match="of lines 1 to 7"):
        verify(kept.file, list(claims(kept.witness, None, own=False)))


@pytest.mark.parametrize("segment_bytes", [1, 400, 1000])
def test_a_log_in_many_files_is_one_log(tmp_path: Path, segment_bytes: int) -> None:
    file = tmp_path / "audit.log"
    written(file, *range(1, 21), segment_bytes=segment_bytes)
    written(file, *range(21, 31), segment_bytes=segment_bytes)
    files = segments(file)

    held = verify(file, [])
    assert (held.lines, held.files) == (30, len(files))
    assert len(files) > 3
    assert files[0].path.name == "audit.000000000001.log"
    text = files[1].path.read_bytes()
    files[1].path.write_bytes(text.replace(b"delivered", b"withheld!", 1))
    with pytest.raises(AuditError, match=rf"{files[1].path.name}:1: does not follow"):
        verify(file, [])
    files[1].path.unlink()
    with pytest.raises(AuditError, match=rf"line {files[1].first} is missing, this file begins later"):
        verify(file, [])
    files[0].path.unlink()
    with pytest.raises(AuditError, match=r"line 1 is missing, this file begins later"):
        verify(file, [])


def test_a_full_file_that_lost_its_end_is_found(tmp_path: Path) -> None:
    file = tmp_path / "audit.log"
    written(file, *range(1, 11), segment_bytes=1000)
    first = segments(file)[0].path
    first.write_bytes(first.read_bytes()[:-10])

    with pytest.raises(AuditError, match=r"audit\.000000000001\.log:\d: does not follow"):
        verify(file, [])


def test_a_line_that_is_being_written_is_left_out(tmp_path: Path) -> None:
    file = tmp_path / "audit.log"
    with Audit(file) as audit:
        audit(outcome(1))
        audit.commit()
        with file.open("ab") as end:
            end.write(b"half a li")
        assert verify(file, []).lines == 1


@pytest.mark.parametrize("before", [1, 3, 12])
def test_a_log_is_read_while_its_files_fill_up_and_are_renamed(tmp_path: Path, before: int) -> None:
    file = tmp_path / "audit.log"
    with Audit(file, segment_bytes=1000) as audit:

        def tell(count: int) -> None:
            for _ in range(count):
                audit(outcome(audit.size + 1))
                audit.commit()

        tell(before)
        reading = iter(Walk(file))
        first = next(reading)
        tell(30)
        assert [first.number, *(line.number for line in reading)][:before] == list(range(1, before + 1))
        assert verify(file, []).lines == before + 30


def test_a_file_that_is_renamed_between_a_look_and_a_listing_is_read_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "audit.log"
    written(file, *range(1, 6))
    listed = segments_module.segments

    def meanwhile(path: Path) -> list[Segment]:
        file.rename(aside(file, 1))
        return listed(path)

    monkeypatch.setattr(segments_module, "segments", meanwhile)

    assert [line.number for line in Walk(file)] == [1, 2, 3, 4, 5]
