"""Write protocols/message.schema.json: ``python -m tests.protocols.generate_schema``; a test compares."""

from __future__ import annotations

from pathlib import Path

from protocols.schema import json_schema

TARGET = Path(__file__).parents[2] / "protocols" / "message.schema.json"

if __name__ == "__main__":
    TARGET.write_bytes(json_schema())
