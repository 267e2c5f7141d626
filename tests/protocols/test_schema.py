"""The published schema describes what is really written."""

from __future__ import annotations

import json

import jsonschema
import pytest

from gateway.formats.specimens import FULL, SPARSE, sparse, specimen
from protocols.message import Message, to_json
from protocols.schema import json_schema
from tests.protocols.generate_schema import TARGET

VALIDATOR = jsonschema.Draft202012Validator(json.loads(TARGET.read_bytes()))
MESSAGES = [*(specimen(body) for body in FULL), *(sparse(body) for body in SPARSE)]


def test_the_published_file_is_the_model() -> None:
    assert TARGET.read_bytes() == json_schema()


@pytest.mark.parametrize("message", MESSAGES, ids=lambda m: m.kind)
def test_every_kind_is_valid(message: Message) -> None:
    VALIDATOR.validate(json.loads(to_json(message)))


@pytest.mark.parametrize("change", [{"body": {"kind": "gossip"}}, {"invented": 1}, {"mode": "war"}, {"subject": None}])
def test_what_is_no_message_is_not_valid(change: dict[str, object]) -> None:
    fields = {**json.loads(to_json(MESSAGES[0])), **change}

    with pytest.raises(jsonschema.ValidationError):
        VALIDATOR.validate(fields)
