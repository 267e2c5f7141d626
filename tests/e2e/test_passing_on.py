"""A running coalition agrees that alpha passes bravo's positions on to charlie, and charlie hears them as bravo's."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gateway.config import parse
from gateway.countersigned import Countersigned
from gateway.demo.field import BRAVO_NFFI, positions
from gateway.demo.tally import Told
from gateway.keyring.holdings import Holdings
from gateway.keyring.keystore import KEY_FILE, key_file
from protocols.record import Event, Record
from tests.e2e.stage import Stage, listening, publish, stage

AGREED = '[[agreements]]\nid = "alpha-bravo"\n'
PLAIN = """[[agreements]]
id = "alpha-tells-charlie"
partners = ["alpha", "charlie"]
kinds = ["track"]
directions = [{ from = "alpha", to = "charlie" }]
highest = { policy = "MISSION", classification = "UNCLASSIFIED" }
valid_from = 2026-01-01T00:00:00Z
valid_until = 2028-01-01T00:00:00Z

[[routes]]
from = ["bravo/ops"]
to = ["charlie/map"]
agreement = "alpha-tells-charlie"
through = "alpha"

"""


def agreed(files: Mapping[str, Path]) -> dict[str, str]:
    """The new tables; every partner's signature under what they say, in every partner's state."""
    texts = {name: file.read_text() for name, file in files.items()}
    for name in ("alpha", "bravo"):
        texts[name] = texts[name].replace(AGREED, f'{AGREED}onward = ["charlie"]\n')
    for name in ("alpha", "charlie"):
        texts[name] = texts[name].replace("[[agreements]]", f"{PLAIN}[[agreements]]", 1)
    states = {name: file.parent / "state" / name for name, file in files.items()}
    held = {name: Holdings.open(state, key_file(state / KEY_FILE)) for name, state in states.items()}
    for name, text in texts.items():
        kept = Countersigned(states[name], held[name].pins())
        for agreement in parse(text.encode()).agreements:
            for partner in agreement.partners:
                kept.keep(agreement, held[partner].countersign(agreement))
    return texts


def to_map(told: Told) -> bool:
    return told.record.destination == "charlie/map" and told.record.source == "bravo/ops"


def passed_on(told: Told) -> bool:
    return to_map(told) and told.record.event is Event.DELIVERED and told.record.through == "alpha"


async def opened(coalition: Stage) -> None:
    """Every gateway has taken its new table."""
    texts = agreed(coalition.layout.files)
    for name, file in coalition.layout.files.items():
        file.write_text(texts[name])
    for name in texts:
        await coalition.until(lambda told, name=name: is_taken(told.record, name))  # type: ignore[misc]


def is_taken(record: Record, gateway: str) -> bool:
    """Whether a gateway says that another table is in force, beyond signatures alone."""
    changed = record.event is Event.TABLE_CHANGED and record.gateway == gateway
    return changed and any(line.startswith(("+", "~")) for line in record.changes)


def open_to_all(position: bytes) -> bytes:
    """The demonstration's convoy, marked so that charlie may be told."""
    return position.replace(b'"RESTRICTED"', b'"UNCLASSIFIED"')


@pytest.mark.parametrize("brokers", ["embedded", "mosquitto"])
async def test_what_its_originator_lets_be_passed_on_arrives_as_its_word(tmp_path: Path, brokers: str) -> None:
    (position,) = (each for each in positions(datetime.now(UTC), 0.0) if each.topic == "nffi/bravo/ops")
    async with stage(tmp_path, brokers) as coalition:
        await opened(coalition)
        topic = next(unit.deliver for unit in coalition.layout.configs["charlie"].units if unit.id == "charlie/map")
        async with listening(coalition.ports["charlie"], topic or "") as heard:
            await publish(coalition.ports["bravo"], "nffi/bravo/ops", open_to_all(position.data))
            (told,) = await coalition.until(passed_on)
            found = await coalition.until(lambda told: to_map(told) and told.record.through == "alpha", 2)

    assert told.record.gateway == "charlie"
    assert {(each.record.gateway, each.record.event) for each in found} == {
        ("alpha", Event.FORWARDED),
        ("charlie", Event.DELIVERED),
    }
    callsign = BRAVO_NFFI[0].name.encode()
    named = [data for _, data in heard if callsign in data]
    assert len(named) == 1  # what bravo tells charlie itself goes without names
    assert not any(callsign in envelope for envelope in coalition.envelopes)
