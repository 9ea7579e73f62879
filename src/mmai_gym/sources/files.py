"""Files that are either whole and right, or not there.

A reader of a data file must never meet half of one. Everything the gym stores is therefore written to a temporary
file beside its place, flushed to the disk, and renamed; and everything it reads from outside is compared with the
size and sha256 it should have. When the comparison fails, the bytes usually say why (a login page, a git-LFS
pointer, a connection that broke), and a message that names the reason saves its reader an hour.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from mmai_gym.contracts import DataError

CHUNK = 1 << 16
_HEAD = 512
_HTML_STARTS = (b"<!doctype html", b"<html", b"<head")


def cache_dir() -> Path:
    """The folder of fetched and derived files: MMAI_GYM_CACHE, or ~/.cache/mmai-gym."""
    return Path(os.environ.get("MMAI_GYM_CACHE") or "~/.cache/mmai-gym").expanduser()


def write_atomically(path: Path, data: bytes | Iterable[bytes]) -> None:
    """Write a file so that a reader, or a power cut, sees the old content or the new one and never a part.

    Whatever `data` raises while it is consumed passes through, and nothing is left behind.

    Raises:
        DataError: the folder cannot be written; the message names it.
    """
    partial = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}.part")
    with writing_to(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        stream = partial.open("xb")
    try:
        with stream:
            for chunk in (data,) if isinstance(data, bytes) else data:
                with writing_to(path):
                    stream.write(chunk)
            with writing_to(path):
                stream.flush()
                os.fsync(stream.fileno())
        with writing_to(path):
            partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def one_at_a_time(path: Path) -> Iterator[None]:
    """Hold the making of a file: another process that wants to make the same waits here, and then finds it made.

    The kernel lets go when the process ends, however it ends.
    """
    lock = path.with_name(f".{path.name}.lock")
    with writing_to(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        stream = lock.open("a")
    with stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield


def sha256_of(path: Path) -> str:
    """Hexadecimal sha256 of a file's bytes."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


@contextmanager
def writing_to(path: Path) -> Iterator[None]:
    """Turn an error of the system into a DataError that names the path and the fix."""
    try:
        yield
    except OSError as error:
        raise DataError(
            f"cannot write {path}: {error.strerror or error}. Make room there, or point MMAI_GYM_CACHE elsewhere"
        ) from error


class Damaged(Exception):
    """Bytes that are not what they should be; `fault` says it as the end of a sentence about the file."""

    def __init__(self, fault: str, *, cut_short: bool = False) -> None:
        super().__init__(fault)
        self.fault = fault
        self.cut_short = cut_short


def chunks_of(path: Path) -> Iterator[bytes]:
    """A file's bytes, piece by piece."""
    with path.open("rb") as stream:
        while chunk := stream.read(CHUNK):
            yield chunk


def checked(chunks: Iterable[bytes], size: int, sha256: str) -> Iterator[bytes]:
    """Pass the chunks on, and make sure that together they are the bytes expected.

    Raises:
        Damaged: at the first byte too many, or at the end.
    """
    digest = hashlib.sha256()
    found = 0
    head = b""
    for chunk in chunks:
        head = head or chunk[:_HEAD]
        found += len(chunk)
        if found > size:
            raise Damaged(_disguise(head) or f"is longer than the {size:,} bytes it should have")
        digest.update(chunk)
        yield chunk
    if found < size:
        disguise = _disguise(head)
        raise Damaged(disguise or f"is truncated: {found:,} of {size:,} bytes", cut_short=disguise is None)
    if digest.hexdigest() != sha256:
        other = f"has the right size but other content: sha256 {digest.hexdigest()[:12]}..., not {sha256[:12]}..."
        raise Damaged(_disguise(head) or other)


def fault_of(path: Path, size: int, sha256: str) -> str | None:
    """What is wrong with a file that should have this size and hash, as the end of a sentence, or None."""
    try:
        for _ in checked(chunks_of(path), size, sha256):
            continue
    except Damaged as damage:
        return damage.fault
    except OSError as error:
        return f"cannot be read: {error.strerror or error}"
    return None


def _disguise(head: bytes) -> str | None:
    """What stands in the place of the data, if its first bytes give it away."""
    if not head:
        return "is empty"
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if start.startswith(_HTML_STARTS):
        return "is an HTML page, not data"
    if start.startswith(b"version https://git-lfs"):
        return "is a git-LFS pointer, not data"
    return None
