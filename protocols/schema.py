"""The JSON Schema of a Message, derived from the model, for those who write or check its JSON form. Pure."""

from __future__ import annotations

import msgspec

from protocols.message import MODEL_MAJOR, Message

ID = f"https://comity.example/schema/message-{MODEL_MAJOR}.json"


def json_schema() -> bytes:
    """The schema as JSON, indented. Ranges and lengths are checked by the model besides (see each field's unit)."""
    schema = msgspec.json.schema(Message)
    document = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": ID,
        "title": "Comity message",
        **schema,
    }
    return msgspec.json.format(msgspec.json.encode(document), indent=1) + b"\n"
