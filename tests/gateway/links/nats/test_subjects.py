from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import pytest
from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion

from gateway.links import Parcel, Settings, Subscription
from gateway.links.nats import subjects
from gateway.links.urls import open_link
from tests.servers import nats_server, running

# Expected values from the rules and examples in nats-server's own description of its MQTT listener.
PAIRS = [
    ("foo", "foo"),
    ("foo/bar", "foo.bar"),
    ("/foo", "/.foo"),
    ("foo/", "foo./"),
    ("foo//bar", "foo./.bar"),
    ("foo.bar", "foo//bar"),
    ("a/b.c/d", "a.b//c.d"),
    ("//foo", "/./.foo"),
    ("/", "/./"),
    ("comity/1/xaa/xbb/d/3", "comity.1.xaa.xbb.d.3"),
    ("feld/ä/ñ", "feld.ä.ñ"),
]


@pytest.mark.parametrize(("topic", "subject"), PAIRS)
def test_topics_and_subjects_are_written_as_the_listener_writes_them(topic: str, subject: str) -> None:
    assert subjects.subject(topic) == subject
    assert subjects.topic(subject) == topic


@pytest.mark.parametrize("topic", ["", "a b", "a\tb", "a/*", "a>", "a/+", "#", "$JS/API/INFO", "_INBOX/x", "a\x7fb"])
def test_a_topic_without_a_subject_is_refused(topic: str) -> None:
    with pytest.raises(subjects.BadTopicError):
        subjects.subject(topic)


@pytest.mark.parametrize(
    ("topic_filter", "expected"),
    [
        ("a/b", ("a.b",)),
        ("a/+/c", ("a.*.c",)),
        ("a/#", ("a", "a.>")),
        ("#", (">",)),
        ("+", ("*",)),
        ("+/#", ("*", "*.>")),
    ],
)
def test_filters_become_one_or_two_subjects(topic_filter: str, expected: tuple[str, ...]) -> None:
    assert subjects.filters(topic_filter) == expected


@pytest.mark.parametrize("topic_filter", ["a+/b", "a/#/b", "a#", "", "$SYS/#"])
def test_a_bad_filter_is_refused(topic_filter: str) -> None:
    with pytest.raises(subjects.BadTopicError):
        subjects.filters(topic_filter)


@pytest.mark.parametrize(
    ("wide", "narrow", "expected"),
    [
        ("a.>", "a.b", True),
        ("a.>", "a", False),
        ("a.*", "a.b", True),
        ("a.*", "a.*", True),
        ("a.b", "a.*", False),
        ("a.*", "a.>", False),
        (">", "a.>", True),
        ("a.b", "a.b.c", False),
    ],
)
def test_covers(wide: str, narrow: str, *, expected: bool) -> None:
    assert subjects.covers(wide, narrow) is expected


def test_least_drops_what_another_covers() -> None:
    assert subjects.least(["a", "a.>", "a.b", "c.*", "c.d", "a"]) == ["a", "a.>", "c.*"]


async def test_a_field_unit_on_the_listener_and_a_link_mean_the_same_topics(tmp_path: Path) -> None:
    topics = [topic for topic, _ in PAIRS]
    with running(nats_server(tmp_path)) as server:
        settings = Settings(f"nats://127.0.0.1:{server.port}", "gateway", tuple(Subscription(one) for one in topics))
        heard: list[str] = []
        unit = paho.Client(CallbackAPIVersion.VERSION2, "unit", protocol=paho.MQTTv311)
        unit.on_message = lambda _c, _u, message: heard.append(message.topic)
        unit.connect("127.0.0.1", server.ports[1])
        unit.loop_start()
        async with open_link("gateway", settings) as link:
            for topic in topics:
                unit.publish(topic, b"from the field", 1).wait_for_publish(5)
            frames = []
            async for frame in link:
                frame.ack()
                frames.append(frame)
                if len(frames) == len(topics):
                    break
            assert sorted(frame.topic for frame in frames) == sorted(topics)
            granted = threading.Event()
            unit.on_subscribe = lambda *_: granted.set()
            unit.subscribe([(topic, 1) for topic in topics])
            assert await asyncio.to_thread(granted.wait, 5)
            for topic in topics:
                await link.send(Parcel(topic, b"to the field"))
            for _ in range(200):
                if len(heard) == len(topics):
                    break
                await asyncio.sleep(0.01)
            assert sorted(heard) == sorted(topics)
        unit.disconnect()
        unit.loop_stop()
