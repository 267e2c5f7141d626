"""``comity bundle``: what an export writes, what an import takes, and one line for everything that is wrong."""

from __future__ import annotations

import asyncio
import json
import os
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from gateway.bundles.folder import BundleFolder
from gateway.cli.main import app
from gateway.demo.layout import Layout, prepare
from gateway.exits import Status
from gateway.keyring.holdings import Holdings
from gateway.keyring.keystore import KEY_FILE, key_file
from gateway.links import Parcel
from gateway.outbound.wrapping import Wrapping, pack_facts
from gateway.spool import Kept, Note
from gateway.spool.spool import Spool
from protocols.carrier import Header, Kind, Part, pack, unpack
from protocols.envelope import pack_envelope, pack_header
from protocols.record import Event, Record

EID = bytes(range(8))
NOW = datetime.now(UTC)


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    made = prepare(tmp_path, NOW, usual_ports=False)
    for name, file in made.files.items():
        text = file.read_text()
        start = text.index('url = "nats://')
        file.write_text(f'{text[:start]}url = "bundles://{tmp_path}/{name}-bundles"\n{without_login(text[start:])}')
    return made


def without_login(text: str) -> str:
    lines = text.split("\n")
    return "\n".join(line for line in lines[1:] if not line.startswith(("username", "password_file")))


def run(*words: str | Path, status: int = 0) -> Result:
    result = CliRunner().invoke(app, ["bundle", *map(str, words)])
    assert result.exit_code == status, result.output
    return result


def envelope(number: int) -> bytes:
    return pack_envelope(pack_header(1, 2, EID, 0, number), bytes(40))


def waits(layout: Layout, *numbers: int, to: str = "bravo", unit: str = "bravo/cell") -> None:
    """Put envelopes into alpha's spool, as a gateway does."""

    async def put() -> None:
        state = layout.folder / layout.configs["alpha"].gateway.state
        wrapping = Wrapping(state)
        facts = pack_facts([Record(at=NOW, gateway="alpha", event=Event.FORWARDED, destination=unit)])
        async with await Spool.open(state / "spool") as spool:
            name = EID + to.encode()
            await spool.put_note(Note(name, to, b"announcement", time.time() + 3600))
            await spool.put(
                [
                    Kept(
                        to,
                        number % 6,
                        wrapping.sealed(Parcel(f"comity/1/{to}/alpha/d/0", envelope(number))),
                        facts,
                        key=EID + number.to_bytes(4, "big"),
                        note=name,
                    )
                    for number in numbers
                ]
            )

    asyncio.run(put())


def test_an_export_holds_what_waits_the_most_urgent_first(layout: Layout, tmp_path: Path) -> None:
    waits(layout, 1, 2, 5)
    waits(layout, 3, to="charlie", unit="charlie/map")
    BundleFolder(tmp_path / "alpha-bundles").prepare()
    BundleFolder(tmp_path / "alpha-bundles").keep("bravo", Part(Kind.CONTROL, b"word"))
    out = tmp_path / "out"
    said = run("export", layout.files["alpha"], "--to", "bravo", out).stdout
    assert said == f"for bravo: 3 envelopes, 1 announcements, 1 control records; {out.stat().st_size} bytes in {out}\n"
    found = unpack(out.read_bytes())
    assert (found.header.sender, found.header.to, found.missing, found.damaged) == ("alpha", "bravo", 0, 0)
    assert found.parts == [
        Part(Kind.KEYS, b"announcement", EID),
        Part(Kind.CONTROL, b"word"),
        *(Part(Kind.DATA, envelope(number)) for number in (5, 2, 1)),
    ]


def test_an_export_removes_nothing(layout: Layout, tmp_path: Path) -> None:
    waits(layout, 1, 2)
    for name in ("one", "two"):
        said = json.loads(run("export", layout.files["alpha"], "--to", "bravo", tmp_path / name, "--json").stdout)
        assert (said["envelopes"], said["announcements"], said["files"]) == (2, 1, 1)


def test_what_does_not_fit_goes_into_further_files(
    layout: Layout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits(layout, *range(12))
    monkeypatch.setattr("gateway.cli.bundle._ROOM", 500)
    said = json.loads(run("export", layout.files["alpha"], "--to", "bravo", tmp_path / "out", "--json").stdout)
    files = sorted(tmp_path.glob("out*"))
    assert said["files"] == len(files) > 1
    found = [unpack(file.read_bytes()) for file in files]
    assert [each.header.number for each in found] == list(range(1, len(files) + 1))
    assert sum(len(each.parts) for each in found) == 13
    for file in files:
        run("import", layout.files["bravo"], file)
    assert len(BundleFolder(tmp_path / "bravo-bundles").waiting()) == len(files)


def test_where_nothing_waits_no_file_is_written(layout: Layout, tmp_path: Path) -> None:
    assert "nothing waits for bravo" in run("export", layout.files["alpha"], "--to", "bravo", tmp_path / "out").stdout
    assert not (tmp_path / "out").exists()


def test_what_was_sealed_for_a_revoked_unit_does_not_leave(layout: Layout, tmp_path: Path) -> None:
    waits(layout, 1, unit="bravo/cell")
    waits(layout, 2, unit="bravo/ops")
    states = {name: layout.folder / config.gateway.state for name, config in layout.configs.items()}
    held = {name: Holdings.open(states[name], key_file(states[name] / KEY_FILE)) for name in ("alpha", "bravo")}
    now_s = int(NOW.timestamp()) + 1
    held["bravo"].revoke("bravo/cell", now_s)
    held["bravo"].issue(now_s)
    held["alpha"].adopt(held["bravo"].bundle_file("bravo"), now_s)
    result = run("export", layout.files["alpha"], "--to", "bravo", tmp_path / "out")
    assert "1 envelopes stay here: a unit they are for is revoked" in result.stderr
    assert Part(Kind.DATA, envelope(2)) in unpack((tmp_path / "out").read_bytes()).parts
    assert Part(Kind.DATA, envelope(1)) not in unpack((tmp_path / "out").read_bytes()).parts


def test_an_import_leaves_everything_for_the_gateway(layout: Layout, tmp_path: Path) -> None:
    waits(layout, 1)
    run("export", layout.files["alpha"], "--to", "bravo", tmp_path / "out")
    said = run("import", layout.files["bravo"], tmp_path / "out").stdout
    assert said.startswith("from alpha, made 20")
    assert said.endswith("Z: 1 envelopes, 1 announcements, 0 control records\n")
    folder = BundleFolder(tmp_path / "bravo-bundles")
    contents = folder.take(folder.waiting()[0])
    assert contents is not None
    assert contents.parts == [Part(Kind.KEYS, b"announcement", EID), Part(Kind.DATA, envelope(1))]


def test_what_is_whole_of_a_damaged_medium_is_taken_and_the_rest_is_told(layout: Layout, tmp_path: Path) -> None:
    waits(layout, 1, 2, 3)
    out = tmp_path / "out"
    run("export", layout.files["alpha"], "--to", "bravo", out)
    data = bytearray(out.read_bytes())
    data[len(data) // 2] ^= 0xFF
    out.write_bytes(data)
    result = run("import", layout.files["bravo"], out, "--json", status=Status.REFUSED)
    assert json.loads(result.stdout)["missing"] == 1
    assert result.stderr.startswith(f"{out}: 1 places damaged, 1 parts missing; what is missing waits at alpha")
    assert len(BundleFolder(tmp_path / "bravo-bundles").waiting()) == 1


def a_file(sender: str = "alpha", to: str = "bravo") -> bytes:
    return b"".join(pack(Header(sender=sender, to=to, made_s=1), [Part(Kind.DATA, envelope(1))]))


@pytest.mark.parametrize(
    ("data", "line", "status"),
    [
        (a_file(to="charlie"), "is for charlie, and this is the gateway of bravo", Status.USAGE),
        (a_file(sender="delta"), "delta is not another partner of bravo.toml", Status.USAGE),
        (a_file(sender="bravo"), "bravo is not another partner of bravo.toml", Status.USAGE),
        (b"", "not a bundle", Status.REFUSED),
        (os.urandom(100), "not a bundle", Status.REFUSED),
        (None, "no such file or directory", Status.USAGE),
    ],
)
def test_an_import_that_cannot_be_is_refused_in_one_line(
    layout: Layout, tmp_path: Path, data: bytes | None, line: str, status: int
) -> None:
    medium = tmp_path / "in"
    if data is not None:
        medium.write_bytes(data)
    result = run("import", layout.files["bravo"], medium, status=status)
    assert result.stderr.count("\n") == 1
    assert result.stderr.startswith(f"{medium}: ")
    assert line in result.stderr
    assert not (tmp_path / "bravo-bundles").exists()


def test_an_import_without_a_link_by_hand_says_what_to_add(tmp_path: Path) -> None:
    layout = prepare(tmp_path, NOW, usual_ports=False)
    (tmp_path / "in").write_bytes(a_file())
    result = run("import", layout.files["bravo"], tmp_path / "in", status=Status.USAGE)
    assert result.stderr.endswith(
        'no link by hand to alpha; add [[links]] with url = "bundles:///folder" and partners = ["alpha"]\n'
    )


@pytest.mark.parametrize("to", ["alpha", "delta", "bravo/cell"])
def test_an_export_is_for_another_partner(layout: Layout, tmp_path: Path, to: str) -> None:
    result = run("export", layout.files["alpha"], "--to", to, tmp_path / "out", status=Status.USAGE)
    assert result.stderr == f"--to: {to} is not another partner of alpha.toml\n"


def test_an_export_to_a_medium_that_is_not_there_says_so(layout: Layout, tmp_path: Path) -> None:
    waits(layout, 1)
    out = tmp_path / "none" / "out"
    result = run("export", layout.files["alpha"], "--to", "bravo", out, status=Status.USAGE)
    assert result.stderr.endswith("no such file or directory\n")
    assert result.stderr.count("\n") == 1


def test_an_export_over_the_air_of_what_a_broker_did_not_take(tmp_path: Path) -> None:
    """A partner with a broker that is away: its envelopes can be carried all the same."""
    layout = prepare(tmp_path, NOW, usual_ports=False)
    waits(layout, 4)
    run("export", layout.files["alpha"], "--to", "bravo", tmp_path / "out")
    assert Part(Kind.DATA, envelope(4)) in unpack((tmp_path / "out").read_bytes()).parts
