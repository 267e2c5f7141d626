"""TLS on every transport that has it, against real servers: who gets in, and who is refused."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from gateway.links import Link, LinkState, Parcel, Settings, Subscription, upkeep
from gateway.links.urls import open_link
from tests.gateway.links.certificates import Authority, Pair
from tests.gateway.links.life import alive, take, until
from tests.servers import Server, free_port, mosquitto, mosquitto_path, nats_server, running


class Place(NamedTuple):
    """A server that wants client certificates."""

    url: str
    authority: Authority
    server: Pair
    client: Pair
    process: Server

    def settings(self, client_id: str = "gateway", *filters: str) -> Settings:
        """What gets in."""
        settings = Settings(
            self.url, client_id, tuple(Subscription(one) for one in filters), ca_file=self.authority.file
        )
        return settings._replace(certificate_file=self.client.certificate, key_file=self.client.key)


@pytest.fixture(params=["mqtts", "nats+tls"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    authority = Authority(tmp_path / "pki")
    server, client = authority.issue("server", "127.0.0.1", "broker.example"), authority.issue("client")
    if request.param == "mqtts":
        if mosquitto_path() is None:
            pytest.skip("mosquitto is not installed")
        lines = (
            f"cafile {authority.file}\ncertfile {server.certificate}\nkeyfile {server.key}\nrequire_certificate true"
        )
        process = mosquitto(tmp_path / "broker", listener=lines)
    else:
        block = f'cert_file: "{server.certificate}", key_file: "{server.key}", ca_file: "{authority.file}"'
        process = nats_server(tmp_path / "broker", f"tls {{ {block}, verify: true }}", mqtt=False)
    with running(process):
        yield Place(f"{request.param}://127.0.0.1:{process.port}", authority, server, client, process)


async def outcome(settings: Settings, within_s: float = 2.0) -> LinkState:
    """Where a link stands after a while, or as soon as it is up or refused."""
    link = open_link("x", settings)
    entering = asyncio.create_task(link.__aenter__())
    with contextlib.suppress(TimeoutError):
        await until(lambda: link.state in {LinkState.UP, LinkState.REFUSED}, within_s)
    state = link.state
    entering.cancel()
    await asyncio.wait((entering,))
    if state is LinkState.UP:
        await link.__aexit__(None, None, None)
    return state


async def test_a_good_certificate_gets_in_and_messages_pass(place: Place) -> None:
    async with (
        alive(open_link("r", place.settings("r", "t/#"))) as reader,
        alive(open_link("w", place.settings("w"))) as w,
    ):
        await w.send(Parcel("t/x", bytes(300_000)))
        (frame,) = await take(reader, 1)
        frame.ack()
        assert len(frame.data) == 300_000


async def test_without_a_certificate_nobody_gets_in(place: Place) -> None:
    assert await outcome(place.settings()._replace(certificate_file=None, key_file=None)) is not LinkState.UP


async def test_a_server_of_another_authority_is_refused(place: Place, tmp_path: Path) -> None:
    other = Authority(tmp_path / "other")
    assert await outcome(place.settings()._replace(ca_file=other.file)) is LinkState.REFUSED


async def test_a_server_that_is_not_named_is_refused(place: Place) -> None:
    assert await outcome(place.settings()._replace(server_name="elsewhere.example")) is LinkState.REFUSED
    assert await outcome(place.settings()._replace(server_name="broker.example")) is LinkState.UP


async def test_a_revoked_server_is_refused(place: Place) -> None:
    assert await outcome(place.settings()._replace(crl_file=place.authority.revoke())) is LinkState.UP
    revoked = place.authority.revoke(place.server.serial)
    assert await outcome(place.settings()._replace(crl_file=revoked)) is LinkState.REFUSED


def spoil(file: str) -> None:
    Path(file).write_text("half a certif")


async def test_new_files_are_used_without_a_restart(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upkeep, "LOOK_S", 0.1)
    async with alive(open_link("x", place.settings("x", "t/#"))) as link:
        spoil(place.client.certificate)
        await asyncio.sleep(0.4)
        assert link.statistics.connects == 1
        place.authority.issue("client")
        await until(lambda: link.statistics.connects == 2)
        await until(lambda: link.state is LinkState.UP)
        await link.send(Parcel("other", b"still alive"))


async def _older_tls(place: Authority, port: int) -> asyncio.Server:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    pair = place.issue("old", "127.0.0.1")
    context.load_cert_chain(pair.certificate, pair.key)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    return await asyncio.start_server(lambda _, writer: writer.transport.abort(), "127.0.0.1", port, ssl=context)


@pytest.mark.parametrize("scheme", ["mqtts", "tls", "wss"])
async def test_tls_1_2_is_not_spoken(scheme: str, tmp_path: Path) -> None:
    authority, port = Authority(tmp_path), free_port()
    async with await _older_tls(authority, port):
        assert (
            await outcome(Settings(f"{scheme}://127.0.0.1:{port}", "x", ca_file=authority.file), 0.7)
            is not LinkState.UP
        )


async def test_a_tls_stream_carries_frames(tmp_path: Path) -> None:
    authority, port = Authority(tmp_path), free_port()
    pair = authority.issue("server", "127.0.0.1")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.certificate, pair.key)
    heard = asyncio.get_running_loop().create_future()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"hello\n")
        heard.set_result(await reader.readline())
        writer.transport.abort()

    settings = Settings(f"tls://127.0.0.1:{port}", "x", (Subscription("t"),), ca_file=authority.file)
    async with await asyncio.start_server(serve, "127.0.0.1", port, ssl=context):
        link: Link = open_link("x", settings)
        async with alive(link):
            (frame,) = await take(link, 1)
            assert frame.data == b"hello"
            sending = asyncio.create_task(link.send(Parcel("t", b"answer\n")))
            assert await asyncio.wait_for(heard, 5) == b"answer\n"
            sending.cancel()
            await asyncio.wait((sending,))


async def test_a_link_without_tls_is_refused_by_a_server_that_wants_it(place: Place) -> None:
    plain = place.url.replace("mqtts", "mqtt").replace("nats+tls", "nats")
    assert await outcome(Settings(plain, "x"), 0.7) is not LinkState.UP
