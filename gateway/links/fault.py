"""How a connection ends, as values: the peer broke the protocol, does not authorise us, or went away."""

from __future__ import annotations


class ProtocolError(Exception):
    """The peer broke the protocol; ``code`` is the MQTT reason code to disconnect with. Never holds peer data."""

    def __init__(self, what: str, code: int = 0x82) -> None:
        super().__init__(what)
        self.code = code


class RefusedError(Exception):
    """The peer does not want us: retrying soon is useless, an operator must act. Bounded text."""


class LostError(Exception):
    """The connection ended or never came to be; retry with back-off. Bounded text."""
