"""``comity``: every command by name. Only the module of the one that is called is imported."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Final

import typer
from typer.core import TyperGroup
from typer.main import get_command

if TYPE_CHECKING:
    from typer._click import Command, Context  # what the signatures of typer.core name

# In the order of ``comity --help``. A command's module has its name, and an ``app`` whose help is what stands here.
COMMANDS: Final[Mapping[str, str]] = {
    "demo": "Run three partners and a coalition broker on this machine, and show what each unit receives.",
    "run": "Run a gateway until it is told to stop (SIGTERM, SIGINT).",
    "check": "Validate tables: types, references, leaks, agreements, reach. Status 2 with the path of each fault.",
    "replay": "Compare recorded outcomes with what a table would decide, as if its agreements were signed.",
    "rollback": (
        "Put the version that was in force before into the file, and its SPIFs; a running gateway takes it at once."
    ),
    "explain": (
        "Explain what becomes of a message. Status 3: it cannot be read; 5: it reaches none of the units asked about."
    ),
    "formats": (
        "List the formats, or what their translations keep, found by running them. Status 1: --check found faults."
    ),
    "trace": "Show what became of one message, step by step. Status 3 when nothing was recorded of it.",
    "translate": "Translate one frame. Status 3: the input is refused; 4: the target format cannot say it.",
    "agreement": "Draft, sign and verify agreements between partners.",
    "audit": "Read and verify the audit of a gateway, offline; prove one message.",
    "bundle": "Carry sealed messages on removable media, where no broker reaches.",
    "key": "Make, list and rotate the keys of our own units.",
    "partner": "Exchange partner bundles, by courier or any channel.",
    "unit": "Send and receive as a unit that holds its own keys.",
}


class Commands(TyperGroup):
    """Finds a command that is called in its module; until then it is a name and a line of help."""

    def resolve_command(self, ctx: Context, args: list[str]) -> tuple[str | None, Command | None, list[str]]:
        """The command that the arguments name, and its own arguments."""
        name, _, rest = super().resolve_command(ctx, args)  # refuses what is no command
        return name, get_command(import_module(f"gateway.cli.{name}").app), rest


app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Comity: the interoperable secure messaging gateway between partner forces in peacekeeping operations.",
)


def _unread() -> None:
    """Stands for a command that is not called."""


for _name, _help in COMMANDS.items():
    app.command(_name, help=_help)(_unread)
