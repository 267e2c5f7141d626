from __future__ import annotations

import msgspec

from gateway.console.feed import Entry, Feed
from gateway.console.view import Detail, Lost, Row, detail, row
from gateway.console.words import load
from protocols.record import Event
from tests.gateway.console import traffic

WORDS = load()


def entry(event: Event, *about: object, **more: object) -> Entry:
    feed = Feed()
    feed(traffic.outcome(event, *about, **more))  # type: ignore[arg-type]
    (kept,) = feed.since(0).entries
    return kept


def story(kept: Entry) -> Detail:
    return detail(kept, (kept,), WORDS)


def test_a_row_is_all_of_an_outcome_in_one_line() -> None:
    shown = row(
        entry(Event.FORWARDED, traffic.track(1), format_out="nffi", latency_ms=3.14159, losses=("a:no-field",)), WORDS
    )

    assert shown == Row(
        seq=1,
        at="21:07:30.125",
        event="forwarded",
        source="alpha/patrol-1",
        destination="bravo/hq",
        kind="track",
        format_in="cot",
        format_out="nffi",
        marking="MISSION RESTRICTED",
        caveats="Releasable To alpha, bravo",
        gist="EAGLE 21 · 4.85185°\u00a0N  31.58261°\u00a0E · 087° true",
        mode="unstated",
        losses=1,
        latency_ms=3.14,
        id="00000000000000000000000000000001",
    )


def test_a_row_of_unreadable_input_says_what_is_known_and_no_more() -> None:
    shown = row(entry(Event.REFUSED, None, reason="malformed", destination=None), WORDS)

    assert msgspec.to_builtins(shown) == {
        "seq": 1,
        "at": "21:07:30.125",
        "event": "refused",
        "reason": "malformed",
        "source": "alpha/patrol-1",
        "format_in": "cot",
    }


def test_a_verdict_says_why_and_what_would_help() -> None:
    withheld = story(entry(Event.WITHHELD, traffic.track(), reason="not-releasable-to", agreement="alpha-bravo"))

    assert withheld.verdict.title == "Withheld"
    assert withheld.verdict.why == "Its label does not name the receiver as releasable to."
    assert withheld.verdict.hint == "The originator may add the receiver to Releasable To."
    assert withheld.verdict.agreement == "alpha-bravo"


def test_a_label_is_told_part_by_part_and_its_absence_is_told_as_such() -> None:
    labelled = story(entry(Event.FORWARDED, traffic.track()))
    bare = story(entry(Event.WITHHELD, traffic.track(label=None), reason="unlabelled"))

    assert labelled.marking is not None
    assert labelled.marking.classification == "MISSION RESTRICTED"
    assert labelled.marking.categories == (("permissive", "Releasable To", ("alpha", "bravo")),)
    assert bare.marking is None


def test_losses_of_reading_and_of_writing_are_told_once_each() -> None:
    kept = entry(
        Event.DELIVERED,
        traffic.track(),
        losses=("detail/takv/os:no-field", "identity.role:no-code", "identity.role:no-code"),
    )

    assert story(kept).losses == (
        Lost(field="detail/takv/os", reason="no-field", text="The format has no place for it."),
        Lost(
            field="position.altitude_m",
            reason="datum",
            text="The altitude is measured from another datum.",
            approximated=True,
        ),
        Lost(field="identity.role", reason="no-code", text="The format's code list has no such value."),
    )
    assert [each.field for each in story(kept).derived] == ["symbol.sidc15"]


def test_what_a_unit_received_is_shown_when_it_is_text() -> None:
    assert story(entry(Event.DELIVERED, traffic.track(), b"<event/>")).received == "<event/>"
    assert story(entry(Event.DELIVERED, traffic.track(), b"\xff\xfe\x00\x01")).received is None
    assert story(entry(Event.FORWARDED, traffic.track(), b"sealed")).received is None


def test_a_cut_inside_a_character_does_not_hide_the_text() -> None:
    received = story(entry(Event.DELIVERED, traffic.track(), b"x" + "é".encode() * 4000)).received

    assert received is not None
    assert received == "x" + "é" * 2047


def test_text_that_reorders_is_visible_wherever_it_comes_from() -> None:
    kept = entry(Event.FORWARDED, traffic.track(callsign="EAGLE\u202e12"))

    assert "EAGLE⟨U+202E⟩12" in (row(kept, WORDS).gist or "")
    assert "\\u202e" not in msgspec.json.encode(story(kept)).decode()
    assert "\u202e" not in msgspec.json.encode(story(kept)).decode()


def test_a_new_table_is_told_with_what_it_changes() -> None:
    kept = entry(
        Event.TABLE_CHANGED, source=None, destination=None, format_in=None, changes=("+ alpha/a -> bravo/b track",)
    )

    assert story(kept).changes == ("+ alpha/a -> bravo/b track",)
    assert story(kept).verdict.title == "New table"
