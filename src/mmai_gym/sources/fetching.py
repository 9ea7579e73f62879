"""From a manifest entry to a verified file on this machine: cache, then mirror folder, then network.

The order serves three kinds of users with one rule: who has run before reads the cache; who works behind a
firewall points `MMAI_GYM_MIRROR` at a folder laid out OWNER/REPO/COMMIT/PATH; everybody else downloads. Nothing is
used unverified: size and sha256 are compared before a mirror or network copy enters the cache, and again once per
process for a cached file. A copy that fails is named together with what it is instead and how to mend it; it is
never used, and never silently replaced by the next place in the order, since a mirror that has rotted is news to
its owner.
"""

from __future__ import annotations

import http.client
import os
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from mmai_gym import __version__
from mmai_gym.contracts import DataError, Progress
from mmai_gym.sources.files import CHUNK, Damaged, cache_dir, checked, chunks_of, fault_of, write_atomically
from mmai_gym.sources.manifest import File, dataset

BASE_URL = "https://raw.githubusercontent.com"
TIMEOUT_S = 30.0
ATTEMPTS = 4
FIRST_PAUSE_S = 1.0
_TRANSIENT_STATUS = frozenset({408, 425, 429, 500, 502, 503, 504})

# Files whose hash this process has compared, with the size and modification time they had then.
_verified: dict[Path, tuple[int, int]] = {}


@dataclass(frozen=True, slots=True)
class FileReport:
    """What `verify` found out about one file of a data set."""

    dataset: str
    path: str
    ok: bool
    detail: str

    def as_dict(self) -> dict[str, str | bool]:
        """The fields, for JSON."""
        return asdict(self)


def fetch(name: str, *, force: bool = False, progress: Progress | None = None) -> Path:
    """Bring every file of a data set into the cache, verified.

    Args:
        name: a data set of the manifest.
        force: get the files anew even where the cache holds them; this is what mends a corrupt cache.
        progress: called with the bytes in place, the bytes in all, and the file's path.

    Returns:
        The cache folder.

    Raises:
        UsageError: unknown data set.
        DataError: a file cannot be had, or is not what the manifest says.
    """
    wanted = dataset(name).files
    total = sum(file.bytes for file in wanted)
    done = 0
    for file in wanted:
        if progress:
            progress(done, total, file.path)
        if force:
            _obtain(file)
        else:
            path_of(file)
        done += file.bytes
    if progress:
        progress(total, total, name)
    return cache_dir()


def path_of(file: File) -> Path:
    """A verified copy of the file in the cache, brought there first where need be.

    Raises:
        DataError: the cached copy is damaged, or no good copy can be had; the message names the file and the fix.
    """
    path = cache_dir() / file.relative
    if not path.exists():
        return _obtain(file)
    signature = _signature(path)
    if _verified.get(path) != signature:
        fault = fault_of(path, file.bytes, file.sha256)
        if fault:
            raise DataError(
                f"the cached file {path} {fault}. Fetch it again: mmai-gym data fetch {file.dataset} --force"
            )
        _verified[path] = signature
    return path


def verify(name: str) -> list[FileReport]:
    """Compare size and sha256 of every file of a data set: the cached copy, or else the one in the mirror folder.

    Raises:
        UsageError: unknown data set.
    """
    return [_report(file) for file in dataset(name).files]


def _report(file: File) -> FileReport:
    places = [place / file.relative for place in (cache_dir(), mirror_dir()) if place is not None]
    for path in places:
        if path.exists():
            fault = fault_of(path, file.bytes, file.sha256)
            return FileReport(file.dataset, str(path), fault is None, fault or f"{file.bytes:,} bytes")
    return FileReport(file.dataset, str(places[0]), False, f"is absent; run: mmai-gym data fetch {file.dataset}")


def mirror_dir() -> Path | None:
    """The mirror folder MMAI_GYM_MIRROR, or None where it is not set.

    Raises:
        DataError: it is set to something that is not a folder.
    """
    text = os.environ.get("MMAI_GYM_MIRROR")
    if not text:
        return None
    folder = Path(text).expanduser()
    if not folder.is_dir():
        raise DataError(f"MMAI_GYM_MIRROR is {text!r}, which is not a folder; correct it or unset it")
    return folder


def _obtain(file: File) -> Path:
    """Copy the file from the mirror, or else the network, into the cache, where only a good copy ever appears."""
    path = cache_dir() / file.relative
    mirror = mirror_dir()
    source = mirror / file.relative if mirror else None
    if source is not None and source.exists():
        try:
            write_atomically(path, checked(chunks_of(source), file.bytes, file.sha256))
        except Damaged as damage:
            raise DataError(
                f"the mirror file {source} {damage.fault}. Replace it there, or unset MMAI_GYM_MIRROR to download"
            ) from damage
        except OSError as error:
            raise DataError(
                f"cannot copy the mirror file {source} to {path}: {error.strerror or error}"
            ) from error
    else:
        _download(file, path)
    _verified[path] = _signature(path)
    return path


def _signature(path: Path) -> tuple[int, int]:
    stat = path.stat()
    return stat.st_size, stat.st_mtime_ns


def _download(file: File, path: Path) -> None:
    url = f"{BASE_URL}/{file.relative}"
    if os.environ.get("MMAI_GYM_OFFLINE", "0") not in ("", "0"):
        raise DataError(_no_copy(file, path, url, "MMAI_GYM_OFFLINE forbids the network"))
    reason = ""
    for attempt in range(ATTEMPTS):
        if attempt:
            time.sleep(FIRST_PAUSE_S * 2 ** (attempt - 1))
        try:
            write_atomically(path, checked(_body(url), file.bytes, file.sha256))
            return
        except Damaged as damage:
            reason = f"what this address serves {damage.fault}"
            if not damage.cut_short:
                raise DataError(_no_copy(file, path, url, reason)) from damage
        except urllib.error.HTTPError as error:
            reason = f"the server answers {error.code} {error.reason}"
            if error.code not in _TRANSIENT_STATUS:
                raise DataError(_no_copy(file, path, url, reason)) from error
        except (OSError, http.client.HTTPException) as error:
            reason = str(getattr(error, "reason", None) or error) or type(error).__name__
    raise DataError(_no_copy(file, path, url, f"{reason} (tried {ATTEMPTS} times)"))


def _body(url: str) -> Iterator[bytes]:
    request = urllib.request.Request(url, headers={"User-Agent": f"mmai-gym/{__version__}"})
    with urllib.request.urlopen(request, timeout=TIMEOUT_S) as response:
        while chunk := response.read(CHUNK):
            yield chunk


def _no_copy(file: File, path: Path, url: str, reason: str) -> str:
    return (
        f"no copy of {file.path} (data set {file.dataset}): {url}: {reason}. One of these helps: "
        f"give this machine access to that address; "
        f"set MMAI_GYM_MIRROR to a folder that holds {file.relative}; "
        f"or put the file at {path} by hand"
    )
