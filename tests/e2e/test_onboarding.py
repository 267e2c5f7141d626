"""Two partners that never met set themselves up with the command line alone, and understand each other."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

from lxml import etree

from tests.e2e.pair import until
from tests.e2e.stage import connected, listening, publish
from tests.e2e.test_bad_input import track
from tests.e2e.test_run import comity_run
from tests.servers import free_port, mosquitto, running

SHARED = """
[[policies]]
name = "MISSION"
classifications = ["UNCLASSIFIED", "RESTRICTED"]

[[partners]]
id = "alpha"
kind = "nation"

[[partners]]
id = "bravo"
kind = "nation"

[[agreements]]
id = "alpha-bravo"
partners = ["alpha", "bravo"]
kinds = ["track"]
directions = [{ from = "alpha", to = "bravo" }]
highest = { policy = "MISSION", classification = "RESTRICTED" }
valid_from = 2026-01-01T00:00:00Z
valid_until = 2036-01-01T00:00:00Z

[[routes]]
from = ["alpha/patrols"]
to = ["bravo/ops"]
agreement = "alpha-bravo"
"""

ALPHA = """
[[units]]
id = "alpha/patrols"
clearance = { policy = "MISSION", classification = "RESTRICTED" }
adapter = "cot"
link = "national"
receive = ["tak/#"]
default_label = { policy = "MISSION", classification = "RESTRICTED" }
labels = [{ hint = "access=UNCLASSIFIED", label = { policy = "MISSION", classification = "UNCLASSIFIED" } }]

[[peers]]
id = "bravo/ops"
clearance = { policy = "MISSION", classification = "RESTRICTED" }
"""

BRAVO = """
[[units]]
id = "bravo/ops"
clearance = { policy = "MISSION", classification = "RESTRICTED" }
adapter = "nffi"
link = "national"
deliver = "nffi/in"

[[peers]]
id = "alpha/patrols"
clearance = { policy = "MISSION", classification = "RESTRICTED" }
"""


def comity(*words: str | Path, status: int = 0) -> str:
    """One command, as an operator types it."""
    command = [sys.executable, "-m", "gateway.cli", *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, stdin=subprocess.DEVNULL)
    assert done.returncode == status, done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout.strip()


def table(folder: Path, partner: str, other: str, units: str, courier: int) -> tuple[Path, dict[str, int]]:
    """A partner's file: its own units, the other's, and what both have agreed on."""
    ports = {name: free_port() for name in ("mqtt", "nats", "console")}
    file = folder / partner / "gateway.toml"
    file.parent.mkdir()
    file.write_text(
        f'[gateway]\npartner = "{partner}"\n[http]\nconsole = "127.0.0.1:{ports["console"]}"\n{SHARED}{units}\n'
        f'[[links]]\nname = "national"\nmqtt = "127.0.0.1:{ports["mqtt"]}"\nnats = "127.0.0.1:{ports["nats"]}"\n'
        f'[[links]]\nname = "coalition"\nurl = "mqtt://127.0.0.1:{courier}"\npartners = ["{other}"]\n'
    )
    return file, ports


async def test_two_partners_meet_by_courier_and_voice_sign_an_agreement_and_exchange(tmp_path: Path) -> None:
    with running(mosquitto(tmp_path / "courier")) as courier:
        alpha, at_alpha = table(tmp_path, "alpha", "bravo", ALPHA, courier.port)
        bravo, at_bravo = table(tmp_path, "bravo", "alpha", BRAVO, courier.port)
        state = {"alpha": alpha.parent / "state", "bravo": bravo.parent / "state"}
        comity("key", "new", state["alpha"], "--unit", "alpha/patrols")
        comity("key", "new", state["bravo"], "--unit", "bravo/ops")
        for ours, theirs in (("alpha", "bravo"), ("bravo", "alpha")):
            bundle = tmp_path / f"{theirs}.bundle"
            comity("partner", "export", state[theirs], "--out", bundle)
            by_voice = comity("partner", "fingerprint", state[theirs]).partition(": ")[2]
            comity("partner", "import", state[ours], bundle, "--fingerprint", "0" * 40, status=3)
            comity("partner", "import", state[ours], bundle, "--fingerprint", by_voice)
        assert comity("agreement", "list", alpha)
        comity("agreement", "verify", alpha, status=3)
        for file, other in ((alpha, bravo), (bravo, alpha)):
            comity("agreement", "sign", file, "--out", file.parent / "signed")
            comity("agreement", "import", other, *(file.parent / "signed").iterdir())
        for file in (alpha, bravo):
            comity("agreement", "verify", file)
            comity("check", file)

        async with comity_run(alpha), comity_run(bravo):
            await asyncio.gather(*(connected(f"127.0.0.1:{ports['console']}") for ports in (at_alpha, at_bravo)))
            async with listening(at_bravo["mqtt"], "nffi/in") as heard:
                await publish(at_alpha["mqtt"], "tak/one", track("HELLO"))
                await until(lambda: heard)

    root = etree.fromstring(heard[0][1])
    assert root.findtext(".//{*}transponderId") == "HELLO"
