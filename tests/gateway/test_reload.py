"""A new table takes effect whole or not at all, and what it changes is said."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from msgspec.structs import replace

from gateway.config import Config, load
from gateway.keyring.holdings import BUNDLES, CHANGED
from gateway.reload import CHANGES_MAX, SIGNED_ANEW, Reloader, difference, fixed, trust
from gateway.stream import Stream
from gateway.versions import VERSIONS, Version, previous
from protocols.record import Event
from tests.fakes import FakeAudit, clock
from tests.gateway.passages import passer
from tests.gateway.tables import TABLE, a_config
from tests.gateway.vigil import CHANGES

ROUTE = 'from = ["alpha/patrols"]\nto = ["bravo/ops"]'
WIDER = 'from = ["alpha/patrols", "alpha/cell"]\nto = ["bravo/ops"]'


def test_says_who_gains_and_who_loses_what() -> None:
    old = a_config()
    to_bravo = next(route for route in old.routes if route.to == ("bravo/ops",))
    others = tuple(route for route in old.routes if route is not to_bravo)
    moved = replace(to_bravo, sources=("alpha/cell",), kinds=("chat",))
    found = difference(replace(old, routes=(*others, to_bravo)), replace(old, routes=(*others, moved)))

    assert found.gains == ("alpha/cell -> bravo/ops chat (alpha-bravo)",)
    assert found.loses == (
        "alpha/patrols -> bravo/ops chat (alpha-bravo)",
        "alpha/patrols -> bravo/ops delete (alpha-bravo)",
        "alpha/patrols -> bravo/ops track (alpha-bravo)",
    )


def test_says_whose_terms_changed() -> None:
    old = a_config()
    new = replace(old, agreements=tuple(replace(each, review=each.valid_from) for each in old.agreements))

    found = difference(old, new)

    assert (found.gains, found.loses) == ((), ())
    assert found.altered
    assert all(line.startswith("~ ") for line in found.lines)


def test_says_who_stands_in_for_whom_and_that_hours_changed() -> None:
    old, new = a_config(*CHANGES), a_config(*CHANGES[:-1])
    back = difference(new, old)
    cell = 'id = "alpha/cell"\n'
    hours = 'duty = [{ days = ["mon"], from = "07:00", until = "19:00" }]\ntime_zone = "UTC"\n'
    later = difference(old, a_config(*CHANGES, (cell, cell + hours)))

    assert "bravo/ops -> alpha/desk in place of alpha/cell chat (alpha-bravo)" in back.gains
    assert len(back.gains) == 2 * 4
    assert (back.loses, later.gains, later.loses) == ((), (), ())
    assert "bravo/ops -> alpha/cell chat (alpha-bravo)" in later.altered


def test_says_what_passes_through_whom_and_by_whose_leave() -> None:
    given = passer()
    terms = replace(given.agreements[0], onward=("charlie", "delta"))
    other = replace(given, agreements=(terms, *given.agreements[1:]))
    line = "bravo/ops -> charlie/map track (alpha-tells-charlie) through alpha"

    assert line in difference(a_config(), given).gains
    assert line in difference(given, other).altered
    assert line in difference(given, a_config()).loses


def test_nothing_changed_is_said_with_nothing() -> None:
    assert difference(a_config(), a_config()).lines == ()


def test_a_long_difference_is_cut_and_the_rest_counted() -> None:
    old = a_config()
    kinds = tuple(f"kind{number}" for number in range(CHANGES_MAX + 7))
    new = replace(
        old, routes=(replace(old.routes[0], kinds=kinds, sources=old.routes[0].sources[:1], to=("bravo/ops",)),)
    )
    lines = difference(replace(old, routes=()), new).lines

    assert len(lines) == CHANGES_MAX + 1
    assert lines[-1] == "and 7 more"


@pytest.mark.parametrize(
    ("change", "path"),
    [
        (lambda c: replace(c, gateway=replace(c.gateway, state="elsewhere")), "$.gateway:"),
        (lambda c: replace(c, http=replace(c.http, console="127.0.0.1:9")), "$.http:"),
        (lambda c: replace(c, waiting=replace(c.waiting, bytes_max=9)), "$.waiting:"),
        (lambda c: replace(c, links=(replace(c.links[0], username="x"), *c.links[1:])), "$.links:"),
        (lambda c: replace(c, units=(replace(c.units[0], receive=("new/#",)), *c.units[1:])), "$.units[0]:"),
        (lambda c: replace(c, links=(*c.links[:-1], replace(c.links[-1], partners=()))), "$.links:"),
        # a topic that was only written to is not subscribed to
        (lambda c: replace(c, units=(replace(c.units[0], receive=(c.units[1].deliver,)),)), "$.units[0]:"),
    ],
)
def test_what_needs_a_restart_is_refused_with_its_path(change: object, path: str) -> None:
    config = a_config()

    (fault,) = fixed(config, change(config))  # type: ignore[operator]

    assert fault.startswith(path)
    assert "restart" in fault


def test_partners_of_a_link_may_change() -> None:
    config = a_config()
    links = tuple(replace(link, partners=link.partners[:1]) for link in config.links)

    assert list(fixed(config, replace(config, links=links))) == []


class Running:
    """A reloader over a file, with everything it tells."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "gateway.toml"
        self.file.write_text(TABLE)
        self.loaded = load(self.file)
        self.audit = FakeAudit()
        self.adopted: list[Config] = []
        self.reloader = Reloader(self.loaded, Stream("alpha", self.audit, clock), self.adopted.append)

    @property
    def events(self) -> list[Event]:
        return [outcome.record.event for outcome in self.audit.outcomes]

    def write(self, old: str, new: str) -> tuple[str, ...]:
        text = self.file.read_text()
        assert old in text
        self.file.write_text(text.replace(old, new, 1))
        return self.reloader.take()


@pytest.fixture
def running(tmp_path: Path) -> Running:
    return Running(tmp_path)


def test_a_sound_table_is_adopted_and_recorded(running: Running) -> None:
    lines = running.write(ROUTE, WIDER)

    assert running.adopted != []
    assert running.events == [Event.TABLE_CHANGED]
    assert running.audit.outcomes[0].record.changes == lines
    assert "+ alpha/cell -> bravo/ops track (alpha-bravo)" in lines


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (ROUTE, 'from = ["alpha/nobody"]\nto = ["bravo/ops"]'),
        ("[gateway]", "[gateway"),
        ('state = "', 'state = "other'),
    ],
)
def test_a_faulty_table_changes_nothing_and_is_recorded(running: Running, old: str, new: str) -> None:
    if old not in running.file.read_text():
        running.file.write_text(running.file.read_text().replace("[gateway]", '[gateway]\nstate = "state"'))
    faults = running.write(old, new)

    assert faults
    assert running.adopted == []
    assert running.events == [Event.TABLE_REFUSED]
    assert running.audit.outcomes[0].record.changes == faults


def test_signatures_that_came_or_went_are_read_anew_and_recorded(running: Running) -> None:
    lines = running.reloader.take(signed=True)

    assert lines == ("the signatures of agreements were read anew",)
    assert running.adopted == [running.loaded.config]
    assert running.events == [Event.TABLE_CHANGED]
    assert list((running.loaded.state / "tables").iterdir()) == [running.loaded.state / "tables" / "000001.toml"]


def test_what_was_withdrawn_is_followed_also_while_the_file_has_faults(running: Running) -> None:
    running.file.write_text("[gateway")
    *faults, last = running.reloader.take(signed=True)

    assert faults[0].startswith("not TOML")
    assert last == SIGNED_ANEW
    assert running.adopted == [running.loaded.config]
    assert running.events == [Event.TABLE_REFUSED, Event.TABLE_CHANGED]


async def test_what_was_withdrawn_while_the_gateway_started_is_followed(running: Running) -> None:
    before = trust(running.loaded.state)
    bundles = running.loaded.state / BUNDLES
    bundles.mkdir(parents=True)
    (bundles / CHANGED).touch()
    reloader = Reloader(running.loaded, Stream("alpha", running.audit, clock), running.adopted.append, before)
    told: list[str] = []
    watching = asyncio.create_task(reloader.run(told.append))
    async with asyncio.timeout(60):
        while not told:
            await asyncio.sleep(0.02)
    watching.cancel()
    await asyncio.wait([watching])

    assert told == [SIGNED_ANEW]
    assert running.adopted == [running.loaded.config]


def test_an_unchanged_file_is_not_an_event(running: Running) -> None:
    running.file.write_text(TABLE + "\n# a remark\n")

    assert running.reloader.take() == ()
    assert running.events == []


def test_the_version_before_can_be_brought_back(running: Running) -> None:
    first = running.file.read_bytes()
    running.write(ROUTE, WIDER)
    versions = running.loaded.state / VERSIONS

    assert previous(versions, Version(running.file.read_bytes())) == Version(first)
    assert previous(versions, Version(first)) is None
    assert [file.stat().st_mode & 0o777 for file in versions.iterdir()] == [0o600, 0o600]
