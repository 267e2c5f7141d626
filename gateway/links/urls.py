"""Which transport a URL names. Secrets never stand in a URL."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import SplitResult, urlsplit

from gateway.links import Link, LinkError, Settings
from gateway.links.address import Address
from gateway.links.mqtt import MqttLink
from gateway.links.nats import NatsLink

_PORTS = {"mqtt": 1883, "mqtts": 8883, "nats": 4222, "nats+tls": 4222}


def open_link(name: str, settings: Settings) -> Link:
    """The link of a URL, not yet connected; ``name`` is for logs. Raise LinkError with one line when it cannot be."""
    parts = _split(settings.url)
    opener = _OPENERS.get(parts.scheme)
    if opener is None:
        raise LinkError(f"{settings.url}: scheme must be one of {', '.join(sorted(_OPENERS))}")
    _check_settings(settings)
    return opener(name, settings, parts)


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise LinkError(f"URL: {error}") from error
    if parts.username is not None or parts.password is not None:
        raise LinkError("URL: holds a user name or password; use username and password_file")
    if port == 0:
        raise LinkError(f"{url}: port 0")
    return parts


def _check_settings(settings: Settings) -> None:
    if not settings.client_id:
        raise LinkError("client_id: is empty")
    if settings.password_file is not None and settings.username is None:
        raise LinkError("password_file: needs a username")
    if settings.key_file is not None and settings.certificate_file is None:
        raise LinkError("key_file: needs a certificate_file")
    if not 0 < settings.receive_maximum <= 65_535:
        raise LinkError("receive_maximum: must be 1 to 65535")
    if not 0 <= settings.keep_alive_s <= 65_535:
        raise LinkError("keep_alive_s: must be 0 to 65535")


def _address(parts: SplitResult, *, tls: bool) -> Address:
    if not parts.hostname:
        raise LinkError(f"{parts.geturl()}: no host")
    if parts.path.strip("/") or parts.query or parts.fragment:
        raise LinkError(f"{parts.geturl()}: ends after the port; topics belong in the subscriptions")
    return Address(parts.hostname, parts.port or _PORTS[parts.scheme], tls)


def _mqtt(name: str, settings: Settings, parts: SplitResult) -> Link:
    return MqttLink(name, settings, _address(parts, tls=parts.scheme == "mqtts"))


def _nats(name: str, settings: Settings, parts: SplitResult) -> Link:
    return NatsLink(name, settings, _address(parts, tls=parts.scheme == "nats+tls"))


_OPENERS: dict[str, Callable[[str, Settings, SplitResult], Link]] = {
    "mqtt": _mqtt,
    "mqtts": _mqtt,
    "nats": _nats,
    "nats+tls": _nats,
}
