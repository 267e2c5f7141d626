from __future__ import annotations

import re
from importlib.resources import files

import pytest

STYLE = files("gateway.console").joinpath("static", "console.css").read_text()
READ = ("text", "soft", "faint", "delivered", "forwarded", "withheld", "refused", "accent")
BEHIND = ("ground", "panel", "raised", "selected")


def colours(theme: str) -> dict[str, str]:
    """The colours of a theme, by name."""
    start = ":root {" if theme == "night" else f':root[data-theme="{theme}"] {{'
    block = STYLE.split(start)[1].split("}")[0]
    return dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6});", block))


def luminance(colour: str) -> float:
    """WCAG 2.2, relative luminance."""
    shares = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    red, green, blue = (s / 12.92 if s <= 0.04045 else ((s + 0.055) / 1.055) ** 2.4 for s in shares)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    """WCAG 2.2, contrast ratio."""
    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize("theme", ["night", "red", "day"])
def test_every_text_can_be_read_on_every_ground(theme: str) -> None:
    shown = colours(theme)
    found = {(t, b): contrast(shown[t], shown[b]) for t in READ for b in BEHIND}
    found["urgent-text", "urgent"] = contrast(shown["urgent-text"], shown["urgent"])
    found["urgent-line", "ground"] = contrast(shown["urgent-line"], shown["ground"])

    # The red theme trades contrast for night vision, and its quietest text is still as good as large text must be.
    least = 3.3 if theme == "red" else 4.5
    assert {pair: round(ratio, 2) for pair, ratio in found.items() if ratio < least} == {}


def test_the_red_theme_has_nothing_but_red() -> None:
    for name, colour in colours("red").items():
        red, green, blue = (int(colour[place : place + 2], 16) for place in (1, 3, 5))
        assert green <= red * 0.4, name
        assert blue <= red * 0.4, name
