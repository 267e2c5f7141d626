"""A coalition of three as one gateway's table, in TOML as an operator writes it; tests change a line and look."""

from __future__ import annotations

from gateway.config import Config, faults, parse

COALITION = """
[[policies]]
name = "MISSION"
classifications = ["UNCLASSIFIED", "RESTRICTED", "CONFIDENTIAL"]
restrictive = ["Sensitivity"]
permissive = ["Releasable To"]

[[partners]]
id = "alpha"
kind = "nation"

[[partners]]
id = "bravo"
kind = "nation"

[[partners]]
id = "charlie"
kind = "ngo"
"""
TABLE = (
    '\n[gateway]\npartner = "alpha"\n'
    + COALITION
    + """
[[links]]
name = "national"

[[links]]
name = "coalition"
url = "nats://127.0.0.1:4222"
partners = ["bravo", "charlie"]

[[units]]
id = "alpha/patrols"
clearance = { policy = "MISSION", classification = "CONFIDENTIAL" }
adapter = "cot"
link = "national"
receive = ["tak/alpha/#"]
deliver = "tak/to-patrols"
labels = [
  { hint = "access=UNCLASSIFIED", label = { policy = "MISSION", classification = "UNCLASSIFIED" } },
  { hint = "access=RESTRICTED", label = { policy = "MISSION", classification = "RESTRICTED" } },
]

[[units]]
id = "alpha/cell"
clearance = { policy = "MISSION", classification = "CONFIDENTIAL" }
adapter = "cot"
link = "national"
receive = ["cell/alpha"]
deliver = "tak/to-cell"
default_label = { policy = "MISSION", classification = "UNCLASSIFIED" }

[[peers]]
id = "bravo/ops"
clearance = { policy = "MISSION", classification = "RESTRICTED" }

[[peers]]
id = "charlie/map"
clearance = { policy = "MISSION", classification = "UNCLASSIFIED" }

[[agreements]]
id = "alpha-bravo"
partners = ["alpha", "bravo"]
kinds = ["track", "chat", "delete"]
directions = [{ from = "alpha", to = "bravo" }, { from = "bravo", to = "alpha" }]
highest = { policy = "MISSION", classification = "CONFIDENTIAL" }
valid_from = 2026-01-01T00:00:00Z
valid_until = 2027-01-01T00:00:00Z

[[agreements]]
id = "alpha-charlie"
partners = ["alpha", "charlie"]
kinds = ["track"]
directions = [{ from = "alpha", to = "charlie" }]
highest = { policy = "MISSION", classification = "UNCLASSIFIED" }
valid_from = 2026-01-01T00:00:00Z
valid_until = 2027-01-01T00:00:00Z
transformation = { coarsen_m = 1000.0, drop_identities = true }

[[agreements]]
id = "alpha-inside"
partners = ["alpha"]
kinds = ["track", "chat"]
directions = [{ from = "alpha", to = "alpha" }]
highest = { policy = "MISSION", classification = "CONFIDENTIAL" }
valid_from = 2026-01-01T00:00:00Z
valid_until = 2027-01-01T00:00:00Z

[[routes]]
from = ["alpha/patrols"]
to = ["bravo/ops"]
agreement = "alpha-bravo"

[[routes]]
from = ["alpha/patrols"]
to = ["charlie/map"]
kinds = ["track"]
agreement = "alpha-charlie"

[[routes]]
from = ["alpha/patrols"]
to = ["alpha/cell"]
kinds = ["track"]
agreement = "alpha-inside"

[[routes]]
from = ["bravo/ops"]
to = ["alpha/cell", "alpha/patrols"]
agreement = "alpha-bravo"
"""
)


def changed(*changes: tuple[str, str], table: str = TABLE) -> str:
    """The table with some of its text replaced; what is to be replaced must stand there."""
    text = table
    for old, new in changes:
        if old not in text:
            raise ValueError(f"the table does not say {old!r}")
        text = text.replace(old, new, 1)
    return text


def a_config(*changes: tuple[str, str], table: str = TABLE) -> Config:
    """The table, decoded; it has to be without fault."""
    config = parse(changed(*changes, table=table).encode())
    if found := list(faults(config)):
        raise ValueError("; ".join(found))
    return config
