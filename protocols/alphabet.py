"""Text in the narrow alphabets of some formats: transliterated where possible, escaped where it must come back."""

from __future__ import annotations

import re
import unicodedata
from hashlib import sha256

_NARROW = re.compile(r"[A-Za-z0-9.,:*-]*", re.ASCII)
_NOT_NARROW = re.compile(r"[^A-Za-z0-9.,:*-]")
_ESCAPED = re.compile(r"(?:[^*]|\*[0-9A-F]{2})*")
_ESCAPE = re.compile(r"(?:\*[0-9A-F]{2})+")
_SHORTENED = "**"  # what no escaped text can begin with
_DIGEST = 16  # hexadecimal digits of SHA-256 that tell two shortened texts apart


def is_narrow(text: str) -> bool:
    """Whether a text keeps to ``A-Z a-z 0-9 . , : * -`` (NFFI 1.3, every text)."""
    return _NARROW.fullmatch(text) is not None


def narrow(text: str) -> str:
    """A text in the narrow alphabet, as near as it gets: accents dropped, everything else a dash."""
    if is_narrow(text):
        return text
    plain = unicodedata.normalize("NFKD", text)
    return _NOT_NARROW.sub("-", "".join(c for c in plain if not unicodedata.combining(c)))


def escape_narrow(text: str, limit: int) -> str:
    """An identifier in the narrow alphabet that ``unescape_narrow`` restores, or one shortened beyond restoring.

    A shortened one begins with ``**`` and is the same for the same text.
    """
    escaped = _NOT_NARROW.sub(_escape, text.replace("*", "*2A"))
    if len(escaped) <= limit:
        return escaped
    digest = sha256(text.encode()).hexdigest()[:_DIGEST]
    return f"{_SHORTENED}{narrow(text).replace('*', '-')[: limit - _DIGEST - 3]}-{digest}"


def unescape_narrow(text: str) -> str | None:
    """The identifier that was escaped, or None where it was shortened and cannot be restored."""
    if text.startswith(_SHORTENED):
        return None
    if "*" not in text or _ESCAPED.fullmatch(text) is None:
        return text
    try:
        return _ESCAPE.sub(_unescape, text)
    except UnicodeDecodeError:
        return text


def bounded_hint(hint: str, limit: int) -> str | None:
    """A marking of bounded length. A cut one ends with an ellipsis, so that it is equal to no marking that is whole."""
    return (hint if len(hint) <= limit else hint[: limit - 1] + "\u2026") or None


def _escape(match: re.Match[str]) -> str:
    return "".join(f"*{byte:02X}" for byte in match[0].encode(errors="surrogatepass"))


def _unescape(match: re.Match[str]) -> str:
    return bytes.fromhex(match[0].replace("*", "")).decode()
