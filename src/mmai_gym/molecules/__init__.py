"""The views of a molecule and what relates them. Importing it switches RDKit's log off (see `toolkit`)."""

from __future__ import annotations

from mmai_gym.molecules.alignment import (
    aligned_to_canonical,
    follow,
    root_aligned,
)
from mmai_gym.molecules.breeding import (
    crossover,
    mutated,
)
from mmai_gym.molecules.conformer import (
    Conformer,
    embed,
    from_xyz,
    to_xyz,
)
from mmai_gym.molecules.drawing import (
    grid_svg,
    molecule_svg,
    reaction_svg,
)
from mmai_gym.molecules.formula_view import (
    formula,
    parse_formula,
)
from mmai_gym.molecules.graph import (
    EDGE_COLUMNS,
    NODE_COLUMNS,
    GraphArrays,
    MolecularGraph,
    from_graph_arrays,
    from_graph_text,
    molecular_graph,
    to_graph_arrays,
    to_graph_text,
)
from mmai_gym.molecules.group_edits import (
    GroupEdit,
    NoCommonCore,
    group_edit,
)
from mmai_gym.molecules.groups import (
    FUNCTIONAL_GROUPS,
    FunctionalGroup,
    count_group,
    find_groups,
    functional_group,
)
from mmai_gym.molecules.inchi_view import (
    connectivity,
    from_inchi,
    inchi,
    inchikey,
)
from mmai_gym.molecules.mapping import (
    MAPPER_VERSION,
    AtomMapping,
    MappingFailure,
    ReactionCentre,
    map_reaction,
    reaction_centre,
)
from mmai_gym.molecules.pairs import (
    Fragmentation,
    MatchedPair,
    aligned_pair,
    fragment,
    matched_pairs,
)
from mmai_gym.molecules.reactions import (
    TEMPLATES,
    MappedReaction,
    ReactionTemplate,
    forward_products,
    possible_products,
    preferred_cut,
    retro_cuts,
)
from mmai_gym.molecules.selfies_view import (
    from_selfies,
    to_selfies,
)
from mmai_gym.molecules.sketch import sketch
from mmai_gym.molecules.smiles import (
    canonical,
    canonical_set,
    is_valid,
    randomized,
    randomized_places,
    rooted,
    strip_maps,
)
from mmai_gym.molecules.toolkit import (
    MAX_SMILES_LENGTH,
    Fingerprint,
    Mol,
    fragments,
    heavy_atoms,
    morgan,
    morgan_array,
    morgan_bits,
    murcko_scaffold,
    parse,
    tanimoto,
    tanimoto_to_all,
)
from mmai_gym.molecules.views import smiles_of

__all__ = [
    "EDGE_COLUMNS",
    "FUNCTIONAL_GROUPS",
    "MAPPER_VERSION",
    "MAX_SMILES_LENGTH",
    "NODE_COLUMNS",
    "TEMPLATES",
    "AtomMapping",
    "Conformer",
    "Fingerprint",
    "Fragmentation",
    "FunctionalGroup",
    "GraphArrays",
    "GroupEdit",
    "MappedReaction",
    "MappingFailure",
    "MatchedPair",
    "Mol",
    "MolecularGraph",
    "NoCommonCore",
    "ReactionCentre",
    "ReactionTemplate",
    "aligned_pair",
    "aligned_to_canonical",
    "canonical",
    "canonical_set",
    "connectivity",
    "count_group",
    "crossover",
    "embed",
    "find_groups",
    "follow",
    "formula",
    "forward_products",
    "fragment",
    "fragments",
    "from_graph_arrays",
    "from_graph_text",
    "from_inchi",
    "from_selfies",
    "from_xyz",
    "functional_group",
    "grid_svg",
    "group_edit",
    "heavy_atoms",
    "inchi",
    "inchikey",
    "is_valid",
    "map_reaction",
    "matched_pairs",
    "molecular_graph",
    "molecule_svg",
    "morgan",
    "morgan_array",
    "morgan_bits",
    "murcko_scaffold",
    "mutated",
    "parse",
    "parse_formula",
    "possible_products",
    "preferred_cut",
    "randomized",
    "randomized_places",
    "reaction_centre",
    "reaction_svg",
    "retro_cuts",
    "root_aligned",
    "rooted",
    "sketch",
    "smiles_of",
    "strip_maps",
    "tanimoto",
    "tanimoto_to_all",
    "to_graph_arrays",
    "to_graph_text",
    "to_selfies",
    "to_xyz",
]
