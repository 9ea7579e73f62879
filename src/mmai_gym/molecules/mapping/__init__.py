"""Atom maps for reactions that have none: which atom of the reactants became which atom of the product.

Patent reactions arrive as text without maps, but templates, reaction centres and root-aligned SMILES need them. A chemist
finds the map by looking for the bonds that were made: cut them, and what is left of the product are pieces of the
reactants. `search` does the same, `cost` says which of the maps found needs the least chemistry, and `mapper` reads, writes
and says how sure the answer is. It is all graph matching in RDKit: nothing was trained, no clock is looked at, and the same
reaction gets the same map on every machine.
"""

from __future__ import annotations

from mmai_gym.molecules.mapping.mapper import (
    MAPPER_VERSION,
    MAX_ATOMS,
    AtomMapping,
    MappingFailure,
    ReactionCentre,
    map_reaction,
    reaction_centre,
)

__all__ = [
    "MAPPER_VERSION",
    "MAX_ATOMS",
    "AtomMapping",
    "MappingFailure",
    "ReactionCentre",
    "map_reaction",
    "reaction_centre",
]
