"""The proof of what was recorded of one message, for somebody who gets to see nothing else of the log.

A file of its own: the lines of that message with their salts, the hashes that lead from each to the root of a signed
checkpoint, and the checkpoint. The hashes of other lines tell nothing, since each of those has a salt of its own that
stays at home. What it cannot show is that nothing else was recorded of the message.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from gateway.audit.lines import SALT, AuditError, leaf_of
from gateway.audit.reading import Entry
from gateway.audit.segments import Walk
from gateway.audit.vouchers import Vouchers
from protocols.log_checkpoint import Attested, read_checkpoint
from protocols.quantity import Value
from protocols.record import Record
from protocols.transparency import paths, root_of

FORMAT: Final = 1
PROOF_MAX: Final = 1 << 24  # bytes
LINES_MAX: Final = 10_000  # lines about one message

_decode = msgspec.json.Decoder(Record).decode


class ProvedLine(Value, frozen=True):
    """One line: its number from 1, its text (salt and record, as in the log), and its audit path, lowest first."""

    number: int
    text: str
    path: tuple[bytes, ...]


class Proof(Value, frozen=True):
    """What a proof file holds, as JSON; bytes in base64."""

    format: int
    message: str
    checkpoint: bytes
    lines: tuple[ProvedLine, ...]


class Proved(NamedTuple):
    """What a proof shows: who signed when, and the records."""

    attested: Attested
    entries: tuple[Entry, ...]


def prove(file: Path, statements: Sequence[bytes], message: str) -> Proof:
    """A proof of every line about a message, under the newest checkpoint. Raise AuditError, Reject.

    ``statements``: the log's checkpoints.
    """
    if not statements:
        raise AuditError(f"{file}: no checkpoint of it was signed yet, so that nothing of it can be proved")
    statement = statements[-1]
    size = read_checkpoint(statement).size
    leaves, texts, later = _gather(file, message, size)
    if later or not texts:
        what = f"line {later} about it came after" if later else "nothing about it was recorded before"
        raise AuditError(f"{file}: {message}: {what} the newest signed checkpoint ({size} lines)")
    found = paths(leaves, texts)
    lines = (ProvedLine(number=at + 1, text=text.decode(), path=found[at]) for at, text in texts.items())
    return Proof(format=FORMAT, message=message, checkpoint=statement, lines=tuple(lines))


def _gather(file: Path, message: str, size: int) -> tuple[list[bytes], dict[int, bytes], int]:
    """The leaves under a checkpoint, the lines about a message, and the number of a line about it beyond."""
    leaves: list[bytes] = []
    texts: dict[int, bytes] = {}
    needle = msgspec.json.encode(message)
    for line in Walk(file):
        if line.number <= size:
            leaves.append(line.leaf)
        if needle in line.text and _record(line.text, f"{file}:{line.number}").message == message:
            if line.number > size:
                return leaves, texts, line.number
            texts[line.number - 1] = line.text
    if len(leaves) < size:
        raise AuditError(f"{file}: ends at line {len(leaves)}, but {size} lines were signed")
    return leaves, texts, 0


def write_proof(proof: Proof) -> bytes:
    """The file of a proof."""
    return msgspec.json.format(msgspec.json.encode(proof), indent=1) + b"\n"


def read_proof(data: bytes) -> Proof:
    """A proof from its file, nothing of it verified. Raise AuditError."""
    try:
        proof = msgspec.json.decode(data, type=Proof)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        raise AuditError("not a proof") from None
    if len(data) > PROOF_MAX or proof.format != FORMAT or not 0 < len(proof.lines) <= LINES_MAX:
        raise AuditError("not a proof of this format")
    return proof


def check_proof(proof: Proof, vouchers: Vouchers) -> Proved:
    """What a proof shows, everything verified. Raise AuditError, Reject (signature, or the signer's bundle)."""
    attested = vouchers.attest(proof.checkpoint)
    if vouchers.withdrawn(proof.checkpoint):
        raise AuditError("the key that signed the checkpoint was withdrawn: it could be somebody else's")
    checkpoint, entries = attested.checkpoint, []
    for line in proof.lines:
        where = f"line {line.number}"
        text = line.text.encode()
        try:
            root = root_of(leaf_of(text), line.number - 1, checkpoint.size, line.path)
        except ValueError as error:
            raise AuditError(f"{where}: {error}") from None
        if root != checkpoint.root:
            raise AuditError(f"{where}: does not lead to the root that {checkpoint.partner} signed")
        record = _record(text, where)
        if record.message != proof.message:
            raise AuditError(f"{where}: is about another message")
        entries.append(Entry(line.number, "", record))
    if len({entry.number for entry in entries}) != len(entries):
        raise AuditError("a line stands there twice")
    return Proved(attested, tuple(entries))


def _record(text: bytes, where: str) -> Record:
    try:
        return _decode(text[SALT + 1 :])
    except (msgspec.MsgspecError, ValueError):
        raise AuditError(f"{where}: not a record") from None
