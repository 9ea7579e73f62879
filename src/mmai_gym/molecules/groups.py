"""Functional groups: what a chemist sees first in a structure, as definitions that a program can check.

The names of a chemistry book overlap as plain patterns: an acid holds a hydroxyl, an amide's nitrogen looks like
an amine, an anhydride contains an ester twice. A question such as "how many alcohols?" has one answer only if each
pattern states what it excludes, so every group here carries its definition in words beside its SMARTS. The matched
atoms are the atoms *of the group*: the surroundings that decide are tested in recursive SMARTS and are not part of
the match, so that a located group can be compared atom by atom. Rings follow RDKit's aromaticity. Charged forms
that only differ by a proton (carboxylate, ammonium) count as the group.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType

from rdkit import Chem

from mmai_gym.contracts import UsageError
from mmai_gym.molecules.toolkit import Mol, as_mol

Matches = tuple[tuple[int, ...], ...]

_NO_LIMIT = 1_000_000
"""RDKit stops at 1,000 matches unless told otherwise; a count must not."""


@dataclass(frozen=True)
class FunctionalGroup:
    """A named substructure. `definition` says in words what `smarts` accepts and excludes."""

    name: str
    smarts: str
    definition: str

    @cached_property
    def pattern(self) -> Mol:
        """The compiled query."""
        return Chem.MolFromSmarts(self.smarts)

    def matches(self, molecule: str | Mol) -> Matches:
        """Atom indices of each occurrence, ascending inside it and sorted; one entry per distinct set of atoms.

        Raises:
            InvalidMolecule: a SMILES that cannot be read.
        """
        found = as_mol(molecule).GetSubstructMatches(self.pattern, uniquify=True, maxMatches=_NO_LIMIT)
        return tuple(sorted(tuple(sorted(match)) for match in found))


_ACYL = "$([CX3][#6]),$([CX3H])"  # a carbonyl carbon on carbon or hydrogen: not a urea, carbamate or carbonate
_NOT_ACYL = "!$([#6X3]=[O,S,N])"

_DEFINITIONS: tuple[tuple[str, str, str], ...] = (
    ("alcohol", "[OX2H;$(O[CX4])]", "hydroxyl on an sp3 carbon; not of an acid, phenol, enol or oxime"),
    ("phenol", "[OX2H;$(O-c)]", "hydroxyl on an aromatic carbon, heteroaromatic rings included"),
    (
        "ether",
        f"[OX2;!r3;$(O([#6;{_NOT_ACYL}])[#6;{_NOT_ACYL}])]",
        "oxygen between two carbons, neither a carbonyl carbon; not an epoxide, not a ring atom of furan",
    ),
    ("epoxide", "[OX2]1[CX4][CX4]1", "three-membered ring of one oxygen and two sp3 carbons"),
    ("aldehyde", "[$([CX3H][#6]),$([CX3H2])]=[OX1]", "carbonyl with a hydrogen and a carbon (or two hydrogens)"),
    (
        "ketone",
        "[CX3;$(C([#6])[#6])]=[OX1]",
        "carbonyl between two carbons, quinones included; not the carbonyl of an aromatic ring such as chromone",
    ),
    (
        "carboxylic_acid",
        f"[{_ACYL}](=[OX1])[OX2H,OX1-]",
        "carbonyl with hydroxyl or its anion, on carbon or hydrogen",
    ),
    (
        "ester",
        f"[{_ACYL}](=[OX1])[OX2;$(O([CX3])[#6;{_NOT_ACYL}])]",
        "carbonyl with an oxygen that bears another carbon, lactones included; not an anhydride or carbamate",
    ),
    (
        "amide",
        f"[{_ACYL}](=[OX1])[NX3]",
        "carbonyl, on carbon or hydrogen, with a nitrogen; lactams count, an imide counts twice; "
        "not a urea or carbamate, not inside an aromatic ring",
    ),
    ("lactam", f"[{_ACYL}](=[OX1])@[NX3]", "amide whose carbon and nitrogen share a ring"),
    ("urea", "[NX3][CX3](=[OX1])[NX3]", "carbonyl between two nitrogens"),
    ("carbamate", "[NX3][CX3](=[OX1])[OX2;$(O([CX3])[#6])]", "carbonyl between a nitrogen and an O-carbon"),
    ("anhydride", f"[{_ACYL}](=[OX1])[OX2][{_ACYL}]=[OX1]", "two acyl groups on one oxygen"),
    ("acyl_halide", f"[{_ACYL}](=[OX1])[F,Cl,Br,I]", "carbonyl with a halogen, on carbon or hydrogen"),
    ("thiocarbonyl", "[CX3]=[SX1]", "carbon-sulfur double bond (thioamide, thiourea, dithiocarbamate)"),
    ("nitro", "[NX3+;$(N[#6])](=[OX1])[OX1-]", "NO2 on carbon; not a nitrate ester or nitramine"),
    ("nitrile", "[CX2;$(C[#6])]#[NX1]", "carbon-nitrogen triple bond on carbon; not a thiocyanate or isonitrile"),
    ("azide", "[NX2;$(N[#6])]=[NX2+]=[NX1-]", "three nitrogens in a row on carbon"),
    ("azo", "[NX2;$(N[#6])]=[NX2;$(N[#6])]", "nitrogen-nitrogen double bond between carbons"),
    ("primary_amine", "[NX3H2+0,NX4H3+;$(N[CX4])]", "NH2 (or NH3+) on an sp3 carbon"),
    ("secondary_amine", "[NX3H1+0,NX4H2+;$(N([CX4])[CX4])]", "NH (or NH2+) between two sp3 carbons"),
    ("tertiary_amine", "[NX3H0+0,NX4H1+;$(N([CX4])([CX4])[CX4])]", "N (or NH+) on three sp3 carbons"),
    ("quaternary_ammonium", "[NX4H0+;$(N([#6])([#6])([#6])[#6])]", "positively charged N on four carbons"),
    (
        "aromatic_amine",
        "[NX3+0;$(N-c);!$(N-[CX3,CX2]);!$(N~[!#6;!#1])]",
        "nitrogen on an aromatic carbon, its other neighbours hydrogen, sp3 or aromatic carbon (aniline type)",
    ),
    (
        "imine",
        "[CX3;!$(C-[!#6;!#1])]=[NX2;!$(N-[!#6;!#1])]",
        "carbon-nitrogen double bond with only carbon or hydrogen around it; not an oxime, hydrazone or amidine",
    ),
    (
        "oxime",
        "[CX3]=[NX2][OX2]",
        "C=N with an oxygen on its nitrogen, oxime ethers included",
    ),
    (
        "hydrazone",
        "[CX3;!$(C-[!#6;!#1])]=[NX2][NX3]",
        "C=N with an amino nitrogen on its nitrogen",
    ),
    ("amidine", f"[NX3][{_ACYL}]=[NX2,NX3+]", "carbon, on carbon or hydrogen, with one N double and one N single"),
    ("guanidine", "[NX3][CX3](=[NX2,NX3+])[NX3]", "carbon with three nitrogens, one of them double-bonded"),
    ("thiol", "[SX2H;$(S[#6])]", "SH on carbon"),
    (
        "thioether",
        "[SX2;$(S([#6;!$([#6X3]=[OX1])])[#6;!$([#6X3]=[OX1])])]",
        "sulfur between two carbons, neither a C=O carbon; not a ring atom of thiophene",
    ),
    ("disulfide", "[SX2;$(S[#6])][SX2;$(S[#6])]", "two bonded sulfurs, each on carbon"),
    ("sulfoxide", "[SX3;$(S([#6])[#6])]~[OX1]", "S=O between two carbons, also written with charges"),
    ("sulfone", "[SX4;$(S([#6])[#6])](=[OX1])=[OX1]", "SO2 between two carbons"),
    ("sulfonamide", "[SX4;$(S[#6])](=[OX1])(=[OX1])[NX3]", "SO2 between a carbon and a nitrogen"),
    ("sulfonic_acid", "[SX4;$(S[#6])](=[OX1])(=[OX1])[OX2H,OX1-]", "SO2 with hydroxyl (or its anion), on carbon"),
    ("sulfonyl_halide", "[SX4;$(S[#6])](=[OX1])(=[OX1])[F,Cl,Br,I]", "SO2 with a halogen, on carbon"),
    ("phosphoryl", "[PX4]=[OX1]", "phosphorus-oxygen double bond (phosphate, phosphonate, phosphine oxide)"),
    ("boronic_acid", "[BX3;$(B[#6])]([OX2H])[OX2H]", "B(OH)2 on carbon"),
    ("alkene", "[CX3]=[CX3]", "carbon-carbon double bond outside aromatic rings and cumulenes"),
    ("alkyne", "[CX2]#[CX2]", "carbon-carbon triple bond"),
    ("fluoro", "[FX1;$(F[#6;!$([#6X3]=[OX1])])]", "fluorine on carbon; not of an acyl fluoride"),
    ("chloro", "[ClX1;$(Cl[#6;!$([#6X3]=[OX1])])]", "chlorine on carbon; not of an acyl chloride"),
    ("bromo", "[BrX1;$(Br[#6;!$([#6X3]=[OX1])])]", "bromine on carbon; not of an acyl bromide"),
    ("iodo", "[IX1;$(I[#6;!$([#6X3]=[OX1])])]", "iodine on carbon; not of an acyl iodide"),
    (
        "trifluoromethyl",
        "[CX4;!$(C(F)(F)(F)F)](F)(F)F",
        "carbon with three fluorines, each also a fluoro",
    ),
    ("benzene_ring", "c1:c:c:c:c:c:1", "six-membered aromatic ring of carbons, alone or fused"),
    ("pyridine_ring", "[nX2,nX3+]1:c:c:c:c:c:1", "six-membered aromatic ring with one nitrogen; not a pyridone"),
    ("pyrimidine_ring", "n1:c:n:c:c:c:1", "six-membered aromatic ring with nitrogens in positions 1 and 3"),
    ("pyrrole_ring", "[nX3+0]1:c:c:c:c:1", "five-membered aromatic ring with one nitrogen, indole included"),
    ("imidazole_ring", "n1:c:n:c:c:1", "five-membered aromatic ring with nitrogens in positions 1 and 3"),
    ("furan_ring", "o1:c:c:c:c:1", "five-membered aromatic ring with one oxygen"),
    ("thiophene_ring", "s1:c:c:c:c:1", "five-membered aromatic ring with one sulfur"),
    ("thiazole_ring", "s1:c:n:c:c:1", "five-membered aromatic ring with sulfur and nitrogen in positions 1 and 3"),
)

FUNCTIONAL_GROUPS: Mapping[str, FunctionalGroup] = MappingProxyType(
    {name: FunctionalGroup(name, smarts, definition) for name, smarts, definition in _DEFINITIONS}
)


def find_groups(molecule: str | Mol) -> dict[str, Matches]:
    """Every functional group present, with the atom indices of each occurrence; groups in registry order.

    Indices are those of `molecule`, or of the SMILES as written.

    Raises:
        InvalidMolecule: a SMILES that cannot be read.
    """
    mol = as_mol(molecule)
    found = {name: group.matches(mol) for name, group in FUNCTIONAL_GROUPS.items()}
    return {name: matches for name, matches in found.items() if matches}


def functional_group(name: str) -> FunctionalGroup:
    """The group of this name.

    Raises:
        UsageError: no such group; the message lists the names.
    """
    if name not in FUNCTIONAL_GROUPS:
        raise UsageError(f"no functional group {name!r}; known: {', '.join(FUNCTIONAL_GROUPS)}")
    return FUNCTIONAL_GROUPS[name]


def count_group(molecule: str | Mol, name: str) -> int:
    """How often the group occurs.

    Raises:
        InvalidMolecule: a SMILES that cannot be read.
        UsageError: no functional group of this name.
    """
    return len(functional_group(name).matches(molecule))
