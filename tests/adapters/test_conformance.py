"""What every adapter in the registry must keep: a new one is covered from the moment that its file exists."""

from __future__ import annotations

import json
import resource
import time
from pathlib import Path

import msgspec
import pytest

import adapters
from adapters import Adapter, EncodeError, UnknownFormatError
from gateway.formats.conformance import (
    KINDS,
    check_contract,
    check_decoded,
    check_encodes,
    check_refuses,
    check_survives,
    differences,
    mutations,
    noise,
    undeclared,
)
from gateway.formats.specimens import FULL, SPARSE, sparse, specimen
from protocols.message import Message, from_json, pack, to_json, unpack
from tests.adapters.oracles import standards

FIXTURES = Path(__file__).parent.parent / "fixtures"
MESSAGES: list[Message] = [*(specimen(body) for body in FULL), *(sparse(body) for body in SPARSE)]
READERS = tuple(name for name in adapters.names() if adapters.load(name).READS)


@pytest.fixture(params=adapters.names())
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def adapter(name: str) -> Adapter:
    return adapters.load(name)


@pytest.fixture(params=READERS)
def reader(request: pytest.FixtureRequest) -> Adapter:
    return adapters.load(str(request.param))


def files(name: str, *, bad: bool) -> list[Path]:
    folder = FIXTURES / name
    found = [p for p in sorted(folder.glob("*")) if p.suffix not in (".json", ".md") or _is_sample(p)]
    return [p for p in found if p.name.startswith("bad-") == bad]


def _is_sample(path: Path) -> bool:
    """A format may itself be JSON: then its canonical twin is called ``<sample>.json``."""
    return path.suffix == ".json" and not any(
        path == _twin(p) for p in path.parent.glob("*") if p != path and not p.name.startswith("bad-")
    )


def _twin(path: Path) -> Path:
    simple, full = path.with_suffix(".json"), path.with_name(path.name + ".json")
    return full if full.exists() or simple == path else simple


def samples(adapter: Adapter) -> list[bytes]:
    return [path.read_bytes() for path in files(adapter.__name__.partition(".")[2], bad=False)]  # type: ignore[attr-defined]


def test_keeps_the_contract(adapter: Adapter) -> None:
    assert check_contract(adapter) == []


def test_has_fixtures_of_both_sorts(name: str) -> None:
    if name not in READERS:
        pytest.skip("writes only")
    assert files(name, bad=False), f"put a real sample into {FIXTURES / name}"
    assert files(name, bad=True), f"put a bad-* sample into {FIXTURES / name}"


@pytest.mark.parametrize(
    "path", [p for name in READERS for p in files(name, bad=False)], ids=lambda p: f"{p.parent.name}-{p.stem}"
)
def test_sample_decodes_to_its_canonical_file(path: Path) -> None:
    adapter = adapters.load(path.parent.name)
    messages = adapter.decode(path.read_bytes())

    expected = [from_json(json.dumps({**fields, "id": "x"}).encode()) for fields in json.loads(_twin(path).read_text())]
    assert [msgspec.structs.replace(message, id="x") for message in messages] == expected  # the id digests the rest
    assert check_decoded(adapter, messages) == []


@pytest.mark.parametrize(
    "path", [p for name in READERS for p in files(name, bad=False)], ids=lambda p: f"{p.parent.name}-{p.stem}"
)
def test_sample_goes_home_without_an_undeclared_difference(path: Path) -> None:
    adapter = adapters.load(path.parent.name)
    for message in adapter.decode(path.read_bytes()):
        if message.kind in adapter.WRITES:
            assert check_encodes(adapter, message) == []
            adapter.encode(message)  # what it read itself it can say


@pytest.mark.parametrize(
    "path", [p for name in READERS for p in files(name, bad=True)], ids=lambda p: f"{p.parent.name}-{p.stem}"
)
def test_bad_sample_is_refused(path: Path) -> None:
    assert check_refuses(adapters.load(path.parent.name), path.read_bytes()) == []


@pytest.mark.parametrize("message", MESSAGES, ids=lambda m: m.kind)
def test_every_kind_is_written_with_every_loss_declared_or_refused(adapter: Adapter, message: Message) -> None:
    assert check_encodes(adapter, message) == []


def test_writes_every_kind_it_claims_and_no_other(adapter: Adapter) -> None:
    written = set()
    for message in MESSAGES:
        try:
            adapter.encode(message)
        except EncodeError:
            continue
        written.add(message.kind)

    assert written <= adapter.WRITES
    assert adapter.WRITES - written <= {"status", "task", "opaque"}  # those depend on what exactly they hold


def test_decoded_messages_survive_the_wire_and_json(reader: Adapter) -> None:
    for data in samples(reader):
        for message in reader.decode(data):
            assert unpack(pack(message)) == message
            assert from_json(to_json(message)) == message


def test_a_part_that_says_nothing_takes_no_room(reader: Adapter) -> None:
    for data in samples(reader):
        for message in reader.decode(data):
            assert b":{}" not in to_json(message)


def test_nothing_but_a_refusal_comes_of_noise_and_damage(reader: Adapter) -> None:
    pool = samples(reader)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for data in (*noise(300, seed=20260504), *mutations(pool, 300, seed=20260504)):
        spent_s = []
        for _ in range(2):  # the second time only where something else fell into the first
            start = time.thread_time()
            assert check_survives(reader, data) == []
            spent_s.append(time.thread_time() - start)
            if spent_s[-1] < 0.05:
                break
        assert min(spent_s) < 0.05
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 16 * 1024


def test_oversized_input_is_refused_before_it_is_looked_at(reader: Adapter) -> None:
    data = samples(reader)[0] + b" " * adapters.INPUT_MAX
    start = time.thread_time()
    assert check_refuses(reader, data) == []
    assert time.thread_time() - start < 0.05


def test_refusals_never_quote_the_input(reader: Adapter) -> None:
    name = reader.__name__.partition(".")[2]  # type: ignore[attr-defined]
    for path in files(name, bad=True):
        with pytest.raises(adapters.DecodeError) as refused:
            reader.decode(path.read_bytes().replace(b"HERON", b"CANARY"))
        assert "CANARY" not in str(refused.value)
        assert len(str(refused.value)) < 120


def test_registry_gives_only_adapters() -> None:
    assert adapters.names() == tuple(sorted(adapters.names()))
    with pytest.raises(UnknownFormatError):
        adapters.load("os")
    with pytest.raises(UnknownFormatError):
        adapters.load("../cot")


def test_specimens_cover_every_kind_and_every_field() -> None:
    assert {message.kind for message in MESSAGES} == KINDS
    for kind in KINDS:
        bodies = [message.body for message in MESSAGES if message.kind == kind]
        for field in msgspec.structs.fields(type(bodies[0])):
            assert any(getattr(body, field.name) not in (None, ()) for body in bodies), f"{kind}.{field.name}"


THIRD_PARTY = [
    ("cot", "cot/samples/*.xml"),
    ("tak", "tak-protocol/*.bin"),
    ("nffi", "nffi/samples/*.xml"),
    ("sedap", "sedap-express/*.txt"),
    ("cap", "cap/samples/*.xml"),
]
SOURCES = [
    *((name, path) for name in READERS for path in files(name, bad=False)),
    *((name, path) for name, pattern in THIRD_PARTY if name in READERS for path in standards(pattern)),
]


@pytest.mark.parametrize(("source", "path"), SOURCES, ids=lambda v: v.name if isinstance(v, Path) else v)
def test_through_any_other_format_and_home_only_declared_differences(source: str, path: Path) -> None:
    """A -> B -> A: what B's report does not name as lost or computed is the same when it is home."""
    home = adapters.load(source)
    try:
        messages = home.decode(path.read_bytes())
    except adapters.DecodeError:
        return  # refused samples have tests of their own
    for message in messages:
        for name in READERS:
            abroad = adapters.load(name)
            try:
                there = abroad.encode(message)
                (back,) = abroad.decode(there.data)
                assert undeclared(message, back, there) == [], name
                again = home.encode(back)
            except EncodeError:
                continue
            losses, derived = (*there.loss, *again.loss), (*there.derived, *again.derived)
            declared = {loss.field for loss in losses} | {each.field for each in derived}
            (returned,) = home.decode(again.data)
            differing = differences(message, returned)
            assert [p for p in differing if not any(p == f or p.startswith(f + ".") for f in declared)] == [], name
