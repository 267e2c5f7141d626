"""``comity``: every command, by name."""

from __future__ import annotations

import typer

from gateway.cli import (
    agreement,
    audit,
    bundle,
    check,
    demo,
    explain,
    formats,
    key,
    partner,
    replay,
    rollback,
    run,
    trace,
    translate,
    unit,
)

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Comity: the interoperable secure messaging gateway between partner forces in peacekeeping operations.",
)
app.command("demo")(demo.demo)
app.command("run")(run.run)
app.command("check")(check.check)
app.command("replay")(replay.replay)
app.command("rollback")(rollback.rollback)
app.command("explain")(explain.explain)
app.command("formats")(formats.formats)
app.command("trace")(trace.trace)
app.command("translate")(translate.translate)
app.add_typer(agreement.app, name="agreement")
app.add_typer(audit.app, name="audit")
app.add_typer(bundle.app, name="bundle")
app.add_typer(key.app, name="key")
app.add_typer(partner.app, name="partner")
app.add_typer(unit.app, name="unit")
