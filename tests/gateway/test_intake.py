"""What the gateway vouches for, and every reason why it does not."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from adapters import INPUT_MAX
from gateway.config import faults
from gateway.intake import RefusalError
from gateway.keyring.ring import SOURCES_MAX, Keyring
from protocols.agreement import Ceiling
from protocols.fragment import cut
from protocols.label import Label
from protocols.message import Authenticity, Precedence, Source, pack
from protocols.record import Refused, Withheld
from protocols.topics import TOPIC_MAX, key_topic
from tests.fakes import NOW, FakeFrame
from tests.gateway.line import Line, plain, posted, say, sealed_by
from tests.gateway.reports import OPEN, a_chat, a_track

MARKED = Source(format="plain", label_hint="access=RESTRICTED")
FROM_BRAVO: dict[str, Any] = {"origin": "bravo/ops", "source": Source(format="sedap")}


def refusal(line: Line, frame: FakeFrame, link: str = "national") -> tuple[str, str | None, str | None]:
    with pytest.raises(RefusalError) as refused:
        line.intake.read(link, frame, NOW)
    assert str(refused.value) == refused.value.reason
    return refused.value.reason, refused.value.source, refused.value.form


@pytest.mark.parametrize(
    "topic", ["", "tak/alpha/#", "tak/+/x", "tak/alpha/\0", "tak/" + "x" * TOPIC_MAX], ids=lambda topic: topic[:12]
)
def test_a_topic_that_is_none_is_refused(line: Line, topic: str) -> None:
    assert refusal(line, FakeFrame(topic, b"{}")) == (Refused.BAD_TOPIC, None, None)


def test_topics_that_are_none_fill_no_memory(line: Line) -> None:
    refusal(line, FakeFrame("tak/" + "x" * 60_000, b"{}"))

    assert line.table._topics == {}


@pytest.mark.parametrize(
    ("topic", "source"),
    [
        ("tak/alpha/1", ("alpha/patrols", "plain")),
        ("nobody/1", (None, None)),
        ("comity/1/alpha/bravo/d/0", (None, None)),
    ],
)
def test_a_frame_that_is_too_large_is_refused(line: Line, topic: str, source: tuple[str | None, str | None]) -> None:
    assert refusal(line, FakeFrame(topic, b"x" * (INPUT_MAX + 1))) == (Refused.TOO_LARGE, *source)


@pytest.mark.parametrize(
    ("link", "topic"),
    [
        ("national", "nobody/1"),
        ("coalition", "tak/alpha/1"),
        ("coalition", "comity/1/bravo/charlie/d/0"),  # somebody else's mailbox
    ],
)
def test_what_comes_from_nobody_is_refused(line: Line, link: str, topic: str) -> None:
    assert refusal(line, FakeFrame(topic, b"{}"), link) == (Refused.UNKNOWN_SOURCE, None, None)


def test_a_key_request_that_is_none_is_refused(line: Line) -> None:
    assert refusal(line, FakeFrame("comity/1/alpha/bravo/c", b"{}"), "coalition") == ("malformed", "bravo", "cse1")


def test_what_the_adapter_refuses_is_refused_with_its_fault(line: Line) -> None:
    assert refusal(line, FakeFrame("tak/alpha/1", b"<event")) == ("malformed", "alpha/patrols", "plain")


@pytest.mark.parametrize("data", [b"crash", b"no messages"])
def test_a_bug_of_an_adapter_is_a_refusal(line: Line, data: bytes) -> None:
    assert refusal(line, FakeFrame("tak/alpha/1", data)) == (Refused.ADAPTER_CRASHED, "alpha/patrols", "plain")


def test_an_adapter_that_cannot_be_imported_is_a_refusal(coalition: dict[str, Keyring], formats: None) -> None:
    del formats
    config = plain()
    units = tuple(replace(unit, adapter="unloadable") for unit in config.units)
    line = Line(coalition["alpha"], replace(config, units=units))

    assert refusal(line, FakeFrame("tak/alpha/1", b"x"))[0] == Refused.ADAPTER_CRASHED


@pytest.mark.parametrize(
    ("said", "stands"),
    [(None, Precedence.FLASH), (Precedence.ROUTINE, Precedence.ROUTINE), (Precedence.OVERRIDE, Precedence.OVERRIDE)],
)
def test_a_unit_gives_a_precedence_to_kinds_that_say_none(
    coalition: dict[str, Keyring], formats: None, said: Precedence | None, stands: Precedence
) -> None:
    del formats
    config = plain()
    units = tuple(replace(unit, precedence={"chat": Ceiling.FLASH}) for unit in config.units)
    line = Line(coalition["alpha"], replace(config, units=units))
    frame = say(a_chat(1, precedence=said, source=MARKED), a_track(0, source=MARKED))

    chat, track = line.intake.read("national", frame, NOW).reports

    assert (chat.message.precedence, track.message.precedence) == (stands, None)


def test_a_precedence_for_a_kind_that_there_is_not_is_a_fault() -> None:
    config = plain()
    wrong = replace(config.units[0], precedence={"alarm": Ceiling.FLASH})

    (fault,) = [each for each in faults(replace(config, units=(wrong, *config.units[1:]))) if "precedence" in each]

    assert fault.startswith("$.units[0].precedence.alarm: no such kind of message; have alert, ")


def test_origin_trust_and_time_are_stamped_whatever_the_payload_says(line: Line) -> None:
    boast = a_track(
        0,
        origin="bravo/ops",
        authenticity=Authenticity.VERIFIED,
        label=Label(policy="MISSION", classification="UNCLASSIFIED"),
        source=MARKED,
    )

    (report,) = line.intake.read("national", say(boast), NOW).reports

    assert report.message.origin == "alpha/patrols"
    assert report.message.authenticity is Authenticity.ASSERTED
    assert report.message.times.received == NOW
    assert report.message.label == Label(policy="MISSION", classification="RESTRICTED")
    assert (report.envelope, report.objection) == (None, None)


@pytest.mark.parametrize("hint", ["access=SECRET", "access=unclassified", " access=UNCLASSIFIED", "", "UNCLASSIFIED"])
def test_a_marking_that_is_not_in_the_table_is_refused_and_never_guessed(line: Line, hint: str) -> None:
    for topic in ("tak/alpha/1", "cell/alpha"):  # also where there is a default: it is for what has no marking
        frame = say(a_track(0, source=Source(format="plain", label_hint=hint)), topic=topic)
        (report,) = line.intake.read("national", frame, NOW).reports

        assert report.objection == Withheld.UNKNOWN_LABEL
        assert report.message.label is None


def test_no_marking_is_the_default_where_the_operator_gave_one(line: Line) -> None:
    (report,) = line.intake.read("national", say(a_track(0), topic="cell/alpha"), NOW).reports

    assert report.message.label == OPEN


def test_no_marking_and_no_default_is_no_label(line: Line) -> None:
    (report,) = line.intake.read("national", say(a_track(0, label=OPEN)), NOW).reports

    assert (report.message.label, report.objection) == (None, None)


def test_a_frame_may_hold_several_reports(line: Line) -> None:
    reports = line.intake.read("national", say(a_track(0), a_track(1)), NOW).reports

    assert len(reports) == 2


def test_what_a_partner_sealed_is_vouched_for_by_its_signature(line: Line, coalition: dict[str, Keyring]) -> None:
    told = a_track(0, authenticity=Authenticity.ASSERTED, **FROM_BRAVO)
    key, envelope = posted(sealed_by(coalition["bravo"], "bravo/ops", [told], "alpha/cell"))

    assert list(line.intake.read("coalition", key, NOW).reports) == []
    (report,) = line.intake.read("coalition", envelope, NOW).reports

    assert report.message == replace(told, authenticity=Authenticity.VERIFIED)
    assert report.envelope is not None
    assert report.envelope.audience == ("alpha/cell",)


def test_an_envelope_that_came_before_its_key_waits(line: Line, coalition: dict[str, Keyring]) -> None:
    key, envelope = posted(sealed_by(coalition["bravo"], "bravo/ops", [a_track(0, **FROM_BRAVO)], "alpha/cell"))

    assert list(line.intake.read("coalition", envelope, NOW).reports) == []
    assert len(line.intake.read("coalition", key, NOW).reports) == 1


@pytest.mark.parametrize("slot", ["d/0", "k/00", "c"])
def test_nothing_waits_for_whom_nobody_knows(line: Line, coalition: dict[str, Keyring], slot: str) -> None:
    """Else a broker that invents senders takes the places where partners' envelopes wait for their announcements."""
    _, data = posted(sealed_by(coalition["bravo"], "bravo/ops", [a_track(0, "B-1", **FROM_BRAVO)], "alpha/cell"))
    for number in range(SOURCES_MAX):
        frame = FakeFrame(f"comity/1/alpha/nobody-{number}/{slot}", data.data)
        assert refusal(line, frame, "coalition") == ("unknown-signer", f"nobody-{number}", "cse1")

    assert line.intake.read("coalition", data, NOW).waits is not None


def test_what_comes_in_several_frames_is_read_once_it_is_whole(line: Line, coalition: dict[str, Keyring]) -> None:
    key, envelope = posted(sealed_by(coalition["bravo"], "bravo/ops", [a_track(0, "B-1", **FROM_BRAVO)], "alpha/cell"))
    frames = [FakeFrame(f"{key.topic}-{number}", each) for number, each in enumerate(cut(key.data, 600))]
    frames += [FakeFrame(envelope.topic, each) for each in cut(envelope.data, 100)]
    got = [line.intake.read("coalition", frame, NOW) for frame in frames]

    assert [each.announced for each in got if each.announced] == [bytes.fromhex(key.topic.rpartition("/")[2])]
    assert [report.message.subject for each in got for report in each.reports] == ["B-1"]
    assert got[-1].reports


@pytest.mark.parametrize("sender", ["bravo", "nobody"], ids=["spoilt", "of no partner"])
def test_a_part_that_is_spoilt_or_of_nobody_is_refused(line: Line, sender: str) -> None:
    (part,) = cut(b"something", 600)
    data = part if sender == "nobody" else part[:-1]
    frame = FakeFrame(f"comity/1/alpha/{sender}/d/0", data)
    assert refusal(line, frame, "coalition") == ("malformed" if sender == "bravo" else "unknown-signer", sender, "cse1")


def test_a_topic_that_disagrees_with_the_signer_is_refused(line: Line, coalition: dict[str, Keyring]) -> None:
    sealed = sealed_by(coalition["bravo"], "bravo/ops", [a_track(0, **FROM_BRAVO)], "alpha/cell")
    key, _ = posted(sealed)
    line.intake.read("coalition", key, NOW)
    moved = FakeFrame("comity/1/alpha/charlie/d/0", sealed.envelope)

    assert refusal(line, moved, "coalition") == (Refused.TOPIC_SIGNER_MISMATCH, "bravo/ops", "cse1")


@pytest.mark.parametrize("claimed", ["charlie/map", "alpha/patrols", "bravo/other", None])
def test_a_partner_speaks_for_the_unit_that_signed_and_no_other(
    line: Line, coalition: dict[str, Keyring], claimed: str | None
) -> None:
    key, envelope = posted(sealed_by(coalition["bravo"], "bravo/ops", [a_track(0, origin=claimed)], "alpha/cell"))
    line.intake.read("coalition", key, NOW)

    got = line.intake.read("coalition", envelope, NOW)
    assert got.reports == []
    assert [each[:2] for each in got.unproven] == [("bravo/ops", Refused.ORIGIN_MISMATCH)]


@pytest.mark.parametrize(
    "data", [b"", b"\xc1", pack(a_track(0))[:-3], pack(a_track(0)) + b"\0"], ids=["empty", "noise", "cut", "longer"]
)
def test_a_sealed_message_that_is_none_is_refused(line: Line, coalition: dict[str, Keyring], data: bytes) -> None:
    key, envelope = posted(sealed_by(coalition["bravo"], "bravo/ops", [data], "alpha/cell"))
    line.intake.read("coalition", key, NOW)

    got = line.intake.read("coalition", envelope, NOW)
    assert got.reports == []
    assert got.unproven == [("bravo/ops", Refused.BAD_MESSAGE, None, ())]


def test_an_envelope_opens_once(line: Line, coalition: dict[str, Keyring]) -> None:
    key, envelope = posted(sealed_by(coalition["bravo"], "bravo/ops", [a_track(0, **FROM_BRAVO)], "alpha/cell"))
    line.intake.read("coalition", key, NOW)
    line.intake.read("coalition", envelope, NOW)

    assert refusal(line, envelope, "coalition") == ("replay", "bravo", "cse1")


def test_an_envelope_for_others_does_not_open(line: Line, coalition: dict[str, Keyring]) -> None:
    sealed = sealed_by(coalition["bravo"], "bravo/ops", [a_track(0, **FROM_BRAVO)], "charlie/map")
    frame = FakeFrame(key_topic("alpha", "bravo", sealed.eid), sealed.announcements[0].data)

    reason, source, form = refusal(line, frame, "coalition")

    assert (source, form) == ("bravo", "cse1")
    assert reason.replace("-", "").isalpha()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(
    st.sampled_from(["tak/alpha/1", "comity/1/alpha/bravo/d/0", "comity/1/alpha/bravo/k/00", "nobody"]),
    st.binary(max_size=300),
)
def test_noise_is_refused_with_a_bounded_reason(line: Line, topic: str, noise: bytes) -> None:
    with pytest.raises(RefusalError) as refused:
        line.intake.read("national", FakeFrame(topic, noise + b"!"), NOW)

    assert len(refused.value.reason) < 40
    assert refused.value.reason.replace("-", "").isalpha()


def test_what_was_handed_over_is_not_opened_after_a_restart(
    line: Line, coalition: dict[str, Keyring], states: Mapping[str, Path]
) -> None:
    envelopes = [sealed_by(coalition["bravo"], "bravo/ops", [a_track(n, **FROM_BRAVO)], "alpha/cell") for n in (0, 1)]
    key, settled = posted(envelopes[0])
    (crashed,) = posted(envelopes[1])
    line.intake.read("coalition", key, NOW)
    line.intake.settle([line.intake.read("coalition", settled, NOW)])
    line.intake.read("coalition", crashed, NOW)
    line.intake.settle([])

    again = Keyring.open(states["alpha"], NOW)
    restarted = Line(again, line.config)
    restarted.intake.read("coalition", key, NOW)

    assert refusal(restarted, settled, "coalition")[0] == "replay"
    assert len(restarted.intake.read("coalition", crashed, NOW).reports) == 1
    again.close()


def test_an_error_says_nothing_of_the_payload(line: Line) -> None:
    with pytest.raises(RefusalError) as refused:
        line.intake.read("national", FakeFrame("tak/alpha/1", b"crash"), NOW)

    assert refused.value.__cause__ is None
    assert refused.value.__suppress_context__
    assert "HAWK" not in str(refused.value)
