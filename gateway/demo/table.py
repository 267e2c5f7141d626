"""The demonstration's live view in a terminal: who got what from whom, and what was kept back."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from datetime import datetime

from rich.console import Console, Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from gateway.demo.tally import Summary, Tally
from protocols.record import Event, Record

LATEST = 12  # outcomes shown
COLOUR = {Event.DELIVERED: "green", Event.WITHHELD: "yellow", Event.REFUSED: "red"}
MARK = {Event.DELIVERED: "✓", Event.WITHHELD: "▪", Event.REFUSED: "✗"}


class View:
    """What the terminal shows while the demonstration runs."""

    def __init__(self, tally: Tally) -> None:
        self._tally = tally
        self._latest: deque[Record] = deque(maxlen=LATEST)

    def note(self, record: Record) -> None:
        """Take one outcome; withheld and refused ones stay in view longer than the many deliveries."""
        delivered = record.event is Event.DELIVERED
        if not delivered or record.subject_kind not in {"track", "contact"}:
            self._latest.append(record)

    def __rich__(self) -> RenderableType:
        pairs = Table(expand=True, box=None, header_style="bold")
        for name, justify in (("from", "left"), ("to", "left"), ("in", "left"), ("delivered", "right")):
            pairs.add_column(name, justify="right" if justify == "right" else "left")
        for (source, to, form), count in sorted(self._tally.pairs.items()):
            pairs.add_row(source, to, form, str(count))
        events = Table.grid(padding=(0, 1))
        for record in self._latest:
            events.add_row(*_row(record))
        p50, p99 = self._tally.percentile(50), self._tally.percentile(99)
        late = "" if p50 is None or p99 is None else f"   first gateway to unit: p50 {p50:.1f} ms, p99 {p99:.1f} ms"
        return Group(
            Panel(pairs, title="delivered", title_align="left"),
            Panel(events, title="other than positions, newest last", title_align="left"),
            Text(f"published {self._tally.published}   delivered {self._tally.pairs.total()}{late}", style="dim"),
        )


def _row(record: Record) -> tuple[Text, ...]:
    style = COLOUR.get(record.event, "white")
    what = f"{record.event}{': ' + record.reason if record.reason else ''}"
    way = f"{record.source or 'unknown'} → {record.destination or '·'}"
    return (
        Text(f"{record.at:%H:%M:%S}", style="dim"),
        Text(f"{MARK.get(record.event, '·')} {what}", style=style),
        Text(record.subject_kind or "frame"),
        Text(way),
        Text(record.format_out or record.format_in or "", style="dim"),
    )


def addresses(console: Console, rows: Sequence[tuple[str, str]], now: datetime) -> None:
    """Print where people can attach their own clients, before anything moves."""
    grid = Table.grid(padding=(0, 2))
    for name, address in rows:
        grid.add_row(Text(name, style="bold"), Text(address, style="cyan"))
    console.print(Panel(grid, title=f"Comity, {now:%Y-%m-%d %H:%M} UTC: attach your own clients", title_align="left"))


def closing(console: Console, summary: Summary) -> None:
    """Print the summary as tables."""
    pairs = Table(title=f"delivered {summary.delivered}, published {summary.published}", title_justify="left")
    for name in ("from", "to", "format"):
        pairs.add_column(name)
    pairs.add_column("delivered", justify="right")
    for pair in summary.pairs:
        pairs.add_row(pair.source, pair.to, pair.format, str(pair.delivered))
    console.print(pairs)
    kept = Table(title="not delivered, and why", title_justify="left")
    for name in ("what", "reason"):
        kept.add_column(name)
    kept.add_column("count", justify="right")
    for what, counts in (("withheld by policy", summary.withheld), ("refused as input", summary.refused)):
        for reason, count in counts.items():
            kept.add_row(what, reason, str(count))
    console.print(kept)
    console.print(_losses(summary))
    console.print(f"first gateway to unit: p50 {summary.latency_ms_p50} ms, p99 {summary.latency_ms_p99} ms")
    console.print(f"the units' own clients received {summary.received_by_units}")


def _losses(summary: Summary) -> Table:
    """What translation lost, a row for each pair of formats: each field with the reason."""
    fields: dict[str, list[str]] = {}
    for loss in summary.losses:
        way, field, reason = loss.rsplit(":", 2)
        fields.setdefault(way, []).append(f"{field.strip()} ({reason})")
    table = Table(title="lost in translation", title_justify="left", show_lines=True)
    table.add_column("formats", no_wrap=True)
    table.add_column("fields")
    for way, lost in sorted(fields.items()):
        table.add_row(way, ", ".join(sorted(lost)))
    return table
