"""Random molecules for property tests: graphs grown atom by atom within valences, then given stereo, and mixed."""

from __future__ import annotations

from hypothesis import strategies as st
from rdkit import Chem

# Element, charge, valence of what is built from.
KINDS = (
    ("C", 0, 4),
    ("C", 0, 4),
    ("C", 0, 4),
    ("N", 0, 3),
    ("O", 0, 2),
    ("N", 1, 4),
    ("O", -1, 1),
    ("S", 0, 2),
    ("S", 0, 6),
    ("P", 0, 5),
    ("B", 0, 3),
    ("Si", 0, 4),
    ("Se", 0, 2),
    ("F", 0, 1),
    ("Br", 0, 1),
    ("C", -1, 3),
)
PARTS = (
    "[Na+]",
    "[Cl-]",
    "O",
    "[Fe+2]",
    "[2H]O[2H]",
    "[CH3]",
    "N->[Zn]",
    "[NH3+]CC(=O)[O-]",
    "C1CCCCCCCCCCC1",
    "*C",
)


@st.composite
def molecules(draw: st.DrawFn) -> str:
    """SMILES of one molecule or a mixture."""
    smiles = _connected(draw)
    parts = draw(st.lists(st.sampled_from(PARTS), max_size=2))
    return ".".join((smiles, *parts))


def _connected(draw: st.DrawFn) -> str:
    mol = Chem.RWMol()
    free: list[int] = []
    for _ in range(draw(st.integers(1, 14))):
        symbol, charge, valence = draw(st.sampled_from(KINDS))
        open_ends = [index for index, left in enumerate(free) if left]
        if free and not open_ends:
            break
        atom = Chem.Atom(symbol)
        atom.SetFormalCharge(charge)
        new = mol.AddAtom(atom)
        free.append(valence)
        if open_ends:
            _join(mol, free, draw(st.sampled_from(open_ends)), new, draw(st.integers(1, 3)))
    for _ in range(draw(st.integers(0, 3))):
        ends = [index for index, left in enumerate(free) if left]
        if len(ends) > 1:
            pair = draw(st.lists(st.sampled_from(ends), min_size=2, max_size=2, unique=True))
            if mol.GetBondBetweenAtoms(*pair) is None:
                _join(mol, free, *pair, draw(st.integers(1, 2)))
    if draw(st.integers(0, 9)) == 0:
        mol.GetAtomWithIdx(draw(st.integers(0, mol.GetNumAtoms() - 1))).SetIsotope(draw(st.integers(1, 250)))
    radical = draw(st.integers(0, 19))
    if radical < mol.GetNumAtoms() and free[radical]:
        atom = mol.GetAtomWithIdx(radical)
        atom.SetNoImplicit(True)
        atom.SetNumExplicitHs(free[radical] - 1)
    Chem.SanitizeMol(mol)
    _give_stereo(mol, draw)
    return Chem.MolToSmiles(mol)


def _join(mol: Chem.RWMol, free: list[int], first: int, second: int, order: int) -> None:
    order = min(order, free[first], free[second])
    if order:
        kinds = (Chem.BondType.SINGLE, Chem.BondType.DOUBLE, Chem.BondType.TRIPLE)
        mol.AddBond(first, second, kinds[order - 1])
        free[first] -= order
        free[second] -= order


def _give_stereo(mol: Chem.RWMol, draw: st.DrawFn) -> None:
    """Each place that may have stereo is left alone or set one way or the other."""
    for place in Chem.FindPotentialStereo(mol):
        choice = draw(st.integers(0, 2))
        if choice == 0:
            continue
        if place.type == Chem.StereoType.Atom_Tetrahedral:
            tags = (Chem.ChiralType.CHI_TETRAHEDRAL_CW, Chem.ChiralType.CHI_TETRAHEDRAL_CCW)
            mol.GetAtomWithIdx(place.centeredOn).SetChiralTag(tags[choice - 1])
        elif place.type == Chem.StereoType.Bond_Double:
            bond = mol.GetBondWithIdx(place.centeredOn)
            ends = [
                min(other.GetIdx() for other in atom.GetNeighbors() if other.GetIdx() != partner)
                for atom, partner in (
                    (bond.GetBeginAtom(), bond.GetEndAtomIdx()),
                    (bond.GetEndAtom(), bond.GetBeginAtomIdx()),
                )
                if atom.GetDegree() > 1
            ]
            if len(ends) == 2:
                bond.SetStereoAtoms(*ends)
                bond.SetStereo((Chem.BondStereo.STEREOCIS, Chem.BondStereo.STEREOTRANS)[choice - 1])
