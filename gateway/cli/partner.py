"""``comity partner``: our own bundle, and the bundles of those we trust. There is no trust on first use."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from gateway.cli.secrets import Json, Out, State, explained, holdings, now_s, read_file, write_file
from gateway.keyring.holdings import Holdings
from protocols.enrolment import read_enrolment
from protocols.envelope import Reject
from protocols.partner import STALE_AFTER_S, fingerprint, read_bundle, read_partner
from protocols.statement import BundleFault
from protocols.unit import is_unit_id

app = typer.Typer(
    add_completion=False, no_args_is_help=True, help="Exchange partner bundles, by courier or any channel."
)


@app.command()
def export(
    directory: State,
    *,
    out: Out = Path("-"),
    renew: Annotated[bool, typer.Option("--renew", help="issue the next version first (needs the root)")] = False,
    revocation: Annotated[str, typer.Option("--revocation", help="instead: a revocation of this unit, to keep")] = "",
) -> None:
    """Write our bundle, to be handed to every partner."""
    with explained():
        held = holdings(directory)
        if revocation:
            write_file(out, held.presign_revocation(revocation))
            return
        if renew:
            held.issue(now_s())
        write_file(out, held.bundle_file(held.partner))


@app.command("import")
def take(
    directory: State,
    file: Annotated[Path, typer.Argument(help="a bundle, revocation or enrolment")],
    digits: Annotated[
        str, typer.Option("--fingerprint", help="forty digits, compared by voice, at first contact")
    ] = "",
) -> None:
    """Take a partner's bundle (the first one with its fingerprint), a revocation, or a unit's enrolment."""
    with explained():
        typer.echo(_take(holdings(directory), read_file(file), digits))


@app.command("fingerprint")
def show_fingerprint(
    directory: State,
    partner: Annotated[str, typer.Argument(help="a pinned partner; ours when left out")] = "",
    file: Annotated[Path | None, typer.Option("--file", help="of a bundle that is not imported yet")] = None,
) -> None:
    """Print the forty digits that two persons compare by voice."""
    with explained():
        if file is not None:
            bundle = read_bundle(read_file(file))
            typer.echo(f"{bundle.partner}: {fingerprint(bundle.partner, bundle.roots)}")
            return
        held = holdings(directory)
        typer.echo(f"{partner or held.partner}: {held.fingerprint(partner or held.partner)}")


@app.command("list")
def show(directory: State, *, json: Json = False) -> None:
    """List the partners we trust, their units, and which bundles are stale or expired."""
    with explained():
        held = holdings(directory)
        for pin in held.pins():
            bundle = held.bundle(pin.partner)
            told = {
                "partner": pin.partner,
                "version": bundle.version,
                "expires": f"{datetime.fromtimestamp(bundle.expires, UTC):%Y-%m-%dT%H:%M:%SZ}",
                "state": _state(bundle.issued, bundle.expires, now_s()),
                "units": [unit.uid for unit in bundle.units],
            }
            if json:
                typer.echo(msgspec.json.encode(told).decode())
            else:
                units = ", ".join(unit.uid for unit in bundle.units)
                typer.echo(f"{pin.partner:16} v{bundle.version:<4} {told['state']:8} {told['expires']}  {units}")


@app.command()
def withdraw(directory: State, name: Annotated[str, typer.Argument(help="a partner, or a unit of ours")]) -> None:
    """Trust a partner no longer; or withdraw a unit of ours and issue the bundle that says so."""
    with explained():
        held = holdings(directory)
        if not is_unit_id(name):
            held.withdraw(name)
            typer.echo(f"{name} is trusted no longer")
            return
        held.revoke(name, now_s())
        bundle = held.issue(now_s())
        typer.echo(f"{name} withdrawn; bundle {bundle.version} issued: export it to every partner at once")


def _take(held: Holdings, data: bytes, digits: str) -> str:
    """Take whichever of the three statements a file is."""
    try:
        bundle = read_bundle(data)
    except Reject as refusal:
        if refusal.code is not BundleFault.MALFORMED:
            raise
        return _take_other(held, data)
    known = {pin.partner for pin in held.pins()}
    if bundle.partner in known or not digits:
        held.adopt(data, now_s())
        return f"{bundle.partner}: bundle {bundle.version} taken"
    held.pin(data, digits, now_s())
    return f"{bundle.partner}: pinned with bundle {bundle.version}"


def _take_other(held: Holdings, data: bytes) -> str:
    try:
        read_partner(data)
    except Reject:
        unit = read_enrolment(data)
        held.enrol(data)
        return f"{unit.uid}: enrolled; bundle {held.issue(now_s()).version} issued: export it to every partner"
    revocation = held.take_revocation(data, now_s())
    return f"{revocation.uid}: revoked"


def _state(issued: int, expires: int, now: int) -> str:
    if now > expires:
        return "expired"
    return "stale" if now - issued > STALE_AFTER_S else "good"
