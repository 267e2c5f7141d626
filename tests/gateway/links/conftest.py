from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gateway.links import Link, Settings, Subscription
from gateway.links.address import Address
from gateway.links.backoff import Pace
from gateway.links.mqtt.link import MqttLink
from gateway.links.nats.link import NatsLink
from tests.servers import Server, mosquitto, mosquitto_path, nats_server

FAST = Pace(first_s=0.05, longest_s=0.2, refused_s=0.5)

Opener = Callable[..., Link]


@pytest.fixture(params=["mosquitto", "nats"])
def broker(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Server]:
    """A broker of each family that survives kill -9 of itself."""
    if request.param == "mosquitto":
        if mosquitto_path() is None:
            pytest.skip("mosquitto is not installed")
        # Written out with every change: mosquitto otherwise keeps nothing over a crash.
        server = mosquitto(tmp_path, "persistence true", "autosave_on_changes true", "autosave_interval 1")
    else:
        server = nats_server(tmp_path)
    try:
        yield server.start()
    finally:
        server.kill()


@pytest.fixture
def opened(broker: Server) -> Opener:
    """Make a link to the broker: ``opened(client_id, filter, ...)``."""
    nats = broker.command[0].endswith("nats-server")

    def make(client_id: str, *filters: str | Subscription, receive_maximum: int = 1024) -> Link:
        subscriptions = tuple(one if isinstance(one, Subscription) else Subscription(one) for one in filters)
        scheme = "nats" if nats else "mqtt"
        url = f"{scheme}://127.0.0.1:{broker.port}"
        settings = Settings(url, client_id, subscriptions, receive_maximum=receive_maximum)
        address = Address("127.0.0.1", broker.port)
        return NatsLink(client_id, settings, address, FAST) if nats else MqttLink(client_id, settings, address, FAST)

    return make
