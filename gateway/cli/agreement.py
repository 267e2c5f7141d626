"""``comity agreement``: draft an agreement, sign it with the root key, take partners' signatures, see what holds."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from gateway.cli.secrets import Json, explained, found, read_file, unlock, write_file
from gateway.config import ConfigError, Loaded, load
from gateway.countersigned import Countersigned, Signatures
from gateway.exits import Status
from gateway.keyring.holdings import KEYS, Holdings
from gateway.keyring.keystore import SecretKind, read_secret
from protocols.agreement import Agreement, Direction
from protocols.countersign import read_countersigned
from protocols.label import Clearance

app = typer.Typer(
    add_completion=False, no_args_is_help=True, help="Draft, sign and verify agreements between partners."
)
File = Annotated[Path, typer.Argument(help="the gateway's TOML file")]
DAY = timedelta(days=1)


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One agreement, as ``list`` tells it."""

    id: str
    partners: tuple[str, ...]
    state: str
    valid_from: datetime
    valid_until: datetime
    review: datetime | None
    missing: tuple[str, ...]


@app.command()
def draft(  # noqa: PLR0913 - each parameter is an option of the command
    name: Annotated[str, typer.Argument(metavar="ID", help="name of the agreement: a-z, 0-9 and -")],
    *,
    partner: Annotated[list[str], typer.Option(help="partner that it names; repeat for each")],
    kind: Annotated[list[str], typer.Option(help="kind of message; repeat for each")],
    highest: Annotated[str, typer.Option(help="the most that may pass, POLICY/CLASSIFICATION")],
    days: Annotated[int, typer.Option(help="how long it holds", min=1, max=3660)] = 365,
    one_way: Annotated[bool, typer.Option("--one-way", help="only from the first partner to the others")] = False,
) -> None:
    """Write an agreement as TOML, to be put into every partner's table word for word."""
    policy, _, classification = highest.partition("/")
    if not policy or not classification:
        raise typer.BadParameter("--highest is POLICY/CLASSIFICATION")
    begin = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    ways = [(a, b) for a in partner for b in partner if a != b and (not one_way or a == partner[0])]
    with explained():
        try:
            agreement = Agreement(
                id=name,
                partners=tuple(partner),
                kinds=tuple(kind),
                directions=tuple(Direction(sender=a, to=b) for a, b in ways),
                highest=Clearance(policy=policy, classification=classification),
                valid_from=begin,
                valid_until=begin + days * DAY,
                review=begin + days * DAY / 2,
            )
        except ValueError as error:
            raise ConfigError([str(error)]) from None
    typer.echo(_toml(agreement))


@app.command()
def sign(
    file: File,
    names: Annotated[list[str] | None, typer.Argument(metavar="[ID]...", help="agreements; all that name us")] = None,
    out: Annotated[Path | None, typer.Option("--out", help="folder for copies to hand to the other partners")] = None,
) -> None:
    """Sign agreements with our root key, as they stand in the table."""
    with explained():
        loaded = load(file)
        ours = held(loaded)
        held_here = Countersigned(loaded.path(loaded.config.gateway.state), ours.pins())
        for agreement in _named(loaded, names):
            data = ours.countersign(agreement)
            held_here.keep(agreement, data)
            if out is not None:
                out.mkdir(parents=True, exist_ok=True)
                out.mkdir(parents=True, exist_ok=True)
                write_file(out / f"{agreement.id}.{ours.partner}.signed", data)
            typer.echo(f"{agreement.id}: signed by {ours.partner}; {_missing(held_here.signatures(agreement))}")


@app.command("import")
def take(
    file: File, signed: Annotated[list[Path], typer.Argument(help="files that partners signed", allow_dash=True)]
) -> None:
    """Keep partners' signatures that hold for our table as it stands. Status 3 for one that does not."""
    with explained():
        loaded = load(file)
        held_here = kept(loaded)
        for path in signed:
            data = read_file(path)
            (agreement,) = _named(loaded, [read_countersigned(data).id])
            partner = held_here.keep(agreement, data)
            typer.echo(f"{agreement.id}: signed by {partner}; {_missing(held_here.signatures(agreement))}")


@app.command()
def verify(
    file: File, names: Annotated[list[str] | None, typer.Argument(metavar="[ID]...", help="agreements; all")] = None
) -> None:
    """Check that every partner has signed. Status 3 when one has not, or when an agreement does not hold now."""
    with explained():
        loaded = load(file)
        rows = _rows(kept(loaded), _named(loaded, names) if names else loaded.config.agreements)
    for row in rows:
        typer.echo(_line(row))
    if any(row.state != "in force" for row in rows):
        raise typer.Exit(Status.REFUSED)


@app.command("list")
def show(file: File, *, json: Json = False) -> None:
    """List the agreements of a table, and which of them are in force."""
    with explained():
        loaded = load(file)
        rows = _rows(kept(loaded), loaded.config.agreements)
    for row in rows:
        typer.echo(msgspec.json.encode(row).decode() if json else _line(row))


def held(loaded: Loaded) -> Holdings:
    """The gateway's keys; asks for a passphrase where it has to. Raise KeyringError."""
    state, file = loaded.path(loaded.config.gateway.state), loaded.config.gateway.passphrase_file
    secret = unlock(state) if file is None else read_secret(loaded.path(file), SecretKind.PASSPHRASE)
    return Holdings.open(state, secret)


def at_hand(loaded: Loaded) -> bool:
    """Whether the gateway's keys are here and can be read without asking for a passphrase."""
    if not (loaded.state / KEYS).exists():
        return False
    return loaded.config.gateway.passphrase_file is not None or found(loaded.state) is not None


def kept(loaded: Loaded) -> Countersigned:
    """The countersignatures that a gateway holds. Raise KeyringError."""
    return Countersigned(loaded.path(loaded.config.gateway.state), held(loaded).pins())


def _named(loaded: Loaded, names: list[str] | None) -> list[Agreement]:
    """The agreements of these names; without names those that name us. Raise ConfigError."""
    if not names:
        return [each for each in loaded.config.agreements if loaded.config.gateway.partner in each.partners]
    known = {agreement.id: agreement for agreement in loaded.config.agreements}
    if strange := [name for name in names if name not in known]:
        raise ConfigError([f"$.agreements: none is called {', '.join(strange)}; have {', '.join(known) or 'none'}"])
    return [known[name] for name in names]


def _rows(signed: Countersigned, agreements: Sequence[Agreement]) -> list[Row]:
    now = datetime.now(UTC)
    return [_row(agreement, signed.signatures(agreement), now) for agreement in agreements]


def _row(agreement: Agreement, signatures: Signatures, now: datetime) -> Row:
    if signatures.missing:
        state = "unsigned"
    elif now >= agreement.valid_until:
        state = "expired"
    else:
        state = "in force" if now >= agreement.valid_from else "not yet"
    return Row(
        id=agreement.id,
        partners=agreement.partners,
        state=state,
        valid_from=agreement.valid_from,
        valid_until=agreement.valid_until,
        review=agreement.review,
        missing=signatures.missing,
    )


def _line(row: Row) -> str:
    until = f"until {row.valid_until:%Y-%m-%d}" + (f", review {row.review:%Y-%m-%d}" if row.review else "")
    wants = f"  not signed by {', '.join(row.missing)}" if row.missing else ""
    return f"{row.id:32} {row.state:9} {until}  {', '.join(row.partners)}{wants}"


def _missing(signatures: Signatures) -> str:
    return f"not yet by {', '.join(signatures.missing)}" if signatures.missing else "by all"


def _toml(agreement: Agreement) -> str:
    """An agreement as it stands in a table; the lines that a mission fills in are there as comments."""
    highest = agreement.highest
    ways = ", ".join(f'{{ from = "{way.sender}", to = "{way.to}" }}' for way in agreement.directions)
    lines = [
        "[[agreements]]",
        f'id = "{agreement.id}"',
        f"partners = [{_quoted(agreement.partners)}]",
        f"kinds = [{_quoted(agreement.kinds)}]",
        f"directions = [{ways}]",
        f"highest = {{ policy = {_quoted([highest.policy])}, classification = {_quoted([highest.classification])} }}",
        f"valid_from = {agreement.valid_from:%Y-%m-%dT%H:%M:%SZ}",
        f"valid_until = {agreement.valid_until:%Y-%m-%dT%H:%M:%SZ}",
        f"review = {agreement.review:%Y-%m-%dT%H:%M:%SZ}",
        '# precedence = "flash"                                    the highest that may pass',
        '# modes = ["exercise"]                                    instead of live traffic',
        "# area = { circles = [[47.0, 8.0, 20000.0]] }             latitude, longitude, metres; or polygons",
        '# onward = ["charlie"]                                    to whom a receiver may pass it on, with proof',
        "# oldest_s = 86400                                        age of reports that say no end of validity",
        "# transformation = { coarsen_m = 1000.0, drop_identities = true, strip = [] }    or grid_square_m = 1000",
        "#                    delay_s = 600                        everything waits so long before it leaves",
    ]
    return "\n".join(lines)


def _quoted(names: Sequence[str]) -> str:
    return ", ".join(msgspec.json.encode(name).decode() for name in names)
