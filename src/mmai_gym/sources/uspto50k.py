"""USPTO-50k: single-step reactions of ten classes, with the validation and test sets of Dai et al. (2019).

The official training file of that split is not among the files this gym pins, so train is *derived*: the rows of
the older split by Liu et al. (2017) minus every row whose reaction, product or product skeleton is in the
validation or test set. A number obtained with it has to say so. Each of the three tests removes rows that the
others miss: the same reaction, the same product from other reactants, the same product in another tautomer or
stereo form.

Published copies of these files give the answer away by the order of their atom maps. Here maps are set to zero and
both sides are written canonically, members of a set sorted, before a reaction leaves this module. The field
`Reaction.mapped` alone keeps the numbers, for programs that need the reaction centre; no model may ever see it.
"""

from __future__ import annotations

import csv
import functools
import hashlib
import io
import json
import re
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

from rdkit import rdBase

from mmai_gym.contracts import DataError, InvalidMolecule, Progress, Split, row_id
from mmai_gym.molecules import Mol, canonical_set, connectivity, parse, sketch, without_maps, write_set
from mmai_gym.sources.derived import derived_table
from mmai_gym.sources.fetching import path_of
from mmai_gym.sources.files import cache_dir, one_at_a_time, sha256_of, write_atomically
from mmai_gym.sources.manifest import Dataset, File, dataset
from mmai_gym.sources.memory import kept
from mmai_gym.workers import WorkerPool, cores

SIZES: Mapping[Split, int] = {"train": 39_964, "valid": 5_001, "test": 5_007}
"""Rows per split under RDKit 2026.09.1; another release may canonicalise, and so keep, a few train rows
differently."""

TRAIN_SHA256 = "300dda274ed71d0d4b166830a02df07857edbdb993db0d08b2c3b93128931a8f"
TRAIN_RDKIT = "2026.09.1"
"""The derived training table has this hash when it was made with this release of RDKit."""

_DERIVATION = "1"
_HEADER = "class\tproduct\treactants\tpandegroup_split\n"
_LIU_PARTS = ("train", "valid", "test")
_CLASS_TOKEN = re.compile(r"<RX_(10|[1-9])>")
_PROGRESS_EVERY = 500
_CHUNK = 500  # reactions that travel to a worker together
_SECONDS_PER_CHUNK = 300.0

T = TypeVar("T")
R = TypeVar("R")
Omission = Literal["reaction", "product", "skeleton"]


@dataclass(frozen=True, slots=True)
class Reaction:
    """One recorded reaction.

    Attributes:
        reaction_class: 1 to 10 (Schneider et al. 2016).
        product, reactants: canonical SMILES without atom maps; reactants are a sorted, dot-separated set. mapped:
            `reactants>>product` with atom maps, canonical atom order; None for train, whose source has no maps.
    """

    id: str
    reaction_class: int
    product: str
    reactants: str
    mapped: str | None = None


def reactions(split: Split) -> tuple[Reaction, ...]:
    """The reactions of a split, in the order of their file.

    The first call for train derives it (see `derive_train`); later ones read the table from the cache.

    Raises:
        DataError: a file is missing or damaged, or not what the manifest says.
    """
    return _train() if split == "train" else _held_out(split)


def derive_train(progress: Progress | None = None) -> Path:
    """Make the training table, unless the cache has it already, and say where it is.

    A tab-separated table of class, product, reactants and part of the Liu split; beside it a JSON file with the
    RDKit release, the table's sha256, and the omitted rows by reason. It costs about a minute of
    processor time, once per release of RDKit. `progress` is called with rows read, rows in all, and what is being done.

    Raises:
        DataError: a source file is missing or damaged, or the table differs from the known one although RDKit is
            the
            release that made it.
    """
    _train_record(progress)
    return _train_paths()[0]


# --------------------------------------------------------------------------------------------------- held-out sets


@kept("uspto-50k")
def _held_out(split: Literal["valid", "test"]) -> tuple[Reaction, ...]:
    file = dataset("uspto-50k").file(f"dai-{split}")
    return tuple(
        Reaction(row_id("uspto-50k-dai", split, position), number, product, reactants, mapped)
        for position, (number, product, reactants, mapped) in enumerate(_dai_table(file))
    )


def _dai_table(file: File) -> list[tuple[int, str, str, str]]:
    """The rows of a Dai file; from the cache where they were canonicalised before, which takes seconds."""
    text = path_of(file).read_text(encoding="ascii")
    return derived_table(f"uspto-50k-{file.key}", _DERIVATION, [text], lambda: list(_dai_rows(file)))


def _dai_rows(file: File) -> Iterator[tuple[int, str, str, str]]:
    """(class, product, reactants, mapped reaction) per row of a Dai file."""
    path = path_of(file)
    read: list[tuple[int, str, str, str]] = []
    for line, row in enumerate(csv.DictReader(io.StringIO(path.read_text(encoding="ascii"))), start=2):
        try:
            left, right = row["rxn_smiles"].split(">>")
            read.append((int(row["class"]), right, left, f"{left}>>{right}"))
        except (KeyError, ValueError, AttributeError) as error:
            raise _not_a_reaction(path, line, error) from error
    _require_rows(file, len(read))
    found = _on_all_cores(canonical_sides, [(right, left) for _, right, left, _ in read])
    for line, ((number, _, _, mapped), sides) in enumerate(zip(read, found, strict=True), start=2):
        if isinstance(sides, str):
            raise _not_a_reaction(path, line, sides)
        product, reactants, _ = sides
        yield number, product, reactants, mapped


def _not_a_reaction(path: Path, line: int, why: object) -> DataError:
    return DataError(f"{path}, line {line}: not a class and a mapped reaction: {why}")


def _require_rows(file: File, found: int) -> None:
    if found != file.rows:
        raise DataError(f"{file.path} (data set {file.dataset}) has {found:,} rows instead of {file.rows:,}")


# --------------------------------------------------------------------------------------------------- training set


@kept("uspto-50k")
def _train() -> tuple[Reaction, ...]:
    record = _train_record(None)
    omitted = {position for positions in record["omitted"].values() for position in positions}
    sizes = [dataset("uspto-50k").file(f"liu-{part}-sources").rows for part in _LIU_PARTS]
    origins = [(part, line) for part, size in zip(_LIU_PARTS, sizes, strict=True) for line in range(size)]
    kept = (origin for position, origin in enumerate(origins) if position not in omitted)
    rows = (line.split("\t") for line in _train_paths()[0].read_text(encoding="ascii").splitlines()[1:])
    return tuple(
        Reaction(row_id("uspto-50k-liu", part, line), int(number), product, reactants)
        for (number, product, reactants, _), (part, line) in zip(rows, kept, strict=True)
    )


def _train_record(progress: Progress | None) -> dict[str, Any]:
    """What is known about the training table, which is in the cache afterwards."""
    table, sidecar = _train_paths()
    stored = _read_record(table, sidecar)
    if stored is not None:
        return stored
    with one_at_a_time(table):
        return _read_record(table, sidecar) or _made_record(table, sidecar, progress)


def _made_record(table: Path, sidecar: Path, progress: Progress | None) -> dict[str, Any]:
    lines, omitted = _derive(dataset("uspto-50k"), progress)
    content = (_HEADER + "".join(lines)).encode()
    record = {
        "rdkit": rdBase.rdkitVersion,
        "sha256": hashlib.sha256(content).hexdigest(),
        "rows": len(lines),
        "omitted": omitted,
    }
    _compare_with_known(record)
    write_atomically(table, content)
    write_atomically(sidecar, json.dumps(record).encode())
    return record


def _train_paths() -> tuple[Path, Path]:
    stem = f"train-v{_DERIVATION}-rdkit-{rdBase.rdkitVersion}"
    folder = cache_dir() / "derived" / "uspto-50k"
    return folder / f"{stem}.tsv", folder / f"{stem}.json"


def _read_record(table: Path, sidecar: Path) -> dict[str, Any] | None:
    """The record beside the table, or None where there is no table that fits it. Both are ours to make again."""
    try:
        record = json.loads(sidecar.read_bytes())
        return record if sha256_of(table) == record["sha256"] else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _derive(source: Dataset, progress: Progress | None) -> tuple[list[str], dict[Omission, list[int]]]:
    """The lines of the training table, and the positions of the rows left out (counted over all Liu files)."""
    total = sum(source.file(key).rows for key in ("dai-valid", "dai-test")) + sum(
        source.file(f"liu-{part}-sources").rows for part in _LIU_PARTS
    )
    report = _every(progress, total, "deriving the USPTO-50k training set")
    held_out: set[tuple[str, str]] = set()
    for split in ("valid", "test"):
        for _, product, reactants, _ in _dai_table(source.file(f"dai-{split}")):
            held_out.add((product, reactants))
            report()
    products = {product for product, _ in held_out}
    alike: dict[str, list[str]] = defaultdict(list)  # products of one sketch
    for product in products:
        if (sketched := _sketch(product)) is not None:
            alike[sketched].append(product)

    lines: list[str] = []
    omitted: dict[Omission, list[int]] = {"reaction": [], "product": [], "skeleton": []}
    for position, (part, number, product, reactants, sketched) in enumerate(_liu_rows(source)):
        if (product, reactants) in held_out:
            omitted["reaction"].append(position)
        elif product in products:
            omitted["product"].append(position)
        elif sketched in alike and _shares_skeleton(product, alike[sketched]):
            omitted["skeleton"].append(position)
        else:
            lines.append(f"{number}\t{product}\t{reactants}\t{part}\n")
        report()
    return lines, omitted


def _liu_rows(source: Dataset) -> Iterator[tuple[str, int, str, str, str | None]]:
    """(part, class, product, reactants, sketch of the product) per line of the Liu files: train, valid, test."""
    written: list[tuple[str, str]] = []
    places: list[tuple[str, int, str]] = []
    for part in _LIU_PARTS:
        questions, answers = source.file(f"liu-{part}-sources"), source.file(f"liu-{part}-targets")
        left = path_of(questions).read_text(encoding="ascii").splitlines()
        right = path_of(answers).read_text(encoding="ascii").splitlines()
        _require_rows(questions, len(left))
        _require_rows(answers, len(right))
        for line, (question, answer) in enumerate(zip(left, right, strict=True), start=1):
            token, *characters = question.split()
            match = _CLASS_TOKEN.fullmatch(token)
            if match is None:
                raise DataError(f"{questions.path}, line {line}: {token!r} is no reaction class")
            written.append(("".join(characters), "".join(answer.split())))
            places.append((part, int(match[1]), f"{questions.path} or {answers.path}, line {line}"))
    found = _on_all_cores(canonical_sides, written)
    for (part, number, where), sides in zip(places, found, strict=True):
        if isinstance(sides, str):
            raise DataError(f"{where}: {sides}")
        yield part, number, *sides


def _on_all_cores(function: Callable[[list[T]], list[R]], items: Sequence[T]) -> Iterator[R]:
    """`function` of all items, which takes some at a time and gives as many back; few are not worth starting workers."""
    chunks = [list(items[start : start + _CHUNK]) for start in range(0, len(items), _CHUNK)]
    if len(chunks) == 1 or cores() == 1:
        for chunk in chunks:
            yield from function(chunk)
        return
    with WorkerPool(function, workers=cores(), seconds=_SECONDS_PER_CHUNK) as pool:
        for outcome in pool.map(chunks):
            if outcome.error is not None:
                raise DataError(f"cannot read USPTO-50k: {outcome.error} {outcome.detail}".rstrip())
            yield from outcome.value


def canonical_sides(reactions: list[tuple[str, str]]) -> list[tuple[str, str, str | None] | str]:
    """Product, reactants and the product's sketch, of each reaction; the reason where it cannot be read; for a
    worker to compute.
    """
    return [_sides(*reaction) for reaction in reactions]


def _sides(product: str, reactants: str) -> tuple[str, str, str | None] | str:
    try:
        made, reactants = parse(without_maps(product)), canonical_set(reactants)
    except InvalidMolecule as error:
        return str(error)
    return write_set(made), reactants, _sketch(made)


def _shares_skeleton(product: str, others: Iterable[str]) -> bool:
    """Whether one of the others has its skeleton."""
    skeleton = _skeleton(product)
    return skeleton is not None and any(_skeleton(other) == skeleton for other in others)


@functools.lru_cache(maxsize=4096)
def _skeleton(product: str) -> str | None:
    """First block of the InChIKey, None for a structure that has none."""
    try:
        return connectivity(product)
    except InvalidMolecule:
        return None


def _sketch(product: str | Mol) -> str | None:
    try:
        return sketch(product)
    except InvalidMolecule:
        return None


def _compare_with_known(record: Mapping[str, Any]) -> None:
    if record["sha256"] == TRAIN_SHA256:
        return
    counts = ", ".join(f"{len(rows):,} by {reason}" for reason, rows in record["omitted"].items())
    difference = (
        f"the derived USPTO-50k training table has {record['rows']:,} rows (omitted: {counts}) and sha256 "
        f"{record['sha256'][:12]}...; RDKit {TRAIN_RDKIT} gives {SIZES['train']:,} rows and {TRAIN_SHA256[:12]}..."
    )
    if record["rdkit"] == TRAIN_RDKIT:
        raise DataError(f"{difference}. The source files or this program have changed; nothing was stored")
    warnings.warn(
        f"{difference}. RDKit {record['rdkit']} writes some canonical SMILES differently; install rdkit=="
        f"{TRAIN_RDKIT} for the same table",
        stacklevel=3,
    )


def _every(progress: Progress | None, total: int, what: str) -> Callable[[], None]:
    """A counter to call once per row; it passes every 500th call on."""
    done = 0

    def step() -> None:
        nonlocal done
        done += 1
        if progress and (done % _PROGRESS_EVERY == 0 or done == total):
            progress(done, total, what)

    return step
