"""Topics against independent judges: an MQTT client's own matching, and every topic there is of a small alphabet."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from paho.mqtt.client import topic_matches_sub

from protocols.topics import (
    TOPIC_MAX,
    Mailbox,
    Slot,
    data_filter,
    data_topic,
    is_filter,
    is_topic,
    key_filter,
    key_topic,
    matches,
    overlap,
    parse_mailbox,
)

EID = bytes.fromhex("f300000000000001")
LEVELS = ("", "a", "b", "$s")
TOPICS = tuple("/".join(levels) for length in (1, 2, 3, 4) for levels in product(LEVELS, repeat=length))[1:]
wild = st.sampled_from(("a", "b", "", "+", "$s"))
filters = st.builds(
    lambda levels, tail: "/".join([*levels, *tail]),
    st.lists(wild, min_size=1, max_size=3),
    st.sampled_from(([], ["#"])),
).filter(bool) | st.just("#")
topics = st.sampled_from(TOPICS)


@given(filters, topics)
def test_matching_is_that_of_an_mqtt_client(topic_filter: str, topic: str) -> None:
    assert matches(topic_filter, topic) is topic_matches_sub(topic_filter, topic)


@pytest.mark.parametrize(
    ("topic_filter", "topic", "expected"),
    [  # the examples of MQTT 5, 4.7.1 and 4.7.2
        ("sport/tennis/player1/#", "sport/tennis/player1", True),
        ("sport/tennis/player1/#", "sport/tennis/player1/ranking", True),
        ("sport/tennis/player1/#", "sport/tennis/player1/score/wimbledon", True),
        ("sport/#", "sport", True),
        ("sport/tennis/+", "sport/tennis/player1", True),
        ("sport/tennis/+", "sport/tennis/player1/ranking", False),
        ("sport/+", "sport", False),
        ("sport/+", "sport/", True),
        ("+/+", "/finance", True),
        ("/+", "/finance", True),
        ("+", "/finance", False),
        ("#", "$SYS/monitor", False),
        ("+/monitor/Clients", "$SYS/monitor/Clients", False),
        ("$SYS/#", "$SYS/monitor", True),
        ("accounts", "Accounts", False),
    ],
)
def test_matching_is_that_of_the_standard(topic_filter: str, topic: str, expected: bool) -> None:  # noqa: FBT001  a case
    assert matches(topic_filter, topic) is expected


@example("/#", "+")
@given(filters, filters)
def test_filters_overlap_when_some_topic_matches_both(one: str, other: str) -> None:
    shared = any(topic_matches_sub(one, topic) and topic_matches_sub(other, topic) for topic in TOPICS)

    assert overlap(one, other) is shared
    assert overlap(other, one) is shared


@pytest.mark.parametrize("topic", ["tak/alpha/hawk-1", "/", "a b", "ü" * 256])
def test_these_may_be_published_to(topic: str) -> None:
    assert is_topic(topic)


@pytest.mark.parametrize(
    "topic", ["", "a/+/b", "a/#", "#", "a\0b", "a.*", "a/>", "x" * (TOPIC_MAX + 1), "ü" * 257, "tak/+"]
)
def test_these_may_not(topic: str) -> None:
    assert not is_topic(topic)


@pytest.mark.parametrize("text", ["a", "a/b", "+", "#", "a/+/b", "a/#", "+/#", "/", "$SYS/#", "$share/g/a"])
def test_these_are_filters(text: str) -> None:
    assert is_filter(text)


@pytest.mark.parametrize("text", ["", "a/#/b", "a#", "a/b#", "a+", "a/+b/c", "#/a", "a\0", "x" * (TOPIC_MAX + 1)])
def test_these_are_not_filters(text: str) -> None:
    assert not is_filter(text)


def test_mailboxes_are_where_the_design_says() -> None:
    assert data_topic("bravo", "alpha", EID) == "comity/1/bravo/alpha/d/3"  # 0xf3 modulo 16
    assert key_topic("bravo", "alpha", EID) == "comity/1/bravo/alpha/k/f300000000000001"
    assert data_filter("bravo") == "comity/1/bravo/+/d/#"
    assert key_filter("bravo") == "comity/1/bravo/+/k/#"


def test_a_mailbox_is_read_back_and_received() -> None:
    assert parse_mailbox(data_topic("bravo", "alpha", EID)) == Mailbox("bravo", "alpha", Slot.DATA, "3")
    assert parse_mailbox(key_topic("bravo", "alpha", EID)) == Mailbox("bravo", "alpha", Slot.KEYS, EID.hex())
    assert parse_mailbox("comity/1/bravo/alpha/c") == Mailbox("bravo", "alpha", Slot.CONTROL, "")
    assert topic_matches_sub(data_filter("bravo"), data_topic("bravo", "alpha", EID))
    assert topic_matches_sub(key_filter("bravo"), key_topic("bravo", "alpha", EID))
    assert not topic_matches_sub(data_filter("charlie"), data_topic("bravo", "alpha", EID))


@pytest.mark.parametrize(
    "topic",
    [
        "comity/2/bravo/alpha/d/3",
        "comity/1/Bravo/alpha/d/3",
        "comity/1/bravo//d/3",
        "comity/1/bravo/alpha/x/3",
        "comity/1/bravo/alpha/d",
        "comity/1/bravo/alpha/d/3/4",
        "comity/1/bravo/alpha/c/1",
        "Comity/1/bravo/alpha/d/3",
        "tak/alpha/hawk-1",
        "",
    ],
)
def test_these_are_no_mailboxes(topic: str) -> None:
    assert parse_mailbox(topic) is None


@pytest.mark.parametrize("partner", ["", "+", "#", "a/b", "Bravo", "br\0vo"])
def test_a_mailbox_is_never_built_from_what_is_no_id(partner: str) -> None:
    for build in (data_topic, key_topic):
        with pytest.raises(ValueError, match="partner id"):
            build(partner, "alpha", EID)
        with pytest.raises(ValueError, match="partner id"):
            build("alpha", partner, EID)
    for each in (data_filter, key_filter):
        with pytest.raises(ValueError, match="partner id"):
            each(partner)


def test_a_part_of_an_announcement_is_of_the_epoch_that_its_place_names() -> None:
    assert parse_mailbox("comity/1/bravo/alpha/k/00ff-3") == parse_mailbox("comity/1/bravo/alpha/k/00ff")
