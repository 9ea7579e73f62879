"""Linker design and scaffold elaboration: the test sets of DeLinker (Imrie et al. 2020) and DEVELOP (Imrie et al. 2021).

A molecule was cut at two single bonds into two fragments and the linker between them, or at one into a scaffold and what
elaborates it. Where a bond was cut stands a dummy atom, `[*:1]` or `[*:2]`. Of linkers the files say, too, how far the
ends of the fragments lie apart in a 3D structure of the molecule (generated for ZINC, crystallographic for the others), and
the angle between the two cut bonds. The training files are too large for the mirror; there are valid and test parts. The
test molecules of the ZINC parts stand in the ZINC250k list as identical strings.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from mmai_gym.contracts import DataError, row_id
from mmai_gym.sources import tables
from mmai_gym.sources.manifest import File, dataset
from mmai_gym.sources.memory import kept

LinkerSet = Literal["delinker", "develop"]


@dataclass(frozen=True, slots=True)
class Cut:
    """A molecule and the parts that cutting it gave.

    Attributes:
        molecule: SMILES.
        part: the linker, with dummy atoms 1 and 2, or the elaboration, with dummy atom 1.
        rest: the fragments that the linker joined, or the scaffold, with the same dummy atoms.
        distance: in angstrom; NaN for an elaboration.
        angle: in radian; NaN for an elaboration.
    """

    id: str
    molecule: str
    part: str
    rest: str
    distance: float = math.nan
    angle: float = math.nan


@kept(lambda name, key: name)
def cuts(name: LinkerSet, key: str) -> tuple[Cut, ...]:
    """The rows of one file, in its order.

    Raises:
        DataError: the file is missing or damaged, or a line is not what `Cut` holds.
    """
    file = dataset(name).file(key)
    return tuple(_cut(file, position, line) for position, line in enumerate(tables.lines(file)))


def _cut(file: File, position: int, line: str) -> Cut:
    fields = line.split(" ")
    where = f"{file.path}, line {position + 1}"
    if len(fields) != (3 if file.key.startswith("elaboration") else 5) or not all(fields):
        raise DataError(f"{where}: {line[:80]!r} is not a molecule, its parts and their geometry")
    smiles = fields[:3]
    for dummy in ("[*:1]", "[*:2]")[: 1 if len(fields) == 3 else 2]:
        if any(text.count(dummy) != 1 for text in smiles[1:]):
            raise DataError(f"{where}: the parts do not both have one dummy atom {dummy}")
    geometry = [tables.finite(field, where) for field in fields[3:]]
    molecule, part, rest = smiles
    return Cut(row_id(file.dataset, file.key, position), molecule, part, rest, *geometry)
