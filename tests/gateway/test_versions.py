"""A table is its text and the SPIFs that it names: a change of either is another version, and both come back."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gateway.cli.main import app
from gateway.config import load, spifs
from gateway.reload import Reloader
from gateway.stream import Stream
from gateway.versions import VERSIONS, VERSIONS_MAX, Version, keep, previous
from protocols.record import Event
from tests.fakes import FakeAudit, clock
from tests.gateway.test_labels import table_with
from tests.protocols.policies import FIXTURES

SPIF = "home.spif.xml"
TEXT = table_with(f'spif = "{SPIF}"').encode()


class Running:
    """A gateway's reloader over a table with a SPIF, and what it records."""

    def __init__(self, folder: Path) -> None:
        shutil.copy(FIXTURES / SPIF, folder)
        self.spif = folder / SPIF
        self.file = folder / "gateway.toml"
        self.file.write_bytes(TEXT)
        self.loaded = load(self.file)
        self.audit = FakeAudit()
        self.adopted: list[bool] = []
        stream = Stream("alpha", self.audit, clock)
        self.reloader = Reloader(
            self.loaded, stream, lambda config: self.adopted.append("SURGICAL" in repr(config.policies[0]))
        )

    def change(self) -> None:
        """One value of a category goes by another name."""
        text = self.spif.read_text()
        assert '"MEDICAL"' in text
        self.spif.write_text(text.replace('"MEDICAL"', '"SURGICAL"'))

    def events(self) -> list[tuple[Event, tuple[str, ...]]]:
        return [(each.record.event, each.record.changes) for each in self.audit.outcomes]


@pytest.fixture
def running(tmp_path: Path) -> Running:
    return Running(tmp_path)


def test_a_changed_spif_is_another_table_and_says_which_policy(running: Running) -> None:
    running.change()
    lines = running.reloader.take()

    assert lines == ("~ policy HOME",)
    assert running.adopted == [True]
    assert running.events() == [(Event.TABLE_CHANGED, lines)]


def test_a_broken_spif_changes_nothing(running: Running) -> None:
    running.spif.write_text("<spif")
    (line,) = running.reloader.take()

    assert line.startswith("$.policies[0].spif: not a policy that can be relied on")
    assert running.adopted == []
    assert running.events() == [(Event.TABLE_REFUSED, (line,))]


async def test_a_running_gateway_notices_its_spif(running: Running) -> None:
    told: list[str] = []
    watching = asyncio.create_task(running.reloader.run(told.append))
    await asyncio.sleep(0.3)
    running.change()
    async with asyncio.timeout(60):
        while not told:
            await asyncio.sleep(0.02)
    watching.cancel()
    await asyncio.wait([watching])

    assert told == ["~ policy HOME"]
    assert running.adopted[-1]


def test_the_version_before_has_its_spif(running: Running) -> None:
    before = running.spif.read_bytes()
    running.change()
    running.reloader.take()
    now = Version(TEXT, ((SPIF, running.spif.read_bytes()),))

    assert previous(running.loaded.state / VERSIONS, now) == Version(TEXT, ((SPIF, before),))
    assert {file.stat().st_mode & 0o777 for file in (running.loaded.state / VERSIONS).iterdir()} == {0o600}


def test_a_version_that_was_kept_twice_is_not_the_one_before_itself(tmp_path: Path) -> None:
    """Several workers may keep the same version at the same moment."""
    for number, text in enumerate((b"a = 1\n", b"a = 2\n", b"a = 2\n"), 1):
        (tmp_path / f"{number:06}.toml").write_bytes(text)

    assert previous(tmp_path, Version(b"a = 2\n")) == Version(b"a = 1\n")


def test_a_rollback_brings_the_spif_back(running: Running) -> None:
    before = running.spif.read_bytes()
    running.change()
    running.reloader.take()
    result = CliRunner().invoke(app, ["rollback", str(running.file)])

    assert (result.exit_code, result.stdout) == (0, "~ policy HOME\n")
    assert running.spif.read_bytes() == before
    assert running.reloader.take() == ("~ policy HOME",)


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        (TEXT.replace(b"alpha-bravo", b"alpha-brave", 1), []),
        (b"[gateway", ["--state"]),
        (None, ["--state"]),
    ],
)
def test_a_file_that_is_no_table_any_more_goes_back_to_what_was_in_force(
    running: Running, broken: bytes | None, words: list[str]
) -> None:
    running.file.unlink() if broken is None else running.file.write_bytes(broken)
    running.spif.write_text("<spif")
    given = [*words, str(running.loaded.state)] if words else []

    result = CliRunner().invoke(app, ["rollback", str(running.file), *given])

    assert result.exit_code == 0
    assert result.stderr.startswith("it was no table: ")
    assert load(running.file).config == running.loaded.config


def test_a_remark_is_no_version_to_go_back_from_nor_is_what_a_power_cut_left(running: Running) -> None:
    before = running.spif.read_bytes()
    running.change()
    running.reloader.take()
    (running.loaded.state / VERSIONS / "000003.toml").write_bytes(TEXT[:100])
    running.file.write_bytes(TEXT + b"# a remark\n")

    assert CliRunner().invoke(app, ["rollback", str(running.file)]).stdout == "~ policy HOME\n"
    assert running.spif.read_bytes() == before


def test_a_file_that_does_not_say_its_state_is_told_so_and_left_alone(running: Running) -> None:
    running.file.write_bytes(b"[gateway")
    result = CliRunner().invoke(app, ["rollback", str(running.file)])

    assert result.exit_code == 2
    assert "does not say where its earlier versions are: name --state" in result.stderr
    assert running.file.read_bytes() == b"[gateway"


def test_nothing_goes_back_where_nothing_was_in_force(running: Running, tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["rollback", str(running.file), "--state", str(tmp_path / "none")])

    assert result.exit_code == 2
    assert "no earlier version was in force" in result.stderr


def test_the_oldest_versions_go_with_what_stood_beside_them(tmp_path: Path) -> None:
    for number in range(VERSIONS_MAX + 5):
        keep(tmp_path, Version(TEXT + b"#%d" % number, ((SPIF, b"<%d/>" % number),)))

    assert len(list(tmp_path.glob("*.toml"))) == VERSIONS_MAX
    assert len(list(tmp_path.glob("*.xml"))) == VERSIONS_MAX
    assert not list(tmp_path.glob("000005.*"))
    assert (tmp_path / "000006.0.xml").exists()


@pytest.mark.parametrize(
    ("text", "names"),
    [
        (b'policies = [{spif = "a"}, {name = "x"}, {spif = "b"}, {spif = "a"}]', ["a", "b"]),
        (b"policies = 1", []),
        (b"", []),
        (b"[", []),
        (b"\xff", []),
        (b"policies = [1, {spif = 2}]", []),
    ],
)
def test_the_names_of_spifs_are_read_from_whatever_is_there(text: bytes, names: list[str]) -> None:
    assert list(spifs(text)) == names
