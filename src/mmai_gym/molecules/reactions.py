"""Reactions as a chemist plans them: cut a product at a bond that a known reaction can make.

Each template is written in both directions. The *retro* pattern finds the bond in a product and says what stood
there before; the *forward* pattern is stricter and says which reactants react at all. A cut counts only if running
the forward pattern over its reactants gives the product back, and nothing but the product: a second amine or a
second acid that would react as well makes the cut unselective, and a chemist would not run it. So every reaction
here is one that a program has checked, which is what an example to learn from must be. The check knows one
template at a time: equivalent sites of a symmetric reactant count as one, and groups that other reagents would
touch are not looked at.

A product has several cuts, a question one answer. `preferred_cut` therefore states an order: templates by
priority, then the most convergent cut (the largest smaller reactant), then the reactants' text. None of these
depends on how the product was written. Reactions are described by the transformations of Hartenfeller et al.
(2011) and Roughley and Jordan (2011); the patterns are our own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import permutations
from types import MappingProxyType

from rdkit import Chem
from rdkit.Chem import rdChemReactions

from mmai_gym.contracts import InvalidMolecule, UsageError
from mmai_gym.molecules.drawing import reaction_svg
from mmai_gym.molecules.smiles import canonical_set, strip_maps, write
from mmai_gym.molecules.toolkit import Mol, heavy_atoms, parse

MAX_PRODUCT_ATOMS = 150
"""Larger products are left uncut: matching every template in both directions would take seconds."""

_MAX_OUTCOMES = 200


@dataclass(frozen=True)
class ReactionTemplate:
    """A named reaction: `retro` cuts a product into reactants, `forward` makes it, both as reaction SMARTS.

    `description` says in words what reacts with what.
    """

    name: str
    retro: str
    forward: str
    description: str

    @cached_property
    def retro_reaction(self) -> rdChemReactions.ChemicalReaction:
        """The compiled retro pattern."""
        return rdChemReactions.ReactionFromSmarts(self.retro)

    @cached_property
    def forward_reaction(self) -> rdChemReactions.ChemicalReaction:
        """The compiled forward pattern."""
        return rdChemReactions.ReactionFromSmarts(self.forward)


@dataclass(frozen=True, slots=True)
class MappedReaction:
    """One reaction: dot-separated reactants and one product as SMILES that share atom map numbers.

    Every product atom has a map; a reactant atom without one leaves.
    """

    template: str
    reactants: str
    product: str

    @property
    def unmapped_reactants(self) -> str:
        """The reactants without maps, as `canonical_set` writes them."""
        return canonical_set(self.reactants)

    @property
    def unmapped_product(self) -> str:
        """The product's canonical SMILES without maps."""
        return strip_maps(self.product)

    def _repr_svg_(self) -> str:
        return reaction_svg(self.reactants, self.product)


# Who can be acylated or alkylated: nitrogen with hydrogen and carbon only, the carbon not of C=O, C=S, C=N or C#N.
_AMINE = "NX3;H1,H2;+0;!$(N~[!#6;!#1]);!$(N-[CX3]=[O,S,N]);!$(N-C#N);$(N-[CX4,c])"
_ALKYL_HALIDE_CARBON = "CX4;H2;$(C-[#6]);!$(C-[!#6;!#1;!Br])"
_ALKYL_SITE = "CX4;H2;$(C-[#6])"

_TEMPLATES: tuple[tuple[str, str, str, str], ...] = (
    (
        "amide_coupling",
        "[#6:1][CX3:2](=[OX1:3])!@[NX3;+0;!$(N~[!#6;!#1]);!$(N(C=[O,S,N])C=[O,S,N]);$(N-[CX4,c]):4]"
        ">>[#6:1][C:2](=[O:3])O.[N:4]",
        f"[#6:1][CX3:2](=[OX1:3])[OX2H].[{_AMINE}:4]>>[#6:1][C:2](=[O:3])[N:4]",
        "a carboxylic acid and a primary or secondary amine give an amide",
    ),
    (
        "sulfonamide_formation",
        "[#6:1][SX4:2](=[OX1:3])(=[OX1:4])!@[NX3;+0;!$(N~[!#6;!#1;!S]);!$(N-C=[O,S,N]);$(N-[CX4,c]):5]"
        ">>[#6:1][S:2](=[O:3])(=[O:4])Cl.[N:5]",
        f"[#6:1][SX4:2](=[OX1:3])(=[OX1:4])Cl.[{_AMINE}:5]>>[#6:1][S:2](=[O:3])(=[O:4])[N:5]",
        "a sulfonyl chloride and a primary or secondary amine give a sulfonamide",
    ),
    (
        "urea_formation",
        "[#6:1][NX3;H1;+0;!$(N~[!#6;!#1]):2]!@[CX3:3](=[O,S;X1:4])!@[NX3;+0;!$(N~[!#6;!#1]);$(N-[CX4,c]):5]"
        ">>[#6:1][N:2]=[C:3]=[*:4].[N:5]",
        f"[#6:1][NX2:2]=[CX2:3]=[O,S;X1:4].[{_AMINE}:5]>>[#6:1][N:2][C:3](=[*:4])[N:5]",
        "an isocyanate (or isothiocyanate) and an amine give a urea (or thiourea)",
    ),
    (
        "carbamate_formation",
        "[#6:1][NX3;H1;+0;!$(N~[!#6;!#1]):2]!@[CX3:3](=[OX1:4])!@[OX2;$(O-[CX4,c]):5]"
        ">>[#6:1][N:2]=[C:3]=[O:4].[O:5]",
        "[#6:1][NX2:2]=[CX2:3]=[OX1:4].[OX2H;$(O-[CX4,c]):5]>>[#6:1][N:2][C:3](=[O:4])[O:5]",
        "an isocyanate and an alcohol or phenol give a carbamate",
    ),
    (
        "esterification",
        "[#6:1][CX3:2](=[OX1:3])!@[OX2;$(O-[CX4,c]):4]>>[#6:1][C:2](=[O:3])O.[O:4]",
        "[#6:1][CX3:2](=[OX1:3])[OX2H].[OX2H;$(O-[CX4,c]):4]>>[#6:1][C:2](=[O:3])[O:4]",
        "a carboxylic acid and an alcohol or phenol give an ester",
    ),
    (
        "suzuki_coupling",
        "[c:1]-!@[c:2]>>[c:1]Br.[c:2]B(O)O",
        "[c:1][Br].[c:2][BX3]([OX2H])[OX2H]>>[c:1]-[c:2]",
        "an aryl bromide and an arylboronic acid give a biaryl",
    ),
    (
        "sonogashira_coupling",
        "[c:1]-!@[CX2:2]#[CX2:3]>>[c:1]Br.[C:2]#[C:3]",
        "[c:1][Br].[CX2;H1:2]#[CX2:3]>>[c:1][C:2]#[C:3]",
        "an aryl bromide and a terminal alkyne give an aryl alkyne",
    ),
    (
        "imine_condensation",
        "[CX3;$([CX3;H1]-[#6]),$([CX3](-[#6])-[#6]):1]=!@[NX2;$(N-[N,O,c]),$(N-[CX4]):2]>>[C:1]=O.[N:2]",
        "[CX3;$([CX3;H1]-[#6]),$([CX3](-[#6])-[#6]):1]=[OX1]."
        "[NX3;H2;+0;$(N-[NX3,OX2]),$(N-[CX4,c]):2]>>[C:1]=[N:2]",
        "an aldehyde or ketone and a primary amine, hydrazine or hydroxylamine give an imine, hydrazone or oxime",
    ),
    (
        "reductive_amination",
        "[CX4;$([CX4;H2]-[#6]),$([CX4;H1](-[#6])-[#6]);!$(C-[!#6;!#1;!N]);!$(C-[CX3]=O):1]-!@"
        "[NX3;+0;!$(N~[!#6;!#1]);!$(N-[CX3]=[O,S,N]);!$(N-C#N);$(N(-[#6])-[CX4,c]):2]>>[C:1]=O.[N:2]",
        f"[CX3;$([CX3;H1]-[#6]),$([CX3](-[#6])-[#6]);!$(C-[CX3]=O):1]=[OX1].[{_AMINE}:2]>>[C:1][N:2]",
        "an aldehyde or ketone and an amine, with a hydride, give the next higher amine",
    ),
    (
        "n_arylation",
        "[c:1]-!@[NX3;+0;!$(N~[!#6;!#1]);!$(N-[CX3]=[O,S,N]);!$(N-C#N);$(N(-c)-[CX4,c]):2]>>[c:1]Br.[N:2]",
        f"[c:1][Br].[{_AMINE}:2]>>[c:1][N:2]",
        "an aryl bromide and an amine give an aryl amine (Buchwald and Hartwig)",
    ),
    (
        "williamson_ether",
        f"[#6;c,$([CX4]);!$(C-[!#6;!#1;!$([OX2])]):1][OX2:2]-!@[{_ALKYL_SITE};!$(C(-O)-[!#6;!#1]):3]"
        ">>[*:1][O:2].[C:3]Br",
        f"[#6;c,$([CX4]):1][OX2H:2].[{_ALKYL_HALIDE_CARBON}:3][Br]>>[*:1][O:2][C:3]",
        "an alcohol or phenol and a primary alkyl bromide give an ether",
    ),
    (
        "thiol_alkylation",
        f"[#6:1][SX2:2]-!@[{_ALKYL_SITE}:3]>>[#6:1][S:2].[C:3]Br",
        f"[#6:1][SX2H:2].[{_ALKYL_HALIDE_CARBON}:3][Br]>>[#6:1][S:2][C:3]",
        "a thiol and a primary alkyl bromide give a thioether",
    ),
    (
        "phenol_methylation",
        "[c:1][OX2:2]-!@[CX4;H3:3]>>[c:1][O:2].[C:3]I",
        "[c:1][OX2H:2].[CX4;H3:3][I]>>[c:1][O:2][C:3]",
        "a phenol and iodomethane give an aryl methyl ether",
    ),
    (
        "nitro_reduction",
        "[c:1][NX3;H2;+0:2]>>[c:1][N+:2](=O)[O-]",
        "[c:1][NX3;+:2](=[OX1])[OX1-]>>[c:1][N+0:2]",
        "an aromatic nitro compound is reduced to the aniline",
    ),
    (
        "ester_hydrolysis",
        "[#6:1][CX3:2](=[OX1:3])[OX2;H1:4]>>[#6:1][C:2](=[O:3])[O:4]C",
        "[#6:1][CX3:2](=[OX1:3])[OX2:4][CX4;H3]>>[#6:1][C:2](=[O:3])[O:4]",
        "a methyl ester is hydrolysed to the carboxylic acid",
    ),
    (
        "ketone_reduction",
        "[#6:1][CX4;H1:2]([#6:3])[OX2;H1:4]>>[#6:1][C:2]([#6:3])=[O:4]",
        "[#6:1][CX3:2]([#6:3])=[OX1:4]>>[#6:1][C:2]([#6:3])[O:4]",
        "a ketone is reduced to the secondary alcohol",
    ),
    (
        "alcohol_oxidation",
        "[#6:1][CX3:2]([#6:3])=[OX1:4]>>[#6:1][C:2]([#6:3])[O:4]",
        "[#6:1][CX4;H1:2]([#6:3])[OX2;H1:4]>>[#6:1][C:2]([#6:3])=[O:4]",
        "a secondary alcohol is oxidised to the ketone",
    ),
    (
        "boc_deprotection",
        "[CX4:1][NX3;H1,H2;+0;!$(N~[!#6;!#1]);!$(N-[CX3]=[O,S,N]):2]>>[C:1][N:2]C(=O)OC(C)(C)C",
        "[CX4:1][NX3;+0:2]C(=O)OC([CH3])([CH3])[CH3]>>[C:1][N:2]",
        "a tert-butyl carbamate is cleaved by acid to the free amine",
    ),
)

TEMPLATES: Mapping[str, ReactionTemplate] = MappingProxyType(
    {row[0]: ReactionTemplate(*row) for row in _TEMPLATES}
)
"""By name, in order of priority: reactions that join two molecules come before those that change one group, and
among the former those that medicinal chemists run most often and most selectively come first."""


def retro_cuts(product: str) -> list[MappedReaction]:
    """Every checked one-step reaction of TEMPLATES that makes `product`; by template, then by atom.

    Map numbers count the product's atoms in canonical order, so the answer does not depend on how `product` was
    written. Different cuts that need the same reactants are given once. A salt or mixture, and a product of more
    than MAX_PRODUCT_ATOMS heavy atoms, has no cuts.

    Raises:
        InvalidMolecule: `product` cannot be read.
    """
    target = _target(product)
    return [cut for template in TEMPLATES.values() for _, cut in _checked_cuts(template, target)]


def preferred_cut(product: str) -> MappedReaction | None:
    """The one cut that stands for a product, or None if no template applies.

    The first template in TEMPLATES that applies; among its cuts the one whose smaller reactant is largest in heavy
    atoms; among those the one whose canonical reactants come first in text order.

    Raises:
        InvalidMolecule: `product` cannot be read.
    """
    target = _target(product)
    for template in TEMPLATES.values():
        cuts = _checked_cuts(template, target)
        if cuts:
            return min(cuts, key=lambda cut: (-_smaller_reactant(cut[0]), cut[0]))[1]
    return None


@dataclass(frozen=True, slots=True)
class _Target:
    """A product to cut: canonical text, and the molecule with its atoms in that order and mapped 1, 2, 3, ..."""

    text: str
    mapped: str
    mol: Mol
    can_be_cut: bool


def _target(product: str) -> _Target:
    text = strip_maps(product)
    mol = parse(text)
    for atom in mol.GetAtoms():
        atom.SetAtomMapNum(atom.GetIdx() + 1)
    can_be_cut = mol.GetNumHeavyAtoms() <= MAX_PRODUCT_ATOMS and "." not in text
    return _Target(text, write(mol), mol, can_be_cut)


def _checked_cuts(template: ReactionTemplate, target: _Target) -> list[tuple[str, MappedReaction]]:
    """The template's cuts that its forward pattern undoes, by their reactants' text; one per set of reactants."""
    cuts: dict[str, MappedReaction] = {}
    for candidate in _candidates(template, target.mol) if target.can_be_cut else ():
        mapped = ".".join(candidate)
        reactants = canonical_set(mapped)
        if reactants not in cuts and _products(template, reactants) == {target.text}:
            cuts[reactants] = MappedReaction(template.name, mapped, target.mapped)
    return list(cuts.items())


def _smaller_reactant(reactants: str) -> int:
    return min(heavy_atoms(reactant) for reactant in reactants.split("."))


def forward_products(template: str, reactants: str) -> set[str]:
    """Canonical SMILES of every product that the template makes from a dot-separated set, in any order.

    Raises:
        InvalidMolecule: the reactants cannot be read.
        UsageError: no template of this name.
    """
    if template not in TEMPLATES:
        raise UsageError(f"no reaction template {template!r}; known: {', '.join(TEMPLATES)}")
    return _products(TEMPLATES[template], canonical_set(reactants))


def possible_products(reactants: str) -> set[str]:
    """Canonical SMILES of every product that any template makes from a dot-separated set, in any order.

    Raises:
        InvalidMolecule: the reactants cannot be read.
    """
    unmapped = canonical_set(reactants)
    return set().union(*(_products(template, unmapped) for template in TEMPLATES.values()))


def _products(template: ReactionTemplate, reactants: str) -> set[str]:
    mols = [parse(text) for text in reactants.split(".")]
    if len(mols) != template.forward_reaction.GetNumReactantTemplates():
        return set()
    outcomes = [
        _sanitized_text(product)
        for ordered in permutations(mols)
        for (product,) in template.forward_reaction.RunReactants(ordered, maxProducts=_MAX_OUTCOMES)
    ]
    return {text for text in outcomes if text is not None}


def _candidates(template: ReactionTemplate, product: Mol) -> Iterator[tuple[str, ...]]:
    """Mapped reactants of each match of the retro pattern, in order of the matched atoms."""
    outcomes = template.retro_reaction.RunReactants((product,), maxProducts=_MAX_OUTCOMES)
    for outcome in sorted(outcomes, key=_matched_atoms):
        texts = []
        for reactant in outcome:
            for atom in reactant.GetAtoms():
                if atom.HasProp("react_atom_idx"):  # RDKit drops the map of atoms that the pattern names
                    atom.SetAtomMapNum(atom.GetIntProp("react_atom_idx") + 1)
            texts.append(_sanitized_text(reactant))
        if all(texts):
            yield tuple(text for text in texts if text)


def _matched_atoms(outcome: tuple[Mol, ...]) -> tuple[int, ...]:
    """Product atom indices of one match, in the order of the pattern's own map numbers."""
    centre = [
        (atom.GetIntProp("old_mapno"), atom.GetIntProp("react_atom_idx"))
        for reactant in outcome
        for atom in reactant.GetAtoms()
        if atom.HasProp("old_mapno")
    ]
    return tuple(index for _, index in sorted(centre))


def _sanitized_text(mol: Mol) -> str | None:
    """Canonical SMILES of what a reaction produced, or None where that is no molecule."""
    if Chem.SanitizeMol(mol, catchErrors=True) != Chem.SanitizeFlags.SANITIZE_NONE:
        return None
    text = write(mol)
    try:
        return write(parse(text))
    except InvalidMolecule:
        return None
