"""``comity explain``: why a message would, or would not, be delivered, rule by rule, and the smallest change."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from gateway.cli.agreement import at_hand, held, kept
from gateway.cli.inputs import AT, JSON, decode_input, read_input
from gateway.cli.secrets import Json, explained
from gateway.config import Config, ConfigError, load
from gateway.exits import Status
from gateway.keyring.holdings import Holdings
from gateway.review.explain import Course, Situation, Step, course, destinations, vouched
from gateway.review.keys import Keys
from gateway.review.marks import Change
from gateway.review.remedy import barrier, remedies
from protocols.message import Message

app = typer.Typer(add_completion=False)


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """The explanation of one message for one destination."""

    message: str
    kind: str
    source: str
    destination: str
    delivered: bool
    reason: str | None
    looked_at_keys: bool
    steps: Sequence[Step]
    changes: Sequence[Change] | None
    barrier: Change | None


@app.command()
def explain(  # noqa: PLR0913 - each parameter is an option of the command
    file: Annotated[Path, typer.Argument(help="the gateway's TOML file")],
    path: Annotated[Path, typer.Argument(help="the message, - for standard input", allow_dash=True)] = Path("-"),
    *,
    source: Annotated[str, typer.Option("--from", help="unit that it comes from, partner/unit")],
    to: Annotated[str | None, typer.Option("--to", help="unit; else every one that a route leads to")] = None,
    form: Annotated[str | None, typer.Option("--as", help="its format, or json; else the unit's own")] = None,
    at: Annotated[datetime | None, typer.Option("--at", formats=AT, help="as of then, UTC; else now")] = None,
    through: Annotated[str | None, typer.Option("--through", help="partner that passed it on to us")] = None,
    assume_signed: Annotated[
        bool, typer.Option("--assume-signed", help="do not look for countersignatures; keys are not asked for")
    ] = False,
    json: Json = False,
) -> None:
    """Explain what becomes of a message. Status 3: it cannot be read; 5: it reaches none of the units asked about."""
    with explained():
        loaded = load(file)
        config = loaded.config
        _known(config, source, "--from")
        if to is not None:
            _known(config, to, "--to")
        if through is not None and through not in {partner.id for partner in config.partners}:
            raise ConfigError(["--through: not one of $.partners"])
        messages = decode_input(form or _form(config, source), read_input(path))
        everything = frozenset(agreement.id for agreement in config.agreements)
        signed = everything if assume_signed else kept(loaded).in_force(config.agreements)
        keys = _keys(held(loaded)) if not assume_signed or at_hand(loaded) else None
    now = at.replace(tzinfo=UTC) if at is not None else datetime.now(UTC)
    about = [Situation(config, signed, source, each, now, through=through, keys=keys) for each in messages]
    told = list(_told(about, to))
    for each in told:
        typer.echo(msgspec.json.encode(each).decode() if json else "\n".join(_lines(each)))
    if not told:
        typer.echo(f"no-route: no route takes up what {source} says of this kind", err=True)
    if not any(each.delivered for each in told):
        raise typer.Exit(Status.WITHHELD)


def _told(about: Sequence[Situation], to: str | None) -> Iterator[Told]:
    """One explanation for each message and destination; what came first in the file counts as seen."""
    before: tuple[Message, ...] = ()
    for each in about:
        situation, message, source = each._replace(before=before), each.message, each.source
        for destination in [to] if to is not None else destinations(situation):
            ends: Course = course(situation, destination)
            yield Told(
                message=message.id,
                kind=message.kind,
                source=source,
                destination=destination,
                delivered=ends.reason is None,
                reason=ends.reason,
                looked_at_keys=situation.keys is not None,
                steps=ends.steps,
                changes=remedies(situation, destination),
                barrier=barrier(situation, destination),
            )
        before = (*before, vouched(situation).message)


def _lines(told: Told) -> Iterator[str]:
    yield f"{told.kind} {told.message[:12]} from {told.source} to {told.destination}"
    agreement = None
    for step in told.steps:
        if step.agreement != agreement:
            agreement = step.agreement
            yield f'  under "{agreement}"'
        yield f"  {'stop' if step.reason else 'pass'}  {step.rule:13} {step.asks}" + (
            f"  {step.reason}" if step.reason else ""
        )
    if not told.looked_at_keys:
        yield "  the gateway's keys are not at hand: whether partners' bundles and keys hold was not looked at"
    if told.delivered:
        yield "  => delivered"
        if told.barrier is not None:
            yield f"  to keep it back: {told.barrier.say}   [{told.barrier.at}]"
        return
    yield f"  => withheld: {told.reason}"
    if told.changes is None:
        yield "  no change of table or message that would let it through is known"
    for number, change in enumerate(told.changes or ()):
        yield f"  {'and' if number else 'to let it through:'} {change.say}   [{change.at}]"


def _keys(here: Holdings) -> Keys:
    """Whom the gateway knows and seals for, as its state folder has it. Raise KeyringError."""
    return Keys(here.roster(), frozenset(unit.uid for unit in here.units()), datetime.now(UTC))


def _known(config: Config, unit: str, option: str) -> None:
    units = [each.id for each in (*config.units, *config.peers)]
    if unit not in units:
        raise ConfigError([f"{option}: no such unit in the table; have {', '.join(units)}"])


def _form(config: Config, source: str) -> str:
    """The format of a unit of ours; a partner's message is given as canonical JSON."""
    return next((unit.adapter for unit in config.units if unit.id == source), JSON)
