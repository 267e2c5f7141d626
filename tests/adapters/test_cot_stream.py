"""Bare CoT XML as it comes in streams."""

from __future__ import annotations

import contextlib

import pytest

from adapters import DecodeError, EncodeError, Fault, cot
from gateway.formats.specimens import FULL, specimen
from tests.adapters.oracles import pytak

FIRST = b"<?xml version='1.0' encoding='UTF-8'?>\n<event uid='a'><point/></event>"
SECOND = b'<event uid="b"><detail><remarks>x &lt; y</remarks></detail></event>'


def test_a_stream_is_cut_into_events_wherever_it_is_torn() -> None:
    whole = FIRST + b"\n" + SECOND + SECOND + b"\r\n\t "
    for at in range(len(whole)):
        frames, rest = cot.split(whole[:at])
        more, left = cot.split(rest + whole[at:])
        assert frames + more == [FIRST, SECOND, SECOND]
        assert left == b""


def test_what_pytak_writes_is_one_event() -> None:
    data = pytak.serialize_cot(pytak.cot_event(uid="x"))
    assert cot.split(data) == ([data], b"")


def test_what_is_written_ends_by_itself() -> None:
    written = []
    for body in FULL:
        with contextlib.suppress(EncodeError):
            written.append(cot.encode(specimen(body)).data)
    assert len(written) > 5
    assert cot.split(b"".join(written)) == (written, b"")


@pytest.mark.parametrize("data", [b"hello", b"\xbf\x01\xbf", SECOND + b"x" + SECOND])
def test_what_is_no_stream_of_events_is_refused(data: bytes) -> None:
    with pytest.raises(DecodeError) as refused:
        cot.split(data)
    assert refused.value.fault is Fault.MALFORMED


def test_an_event_without_end_is_bounded() -> None:
    assert cot.split(b"<event>" + b" " * 1_048_569) == ([], b"<event>" + b" " * 1_048_569)
    with pytest.raises(DecodeError) as refused:
        cot.split(b"<event>" + b" " * 1_048_570)
    assert refused.value.fault is Fault.TOO_LARGE
