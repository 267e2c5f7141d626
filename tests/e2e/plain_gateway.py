"""``python -m tests.e2e.plain_gateway FILE``: ``comity run`` with the format of the tests, and a clock that can be set.

The format says what no field format of today can: a precedence. SIGUSR1 sets the clock three days ahead, SIGUSR2 back
to what it was. Links try again sooner than an operator would have them.
"""

from __future__ import annotations

import signal
import time
from datetime import UTC, datetime
from pathlib import Path

import typer

REFUSED_S = 4.0  # a link that is refused tries again within this, instead of within a minute
DAYS_3 = 3 * 86_400.0
FORMATS = Path(__file__).parents[1] / "gateway" / "formats"
_real = time.time
_ahead_s = 0.0


def _set(number: int, _: object) -> None:
    global _ahead_s  # noqa: PLW0603 - the clock of a process is global
    _ahead_s = DAYS_3 if number == signal.SIGUSR1 else 0.0


def _time() -> float:
    return _real() + _ahead_s


def main() -> None:
    """Run the gateway."""
    time.time = _time  # before anything takes a reference to it
    signal.signal(signal.SIGUSR1, _set)
    signal.signal(signal.SIGUSR2, _set)
    from gateway.links.backoff import Pace  # noqa: PLC0415

    Pace.__new__.__defaults__ = (0.5, 4.0, REFUSED_S, 10.0)  # before a link is made
    import adapters  # noqa: PLC0415
    from gateway import app  # noqa: PLC0415
    from gateway.cli.run import run  # noqa: PLC0415

    adapters.__path__.append(str(FORMATS))
    app.now = lambda: datetime.fromtimestamp(_time(), UTC)
    typer.run(run)


if __name__ == "__main__":
    main()
