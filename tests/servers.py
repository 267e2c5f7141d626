"""Real brokers for tests: started on a free loopback port in a folder of their own, stopped by process id."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sysconfig
import time
from collections.abc import Iterator
from pathlib import Path

START_S = 60.0


def free_port() -> int:
    """A loopback TCP port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for_port(port: int, deadline_s: float = START_S) -> None:
    """Return once something listens on a loopback port."""
    end = time.monotonic() + deadline_s
    while time.monotonic() < end:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 0.2):
            return
        time.sleep(0.01)
    raise TimeoutError(f"nothing listens on port {port}")


class Server:
    """One server process that can be stopped, killed, frozen and started again on the same ports and folder."""

    def __init__(self, command: list[str], ports: list[int], folder: Path) -> None:
        self.command = command
        self.ports = ports
        self.folder = folder
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def port(self) -> int:
        """The first port."""
        return self.ports[0]

    @property
    def pid(self) -> int:
        """The process id."""
        if self.process is None:
            raise RuntimeError("not started")
        return self.process.pid

    def start(self) -> Server:
        """Start, and return once every port is open."""
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(self.command, cwd=self.folder, stdout=log, stderr=log)
        for port in self.ports:
            wait_for_port(port)
        return self

    def stop(self, sign: signal.Signals = signal.SIGTERM) -> None:
        """End the process and wait for it."""
        process, self.process = self.process, None
        if process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGCONT)
            os.kill(process.pid, sign)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def kill(self) -> None:
        """End the process as a power cut would."""
        self.stop(signal.SIGKILL)

    def freeze(self) -> None:
        """Stop the process without ending it: its sockets stay open and silent."""
        os.kill(self.pid, signal.SIGSTOP)
        state = Path(f"/proc/{self.pid}/stat")
        end = time.monotonic() + START_S
        while state.exists() and state.read_text().rsplit(")", 1)[1].split()[0] != "T" and time.monotonic() < end:
            time.sleep(0.001)

    def thaw(self) -> None:
        """Let a frozen process run on."""
        os.kill(self.pid, signal.SIGCONT)


def mosquitto_path() -> str | None:
    """Where mosquitto is, or None."""
    return shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")


def mosquitto(folder: Path, *lines: str, listener: str | None = None) -> Server:
    """A mosquitto that keeps sessions in memory and sends small packets at once. ``lines`` go into its configuration.

    ``listener`` is the listener's own lines where more than a port is wanted (TLS, websockets).
    """
    path = mosquitto_path()
    if path is None:
        raise FileNotFoundError("mosquitto")
    port = free_port()
    folder.mkdir(parents=True, exist_ok=True)
    configuration = [
        "per_listener_settings false",
        "set_tcp_nodelay true",
        "max_queued_messages 0",
        "max_inflight_messages 1000",
        *(
            ()
            if any(line.startswith(("allow_anonymous", "password_file")) for line in lines)
            else ("allow_anonymous true",)
        ),
        *(("user root",) if os.geteuid() == 0 else ()),
        *lines,
        f"listener {port} 127.0.0.1",
        *((listener,) if listener else ()),
    ]
    (folder / "mosquitto.conf").write_text("\n".join(configuration) + "\n")
    return Server([path, "-c", "mosquitto.conf"], [port], folder)


def mosquitto_passwords(folder: Path, users: dict[str, str]) -> Path:
    """A mosquitto password file."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "passwords"
    file.touch(mode=0o600)
    for user, secret in users.items():
        subprocess.run(["mosquitto_passwd", "-b", str(file), user, secret], check=True, capture_output=True)
    return file


def nats_server_path() -> str:
    """Where nats-server is: PATH, else this interpreter's scripts."""
    found = shutil.which("nats-server") or shutil.which("nats-server", path=sysconfig.get_path("scripts"))
    if found is None:
        raise FileNotFoundError("nats-server")
    return found


def nats_server(folder: Path, *lines: str, mqtt: bool = True) -> Server:
    """A nats-server with JetStream on file and, as its second port, the MQTT 3.1.1 listener."""
    ports = [free_port(), free_port()] if mqtt else [free_port()]
    folder.mkdir(parents=True, exist_ok=True)
    configuration = [
        "server_name: test",
        f"listen: 127.0.0.1:{ports[0]}",
        "max_payload: 4194304",
        'jetstream { store_dir: "jetstream", sync_interval: "100ms" }',
        *((f"mqtt {{ listen: 127.0.0.1:{ports[1]} }}",) if mqtt else ()),
        *lines,
    ]
    (folder / "nats.conf").write_text("\n".join(configuration) + "\n")
    return Server([nats_server_path(), "-c", "nats.conf"], ports, folder)


@contextlib.contextmanager
def running(server: Server) -> Iterator[Server]:
    """Start a server, and stop it whatever happens."""
    try:
        yield server.start()
    finally:
        server.kill()
