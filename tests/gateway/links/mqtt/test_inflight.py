"""The memory of what a broker may hold: what was stored is there for the next process, and nothing else is believed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.links import LinkError
from gateway.links.mqtt.inflight import PIDS, Inflight, Phase, key_of

SIZE = 1_048_576
A, B = key_of("a"), key_of("b")


def open_slots(folder: Path, client: str = "gateway") -> Inflight:
    return Inflight.open(str(folder / "slots"), client)


def test_what_was_stored_is_there_after_a_kill(tmp_path: Path) -> None:
    program = (
        "import os, sys\n"
        "from gateway.links.mqtt.inflight import Inflight, key_of\n"
        "slots = Inflight.open(sys.argv[1], 'gateway')\n"
        "for pid, name in enumerate('abcd', 7): slots.send(pid, key_of(name))\n"
        "slots.release(8)\n"
        "slots.release(9); slots.finish(9)\n"
        "slots.forget(10)\n"
        "os.kill(os.getpid(), 9)\n"
    )
    run = subprocess.run([sys.executable, "-c", program, str(tmp_path / "slots")], check=False)
    assert run.returncode == -signal.SIGKILL
    slots = open_slots(tmp_path)
    assert [slots.find(key_of(name)) for name in "abcd"] == [7, 8, 9, None]
    assert [slots.phase(pid) for pid in (7, 8, 9, 10)] == [Phase.SENT, Phase.RELEASED, Phase.DONE, Phase.FREE]
    assert slots.last == 10
    slots.close()


def test_a_key_is_known_until_its_identifier_is_used_again(tmp_path: Path) -> None:
    slots = open_slots(tmp_path)
    slots.send(5, A)
    slots.release(5)
    slots.finish(5)
    slots.send(6, B)
    assert slots.find(A) == 5
    slots.send(5, key_of("c"))
    assert slots.find(A) is None
    slots.close()


def test_the_oldest_comes_first_also_where_the_identifiers_wrap() -> None:
    slots = Inflight(bytearray(SIZE))
    for pid in (PIDS - 1, PIDS, 1, 2):
        slots.send(pid, key_of(str(pid)))
    assert list(slots.pids(Phase.SENT)) == [PIDS - 1, PIDS, 1, 2]


def test_what_is_disowned_is_still_to_be_completed_and_belongs_to_nobody(tmp_path: Path) -> None:
    slots = open_slots(tmp_path)
    slots.send(3, A)
    slots.disown(3)
    assert (slots.find(A), slots.phase(3)) == (None, Phase.RELEASED)
    slots.close()
    again = open_slots(tmp_path)
    assert (again.find(A), again.phase(3)) == (None, Phase.RELEASED)
    again.close()


@pytest.mark.parametrize("harm", ["torn", "longer", "other client", "other format"])
def test_a_file_that_is_not_a_whole_one_of_this_client_is_made_anew(tmp_path: Path, harm: str) -> None:
    slots = open_slots(tmp_path)
    slots.send(9, A)
    slots.close()
    file = tmp_path / "slots"
    assert file.stat().st_size == SIZE
    client = "gateway"
    if harm == "torn":
        os.truncate(file, SIZE - 4096)
    elif harm == "longer":
        os.truncate(file, SIZE + 1)
    elif harm == "other client":
        client = "another"
    else:
        file.write_bytes(b"XXXX" + file.read_bytes()[4:])
    anew = open_slots(tmp_path, client)
    assert (anew.find(A), anew.phase(9), anew.last) == (None, Phase.FREE, 0)
    assert file.stat().st_size == SIZE
    anew.close()


def test_one_process_at_a_time(tmp_path: Path) -> None:
    slots = open_slots(tmp_path)
    with pytest.raises(LinkError, match="another process"):
        open_slots(tmp_path)
    slots.close()
    open_slots(tmp_path).close()


def test_a_file_that_cannot_be_is_an_error_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(LinkError, match="no such file"):
        Inflight.open(str(tmp_path / "nowhere" / "slots"), "gateway")
    (tmp_path / "link").symlink_to(tmp_path / "slots")
    with pytest.raises(LinkError):
        Inflight.open(str(tmp_path / "link"), "gateway")


def test_nobody_else_may_read_it(tmp_path: Path) -> None:
    open_slots(tmp_path).close()
    assert (tmp_path / "slots").stat().st_mode & 0o777 == 0o600
