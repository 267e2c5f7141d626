"""``comity key``: the keys of our own units. Secrets come from files or the terminal, never from arguments."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from gateway.cli.secrets import Json, Out, State, ask, explained, holdings, now_s, write_file
from gateway.keyring.held import ROTATE_AFTER_S, SIGNING_LIFE_S, HeldUnit
from gateway.keyring.holdings import ROOT, Holdings
from gateway.keyring.keystore import KEY_FILE, KeyringError, key_file

app = typer.Typer(add_completion=False, no_args_is_help=True, help="Make, list and rotate the keys of our own units.")


@app.command()
def new(
    directory: State,
    units: Annotated[list[str], typer.Option("--unit", help="unit that gets keys, partner/unit; repeat for more")],
    *,
    passphrase: Annotated[bool, typer.Option("--passphrase", help="ask for one instead of making a key file")] = False,
    own: Annotated[bool, typer.Option("--own", help="a unit that holds its own keys: no root, to be enrolled")] = False,
    out: Out = Path("-"),
) -> None:
    """Make keys: a root and unit keys, or (--own) one unit's keys and its enrolment file for the partner."""
    with explained():
        if own and len(units) > 1:
            raise KeyringError("--own is for one unit: the others make their keys in state directories of their own")
        secret = ask("new passphrase", confirm=True) if passphrase else key_file(directory / KEY_FILE)
        if own:
            made = Holdings.create_unit(directory, units[0], secret, now_s())
            write_file(out, made.enrolment(units[0], now_s()))
            return
        made = Holdings.create(directory, units, secret, now_s())
        typer.echo(f"{made.partner}: {made.fingerprint(made.partner)}")
        typer.echo(f"move {directory / ROOT} offline: it is needed only to issue bundles", err=True)


@app.command()
def add(directory: State, unit: Annotated[str, typer.Argument(help="the new unit, partner/unit")]) -> None:
    """Make keys for a further unit of ours and issue the bundle that states it (needs the root)."""
    with explained():
        held = holdings(directory)
        if not held.has_root():
            raise KeyringError(f"no root in {directory}: bring it back for as long as the bundle is issued")
        held.add(unit, now_s())
        bundle = held.issue(now_s())
    typer.echo(f"{unit} has keys; bundle {bundle.version} issued: export it to every partner")


@app.command("list")
def show(directory: State, *, json: Json = False) -> None:
    """List our units, when their keys were made, and what is due."""
    with explained():
        units = holdings(directory).units()
    for unit in units:
        if json:
            typer.echo(msgspec.json.encode(_told(unit)).decode())
        else:
            told = _told(unit)
            typer.echo(
                f"{unit.uid:40} sealing {told['sealing']}  signing {told['signing']}  {told['due'] or ''}".rstrip()
            )


@app.command()
def rotate(
    directory: State,
    unit: Annotated[str, typer.Argument(help="the unit, partner/unit")],
    *,
    signing: Annotated[bool, typer.Option("--signing", help="its signing key too")] = False,
    out: Out = Path("-"),
) -> None:
    """Give a unit new sealing keys and issue the bundle that states them, or, without the root, its enrolment file."""
    with explained():
        held = holdings(directory)
        held.rotate(unit, now_s(), signing=signing)
        if not held.has_root():
            write_file(out, held.enrolment(unit, now_s()))
            return
        bundle = held.issue(now_s())
    typer.echo(f"{unit} rotated; bundle {bundle.version} issued: export it to every partner")


def _told(unit: HeldUnit) -> dict[str, str | None]:
    sealing = max(key.created for key in unit.sealing)
    signing = unit.signing[0].created
    now = now_s()
    due = "rotate --signing" if now - signing > SIGNING_LIFE_S - ROTATE_AFTER_S else None
    if due is None and now - sealing > ROTATE_AFTER_S:
        due = "rotate"
    return {"unit": unit.uid, "sealing": _day(sealing), "signing": _day(signing), "due": due}


def _day(seconds: int) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d}"
