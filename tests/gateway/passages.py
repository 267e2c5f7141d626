"""Tables by which alpha passes on to charlie what bravo says: alpha's and charlie's, in TOML."""

from __future__ import annotations

from gateway.config import Config
from tests.gateway.tables import COALITION, a_config

ONWARD = (
    'directions = [{ from = "alpha", to = "bravo" }, { from = "bravo", to = "alpha" }]\n',
    'directions = [{ from = "alpha", to = "bravo" }, { from = "bravo", to = "alpha" }]\nonward = ["charlie"]\n',
)
PLAIN = """
[[agreements]]
id = "alpha-tells-charlie"
partners = ["alpha", "charlie"]
kinds = ["track", "chat"]
directions = [{ from = "alpha", to = "charlie" }]
highest = { policy = "MISSION", classification = "UNCLASSIFIED" }
valid_from = 2026-01-01T00:00:00Z
valid_until = 2027-01-01T00:00:00Z

[[routes]]
from = ["bravo/ops"]
to = ["charlie/map"]
agreement = "alpha-tells-charlie"
through = "alpha"
"""
_FIRST = '[[agreements]]\nid = "alpha-charlie"'
PASSING = (_FIRST, PLAIN.partition("\n[[routes]]")[0] + "\n" + _FIRST)
ROUTE = ("[[routes]]", "[[routes]]" + PLAIN.partition("[[routes]]")[2] + "\n[[routes]]")
CHANGES = (ONWARD, PASSING, ROUTE)

THIRD = (
    '\n[gateway]\npartner = "charlie"\n'
    + COALITION
    + """
[[links]]
name = "national"

[[links]]
name = "coalition"
url = "nats://127.0.0.1:4222"
partners = ["alpha", "bravo"]

[[units]]
id = "charlie/map"
clearance = { policy = "MISSION", classification = "UNCLASSIFIED" }
adapter = "geojson"
link = "national"
deliver = "map/in"

[[peers]]
id = "bravo/ops"
clearance = { policy = "MISSION", classification = "RESTRICTED" }
"""
)


def passer(*more: tuple[str, str]) -> Config:
    """Alpha's table: charlie is told by alpha what bravo, by its agreement with alpha, lets be passed on."""
    return a_config(*CHANGES, *more)


def third(*more: tuple[str, str]) -> Config:
    """Charlie's table: it takes from alpha what bravo's unit said."""
    return a_config(*more, table=THIRD + PLAIN)
