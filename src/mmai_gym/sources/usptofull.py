"""USPTO-full, cleaned: validation and test reactions for retrosynthesis (Dai et al. 2019; cleaning Tetko et al. 2020).

The training file is not among the files this gym pins. Both sides have atom maps, and their order gives the reaction
centre away; they are removed and both sides are written canonically before a reaction leaves this module.

A few lines hold a molecule that RDKit refuses (a positively charged carbon with five bonds, say). They are left out and
named in `UNREADABLE`. Lines whose two sides are the same molecules once the maps are gone (644 in validation, 666 in
test) and repeated reactions (496 and 512) stay as the published files have them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from mmai_gym.contracts import DataError, InvalidMolecule, row_id
from mmai_gym.molecules import canonical_set
from mmai_gym.sources import tables
from mmai_gym.sources.lazy import LazySequence
from mmai_gym.sources.manifest import dataset
from mmai_gym.sources.memory import kept

Part = Literal["valid", "test"]

UNREADABLE: Mapping[Part, frozenset[int]] = {
    "valid": frozenset({14_399, 17_314, 28_597, 37_385, 67_879, 80_168}),
    "test": frozenset({122, 8_033, 11_492, 20_151, 34_557, 67_316, 71_055, 94_708}),
}
"""Positions of the lines that RDKit 2026.09.1 cannot read."""

SIZES: Mapping[Part, int] = {"valid": 96_086, "test": 96_019}
"""Lines of a part (96,092 and 96,027) without the unreadable ones."""


@dataclass(frozen=True, slots=True)
class Reaction:
    """One line.

    Attributes:
        product, reactants: canonical SMILES without atom maps, sorted, dot-separated sets.
        mapped: `reactants>>product` with atom maps, as in the file; no model may see it.
    """

    id: str
    product: str
    reactants: str
    mapped: str


def reactions(part: Part) -> Sequence[Reaction]:
    """The reactions of a part in the order of the file, canonicalised when asked for (about 0.4 ms each).

    Only the text of the part is kept, about 45 MB.

    Raises:
        DataError: the file is missing or damaged; on access, a line is not a reaction, naming it.
    """
    lines, positions = _lines(part), _positions(part)
    return LazySequence(len(positions), lambda i: _reaction(part, positions[i], lines[positions[i]]))


def written(part: Part) -> Sequence[tuple[str, str]]:
    """Product and reactants of each of these reactions, with the atom maps and in the writing of the file.

    Raises:
        DataError: as `reactions`, of lines that are not two texts.
    """
    lines, positions = _lines(part), _positions(part)
    return LazySequence(len(positions), lambda i: _sides(part, positions[i], lines[positions[i]]))


@kept("uspto-full")
def _lines(part: Part) -> list[str]:
    return tables.body(dataset("uspto-full").file(part), ["input", "target"])


@kept("uspto-full")
def _positions(part: Part) -> list[int]:
    return [position for position in range(len(_lines(part))) if position not in UNREADABLE[part]]


def _reaction(part: Part, position: int, line: str) -> Reaction:
    right, left = _sides(part, position, line)
    try:
        product, reactants = canonical_set(right), canonical_set(left)
    except InvalidMolecule as error:
        raise _not_a_reaction(part, position, error) from error
    return Reaction(row_id("uspto-full", part, position), product, reactants, f"{left}>>{right}")


def _sides(part: Part, position: int, line: str) -> tuple[str, str]:
    try:
        right, left = line.split(",")
    except ValueError as error:
        raise _not_a_reaction(part, position, error) from error
    return right, left


def _not_a_reaction(part: Part, position: int, error: ValueError) -> DataError:
    return DataError(
        f"USPTO-full, {part}, line {position + 2}: not a mapped product and mapped reactants: {error}"
    )
