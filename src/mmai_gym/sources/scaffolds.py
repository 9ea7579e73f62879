"""Splits by Bemis-Murcko scaffold that depend on nothing but the molecule.

A scaffold split keeps a chemical series on one side, so that a model is tested on skeletons it has not seen. The
usual way sorts scaffolds by frequency and fills the parts in turn, which makes the part of one molecule depend on
all the others, on their order and on the release of a random generator. Here a hash of the scaffold decides alone:
the same scaffold is on the same side in every data set of the gym (a model trained on many endpoints at once does
not meet, in one endpoint's training part, the series that validates another), and adding rows moves no other row.
"""

from __future__ import annotations

from mmai_gym.contracts import InvalidMolecule
from mmai_gym.molecules import connectivity, murcko_scaffold
from mmai_gym.sources.hashing import hash_fraction

# Up to a quarter of a data set has a single benzene ring for a scaffold. That is no series; a hash that sent it to
# a small part would make that part of nothing else, so it always trains.
_ALWAYS_FIRST = "c1ccccc1"


def scaffold_fraction(smiles: str, seed: int = 0) -> float:
    """A number in [0, 1) that is the same for all molecules of a scaffold; cut it where the parts should end.

    Acyclic molecules have no scaffold and are spread by their connectivity (first block of the InChIKey) instead.
    The benzene ring alone, and text that is no molecule, give 0.0: the first part, which trains.
    """
    try:
        scaffold = murcko_scaffold(smiles)
        key = scaffold or f"acyclic {connectivity(smiles)}"
    except InvalidMolecule:
        return 0.0
    if scaffold == _ALWAYS_FIRST:
        return 0.0
    return hash_fraction("scaffold", seed, key)
