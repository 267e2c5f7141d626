"""What the gateway's parts are given when they are put together: limits of what waits, and who is told of them."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from gateway import app
from gateway.config import Loaded
from gateway.keyring.ring import PSEUDONYM_KEY, Keyring, secret
from gateway.outbound.limits import WaitingLimits
from gateway.spool import Kept, Limits, SpoolError
from gateway.stream import Stream
from tests.fakes import FakeAudit, clock
from tests.gateway.line import Line, plain

FEW = WaitingLimits(Limits(), {"bravo": Limits(rows_max=10, warn_at=0.5)})


async def test_what_passes_its_warning_level_is_told_and_shown(tmp_path: Path, coalition: dict[str, Keyring]) -> None:
    line = Line(coalition["alpha"], plain())
    async with await app._spool(tmp_path, FEW, Stream("alpha", line.audit, clock)) as spool:
        await spool.put([Kept(lane, 1, b"x") for lane in ("bravo", "charlie") for _ in range(6)])
        await spool.expire()
        line.outbound.full.refused("charlie", 0.0)
        figures = {each.destination: each for each in app._lanes(spool, line.outbound)}

    assert line.audit.said()[0] == ("fault", "spool-nearly-full", "bravo")
    assert (figures["bravo"].rows, figures["bravo"].used, figures["bravo"].warn_at) == (6, 0.6, 0.5)
    assert figures["charlie"].used < 0.001
    assert [name for name, each in figures.items() if each.full] == ["charlie"]


async def test_the_key_that_workers_share_is_there_before_they_are(tmp_path: Path) -> None:
    config = plain()
    links = tuple(link for link in config.links if not link.embedded)

    async with app.brokers(Loaded(replace(config, links=links), tmp_path / "alpha.toml")):
        made = (tmp_path / "state" / PSEUDONYM_KEY).read_bytes()

    assert secret(tmp_path / "state" / PSEUDONYM_KEY) == made


async def test_a_disk_that_cannot_be_used_is_a_record_before_the_gateway_ends(tmp_path: Path) -> None:
    audit, folder = FakeAudit(), tmp_path / "spool"
    folder.write_text("no folder")

    with pytest.raises(SpoolError) as refused:
        await app._spool(folder, FEW, Stream("alpha", audit, clock))

    assert audit.said() == [("fault", f"spool-{refused.value.reason}", None)]
