"""The views of a molecule and what relates them. Importing it switches RDKit's log off (see `toolkit`)."""

from __future__ import annotations

from mmai_gym.molecules.groups import (
    FUNCTIONAL_GROUPS,
    FunctionalGroup,
    count_group,
    find_groups,
    functional_group,
)
from mmai_gym.molecules.inchi import connectivity, from_inchi, inchi, inchikey
from mmai_gym.molecules.smiles import canonical, canonical_set, is_valid, randomized, rooted, strip_maps
from mmai_gym.molecules.toolkit import (
    MAX_SMILES_LENGTH,
    Fingerprint,
    Mol,
    fragments,
    heavy_atoms,
    morgan,
    morgan_array,
    murcko_scaffold,
    parse,
    tanimoto,
    tanimoto_to_all,
)

__all__ = [
    "FUNCTIONAL_GROUPS",
    "MAX_SMILES_LENGTH",
    "Fingerprint",
    "FunctionalGroup",
    "Mol",
    "canonical",
    "canonical_set",
    "connectivity",
    "count_group",
    "find_groups",
    "fragments",
    "from_inchi",
    "functional_group",
    "heavy_atoms",
    "inchi",
    "inchikey",
    "is_valid",
    "morgan",
    "morgan_array",
    "murcko_scaffold",
    "parse",
    "randomized",
    "rooted",
    "strip_maps",
    "tanimoto",
    "tanimoto_to_all",
]
