"""Symbol codings into each other: MIL-STD-2525C, 2525D and CoT types. Affiliation is carried, never guessed. Pure.

A coding is always written with the affiliation that the Symbol states, so a code that disagrees with it cannot turn a
friend into an enemy. What the other coding cannot say is told by ``exact`` False. 2525D goes through 2525C by the
table of Esri's joint-military-symbology-xml, whose column "back to C" decides what is exact.
"""

from __future__ import annotations

import re
from functools import cache
from typing import NamedTuple

from protocols.quantity import Affiliation, Symbol
from protocols.remembered import Remembered
from protocols.symbol_table import CHARLIE_TO_DELTA

COT_LETTER: dict[Affiliation, str] = {
    Affiliation.PENDING: "p",
    Affiliation.UNKNOWN: "u",
    Affiliation.ASSUMED_FRIEND: "a",
    Affiliation.FRIEND: "f",
    Affiliation.NEUTRAL: "n",
    Affiliation.SUSPECT: "s",
    Affiliation.HOSTILE: "h",
    Affiliation.JOKER: "j",
    Affiliation.FAKER: "k",
    Affiliation.NONE: "o",
    Affiliation.OTHER: "x",
}
SIDC_LETTER: dict[Affiliation, str] = {a: b.upper() for a, b in COT_LETTER.items() if a is not Affiliation.OTHER}
EXERCISE_LETTER: dict[Affiliation, str] = {  # 2525C table A-I: the exercise identities
    Affiliation.PENDING: "G",
    Affiliation.UNKNOWN: "W",
    Affiliation.FRIEND: "D",
    Affiliation.NEUTRAL: "L",
    Affiliation.ASSUMED_FRIEND: "M",
    Affiliation.JOKER: "J",
    Affiliation.FAKER: "K",
}
IDENTITY_DIGIT: dict[Affiliation, str] = {  # 2525D table A-III; joker and faker are exercise identities
    Affiliation.PENDING: "0",
    Affiliation.UNKNOWN: "1",
    Affiliation.ASSUMED_FRIEND: "2",
    Affiliation.FRIEND: "3",
    Affiliation.NEUTRAL: "4",
    Affiliation.SUSPECT: "5",
    Affiliation.HOSTILE: "6",
    Affiliation.JOKER: "5",
    Affiliation.FAKER: "6",
}
REAL, EXERCISE, SIMULATION = "0", "1", "2"  # 2525D, context

_FROM_COT_LETTER = {letter: affiliation for affiliation, letter in COT_LETTER.items()}
_FROM_SIDC_LETTER = {letter: a for a, letter in SIDC_LETTER.items()} | {b: a for a, b in EXERCISE_LETTER.items()}
_FROM_DIGIT = {digit: a for a, digit in reversed(IDENTITY_DIGIT.items())}
_GAMES = {Affiliation.SUSPECT: Affiliation.JOKER, Affiliation.HOSTILE: Affiliation.FAKER}
_EXERCISE_ONLY = frozenset("GWDLMJK")
_SIDC = re.compile(r"[A-Z*-]{4}[A-Z0-9*-]{11}", re.ASCII)
_DELTA = re.compile(r"\d{20}", re.ASCII)
_DIMENSIONS = "PAGSUFX"  # what CoT and 2525C both have; 2525C also Z, unknown
_UNKNOWN_DIMENSION = "Z"
_STATUS = {"P": "0", "A": "1", "C": "2", "D": "3", "X": "4", "F": "5"}
_STATUS_BACK = {digit: letter for letter, digit in _STATUS.items()}
_HEADQUARTERS = {"-": "0", "F": "1", "A": "2", "C": "3", "E": "4", "G": "5", "B": "6", "D": "7"}
_HEADQUARTERS_BACK = {digit: letter for letter, digit in _HEADQUARTERS.items()}
_MOBILITY = {  # 2525C characters 11 and 12 that are not an echelon
    "MO": "31", "MP": "32", "MQ": "33", "MR": "34", "MS": "35", "MT": "36", "MW": "37",
    "MU": "41", "MV": "42", "MX": "51", "MY": "52", "NS": "61", "NL": "62",
}  # fmt: skip
_ECHELON = {letter: str(number) for letter, number in zip("ABCDEFGH", range(11, 19), strict=True)} | {
    letter: str(number) for letter, number in zip("IJKLMN", range(21, 27), strict=True)
}
_ECHELON_BACK = {number: letter for letter, number in _ECHELON.items()}
_MOBILITY_BACK = {number: letters for letters, number in _MOBILITY.items()}


class Coded(NamedTuple):
    """A symbol in another coding; ``exact`` False: something of it could not be said there."""

    code: str
    exact: bool


class Sidc(NamedTuple):
    """A symbol code taken apart as far as meaning needs; the flags are what its identity or context says."""

    symbol: Symbol
    exercise: bool
    simulation: bool = False


def is_sidc15(text: str) -> bool:
    """Whether a text has the shape of a 2525C code, with ``-`` or ``*`` for what is not given."""
    return _SIDC.fullmatch(text) is not None


def is_sidc20(text: str) -> bool:
    """Whether a text has the shape of a 2525D code."""
    return _DELTA.fullmatch(text) is not None


def from_cot(cot_type: str) -> Symbol | None:
    """The symbol of a CoT atom type (``a-f-G-U-C``), or None for other types."""
    return _symbols[cot_type]


def _from_cot(cot_type: str) -> Symbol | None:
    if cot_type[:2] != "a-" or (len(cot_type) > 3 and cot_type[3] not in "-;"):
        return None
    affiliation = _FROM_COT_LETTER.get(cot_type[2:3])
    return None if affiliation is None else Symbol(affiliation=affiliation, cot_type=cot_type)


_symbols: Remembered[str, Symbol | None] = Remembered(_from_cot)


def from_sidc15(code: str) -> Sidc | None:
    """The symbol of a 2525C code, or None when it is not one or its identity letter is unknown."""
    code = code.upper()
    affiliation = _FROM_SIDC_LETTER.get(code[1:2])
    if affiliation is None or not is_sidc15(code):
        return None
    return Sidc(Symbol(affiliation=affiliation, sidc15=code), exercise=code[1] in _EXERCISE_ONLY)


def from_sidc20(code: str) -> Sidc | None:
    """The symbol of a 2525D code, or None when it is not one or its identity digit is unknown."""
    if not is_sidc20(code) or code[2] not in "012":
        return None
    affiliation = _FROM_DIGIT.get(code[3])
    if affiliation is None:
        return None
    if code[2] == EXERCISE:
        affiliation = _GAMES.get(affiliation, affiliation)
    symbol = Symbol(affiliation=affiliation, sidc20=code)
    return Sidc(symbol, exercise=code[2] == EXERCISE, simulation=code[2] == SIMULATION)


def to_cot(symbol: Symbol) -> Coded:
    """The CoT type of a symbol; at the least ``a-<affiliation>``."""
    return _types[symbol]


def _to_cot(symbol: Symbol) -> Coded:
    prefix = "a-" + COT_LETTER[symbol.affiliation]
    if symbol.cot_type is not None and symbol.cot_type.startswith("a-"):
        return Coded(prefix + symbol.cot_type[3:], exact=True)
    charlie = _charlie(symbol)
    if charlie is None:
        return Coded(prefix, exact=symbol.sidc20 is None and symbol.sidc15 is None)
    code = charlie.code
    if code[0] not in "S-" or code[2] not in _DIMENSIONS:
        return Coded(prefix, exact=False)
    cot_type = "-".join([prefix, code[2], *(letter for letter in code[4:10] if letter != "-")])
    said = code[2] + ("P" if code[3] == "-" else code[3]) + code[4:]
    return Coded(cot_type, exact=charlie.exact and _from_type(cot_type).code == said)


_types: Remembered[Symbol, Coded] = Remembered(_to_cot)


def to_sidc15(symbol: Symbol, *, exercise: bool = False) -> Coded | None:
    """The 2525C code of a symbol, or None when there is no letter for its affiliation."""
    return _sidcs[symbol, exercise]


def _to_sidc15(said: tuple[Symbol, bool]) -> Coded | None:
    symbol, exercise = said
    letter = (EXERCISE_LETTER if exercise else SIDC_LETTER).get(symbol.affiliation)
    if letter is None:
        return None
    charlie = _charlie(symbol)
    if charlie is None:
        charlie = _from_type(symbol.cot_type or "")
        return Coded(f"S{letter}{charlie.code}", exact=charlie.exact)
    return Coded(charlie.code[0] + letter + charlie.code[2:], exact=charlie.exact)


_sidcs: Remembered[tuple[Symbol, bool], Coded | None] = Remembered(_to_sidc15)


def to_sidc20(symbol: Symbol, *, context: str = REAL) -> Coded | None:
    """The 2525D code of a symbol, or None when there is no digit for its affiliation."""
    digit = IDENTITY_DIGIT.get(symbol.affiliation)
    if digit is None or (symbol.affiliation in _GAMES.values() and context != EXERCISE):
        return None
    if symbol.sidc20 is not None and is_sidc20(symbol.sidc20):
        return Coded(symbol.sidc20[:2] + context + digit + symbol.sidc20[4:], exact=True)
    charlie = to_sidc15(symbol)
    if charlie is None:
        return None
    code = charlie.code
    entry = _delta_of().get(_key(code))
    status, headquarters = _STATUS.get(code[3]), _HEADQUARTERS.get(code[10])
    amplifier = _MOBILITY.get(code[10:12]) or _ECHELON.get(code[11], "00")
    if code[10:12] in _MOBILITY:
        headquarters = "0"
    said_all = status is not None and headquarters is not None and code[12:] == "---" and code[11] in {*_ECHELON, "-"}
    exact = charlie.exact and entry is not None and (said_all or code[10:12] in _MOBILITY)
    what, exact = ("00" + "0" * 10, False) if entry is None else (entry.code, exact and entry.exact)
    return Coded(f"10{context}{digit}{what[:2]}{status or '0'}{headquarters or '0'}{amplifier}{what[2:]}", exact=exact)


def _charlie(symbol: Symbol) -> Coded | None:
    """A 2525C code that was given, or that a given 2525D code stands for; its identity letter means nothing yet."""
    if symbol.sidc15 is not None and is_sidc15(symbol.sidc15.upper()):
        return Coded(symbol.sidc15.upper().replace("*", "-"), exact=True)
    if symbol.sidc20 is None or not is_sidc20(symbol.sidc20):
        return None
    code = symbol.sidc20
    entry = _charlie_of().get(code[4:6] + code[10:20])
    near = (
        entry
        or _charlie_of().get(code[4:6] + code[10:16] + "0000")
        or _charlie_of().get(f"{code[4:6]}{code[10:14]}000000")
    )
    if near is None:
        return None
    status, headquarters, amplifier = _STATUS_BACK.get(code[6]), _HEADQUARTERS_BACK.get(code[7]), code[8:10]
    pair = _MOBILITY_BACK.get(amplifier) or (headquarters or "-") + _ECHELON_BACK.get(amplifier, "-")
    known = amplifier == "00" or amplifier in _ECHELON_BACK or (amplifier in _MOBILITY_BACK and code[7] == "0")
    exact = entry is not None and entry.exact and status is not None and headquarters is not None and known
    return Coded(f"{near.code[0]}-{near.code[1]}{status or 'P'}{near.code[2:]}{pair}---", exact=exact)


def _from_type(cot_type: str) -> Coded:
    """A CoT type as 2525C from the dimension on: upper-case letters are 2525's, the first lower-case one is CoT's."""
    parts = cot_type.partition(";")[0].split("-")[2:]
    if not parts or parts[0] not in _DIMENSIONS:
        return Coded(f"{_UNKNOWN_DIMENSION}P-----------", exact=not parts)
    function: list[str] = []
    for part in parts[1:]:
        if len(part) != 1 or not (part.isascii() and (part.isupper() or part.isdigit())) or len(function) == 6:
            break
        function.append(part)
    exact = len(function) == len(parts) - 1 and ";" not in cot_type
    return Coded(f"{parts[0]}P{''.join(function).ljust(6, '-')}-----", exact=exact)


def _key(code: str) -> str:
    return code[0] + code[2] + code[4:10]


@cache
def _delta_of() -> dict[str, Coded]:
    return {entry[:8]: Coded(entry[8:20], exact=entry[20] == "=") for entry in CHARLIE_TO_DELTA.split()}


@cache
def _charlie_of() -> dict[str, Coded]:
    """The way back: the code that the table calls exact, and for the rest any code of that meaning."""
    found: dict[str, Coded] = {}
    for entry in CHARLIE_TO_DELTA.split():
        code = Coded(entry[:8], exact=entry[20] == "=")
        if entry[8:20] not in found or (code.exact and not found[entry[8:20]].exact):
            found[entry[8:20]] = code
    return found
