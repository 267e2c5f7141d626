"""A TAK client, unaware of Comity, is heard in other nations' formats, past a courier that reads nothing."""

from __future__ import annotations

import asyncio
import base64
import json
import sys
import zlib
from datetime import datetime
from pathlib import Path

import pytest
from lxml import etree

from tests.e2e.pair import LIMIT_S, until
from tests.e2e.stage import STANDARDS, Stage, is_delivered, listening, stage

NFFI = "{urn:nato:fft:protocols:nffi13}"
COUNT = 12


@pytest.fixture(scope="module")
def nffi_schema() -> etree.XMLSchema:
    file = STANDARDS / "nffi" / "schema" / "nffi_13.xsd"
    if not file.exists():
        pytest.skip(f"the NFFI 1.3 schema is not at {file.name}: third-party data is not here")
    return etree.XMLSchema(etree.parse(file))


async def pytak(port: int, topic: str, callsign: str) -> list[dict[str, object]]:
    """Let PyTAK publish; give what it says that it said. It would go on for ever, so it is stopped."""
    script = Path(__file__).with_name("pytak_patrol.py")
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *(str(script), f"mqtt+wo://127.0.0.1:{port}/{topic}", callsign, str(COUNT)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        async with asyncio.timeout(LIMIT_S):
            lines = [await process.stdout.readline() for _ in range(COUNT + 1)] if process.stdout else []
    finally:
        process.kill()
        await process.wait()
    return [json.loads(line) for line in lines[:COUNT]]


def hidden_forms(word: str) -> set[bytes]:
    """A word as it could stand in bytes: raw, hexadecimal, and base64 at each of its three offsets."""
    raw = word.encode()
    forms = {raw, raw.lower(), raw.hex().encode(), raw.hex().upper().encode()}
    for offset in range(3):
        coded = base64.b64encode(b"\0" * offset + raw)
        forms.add(coded[4 if offset else 0 : len(coded) // 4 * 4 - 4])
    return forms


def inflated(data: bytes) -> bytes:
    """Whatever can be inflated at any offset: zlib, gzip and raw deflate."""
    found = []
    for start in range(len(data)):
        for bits in (zlib.MAX_WBITS, zlib.MAX_WBITS | 16, -zlib.MAX_WBITS):
            try:
                found.append(zlib.decompressobj(bits).decompress(data[start:], 65_536))
            except zlib.error:
                continue
    return b"\0".join(found)


@pytest.mark.parametrize("brokers", ["embedded", "mosquitto"])
async def test_a_tak_patrol_arrives_as_nffi_and_sedap_and_the_courier_reads_nothing(
    tmp_path: Path, brokers: str, nffi_schema: etree.XMLSchema
) -> None:
    callsign = "CANARY7"
    async with (
        stage(tmp_path, brokers) as coalition,
        listening(coalition.ports["bravo"], "nffi/to-ops", "sedap/to-cell") as heard,
    ):
        said = await pytak(coalition.ports["alpha"], "tak/alpha/pytak", callsign)
        for unit in ("bravo/ops", "bravo/cell", "charlie/map"):
            await coalition.until(is_delivered(unit), COUNT)
        await until(lambda: len(heard) >= 2 * COUNT)

    assert len(said) == COUNT
    check_nffi(said, [data for topic, data in heard if topic == "nffi/to-ops"], callsign, nffi_schema)
    check_sedap(said, [data for topic, data in heard if topic == "sedap/to-cell"], callsign)
    check_map(coalition, callsign)
    assert len(coalition.envelopes) >= COUNT
    assert any(form in data for form in hidden_forms(callsign) for _, data in heard)  # the search does find
    for word in (callsign, f"PYTAK-{callsign}", "alpha/patrols", "UNCLASSIFIED", "a-f-G-U-C-I", "MISSION"):
        for form in hidden_forms(word):
            assert not any(form in envelope for envelope in coalition.envelopes), (word, form)
    sample = b"\0".join(inflated(envelope) for envelope in coalition.envelopes[:3])
    assert callsign.encode() not in sample


def check_nffi(said: list[dict[str, object]], heard: list[bytes], callsign: str, schema: etree.XMLSchema) -> None:
    """Every position, in NFFI 1.3 and in its units: km/h, whole seconds, APP-6A symbol."""
    assert len(heard) == len(said)
    for want, data in zip(said, heard, strict=True):
        root = etree.fromstring(data)
        schema.assertValid(root)
        value = {element.tag.removeprefix(NFFI): element.text for element in root.iter()}
        assert float(value["latitude"] or "") == pytest.approx(want["lat"], abs=1e-7)
        assert float(value["longitude"] or "") == pytest.approx(want["lon"], abs=1e-7)
        assert float(value["bearing"] or "") == pytest.approx(want["course"])
        assert float(value["speed"] or "") == pytest.approx(float(str(want["speed"])) * 3.6)
        assert value["dateTime"] == str(want["time"])[:19].translate({ord(sign): None for sign in "-:T"})
        assert value["unitShortName"] == callsign
        assert value["unitSymbol"] == "SFGPUCI--------"
        assert value["transponderId"] == f"PYTAK-{callsign}"
        assert "altitude" not in value  # CoT measures from the ellipsoid, NFFI from the sea


def check_sedap(said: list[dict[str, object]], heard: list[bytes], callsign: str) -> None:
    """Every position, as a SEDAP-Express CONTACT: fields by their place in the ICD."""
    assert len(heard) == len(said)
    for want, data in zip(said, heard, strict=True):
        field = data.decode("iso-8859-1").rstrip("\n").split(";")
        assert (field[0], field[3], field[4]) == ("CONTACT", "COMITY", "U")
        moment = datetime.fromisoformat(str(want["time"])).timestamp()
        assert int(field[2], 16) / 1000 == pytest.approx(moment, abs=0.000_51)
        assert field[7] == f"PYTAK-{callsign}"
        assert float(field[9]) == pytest.approx(want["lat"], abs=1e-7)
        assert float(field[10]) == pytest.approx(want["lon"], abs=1e-7)
        assert float(field[15]) == pytest.approx(want["speed"])
        assert float(field[16]) == pytest.approx(want["course"])
        assert field[23] == callsign
        assert field[25] == "SFGPUCI--------"


def check_map(coalition: Stage, callsign: str) -> None:
    """The relief organisation's map: to the kilometre, and no name."""
    shown = [told.data or b"" for told in coalition.told if is_delivered("charlie/map")(told)]
    assert len(shown) == COUNT
    for data in shown:
        feature = json.loads(data)
        assert feature["type"] == "Feature"
        assert feature["properties"]["coarsened_to_m"] == 1000
        assert callsign.encode() not in data
        assert b"PYTAK" not in data
