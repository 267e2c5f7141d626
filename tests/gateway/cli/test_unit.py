"""``comity unit`` against a real broker: two units with their own keys, and a broker that learns nothing."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

import aiomqtt
import pytest
import typer
from typer.testing import CliRunner

from gateway.cli import unit
from gateway.cli.secrets import now_s
from gateway.keyring.holdings import Holdings
from gateway.keyring.keystore import key_file
from gateway.keyring.ring import Keyring
from protocols.body import Chat
from protocols.fragment import Fragments, cut
from protocols.label import Label
from protocols.message import Message, Source, message_id, pack, to_json
from protocols.opening import Opened
from protocols.proof import disclose
from protocols.thin import shrink
from protocols.topics import data_topic, key_topic
from protocols.unit import partner_of
from tests.servers import Server, mosquitto, running

ROOT = Path(__file__).parents[3]
runner = CliRunner()
app = typer.Typer()
app.add_typer(unit.app, name="unit")
TEXT = "canary: convoy passes the bridge"


@pytest.fixture
def world(tmp_path: Path) -> Path:
    """Field units of three partners with their own keys; each knows all bundles, with fingerprints."""
    now, roots, units = now_s(), {}, {}
    for name in ("alpha", "bravo", "charlie"):
        roots[name] = Holdings.create(tmp_path / name, [f"{name}/hq"], key_file(tmp_path / name / "secret.key"), now)
        folder = tmp_path / f"{name}-field"
        units[name] = Holdings.create_unit(folder, f"{name}/field-7", key_file(folder / "secret.key"), now)
        roots[name].enrol(units[name].enrolment(f"{name}/field-7", now))
        roots[name].issue(now)
    for held in units.values():
        for name, root in roots.items():
            held.pin(root.bundle_file(name), root.fingerprint(name), now)
    roots["bravo"].pin(roots["alpha"].bundle_file("alpha"), roots["alpha"].fingerprint("alpha"), now)
    (tmp_path / "message.json").write_bytes(to_json(message()))
    return tmp_path


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Server]:
    folder = tmp_path / "broker"
    folder.mkdir()
    with running(mosquitto(folder)) as server:
        yield server


def message(label: Label | None = Label(policy="MISSION", classification="RESTRICTED")) -> Message:  # noqa: B008
    return Message(
        id=message_id("chat", "chat-1", None),
        subject="chat-1",
        body=Chat(text=TEXT),
        source=Source(format="json"),
        label=label,
    )


def handed(sender: Keyring, reader: Keyring, record: bytes) -> Opened:
    """What one unit's client opens of what another one's seals for it."""
    now, (here,), (there,) = datetime.now(UTC), sender.units, reader.units
    sealed = sender.seal(here, [there], [record], now)
    for note in sealed.announcements:
        reader.accept(note.data, now, partner_of(here))
    opened = reader.unseal(sealed.envelope, now, partner_of(here))
    assert opened is not None
    return opened


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-c", "from gateway.cli.unit import app; app()", *map(str, arguments)]


def line(stream: IO[str] | None) -> str:
    assert stream is not None
    return stream.readline()


async def seen(port: int) -> list[bytes]:
    """Everything that the broker retains, and so keeps on its disk."""
    frames: list[bytes] = []
    async with aiomqtt.Client("127.0.0.1", port, protocol=aiomqtt.ProtocolVersion.V5) as client:
        await client.subscribe("#", qos=1)
        try:
            async with asyncio.timeout(1):
                async for frame in client.messages:
                    assert isinstance(frame.payload, bytes)
                    frames.append(str(frame.topic).encode() + b" " + frame.payload)
        except TimeoutError:
            return frames
    return frames


def test_a_message_goes_from_unit_to_unit_and_nobody_between_can_read_it(world: Path, broker: Server) -> None:
    address = f"127.0.0.1:{broker.port}"
    with subprocess.Popen(
        command("listen", world / "bravo-field", "--broker", address, "--count", 1),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    ) as listening:
        try:
            assert line(listening.stderr) == "listening\n"
            sent = subprocess.run(
                command(
                    "send", world / "alpha-field", world / "message.json", "--broker", address, "--to", "bravo/field-7"
                ),
                capture_output=True,
                text=True,
                check=True,
                cwd=ROOT,
                timeout=30,
            )
            told = json.loads(line(listening.stdout))
            assert listening.wait(10) == 0
        finally:
            listening.kill()

    assert sent.stdout == f"{message().id}\n"
    assert told["from"] == "alpha/field-7"
    assert told["audience"] == ["bravo/field-7"]
    assert told["message"]["body"]["text"] == TEXT
    assert told["message"]["origin"] == "alpha/field-7"
    assert told["message"]["authenticity"] == "verified"
    frames = asyncio.run(seen(broker.port))
    assert len(frames) == 1
    assert frames[0].startswith(b"comity/1/bravo/alpha/k/")
    traffic = frames[0] + (broker.folder / "log").read_bytes()
    for canary in (TEXT.encode(), b"field-7", b"RESTRICTED"):
        assert canary not in traffic


def test_a_listener_trusts_a_partner_no_longer_from_the_moment_it_is_withdrawn(world: Path, broker: Server) -> None:
    address, own = f"127.0.0.1:{broker.port}", world / "bravo-field"

    def send(who: str) -> None:
        words = ("send", world / f"{who}-field", world / "message.json", "--broker", address, "--to", "bravo/field-7")
        subprocess.run(command(*words), capture_output=True, check=True, cwd=ROOT, timeout=30)

    with subprocess.Popen(
        command("listen", own, "--broker", address, "--count", 2),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    ) as listening:
        try:
            assert line(listening.stderr) == "listening\n"
            send("alpha")
            assert json.loads(line(listening.stdout))["from"] == "alpha/field-7"
            Holdings.open(own, key_file(own / "secret.key")).withdraw("alpha")
            send("alpha")
            send("charlie")
            assert json.loads(line(listening.stdout))["from"] == "charlie/field-7"
            assert listening.wait(10) == 0
            assert "refused: unknown-signer\n" in listening.stderr.readlines()  # type: ignore[union-attr]
        finally:
            listening.kill()


def test_the_partners_own_gateway_cannot_open_what_is_for_its_unit(world: Path) -> None:
    now = datetime.now(UTC)
    sender = Keyring.open(world / "alpha-field", now)
    gateway = Keyring.open(world / "bravo", now)
    sealed = sender.seal("alpha/field-7", ["bravo/field-7"], [pack(message())], now)

    told = unit._opened(gateway, key_topic("bravo", "alpha", sealed.eid), sealed.announcements[0].data, Fragments())
    opened = unit._opened(gateway, data_topic("bravo", "alpha", sealed.eid), sealed.envelope, Fragments())

    assert list(told) == list(opened) == []
    sender.close()
    gateway.close()


def test_what_comes_in_several_frames_is_opened_once_it_is_whole(world: Path) -> None:
    now = datetime.now(UTC)
    sender, reader = (Keyring.open(world / f"{name}-field", now) for name in ("alpha", "bravo"))
    sealed = sender.seal("alpha/field-7", ["bravo/field-7"], [pack(message())], now)
    fragments = Fragments()
    opened: list[Opened] = []
    key = key_topic("bravo", "alpha", sealed.eid)
    frames = [(f"{key}-{n}", each) for n, each in enumerate(cut(sealed.announcements[0].data, 600))]
    frames += [(data_topic("bravo", "alpha", sealed.eid), each) for each in cut(sealed.envelope, 100)]
    for topic, data in frames:
        opened += unit._opened(reader, topic, data, fragments)

    assert [each.sender for each in opened] == ["alpha/field-7"]
    sender.close()
    reader.close()


def test_what_is_shrunk_for_a_thin_link_is_printed_whole(world: Path) -> None:
    now = datetime.now(UTC)
    vouched = unit._vouched(message(), "alpha/field-7")
    shrunk = shrink(pack(vouched), "alpha/field-7")
    assert len(shrunk) < len(pack(vouched))
    with (
        closing(Keyring.open(world / "alpha-field", now)) as sender,
        closing(Keyring.open(world / "bravo-field", now)) as reader,
    ):
        lines = unit._lines(reader, handed(sender, reader, shrunk))

    assert [json.loads(told)["message"]["body"]["text"] for told in lines] == [TEXT]


def test_what_a_partner_passes_on_is_printed_as_its_originators(
    world: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    now = datetime.now(UTC)
    said = pack(unit._vouched(message(), "charlie/field-7"))
    with (
        closing(Keyring.open(world / "charlie-field", now)) as originator,
        closing(Keyring.open(world / "alpha-field", now)) as passer,
        closing(Keyring.open(world / "bravo-field", now)) as reader,
    ):
        record = disclose(handed(originator, passer, said), 0)
        lines = unit._lines(reader, handed(passer, reader, record))
        assert unit._lines(reader, handed(passer, reader, record[:-1] + bytes((record[-1] ^ 1,)))) == []

    (told,) = map(json.loads, lines)
    assert told["from"] == told["message"]["origin"] == "charlie/field-7"
    assert told["through"] == "alpha"
    assert told["message"]["body"]["text"] == TEXT
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_what_a_listener_does_not_print(world: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Garbage, foreign topics, a signer that is not the topic's partner, an origin that is not the signer."""
    now = datetime.now(UTC)
    sender, reader = (Keyring.open(world / f"{name}-field", now) for name in ("alpha", "bravo"))

    def printed(sealed_for: bytes, topic_from: str = "alpha") -> list[str]:
        sealed = sender.seal("alpha/field-7", ["bravo/field-7"], [sealed_for], now)
        for note in sealed.announcements:
            unit._opened(reader, key_topic("bravo", "alpha", note.eid), note.data, Fragments())
        opened = unit._opened(reader, data_topic("bravo", topic_from, sealed.eid), sealed.envelope, Fragments())
        return [told for each in opened for told in unit._lines(reader, each)]

    assert len(printed(pack(unit._vouched(message(), "alpha/field-7")))) == 1
    assert printed(b"no message") == []
    assert printed(pack(unit._vouched(message(), "alpha/hq"))) == []
    assert printed(pack(message()), topic_from="charlie") == []
    for topic, payload in (
        ("elsewhere", b"x"),
        ("comity/1/bravo/alpha/c", b"x"),
        ("comity/1/bravo/alpha/d/1", b""),
        ("comity/1/bravo/alpha/d/1", "text"),
        ("comity/1/bravo/alpha/d/1", bytes((1 << 20) + 1)),
        ("comity/1/bravo/alpha/d/1", b"garbage"),
    ):
        assert list(unit._opened(reader, topic, payload, Fragments())) == []
    assert capsys.readouterr().err.split() == [
        "refused:", "bad-message", "refused:", "origin-mismatch", "refused:", "topic-signer-mismatch",
        "refused:", "malformed",
    ]  # fmt: skip
    sender.close()
    reader.close()


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--broker", "nowhere"], "--broker is host:port"),
        (["--broker", "127.0.0.1:0"], "--broker is host:port"),
        (["--broker", "127.0.0.1:1"], "broker 127.0.0.1:1: "),
        (["--broker", "127.0.0.1:1", "--ca", "/no/such/file"], "not a readable CA file"),
        (["--broker", "127.0.0.1:1", "--password-file", "/no/such/file"], "cannot be read"),
    ],
)
def test_bad_options_are_one_line(world: Path, options: list[str], told: str) -> None:
    arguments = ["unit", "send", str(world / "alpha-field"), str(world / "message.json"), "--to", "bravo/field-7"]

    result = runner.invoke(app, [*arguments, *options])

    assert result.exit_code == 2, result.output
    assert told in result.stderr
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("content", "told", "status"),
    [
        (b"{}", "not a message in canonical JSON", 2),
        (to_json(message(None)), "no label", 2),
        (None, "No such file", 2),
    ],
)
def test_what_is_no_message_is_not_sent(world: Path, content: bytes | None, told: str, status: int) -> None:
    path = world / "other.json"
    if content is not None:
        path.write_bytes(content)

    result = runner.invoke(
        app,
        ["unit", "send", str(world / "alpha-field"), str(path), "--to", "bravo/field-7", "--broker", "127.0.0.1:1"],
    )

    assert result.exit_code == status
    assert told in result.stderr


def test_an_unknown_recipient_is_refused_with_its_code(world: Path) -> None:
    (world / "password").write_bytes(b"long enough\n")
    (world / "password").chmod(0o600)
    arguments = ["unit", "send", str(world / "alpha-field"), str(world / "message.json"), "--to", "bravo/nobody"]

    result = runner.invoke(
        app, [*arguments, "--broker", "127.0.0.1:1", "--user", "u", "--password-file", str(world / "password")]
    )

    assert result.exit_code == 3
    assert result.stderr == "refused: unknown-signer\n"
