"""``comity unit``: a liaison unit's own client. It holds its own keys, so that no gateway on the way can read it."""

from __future__ import annotations

import asyncio
import ssl
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, closing, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Final, NamedTuple

import aiomqtt
import msgspec
import typer
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from adapters import INPUT_MAX, load
from gateway.cli.secrets import State, explained, unlock
from gateway.keyring.holdings import BUNDLES, CHANGED
from gateway.keyring.keystore import KeyringError, SecretKind, read_secret
from gateway.keyring.ring import Keyring, Opened
from protocols.envelope import ENVELOPE_MAX, Refusal, Reject
from protocols.fragment import Fragments, is_fragment
from protocols.message import Authenticity, Message, from_json, pack, to_json, unpack
from protocols.proof import is_proof
from protocols.thin import grow
from protocols.topics import Slot, control_topic, data_filter, data_topic, key_filter, key_topic, parse_mailbox
from protocols.unit import partner_of

app = typer.Typer(
    add_completion=False, no_args_is_help=True, help="Send and receive as a unit that holds its own keys."
)

CONNECT_S: Final = 10.0
SESSION_S: Final = 259_200  # seconds that the broker keeps what comes while a listener is away
Broker = Annotated[str, typer.Option("--broker", help="coalition broker, host:port")]
User = Annotated[str, typer.Option("--user", help="user name at the broker")]
PasswordFile = Annotated[Path | None, typer.Option("--password-file", help="file with the password, mode 600")]
Authority = Annotated[Path | None, typer.Option("--ca", help="CA file; TLS is used when given")]


class Access(NamedTuple):
    """How the broker is reached."""

    host: str
    port: int
    user: str | None
    password: str | None
    context: ssl.SSLContext | None


@app.command()
def send(  # noqa: PLR0913, PLR0917 - each parameter is an option of the command
    directory: State,
    broker: Broker,
    to: Annotated[list[str], typer.Option("--to", help="unit that may read it, partner/unit; repeat for more")],
    path: Annotated[Path, typer.Argument(help="message as JSON, or in --as; - for standard input", allow_dash=True)],
    form: Annotated[str, typer.Option("--as", help="format of the input; json is the canonical message")] = "json",
    user: User = "",
    password_file: PasswordFile = None,
    ca: Authority = None,
) -> None:
    """Seal one message for an audience and hand it to the coalition broker."""
    with explained(), closing(Keyring.open(directory, _now(), unlock(directory))) as keyring:
        sender = next(iter(sorted(keyring.units)))
        messages = [_vouched(message, sender) for message in _read(path, form)]
        asyncio.run(_send(keyring, sender, to, messages, _access(broker, user, password_file, ca)))


@app.command()
def listen(  # noqa: PLR0913, PLR0917 - each parameter is an option of the command
    directory: State,
    broker: Broker,
    count: Annotated[int, typer.Option("--count", help="stop after so many messages; 0 for never")] = 0,
    user: User = "",
    password_file: PasswordFile = None,
    ca: Authority = None,
) -> None:
    """Print every message sealed for this unit, one JSON object a line, with who sent it and who else could read it."""
    with (
        explained(),
        closing(Keyring.open(directory, _now(), unlock(directory))) as keyring,
        suppress(KeyboardInterrupt),
    ):
        asyncio.run(_listen(keyring, directory, count, _access(broker, user, password_file, ca)))


async def _send(
    keyring: Keyring, sender: str, audience: Sequence[str], messages: Sequence[Message], access: Access
) -> None:
    """Publish the announcements, retained, then the envelope to each partner's mailbox."""
    now = _now()
    sealed = keyring.seal(sender, audience, [pack(message) for message in messages], now)
    here = partner_of(sender)
    async with _connected(access) as client:
        for note in sealed.announcements:
            expiry = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call] # paho has no types here
            expiry.MessageExpiryInterval = max(1, int((note.expires - now).total_seconds()))
            topic = key_topic(note.partner, here, note.eid)
            await client.publish(topic, note.data, qos=1, retain=True, properties=expiry)
        for partner in sorted({partner_of(uid) for uid in audience}):
            await client.publish(data_topic(partner, here, sealed.eid), sealed.envelope, qos=1)
    for message in messages:
        typer.echo(message.id)


async def _listen(keyring: Keyring, directory: Path, count: int, access: Access) -> None:
    """Open what arrives in our partner's mailboxes; what is for other units of ours is theirs to open.

    Whom we trust is followed as ``comity partner`` changes it, and keys go when their time is over.
    """
    uid = next(iter(sorted(keyring.units)))
    partner = partner_of(uid)
    printed, fragments, trust = 0, Fragments(), _trust(directory)
    async with _connected(access, keyring.pseudonym(uid)) as client:
        await client.subscribe(key_filter(partner), qos=1)
        await client.subscribe(data_filter(partner), qos=1)
        typer.echo("listening", err=True)
        async for frame in client.messages:
            if trust != (trust := _trust(directory)):
                keyring.reload(_now())
            for asked in keyring.upkeep(_now()).requests:
                await client.publish(control_topic(asked.partner, partner), asked.data, qos=1)
            for opened in _opened(keyring, str(frame.topic), frame.payload, fragments):
                for line in _lines(keyring, opened):
                    typer.echo(line)
                    printed += 1
                keyring.settle(opened.eid, opened.seq)
            if count and printed >= count:
                return


def _trust(directory: Path) -> int:
    """What differs when whom we trust has changed."""
    try:
        return (directory / BUNDLES / CHANGED).stat().st_mtime_ns
    except OSError:
        return 0


def _opened(keyring: Keyring, topic: str, payload: object, fragments: Fragments) -> Sequence[Opened]:
    """What a frame brings us. What is not for us says nothing; any other refusal is a line on stderr."""
    mailbox = parse_mailbox(topic)
    if mailbox is None or not isinstance(payload, bytes) or not payload or len(payload) > ENVELOPE_MAX:
        return ()
    try:
        payload = fragments.put(mailbox.sender, payload) if is_fragment(payload) else payload
        if payload is None:
            return ()
        if mailbox.slot is Slot.KEYS:
            opened: Sequence[Opened] = keyring.accept(payload, _now(), mailbox.sender)
        elif mailbox.slot is Slot.DATA:
            envelope = keyring.unseal(payload, _now(), mailbox.sender)
            opened = () if envelope is None else (envelope,)
        else:
            return ()
    except Reject as refusal:
        if refusal.code is not Refusal.NOT_FOR_ME:
            typer.echo(f"refused: {refusal.code}", err=True)
        return ()
    except ValueError:
        typer.echo(f"refused: {Refusal.MALFORMED}", err=True)
        return ()
    strange = [each for each in opened if partner_of(each.sender) != mailbox.sender]
    for _ in strange:
        typer.echo("refused: topic-signer-mismatch", err=True)
    return [each for each in opened if each not in strange]


def _lines(keyring: Keyring, opened: Opened) -> list[str]:
    """The messages of an envelope whose signer, or the originator that it proves, they name as their origin."""
    lines = []
    for data in opened.messages:
        told: dict[str, object] = {"from": opened.sender, "audience": opened.audience, "sealed": opened.sealed_at}
        try:
            if is_proof(data):
                passer = partner_of(opened.sender)
                proven = keyring.proven(data, passer, _now())
                origin, message = proven.sender, unpack(grow(proven.message, proven.sender))
                told |= {"from": origin, "through": passer}
            else:
                origin, message = opened.sender, unpack(grow(data, opened.sender))
        except Reject as refusal:
            typer.echo(f"refused: {refusal.code}", err=True)
            continue
        except ValueError:
            typer.echo("refused: bad-message", err=True)
            continue
        if message.origin != origin:
            typer.echo("refused: origin-mismatch", err=True)
            continue
        body = msgspec.Raw(to_json(msgspec.structs.replace(message, authenticity=Authenticity.VERIFIED)))
        lines.append(msgspec.json.encode(told | {"message": body}).decode())
    return lines


def _read(path: Path, form: str) -> Sequence[Message]:
    """The messages of a file or of standard input. Raise KeyringError, DecodeError, UnknownFormatError."""
    try:
        if str(path) == "-":
            data = sys.stdin.buffer.read(INPUT_MAX + 1)
        else:
            with path.open("rb") as file:
                data = file.read(INPUT_MAX + 1)
    except OSError as error:
        raise KeyringError(f"{path}: {error.strerror}") from None
    if form != "json":
        return load(form).decode(data)
    try:
        return [from_json(data)]
    except ValueError:
        raise KeyringError(f"{path}: not a message in canonical JSON") from None


def _vouched(message: Message, sender: str) -> Message:
    """A message with its origin: this unit. Without a label nobody may release it, so it is refused here already."""
    if message.label is None:
        raise KeyringError("the message has no label: nobody may pass it on")
    return msgspec.structs.replace(message, origin=sender)


@asynccontextmanager
async def _connected(access: Access, session: str | None = None) -> AsyncIterator[aiomqtt.Client]:
    """The coalition broker, with a session that outlasts us when it has a name. Raise KeyringError."""
    lasting = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call] # paho has no types here
    lasting.SessionExpiryInterval = 0 if session is None else SESSION_S
    client = aiomqtt.Client(
        access.host,
        access.port,
        username=access.user,
        password=access.password,
        tls_context=access.context,
        protocol=aiomqtt.ProtocolVersion.V5,
        identifier=session,
        clean_start=session is None,
        properties=lasting,
        timeout=CONNECT_S,
    )
    try:
        async with client:
            yield client
    except aiomqtt.MqttError as error:
        raise KeyringError(f"broker {access.host}:{access.port}: {error}") from None


def _access(broker: str, user: str, password_file: Path | None, ca: Path | None) -> Access:
    """How to reach the broker. Raise KeyringError."""
    host, _, port = broker.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 1 << 16:
        raise KeyringError("--broker is host:port")
    password = None
    if password_file is not None:
        password = read_secret(password_file, SecretKind.PASSPHRASE).value.decode(errors="replace")
    context = None
    if ca is not None:
        try:
            context = ssl.create_default_context(cafile=str(ca))
        except OSError:
            raise KeyringError(f"{ca}: not a readable CA file") from None
    return Access(host, int(port), user or None, password, context)


def _now() -> datetime:
    return datetime.now(UTC)
