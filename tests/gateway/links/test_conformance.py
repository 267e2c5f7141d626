"""What real brokers do, as one table: every case against every way to speak to one.

An outcome that is the broker's fault, or that its protocol cannot do better, is in the table with its cause. A broker
that behaves better one day fails its line here, and the line is corrected.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from gateway.links import Link, LinkError, LinkState, Parcel, SendError, Settings, Subscription
from gateway.links.address import Address
from gateway.links.backoff import Pace
from gateway.links.mqtt.link import MqttLink
from gateway.links.mqtt.older import OlderMqttLink
from gateway.links.nats.link import NatsLink
from tests.gateway.links import proxy
from tests.gateway.links.life import alive, take, until
from tests.servers import Server, free_port, mosquitto, mosquitto_passwords, mosquitto_path, nats_server, running

FAST = Pace(first_s=0.05, longest_s=0.2, refused_s=0.5)
WAYS = ("mosquitto 5", "mosquitto 3.1.1", "nats", "nats 3.1.1")
NATS_USERS = """authorization { users = [
  { user: all, password: secret },
  { user: some, password: secret, permissions {
      publish: { allow: ["own.>", "$JS.>"] }, subscribe: { allow: ["own", "own.>", "_INBOX_some.>", "$MQTT.sub.>"] } } }
] }"""


class Way(NamedTuple):
    """One broker and one protocol."""

    name: str
    server: Server
    folder: Path

    @property
    def port(self) -> int:
        return self.server.ports[-1 if self.name == "nats 3.1.1" else 0]

    def link(self, client_id: str, *filters: str | Subscription, port: int | None = None, **changes: object) -> Link:
        older, nats = self.name.endswith("3.1.1"), self.name.startswith("nats")
        port = port or self.port
        subscriptions = tuple(one if isinstance(one, Subscription) else Subscription(one) for one in filters)
        settings = Settings(f"x://127.0.0.1:{port}", client_id, subscriptions, username="all", keep_alive_s=5)
        settings = settings._replace(password_file=str(self.folder / "secret"))._replace(**changes)  # type: ignore[arg-type]
        make = OlderMqttLink if older else NatsLink if nats else MqttLink
        return make(client_id, settings, Address("127.0.0.1", port), FAST)


@pytest.fixture
def ways(tmp_path: Path) -> Iterator[list[Way]]:
    """A broker for each way; those of mosquitto where there is one."""
    names = [name for name in WAYS if mosquitto_path() is not None or not name.startswith("mosquitto")]
    with contextlib.ExitStack() as stack:
        yield [
            Way(name, stack.enter_context(running(_server(name, tmp_path / name))), tmp_path / name) for name in names
        ]


def _server(name: str, folder: Path) -> Server:
    """Knows two users, one of whom may do everything."""
    folder.mkdir()
    (folder / "secret").write_text("secret\n")
    (folder / "wrong").write_text("wrong\n")
    if name.startswith("nats"):
        return nats_server(folder / "broker", NATS_USERS)
    passwords = mosquitto_passwords(folder / "broker", {"all": "secret", "some": "secret"})
    rights = folder / "broker" / "rights"
    rights.write_text("user all\ntopic readwrite #\nuser some\ntopic readwrite own/#\n")
    lines = ("allow_anonymous false", f"password_file {passwords}", f"acl_file {rights}")
    return mosquitto(folder / "broker", *lines)


async def count(link: Link, most: int, within_s: float = 1.5, *, ack: bool = True) -> int:
    """How many frames come, at most ``most``."""
    number = 0
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(within_s):
            async for frame in link:
                number += 1
                if ack:
                    frame.ack()
                if number == most:
                    break
    return number


async def answer(link: Link, parcel: Parcel) -> str:
    try:
        async with asyncio.timeout(3):
            await link.send(parcel)
    except SendError as error:
        return str(error.refusal)
    except TimeoutError:
        return "no answer"
    return "accepted"


async def offline_queue(way: Way) -> str:
    async with alive(way.link("reader", "t/#")):
        pass
    async with alive(way.link("writer")) as writer:
        await writer.send_all([Parcel("t/x", bytes([n])) for n in range(50)])
    async with alive(way.link("reader", "t/#")) as reader:
        return f"{await count(reader, 50)} of 50"


async def session_expiry(way: Way) -> str:
    async with alive(way.link("reader", "t/#", session_expiry_s=1)):
        pass
    await asyncio.sleep(2.2)
    async with alive(way.link("writer")) as writer:
        await writer.send(Parcel("t/x", b"late"))
    async with alive(way.link("reader", "t/#", session_expiry_s=1)) as reader:
        return "kept" if await count(reader, 1, 0.7) else "forgotten"


async def redelivery(way: Way) -> str:
    async with alive(way.link("writer")) as writer:
        async with alive(way.link("reader", "t/#")) as reader:
            await writer.send(Parcel("t/x", b"1"))
            await take(reader, 1)
        async with alive(way.link("reader", "t/#")) as reader:
            return "at once" if await count(reader, 1) else "later"


async def message_expiry(way: Way) -> str:
    async with alive(way.link("reader", "t/#")):
        pass
    async with alive(way.link("writer")) as writer:
        await writer.send(Parcel("t/x", b"short", expires_s=1))
    await asyncio.sleep(2.5)
    async with alive(way.link("reader", "t/#")) as reader:
        return "delivered" if await count(reader, 1, 0.7) else "expired"


async def will(way: Way) -> str:
    path = proxy.Path(free_port(), way.port)
    dying = way.link("dying", port=path.port, will=Parcel("gone/dying", b"farewell"))
    async with alive(way.link("reader", "gone/#")) as reader, path, alive(dying):
        path.cut()
        return "sent" if await count(reader, 1, 3.0) else "none"


async def retained(way: Way) -> str:
    async with alive(way.link("writer")) as writer:
        await writer.send(Parcel("keys/a", b"old", retain=True))
        await writer.send(Parcel("keys/a", b"new", retain=True))
        async with alive(way.link("reader", Subscription("keys/#", retained=True))) as reader:
            got = await count(reader, 2, 0.7)
        await writer.send(Parcel("keys/a", b"", retain=True))
        async with alive(way.link("later", Subscription("keys/#", retained=True))) as reader:
            return f"{got}, then {await count(reader, 1, 0.7)}"


async def shared(way: Way) -> str:
    one, two = way.link("one", "$share/g/t/#"), way.link("two", "$share/g/t/#")
    try:
        async with alive(one), alive(two), alive(way.link("writer")) as writer:
            await writer.send_all([Parcel("t/x", bytes([n])) for n in range(20)])
            shares = await asyncio.gather(count(one, 20, 1.0), count(two, 20, 1.0))
    except LinkError:
        return "refused"
    return "shared" if sum(shares) == 20 and all(shares) else f"{sum(shares)} of 20"


async def flow_control(way: Way) -> str:
    async with (
        alive(way.link("reader", "t/#", receive_maximum=5)) as reader,
        alive(way.link("writer")) as writer,
    ):
        await writer.send_all([Parcel("t/x", bytes([n])) for n in range(50)])
        frames = await take(reader, 5)
        await asyncio.sleep(0.2)
        first = reader.statistics.received
        for frame in frames[:3]:
            frame.ack()
        with contextlib.suppress(TimeoutError):
            await until(lambda: reader.statistics.received >= 8, 5)
        await asyncio.sleep(0.3)
        return "kept" if first == 5 and reader.statistics.received == 8 else "exceeded"


async def oversized(way: Way) -> str:
    async with alive(way.link("writer")) as writer:
        return await answer(writer, Parcel("t/x", bytes(5_242_880)))


async def nobody_there(way: Way) -> str:
    async with alive(way.link("writer")) as writer:
        said = await answer(writer, Parcel("nobody/there", b""))
        return f"{said}, {'told' if writer.statistics.unmatched else 'not told'}"


async def many_topics(way: Way) -> str:
    topics = [f"t/{number}" for number in range(100)] * 2
    async with alive(way.link("reader", "t/#")) as reader, alive(way.link("writer")) as writer:
        await writer.send_all([Parcel(topic, topic.encode()) for topic in topics])
        frames = await take(reader, 200)
        return "right" if all(frame.topic.encode() == frame.data for frame in frames) else "mixed up"


async def takeover(way: Way) -> str:
    async with alive(way.link("twin", "t/#")) as first:
        second = way.link("twin", "t/#")
        async with alive(second):
            with contextlib.suppress(TimeoutError):
                await until(lambda: first.state is not LinkState.UP, 2)
            return str(first.state)


async def wrong_password(way: Way) -> str:
    link = way.link("x", password_file=str(way.folder / "wrong"))
    entering = asyncio.create_task(link.__aenter__())
    with contextlib.suppress(TimeoutError):
        await until(lambda: link.state is LinkState.REFUSED, 3)
    entering.cancel()
    await asyncio.wait((entering,))
    return "refused" if getattr(link, "trouble", None) and "not" not in str(link.state) else "?"


async def foreign_publish(way: Way) -> str:
    async with alive(way.link("x", username="some")) as link:
        return f"own {await answer(link, Parcel('own/x', b''))}, foreign {await answer(link, Parcel('t/x', b''))}"


async def foreign_subscribe(way: Way) -> str:
    link = way.link("x", Subscription("t/#", retained=True), username="some")
    entering = asyncio.create_task(link.__aenter__())
    with contextlib.suppress(TimeoutError):
        await until(lambda: link.state in {LinkState.REFUSED, LinkState.UP}, 3)
    state = link.state
    entering.cancel()
    await asyncio.wait((entering,))
    if state is LinkState.UP:
        await link.__aexit__(None, None, None)
    return str(state)


CASES: dict[Callable[[Way], Awaitable[str]], dict[str, str]] = {
    offline_queue: dict.fromkeys(WAYS, "50 of 50"),
    session_expiry: {
        "mosquitto 5": "forgotten",
        "mosquitto 3.1.1": "kept",  # 3.1.1 sessions have no end
        "nats": "forgotten",
        "nats 3.1.1": "kept",
    },
    redelivery: {
        "mosquitto 5": "at once",
        "mosquitto 3.1.1": "at once",
        "nats": "at once",
        "nats 3.1.1": "later",  # fault: the listener waits for its ack_wait, 30 s
    },
    message_expiry: {
        "mosquitto 5": "expired",
        "mosquitto 3.1.1": "delivered",  # 3.1.1 cannot say it
        "nats": "expired",
        "nats 3.1.1": "delivered",
    },
    will: {"mosquitto 5": "sent", "mosquitto 3.1.1": "sent", "nats": "none", "nats 3.1.1": "sent"},  # NATS has no wills
    retained: {
        "mosquitto 5": "1, then 0",
        "mosquitto 3.1.1": "1, then 0",
        "nats": "1, then 0",
        "nats 3.1.1": "1, then 0",
    },
    shared: {
        "mosquitto 5": "shared",
        "mosquitto 3.1.1": "shared",
        "nats": "refused",  # work is shared by partitioned subjects instead
        "nats 3.1.1": "0 of 20",  # fault: SUBACK grants it, and nothing is delivered
    },
    flow_control: {
        "mosquitto 5": "exceeded",  # fault of 2.0.11: its issue 2301
        "mosquitto 3.1.1": "exceeded",  # 3.1.1 has no receive maximum
        "nats": "kept",
        "nats 3.1.1": "exceeded",
    },
    oversized: {
        "mosquitto 5": "accepted",  # it has no limit unless it is given one
        "mosquitto 3.1.1": "too-large",  # our own limit: a 3.1.1 broker could only hang up
        "nats": "too-large",
        "nats 3.1.1": "too-large",
    },
    nobody_there: {
        "mosquitto 5": "accepted, told",  # PUBACK 0x10: the only sign that a broker has lost its sessions
        "mosquitto 3.1.1": "accepted, not told",
        "nats": "accepted, not told",
        "nats 3.1.1": "accepted, not told",
    },
    many_topics: dict.fromkeys(WAYS, "right"),
    takeover: {
        "mosquitto 5": "connecting",  # fault of 2.0.11: no DISCONNECT 0x8E, it only closes (MQTT 5, 3.1.4)
        "mosquitto 3.1.1": "connecting",  # 3.1.1 only closes
        "nats": "up",  # client ids are names there, not identities
        "nats 3.1.1": "connecting",
    },
    wrong_password: dict.fromkeys(WAYS, "refused"),
    foreign_publish: {
        "mosquitto 5": "own accepted, foreign not-authorised",
        "mosquitto 3.1.1": "own accepted, foreign accepted",  # 3.1.1 cannot say no; it is dropped
        "nats": "own accepted, foreign not-authorised",
        "nats 3.1.1": "own accepted, foreign accepted",
    },
    foreign_subscribe: {
        "mosquitto 5": "up",  # fault of 2.0.11: granted, and filtered at delivery
        "mosquitto 3.1.1": "up",
        "nats": "refused",
        "nats 3.1.1": "refused",
    },
}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
async def test_conformance(ways: list[Way], case: Callable[[Way], Awaitable[str]]) -> None:
    outcomes = await asyncio.gather(*(case(way) for way in ways))
    assert {way.name: outcome for way, outcome in zip(ways, outcomes, strict=True)} == {
        way.name: CASES[case][way.name] for way in ways
    }
