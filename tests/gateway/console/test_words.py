from __future__ import annotations

import re
from enum import StrEnum
from importlib.resources import files

import pytest

from adapters import Fault
from gateway.console.words import TEXT_SHOWN, load, plain
from gateway.links import SendRefusal
from protocols.body import Body, Marking, Security
from protocols.custody import Fate
from protocols.envelope import Refusal
from protocols.message import Authenticity, LossReason, Mode, Precedence
from protocols.proof import ProofFault
from protocols.quantity import Affiliation, AltitudeDatum
from protocols.record import Attention, Event, Holding, Refused, Trouble, Withheld

TABLES: list[tuple[str, type[StrEnum]]] = [
    ("event", Event),
    ("event-means", Event),
    ("reason", Withheld),
    ("reason", Refused),
    ("reason", Attention),
    ("reason", Holding),
    ("reason", Trouble),
    ("reason", Fate),
    ("reason", Fault),
    ("reason", SendRefusal),
    ("reason", Refusal),
    ("reason", ProofFault),
    ("loss", LossReason),
    ("mode", Mode),
    ("authenticity", Authenticity),
    ("affiliation", Affiliation),
    ("value", Security),
    ("value", Marking),
    ("value", AltitudeDatum),
]


@pytest.mark.parametrize(("table", "codes"), TABLES, ids=lambda each: getattr(each, "__name__", each))
def test_every_code_has_words(table: str, codes: type[StrEnum]) -> None:
    words = load()

    assert [code.value for code in codes if not words.has(table, code)] == []


def test_every_kind_and_precedence_has_words() -> None:
    words = load()

    assert [kind for kind in Body.__args__ if not words.has("kind", kind.__struct_config__.tag)] == []
    assert [each for each in Precedence if not words.has("precedence", int(each))] == []


def test_every_word_that_the_page_asks_for_is_there() -> None:
    words = load()
    page = files("gateway.console").joinpath("templates", "console.html").read_text()
    scripts = "".join(
        files("gateway.console").joinpath("static", name).read_text() for name in ("console.js", "story.js")
    )
    asked = set(re.findall(r'word\("ui", "([a-z-]+)"', scripts))
    asked |= set(re.findall(r"ui\.([a-z]+)", page)) | set(re.findall(r"ui\[[\"']([a-z-]+)[\"']\]", page))
    asked |= set(re.findall(r'"([a-z-]+)"', page.partition("for column in")[2].partition("%}")[0]))
    asked |= {"live", "lost", "connecting", "gone", "failed", "delay", "age", "bytes", "formats", "pause", "resume"}

    assert len(asked) > 40
    assert {key for key in asked if not words.has("ui", key)} == set()
    assert set(words.table("ui")) - asked - {"nothing", "empty"} == set()


def test_a_code_without_words_stands_for_itself() -> None:
    assert load()("reason", "brand-new") == "brand-new"


def test_text_that_reorders_or_hides_is_made_visible() -> None:
    assert plain("EAGLE \u202e12\u202c") == "EAGLE ⟨U+202E⟩12⟨U+202C⟩"
    assert plain("a\x00b\x1bc\u200bd\ufeffe\u2028f\U000e0041g") == (
        "a⟨U+0000⟩b⟨U+001B⟩c⟨U+200B⟩d⟨U+FEFF⟩e⟨U+2028⟩f⟨U+E0041⟩g"
    )
    assert plain("\ud800").encode() == "⟨U+D800⟩".encode()


def test_honest_text_of_any_script_stays_as_it_is() -> None:
    for text in ("Straße · Kraków", "نقطة التفتيش", "می\u200cروم", "क्\u200dष", "第一小队", "one\n\ttwo"):
        assert plain(text) == text


def test_text_from_outside_is_bounded() -> None:
    assert len(plain("x" * 100_000)) == TEXT_SHOWN
    assert plain("abcdef", 4) == "abc…"
