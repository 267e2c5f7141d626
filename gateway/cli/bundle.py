"""``comity bundle``: what a courier carries between gateways that share no broker, to and from removable media."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Final
from urllib.parse import unquote, urlsplit

import msgspec
import typer

from gateway.bundles.folder import BundleFolder, together
from gateway.bundles.medium import read_medium
from gateway.cli.secrets import Json, unlock
from gateway.config import ConfigError, LinkEntry, Loaded, load
from gateway.durable import write_whole
from gateway.exits import Status, reported
from gateway.keyring.holdings import Holdings
from gateway.keyring.keystore import SecretKind, read_secret
from gateway.outbound.wrapping import sealed_parcel, unpack_facts
from gateway.spool import SpoolError
from gateway.spool.reading import read_lane, read_notes
from protocols.carrier import FILE_MAX, CarrierError, Contents, Header, Kind, Part, pack, unpack
from protocols.roster import Roster
from protocols.topics import Slot, parse_mailbox

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="Carry sealed messages on removable media, where no broker reaches.",
)

Table = Annotated[Path, typer.Argument(help="the gateway's TOML file", show_default=False)]
SPOOL: Final = "spool"  # below the state folder, and below that of each worker
_ROOM: Final = FILE_MAX - 4_096  # bytes of parts in one file
_EID: Final = 8


@app.command("export")
def give(
    table: Table,
    out: Annotated[Path, typer.Argument(help="file to write; what does not fit goes to OUT.2, OUT.3", metavar="OUT")],
    *,
    to: Annotated[str, typer.Option("--to", help="partner whose gateway it is for", show_default=False)],
    json: Json = False,
) -> None:
    """Write everything that waits for a partner. It goes on waiting until the partner's gateway says that it has it."""
    with reported():
        loaded = load(table)
        _check_partner(loaded, to, "--to")
        roster = _roster(loaded)
        made_s = int(time.time())
        counts = dict.fromkeys((*_NAMES.values(), _HELD_BACK), 0)
        files, written = 0, 0
        try:
            for files, parts in enumerate(together(_parts(loaded, to, roster, counts), _ROOM), 1):
                header = Header(sender=loaded.config.gateway.partner, to=to, made_s=made_s, number=files)
                written += write_whole(_place(out, files), pack(header, parts))
                for part in parts:
                    counts[_NAMES[part.kind]] += 1
        except SpoolError as error:
            raise ConfigError([str(error)]) from None
        except OSError as error:
            raise ConfigError([f"{error.filename or out}: {(error.strerror or 'cannot be used').lower()}"]) from None
    if json:
        typer.echo(msgspec.json.encode({"to": to, "files": files, "bytes": written} | counts).decode())
        return
    if files:
        more = "" if files == 1 else f" and {files - 1} more"
        typer.echo(f"for {to}: {_shown(counts)}; {written} bytes in {out}{more}")
    else:
        typer.echo(f"nothing waits for {to}; no file was written")
    if counts[_HELD_BACK]:
        typer.echo(f"{counts[_HELD_BACK]} envelopes stay here: a unit they are for is revoked or unknown", err=True)


@app.command("import")
def take(
    table: Table,
    medium: Annotated[Path, typer.Argument(help="file that a courier brought", metavar="IN")],
    *,
    json: Json = False,
) -> None:
    """Leave what a courier brought for the gateway, which takes it at once where it runs, else when it starts.

    What is whole of a damaged file is taken, and the status is 3.
    """
    with reported():
        loaded = load(table)
        contents = _read(medium)
        header, ours = contents.header, loaded.config.gateway.partner
        if header.to != ours:
            raise ConfigError([f"{medium}: is for {header.to}, and this is the gateway of {ours}"])
        _check_partner(loaded, header.sender, str(medium))
        try:
            _folder(loaded, header.sender, table).put(contents)
        except OSError as error:
            raise ConfigError([f"{error.filename}: {(error.strerror or 'cannot be used').lower()}"]) from None
    _tell(contents, json=json)
    if contents.damaged or contents.missing:
        typer.echo(
            f"{medium}: {_damage(contents)}; what is missing waits at {header.sender} for the next bundle", err=True
        )
        raise typer.Exit(Status.REFUSED)


_NAMES: Final = {Kind.KEYS: "announcements", Kind.DATA: "envelopes", Kind.CONTROL: "control"}
_HELD_BACK: Final = "held_back"


def _parts(loaded: Loaded, to: str, roster: Roster, counts: dict[str, int]) -> Iterator[Part]:
    """Announcements, control records, and then what waits: by precedence, oldest first. Raise SpoolError, OSError.

    What was sealed for a unit that is revoked by now does not leave; the gateway seals it anew for the others.
    """
    now_s = time.time()
    words: list[Part] = []
    for link in _by_hand(loaded, to):
        words += BundleFolder(_path(link)).words(to)
    keys = {part.eid: part for part in words if part.kind is Kind.KEYS}
    spools = [loaded.state / SPOOL, *sorted(loaded.state.glob(f"*/{SPOOL}"))]
    for spool in spools:
        for note in read_notes(spool, now_s):
            if note.partner == to:
                keys.setdefault(note.eid[:_EID], Part(Kind.KEYS, note.data, note.eid[:_EID]))
    yield from keys.values()
    yield from (part for part in words if part.kind is Kind.CONTROL)
    for spool in spools:
        for row in read_lane(spool, to, now_s):
            try:
                parcel, records = sealed_parcel(row.data), unpack_facts(row.facts)
            except ValueError:
                continue  # damaged, or not sealed: the running gateway tells of it
            box = parse_mailbox(parcel.topic)
            if not row.key or box is None or box.to != to or box.slot is not Slot.DATA:
                continue
            if all(roster.reaches(record.destination or "", now_s) for record in records):
                yield Part(Kind.DATA, parcel.data)
            else:
                counts[_HELD_BACK] += 1


def _roster(loaded: Loaded) -> Roster:
    """Who may be sealed for, by the bundles that are here. Raise KeyringError."""
    file = loaded.config.gateway.passphrase_file
    secret = unlock(loaded.state) if file is None else read_secret(loaded.path(file), SecretKind.PASSPHRASE)
    return Holdings.open(loaded.state, secret).roster()


def _read(medium: Path) -> Contents:
    try:
        return unpack(read_medium(medium, FILE_MAX))
    except OSError as error:
        raise ConfigError([f"{medium}: {(error.strerror or 'cannot be read').lower()}"]) from None
    except (CarrierError, ValueError) as error:
        typer.echo(f"{medium}: {error}", err=True)
        raise typer.Exit(Status.REFUSED) from None


def _check_partner(loaded: Loaded, partner: str, at: str) -> None:
    others = {each.id for each in loaded.config.partners} - {loaded.config.gateway.partner}
    if partner not in others:
        raise ConfigError([f"{at}: {partner} is not another partner of {loaded.file.name}"])


def _folder(loaded: Loaded, partner: str, table: Path) -> BundleFolder:
    for link in _by_hand(loaded, partner):
        return BundleFolder(_path(link))
    entry = f'[[links]] with url = "bundles:///folder" and partners = ["{partner}"]'
    raise ConfigError([f"{table}: no link by hand to {partner}; add {entry}"])


def _by_hand(loaded: Loaded, partner: str) -> Iterator[LinkEntry]:
    return (link for link in loaded.config.links if link.by_hand and partner in link.partners)


def _path(link: LinkEntry) -> Path:
    return Path(unquote(urlsplit(link.url).path))


def _place(out: Path, number: int) -> Path:
    return out if number == 1 else out.with_name(f"{out.name}.{number}")


def _tell(contents: Contents, *, json: bool) -> None:
    counts = dict.fromkeys(_NAMES.values(), 0)
    for part in contents.parts:
        counts[_NAMES[part.kind]] += 1
    header = contents.header
    if json:
        said = {"sender": header.sender, "number": header.number, "made_s": header.made_s}
        lacking = {"damaged": contents.damaged, "missing": contents.missing}
        typer.echo(msgspec.json.encode(said | counts | lacking).decode())
    else:
        made = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(header.made_s))
        typer.echo(f"from {header.sender}, made {made}: {_shown(counts)}")


def _shown(counts: dict[str, int]) -> str:
    return (
        f"{counts['envelopes']} envelopes, {counts['announcements']} announcements, {counts['control']} control records"
    )


def _damage(contents: Contents) -> str:
    return f"{contents.damaged} places damaged, {contents.missing} parts missing"
