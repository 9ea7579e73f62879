"""Atom maps of reactions whose source has none: made once by one command, kept in the cache, read by tasks.

`make` maps a split on all cores and appends one line per reaction, in the order of the rows, as it comes. The file is good
up to its first damaged line: whatever ended an earlier run, the next one goes on from there. Its name holds a hash of the
reactions, of the mapper's version and of RDKit's release, so maps are never read for other rows than those they were made
from. A line holds the map, the reactants written along the product (see `molecules.alignment`), and how sure the map is.

Readers take complete files only. A reaction that has no map, or one less sure than MIN_CONFIDENCE, is left to its canonical
text; `summary` counts these.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from rdkit import rdBase

from mmai_gym.contracts import DataError, Progress, Split, UsageError
from mmai_gym.molecules import MAPPER_VERSION, MappedReaction, aligned_to_canonical, map_reaction
from mmai_gym.records import lock
from mmai_gym.sources import uspto50k
from mmai_gym.sources.files import cache_dir, writing_to
from mmai_gym.sources.memory import kept, turn_to
from mmai_gym.workers import Outcome, WorkerPool, cores

DATA_SET = "uspto-50k"
SPLITS: tuple[Split, ...] = ("train", "valid")
"""What training reads. The test set has maps of its own and needs none here."""
COMMAND = f"mmai-gym data map {DATA_SET}"
MIN_CONFIDENCE = 0.4
"""Two centres that ask for the same chemistry have a half each, and either aligns well. Below this there are more of them,
or the record is hardly the reaction it says it is."""
SECONDS_PER_REACTION = 20.0

_FORMAT = "1"
_SYNC_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class StoredMap:
    """What is stored of one reaction.

    Attributes:
        reaction: the mapped sides, or None. aligned: reactants without maps in the order of the canonical product, or ''.
        confidence: see `molecules.AtomMapping`.
        failure: why there is no map: a failure of the mapper, or "timeout", "memory" or "crash" of the worker.
    """

    reaction: MappedReaction | None
    aligned: str
    confidence: float
    failure: str | None

    @property
    def usable(self) -> bool:
        """Whether there is a map that is sure enough to align by."""
        return self.reaction is not None and self.confidence >= MIN_CONFIDENCE


# --------------------------------------------------------------------------------------------------- reading


def maps(split: Split) -> Mapping[str, StoredMap]:
    """What is stored of every reaction of a split, by row id.

    Raises:
        DataError: not all reactions are mapped, and the message names the command that does it; or a source file is
            missing or damaged.
    """
    stored = _stored(split)
    if stored is None:
        raise DataError(f"the {split} reactions of {DATA_SET} are not (all) mapped; run: {COMMAND}")
    return stored


def usable(split: Split) -> Mapping[str, StoredMap]:
    """The maps of a split that are sure enough to align by, by row id; none where the split is not mapped.

    Raises:
        DataError: a source file is missing or damaged.
    """
    return _usable(split)


def summary(split: Split) -> dict[str, Any]:
    """Counts over a mapped split, and the hash that names its maps.

    Raises:
        DataError: see `maps`.
    """
    stored = maps(split).values()
    with_map = [one for one in stored if one.reaction is not None]
    bands = Counter(f"{min(9, int(one.confidence * 10)) / 10:.1f}" for one in with_map)
    return {
        "data_set": DATA_SET,
        "split": split,
        "maps": _header(split)["digest"],
        "reactions": len(stored),
        "mapped": len(with_map),
        "usable": sum(one.usable for one in stored),
        "below_confidence": sum(not one.usable for one in with_map),
        "failures": dict(sorted(Counter(one.failure for one in stored if one.failure).items())),
        "by_confidence": dict(sorted(bands.items())),
    }


@kept(DATA_SET)
def _usable(split: Split) -> Mapping[str, StoredMap]:
    return {id_: one for id_, one in (_stored(split) or {}).items() if one.usable}


@kept(DATA_SET)
def _stored(split: Split) -> Mapping[str, StoredMap] | None:
    """What is stored, or None where the file is absent or does not reach to the last row."""
    rows = uspto50k.reactions(split)
    try:
        with _path(split).open("rb") as stream:
            found, _ = _good_part(stream, _header(split), rows)
    except FileNotFoundError:
        return None
    return {row.id: one for row, one in zip(rows, found, strict=True)} if len(found) == len(rows) else None


@kept(DATA_SET)
def _header(split: Split) -> dict[str, Any]:
    rows = uspto50k.reactions(split)
    versions = [_FORMAT, MAPPER_VERSION, rdBase.rdkitVersion]
    texts = (f"{row.id} {row.reactants}>>{row.product}" for row in rows)
    return {
        "atom_maps": DATA_SET,
        "format": _FORMAT,
        "split": split,
        "rows": len(rows),
        "mapper": MAPPER_VERSION,
        "rdkit": rdBase.rdkitVersion,
        "digest": hashlib.sha256("\n".join([*versions, *texts]).encode()).hexdigest()[:16],
    }


def _path(split: Split) -> Path:
    return cache_dir() / "derived" / DATA_SET / f"maps-{split}-{_header(split)['digest']}.jsonl"


def _good_part(
    stream: IO[bytes], header: Mapping[str, Any], rows: Sequence[uspto50k.Reaction]
) -> tuple[list[StoredMap], int]:
    """The maps up to the first line that is torn, damaged or out of place, and the bytes up to there."""
    found: list[StoredMap] = []
    if stream.readline() != _line(header):
        return found, 0
    good = stream.tell()
    for line, row in zip(stream, rows, strict=False):
        try:
            found.append(_parsed(line, row.id))
        except (ValueError, KeyError, TypeError):
            break
        good += len(line)
    return found, good


def _parsed(line: bytes, id_: str) -> StoredMap:
    data = json.loads(line)
    if data["id"] != id_ or not line.endswith(b"\n"):
        raise ValueError("not the line of this row")
    reaction = MappedReaction("mapped", data["reactants"], data["product"]) if data["product"] else None
    return StoredMap(reaction, str(data["aligned"]), float(data["confidence"]), data["failure"])


def _line(data: Mapping[str, Any]) -> bytes:
    return json.dumps(data, separators=(",", ":")).encode("ascii") + b"\n"


# --------------------------------------------------------------------------------------------------- making


def make(split: Split, progress: Progress | None = None, workers: int | None = None) -> dict[str, Any]:
    """Map every reaction of a split that is not mapped yet, and give the `summary`.

    Stopped at any moment, the same call goes on after the last whole line. A reaction that takes longer than
    SECONDS_PER_REACTION, or brings its process down, is stored as a failure.

    Args:
        progress: called with reactions mapped, reactions in all, and what is being done.
        workers: processes; one per core by default.

    Raises:
        UsageError: the split is none of SPLITS, or another process is mapping it.
        DataError: a source file is missing or damaged, the cache cannot be written, or the mapper fails in a way that it
            should not; the message names the reaction.
    """
    if split not in SPLITS:
        raise UsageError(f"no maps are made for the split {split!r}; there are: {', '.join(SPLITS)}")
    path = _path(split)
    with writing_to(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        stream = path.open("a+b")
    with stream:
        lock(stream, path)
        _append(stream, split, _recover(stream, split), workers or cores(), progress)
    turn_to("")  # what was read from an unfinished file, or without one, is out of date
    return summary(split)


def mapped_fields(reaction: tuple[str, str]) -> dict[str, Any]:
    """What a line holds beside the row's id, of (reactants, product); for a worker to compute."""
    found = map_reaction(*reaction)
    made = found.reaction
    return {
        "reactants": made.reactants if made else "",
        "product": made.product if made else "",
        "aligned": aligned_to_canonical(made)[1] if made else "",
        "confidence": round(found.confidence, 4),
        "failure": found.failure,
    }


def _recover(stream: IO[bytes], split: Split) -> int:
    """Cut a file that is open for appending back to its good part, and say how many rows that holds."""
    stream.seek(0)
    found, good = _good_part(stream, _header(split), uspto50k.reactions(split))
    with writing_to(_path(split)):
        stream.truncate(good)
        if not good:
            stream.write(_line(_header(split)))
            stream.flush()
    return len(found)


def _append(stream: IO[bytes], split: Split, done: int, workers: int, progress: Progress | None) -> None:
    """Map the rows after the first `done` and write them."""
    rows, path = uspto50k.reactions(split), _path(split)
    left = rows[done:]
    synced = time.monotonic()
    with WorkerPool(mapped_fields, workers=workers, seconds=SECONDS_PER_REACTION) as pool:
        outcomes = pool.map((row.reactants, row.product) for row in left)
        for number, (row, outcome) in enumerate(zip(left, outcomes, strict=True), start=done + 1):
            with writing_to(path):
                stream.write(_line({"id": row.id, **_fields(row, outcome)}))
                stream.flush()
                if time.monotonic() - synced > _SYNC_SECONDS:
                    os.fsync(stream.fileno())
                    synced = time.monotonic()
            if progress:
                progress(number, len(rows), f"atom maps of {DATA_SET} {split}")
    with writing_to(path):
        os.fsync(stream.fileno())


def _fields(row: uspto50k.Reaction, outcome: Outcome) -> dict[str, Any]:
    if outcome.error is None:
        return dict(outcome.value)
    if outcome.error == "error":  # a mistake of ours, not to be stored as a property of the row
        raise DataError(f"cannot map {row.reactants}>>{row.product} (row {row.id}): {outcome.detail}")
    return {"reactants": "", "product": "", "aligned": "", "confidence": 0.0, "failure": outcome.error}
