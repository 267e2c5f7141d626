"""Symbol codings into each other: MIL-STD-2525C, 2525D and CoT types. Affiliation is carried, never guessed. Pure.

A coding is always written with the affiliation that the Symbol states, so a code that disagrees with it cannot turn a
friend into an enemy. What the other coding cannot say is told by ``exact`` False.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from protocols.quantity import Affiliation, Symbol

COT_LETTER = {
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
FROM_COT_LETTER = {letter: affiliation for affiliation, letter in COT_LETTER.items()}

SIDC_LETTER: dict[Affiliation, str] = {
    a: letter.upper() for a, letter in COT_LETTER.items() if a is not Affiliation.OTHER
}
EXERCISE_LETTER: dict[Affiliation, str] = {  # 2525C table A-I: the exercise identities
    Affiliation.PENDING: "G",
    Affiliation.UNKNOWN: "W",
    Affiliation.FRIEND: "D",
    Affiliation.NEUTRAL: "L",
    Affiliation.ASSUMED_FRIEND: "M",
    Affiliation.JOKER: "J",
    Affiliation.FAKER: "K",
}
_FROM_SIDC_LETTER = {letter: a for a, letter in SIDC_LETTER.items()} | {b: a for a, b in EXERCISE_LETTER.items()}
_EXERCISE_ONLY = frozenset("GWDLM")
_SIDC = re.compile(r"[A-Z*-]{3}[A-Z*-][A-Z0-9*-]{11}")
_DIMENSIONS = "PAGSUFX"  # both codings have these; 2525C also Z, unknown


class Coded(NamedTuple):
    """A symbol in another coding; ``exact`` False: something of it could not be said there."""

    code: str
    exact: bool


class Sidc(NamedTuple):
    """A 2525C code taken apart as far as meaning needs; ``exercise`` is what its identity letter says."""

    symbol: Symbol
    exercise: bool


def is_sidc15(text: str) -> bool:
    """Whether a text has the shape of a 2525C code, with ``-`` or ``*`` for what is not given."""
    return _SIDC.fullmatch(text) is not None


def from_cot(cot_type: str) -> Symbol | None:
    """The symbol of a CoT atom type (``a-f-G-U-C``), or None for other types."""
    if cot_type[:2] != "a-" or (len(cot_type) > 3 and cot_type[3] not in "-;"):
        return None
    affiliation = FROM_COT_LETTER.get(cot_type[2:3])
    return None if affiliation is None else Symbol(affiliation=affiliation, cot_type=cot_type)


def from_sidc15(code: str) -> Sidc | None:
    """The symbol of a 2525C code, or None when it is not one or its identity letter is unknown."""
    code = code.upper()
    affiliation = _FROM_SIDC_LETTER.get(code[1:2])
    if affiliation is None or not is_sidc15(code):
        return None
    return Sidc(Symbol(affiliation=affiliation, sidc15=code), exercise=code[1] in _EXERCISE_ONLY)


def to_cot(symbol: Symbol) -> Coded:
    """The CoT type of a symbol; at the least ``a-<affiliation>``."""
    prefix = "a-" + COT_LETTER[symbol.affiliation]
    if symbol.cot_type is not None and symbol.cot_type.startswith("a-"):
        return Coded(prefix + symbol.cot_type[3:], exact=True)
    if symbol.sidc15 is None:
        return Coded(prefix, exact=symbol.sidc20 is None)
    code = symbol.sidc15.upper().replace("*", "-")
    dimension = code[2:3]
    if code[:1] not in ("S", "-") or dimension not in _DIMENSIONS:
        return Coded(prefix, exact=False)
    letters = [letter for letter in code[4:10] if letter != "-"]
    cot_type = "-".join([prefix, dimension, *letters])
    back = _sidc15(symbol.affiliation, cot_type, exercise=code[1] in _EXERCISE_ONLY)
    return Coded(
        cot_type, exact=back is not None and back.exact and back.code[2:] == "".join((code[2:3], "P", code[4:]))
    )


def to_sidc15(symbol: Symbol, *, exercise: bool = False) -> Coded | None:
    """The 2525C code of a symbol, or None when there is no letter for its affiliation."""
    letters = EXERCISE_LETTER if exercise else SIDC_LETTER
    letter = letters.get(symbol.affiliation)
    if letter is None:
        return None
    if symbol.sidc15 is not None and is_sidc15(symbol.sidc15.upper()):
        code = symbol.sidc15.upper().replace("*", "-")
        return Coded(code[0] + letter + code[2:], exact=True)
    if symbol.cot_type is not None and symbol.cot_type.startswith("a-"):
        return _sidc15(symbol.affiliation, symbol.cot_type, exercise=exercise)
    return Coded(f"S{letter}ZP-----------", exact=False)


def _sidc15(affiliation: Affiliation, cot_type: str, *, exercise: bool) -> Coded | None:
    letter = (EXERCISE_LETTER if exercise else SIDC_LETTER).get(affiliation)
    if letter is None:
        return None
    parts = cot_type.partition(";")[0].split("-")[2:]
    if not parts or parts[0] not in _DIMENSIONS:
        return Coded(f"S{letter}ZP-----------", exact=not parts)
    function: list[str] = []
    for part in parts[1:]:
        if len(part) != 1 or not (part.isascii() and (part.isupper() or part.isdigit())) or len(function) == 6:
            break
        function.append(part)
    exact = len(function) == len(parts) - 1 and ";" not in cot_type
    return Coded(f"S{letter}{parts[0]}P{''.join(function).ljust(6, '-')}-----", exact=exact)
