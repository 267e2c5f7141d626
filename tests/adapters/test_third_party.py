"""A format added by a stranger: a package of its own, installed beside Comity, with no edit to the project."""

from __future__ import annotations

import json
import subprocess
import sys
import sysconfig
import venv
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

import adapters
from adapters import UnknownFormatError

ROOT = Path(__file__).parents[2]

PROJECT = """
[build-system]
requires = ["setuptools"]
build-backend = "setuptools.build_meta"

[project]
name = "pigeon-post"
version = "2.1"

[project.entry-points."comity.adapters"]
pigeon = "pigeon_post"
cot = "pigeon_post"
broken = "pigeon_post_broken"

[tool.setuptools]
packages = ["pigeon_post", "pigeon_post_broken"]
"""

MODULE = '''
"""Pigeon Post 2.1: one line, ``who@latitude/longitude@time``."""

from adapters import DecodeError, Encoded, EncodeError, Fault
from protocols.body import Identity, Track
from protocols.ledger import Ledger
from protocols.message import Message, Source, Times, message_id
from protocols.moment import read_iso, write_iso
from protocols.quantity import Position
from protocols.unsaid import unsaid

EDITION = "Pigeon Post 2.1"
MEDIA_TYPE = "text/x-pigeon"
READS = WRITES = frozenset({"track"})


def decode(data):
    try:
        who, place, time = data.decode("ascii").split("@")
        latitude, longitude = map(float, place.split("/"))
        observed = read_iso(time)
        return (
            Message(
                id=message_id("position", who, observed),
                subject=who,
                body=Track(position=Position(latitude=latitude, longitude=longitude)),
                source=Source(format="pigeon"),
                times=Times(observed=observed),
            ),
        )
    except ValueError:
        raise DecodeError(Fault.MALFORMED, "line") from None


def encode(message):
    body = message.body
    if not isinstance(body, Track) or message.times.observed is None or "@" in message.subject:
        raise EncodeError("only a track with a time")
    if not message.subject.isascii():
        raise EncodeError("only ASCII")
    line = f"{message.subject}@{body.position.latitude!r}/{body.position.longitude!r}@"
    carried = {"position.latitude", "position.longitude", "times.observed"}
    return Encoded(f"{line}{write_iso(message.times.observed)}".encode(), tuple(unsaid(message, carried)))
'''

CHECK = """
import json, adapters
from gateway.formats.conformance import check_contract, check_encodes, check_survives, mutations, noise
from gateway.formats.specimens import FULL, SPARSE, sparse, specimen

adapter = adapters.load("pigeon")
sample = b"HERON-21@45.25/19.875@2026-05-04T09:10:11.000Z"
messages = [*map(specimen, FULL), *map(sparse, SPARSE)]
inputs = (*noise(300, seed=7), *mutations([sample], 300, seed=7))
try:
    adapters.load("broken")
except adapters.UnknownFormatError as error:
    broken = str(error)
print(json.dumps({
    "names": adapters.names(),
    "cot": adapters.load("cot").__name__,
    "broken": broken,
    "findings": [
        *check_contract(adapter),
        *(finding for message in messages for finding in check_encodes(adapter, message)),
        *(finding for data in inputs for finding in check_survives(adapter, data)),
    ],
}))
"""


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment of its own in which the package is installed beside Comity."""
    folder = tmp_path_factory.mktemp("stranger")
    package = folder / "package"
    (package / "pigeon_post").mkdir(parents=True)
    (package / "pigeon_post_broken").mkdir()
    (package / "pyproject.toml").write_text(PROJECT)
    (package / "pigeon_post" / "__init__.py").write_text(MODULE)
    (package / "pigeon_post_broken" / "__init__.py").write_text("raise RuntimeError('on import')\n")
    venv.create(folder / "environment", with_pip=False)
    interpreter = folder / "environment" / "bin" / "python"
    ours = sysconfig.get_paths()["purelib"]
    (site,) = (folder / "environment").glob("lib/python*/site-packages")
    (site / "comity.pth").write_text(f"{ours}\n{ROOT}\n")
    install = ["install", "--quiet", "--no-deps", "--no-build-isolation", "--no-index", "--target", str(site)]
    subprocess.run([sys.executable, "-m", "pip", *install, str(package)], check=True, timeout=120)
    return interpreter


def test_is_found_loaded_and_held_to_the_same_rules(python: Path) -> None:
    ran = subprocess.run([python, "-c", CHECK], check=True, capture_output=True, timeout=60, cwd="/")
    found = json.loads(ran.stdout)

    assert {"pigeon", "cot", "nffi"} <= set(found["names"])
    assert found["findings"] == []
    assert found["cot"] == "adapters.cot"  # a stranger cannot replace a format of ours
    assert found["broken"] == "adapter 'broken' cannot be loaded: RuntimeError"


def test_a_message_goes_through_it_in_the_command_line(python: Path) -> None:
    line = b"HERON-21@45.25/19.875@2026-05-04T09:10:11.000Z"
    translate = [str(python), "-m", "gateway.cli", "translate", "--from", "pigeon", "--to"]
    cot = subprocess.run([*translate, "cot"], input=line, check=True, capture_output=True, timeout=60)
    back = [str(python), "-m", "gateway.cli", "translate", "--from", "cot", "--to", "pigeon", "--report"]
    home = subprocess.run(back, input=cot.stdout, check=True, capture_output=True, timeout=60)

    assert b'<point lat="45.25" lon="19.875"' in cot.stdout
    assert home.stdout.strip() == line
    assert b"times.valid_until" in home.stderr


def test_two_packages_with_one_name_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    twice = [EntryPoint("dove", "dove_post", adapters.ENTRY_POINTS), EntryPoint("dove", "other", adapters.ENTRY_POINTS)]
    monkeypatch.setattr(adapters, "_installed", lambda: twice)

    with pytest.raises(UnknownFormatError, match="2 packages"):
        adapters.load("dove")


def test_what_lacks_a_part_of_the_contract_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(adapters, "_installed", lambda: [EntryPoint("stdlib", "json", adapters.ENTRY_POINTS)])

    with pytest.raises(UnknownFormatError, match="EDITION"):
        adapters.load("stdlib")
