"""A report that nothing changed goes home as the bytes that it was; one that something changed is written anew."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

import adapters
from adapters import DecodeError
from gateway.formats.home import keep, restored
from protocols.message import Original, from_json, to_json
from tests.adapters.oracles import standards

SAMPLES = {
    "cot": "cot/samples/*.xml",
    "tak": "tak-protocol/*.bin",
    "sedap": "sedap-express/*.txt",
    "nffi": "nffi/samples/*.xml",
    "cap": "cap/samples/*.xml",
}


def found() -> list[tuple[str, Path]]:
    fixtures = Path(__file__).parents[2] / "fixtures"
    ours = [
        (name, path)
        for name in SAMPLES
        for path in sorted((fixtures / name).glob("*"))
        if path.suffix not in {".json", ".md"}
    ]
    theirs = [(name, path) for name, where in SAMPLES.items() for path in standards(where)]
    return [*ours, *theirs]


@pytest.mark.parametrize(("name", "path"), found(), ids=lambda each: each.name if isinstance(each, Path) else each)
def test_through_json_and_back_to_the_very_bytes(name: str, path: Path) -> None:
    data = path.read_bytes()
    try:
        messages = adapters.load(name).decode(data)
    except DecodeError:
        return  # refused, so that nothing of it goes anywhere
    if len(messages) != 1:
        return  # several reports of one frame are reports of their own
    kept = from_json(to_json(keep(messages[0], name, data)))

    home = restored(kept, name)

    assert home is not None
    assert (home.data, home.loss) == (data, ())


def test_what_was_changed_is_written_anew() -> None:
    data = (Path(__file__).parents[2] / "fixtures" / "cot").joinpath("alert.xml").read_bytes()
    (message,) = adapters.load("cot").decode(data)
    kept = keep(message, "cot", data)
    broken = replace(message, original=Original(format="cot", data=b"<event"))

    assert restored(kept, "cot") is not None
    assert restored(replace(kept, subject="another"), "cot") is None
    assert restored(kept, "nffi") is None
    assert restored(broken, "cot") is None
    assert restored(message, "cot") is None
