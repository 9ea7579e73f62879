"""Splits by Bemis-Murcko scaffold or by molecule.

A scaffold split keeps a chemical series on one side, so that a model is tested on skeletons it has not seen. Two
rules stand here. The field's own (`scaffold_split`) sorts scaffolds by frequency and fills the parts in turn, which
makes the part of one molecule depend on all the others and on their order; it is used where published numbers were
computed with it. Where the choice is the gym's, a hash decides alone (`scaffold_fraction`, `molecule_fraction`): the
same scaffold is on the same side in every data set of the gym (a model trained on many endpoints at once does not
meet, in one endpoint's training part, the series that validates another), and adding rows moves no other row.
"""

from __future__ import annotations

from collections.abc import Sequence

from mmai_gym.contracts import InvalidMolecule, Split
from mmai_gym.molecules import connectivity, murcko_scaffold
from mmai_gym.sources.hashing import hash_fraction

VALID_FROM = 0.85
"""Where a table has official training and test parts only, rows from this `scaffold_fraction` on validate.

A lone benzene ring always trains, so that 15 % of the hash range hold about an eighth of the rows."""

# Up to a quarter of a data set has a single benzene ring for a scaffold. That is no series; a hash that sent it to
# a small part would make that part of nothing else, so it always trains.
_ALWAYS_FIRST = "c1ccccc1"


def scaffold_fraction(smiles: str, seed: int = 0) -> float:
    """A number in [0, 1) that is the same for all molecules of a series; cut it where the parts should end.

    What belongs to no series gives 0.0: the first part, which trains.
    """
    return series_fraction(series(smiles), seed)


def series(smiles: str) -> str:
    """What decides the part of a molecule: its Bemis-Murcko scaffold, without stereo.

    Acyclic molecules have no scaffold and are spread by their connectivity (first block of the InChIKey) instead.
    The benzene ring alone, and text that is no molecule, belong to no series: ''.
    """
    try:
        scaffold = murcko_scaffold(smiles)
        key = scaffold or f"acyclic {connectivity(smiles)}"
    except InvalidMolecule:
        return ""
    return "" if key == _ALWAYS_FIRST else key


def series_fraction(key: str, seed: int = 0) -> float:
    """`scaffold_fraction` of the molecules of a `series`."""
    return hash_fraction("scaffold", seed, key) if key else 0.0


def molecule_fraction(smiles: str, seed: int = 0) -> float:
    """A number in [0, 1) that is the same for all rows of a molecule, whatever their stereo: for a random split.

    Raises:
        InvalidMolecule: `smiles` cannot be read or has no InChI.
    """
    return hash_fraction("molecule", seed, connectivity(smiles))


def scaffold_split(scaffolds: Sequence[str]) -> tuple[Split, ...]:
    """The part of each molecule under the scaffold split of DeepChem (Wu et al. 2018), 80 / 10 / 10 %.

    Molecules of one scaffold stay together ('' for all acyclic ones). The groups are taken from the largest to the
    smallest, of equal ones the one whose first member stands later in the file; a group goes to training if it still
    fits into 80 % of the rows, else to validation if it fits into 90 % with what is in both, else to the test part.

    Args:
        scaffolds: of each readable molecule, in the order of the file, without stereo.
    """
    groups: dict[str, list[int]] = {}
    for position, scaffold in enumerate(scaffolds):
        groups.setdefault(scaffold, []).append(position)
    # The same float products as the original: a cut-off that is whole on paper may lie a hair above or below.
    train_rows, train_valid_rows = 0.8 * len(scaffolds), (0.8 + 0.1) * len(scaffolds)
    parts: list[Split] = ["test"] * len(scaffolds)
    in_train = in_valid = 0
    for group in sorted(groups.values(), key=lambda members: (len(members), members[0]), reverse=True):
        if in_train + len(group) <= train_rows:
            part: Split = "train"
            in_train += len(group)
        elif in_train + in_valid + len(group) <= train_valid_rows:
            part = "valid"
            in_valid += len(group)
        else:
            continue
        for position in group:
            parts[position] = part
    return tuple(parts)
