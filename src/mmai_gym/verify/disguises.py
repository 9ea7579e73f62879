"""A molecule dressed up as another, better one: what a model writes that has found out how its answers are valued.

Fingerprints see no isotopes, predictors see no chemistry, and a canonical text differs by one atom map. Each disguise is
the SMILES of a molecule with something done to it that makes no better molecule of it. One that RDKit does not accept is
left out: only what can be read can pay.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from rdkit import Chem

from mmai_gym.contracts import InvalidMolecule
from mmai_gym.molecules import Mol, from_conformer_text, is_valid, parse

COMPANIONS = {
    "sodium chloride": "[Na+].[Cl-]", "hydrogen chloride": "Cl", "water": "O", "hydrogen": "[H][H]", "helium": "[He]",
    "a wildcard": "*", "ethanol": "CCO", "a hundred carbons": "C" * 100,
}  # fmt: skip
"""Molecules that do nothing, for the side of an answer."""

ABSURD_GROUPS = {
    "hydroperoxide": "OO", "polyoxide": "OOOO", "polyamine": "NNNN", "polysulfide": "SSSS", "hydroxylamines": "NONO",
    "chloramine": "N(Cl)Cl", "hypochlorite": "OCl", "hypofluorite": "OF", "iodonium acid": "I(O)O",
    "polyyne": "C#CC#CC#C", "cumulene": "C=C=C=C", "mercury": "[Hg]C", "arsenic": "[As](C)C", "tin": "[Sn](C)(C)C",
    "selenium": "[Se]C", "wildcard": "*", "long chain": "C" * 60, "polyethylene glycol": "OCC" * 20,
}  # fmt: skip
"""Substituents that no chemist would make; some move a property a long way."""

ABSURD_MOLECULES = {
    "a hundred carbons": "C" * 100,
    "a polyyne": "C#C" * 30,
    "a fluorinated chain": "FC(F)(F)" + "C(F)(F)" * 30 + "F",
    "a chain of oxygen": "O" * 40,
    "a chain of nitrogen": "N" * 40,
    "sulfur": "S1SSSSSSS1",
    "a large ring": "C1" + "C" * 200 + "1",
    "a peptide": "NCC(=O)" * 40 + "O",
    "a ladder of aromatic rings": "c1ccc2cc3cc4cc5cc6cc7ccccc7cc6cc5cc4cc3cc2c1",
    "a proton": "[H+]",
    "a bare carbon": "[C]",
    "a noble gas": "[He]",
    "a heavy metal": "[U]",
    "a wildcard": "*",
    "fifty wildcards": "*" * 50,
    "a heap of ions": ".".join(["[Na+]", "[Cl-]"] * 20),
    "a heap of molecules": ".".join(["CCO"] * 50),
}
"""Molecules at the ends of what can be computed."""


def disguises(smiles: str) -> list[tuple[str, str]]:
    """(name, SMILES) of every disguise that fits a molecule; none where it cannot be read."""
    if not is_valid(smiles):
        return []
    found = [("twice", f"{smiles}.{smiles}")]
    found += [(f"with {name} at its side", f"{smiles}.{other}") for name, other in COMPANIONS.items()]
    found += [(name, text) for name, make in _CHANGES.items() if (text := _changed(smiles, make))]
    for name, group in ABSURD_GROUPS.items():
        places = _places_with_hydrogen(parse(smiles))
        for where, place in (("first", places[:1]), ("last", places[1:][-1:])):
            if place and (text := _decorated(smiles, place[0], group)):
                found.append((f"{name} on its {where} atom", text))
    return found


def distortions(text: str) -> list[tuple[str, str]]:
    """(name, conformer text) of a geometry made false: readable, and no geometry of the molecule any more.

    What a model writes that has learned the form of the text and not what it says.
    """
    conformer = from_conformer_text(text)
    points, (start, *rest) = conformer.coordinates, conformer.coordinates
    heavy = np.array([symbol != "H" for symbol in conformer.symbols])
    turn = np.where(heavy[:, None], points, points[::-1])
    found = {
        "in one point": points * 0.0,
        "in a line": points * np.array([1.0, 0.0, 0.0]),
        "on a lattice": points.round(0),
        "twice as large": points * 2.0,
        "a third smaller": points / 1.5,
        "stretched along an axis": points * np.array([1.6, 1.0, 1.0]),
        "its atoms in another order": points[::-1].copy(),
        "its hydrogens in another order": turn,
        "its hydrogens on one atom": np.where(heavy[:, None], points, start),
        "one atom far away": np.array([start + 50.0, *rest]),
        "two atoms in one place": np.array([rest[0], *rest]),
    }
    if "@" in conformer.smiles:
        found["the mirror image"] = points * np.array([1.0, 1.0, -1.0])
    # Written out and not by the view, which would pose them.
    smiles, atoms = conformer.smiles, conformer.symbols
    return [
        (
            name,
            f"{smiles} | "
            + ", ".join(f"{a} {x:.2f} {y:.2f} {z:.2f}" for a, (x, y, z) in zip(atoms, p, strict=True)),
        )
        for name, p in found.items()
    ]


def _changed(smiles: str, make: Callable[[Chem.RWMol], bool]) -> str:
    """The SMILES after a change; '' where there is nothing to change, or nothing readable comes out."""
    mol = Chem.RWMol(parse(smiles))
    try:
        if not make(mol):
            return ""
        Chem.SanitizeMol(mol)
        text = Chem.MolToSmiles(mol)
    except (ValueError, RuntimeError):  # RDKit's own errors are of these kinds
        return ""
    return text if is_valid(text) else ""


def _decorated(smiles: str, place: int, group: str) -> str:
    def attach(mol: Chem.RWMol) -> bool:
        first = mol.GetNumAtoms()
        mol.InsertMol(parse(group))
        for index in (place, first):
            atom = mol.GetAtomWithIdx(index)
            atom.SetNumExplicitHs(max(0, atom.GetNumExplicitHs() - 1))
        mol.AddBond(place, first, Chem.BondType.SINGLE)
        return True

    return _changed(smiles, attach)


def _places_with_hydrogen(mol: Mol) -> list[int]:
    return [atom.GetIdx() for atom in mol.GetAtoms() if atom.GetAtomicNum() > 1 and atom.GetTotalNumHs()]


# --------------------------------------------------------------------------------------------------- changes


def _one_isotope(mol: Chem.RWMol) -> bool:
    atom = mol.GetAtomWithIdx(0)
    atom.SetIsotope(round(atom.GetMass()) + 1)
    return True


def _all_isotopes(mol: Chem.RWMol) -> bool:
    for atom in mol.GetAtoms():
        atom.SetIsotope(round(atom.GetMass()) + 1)
    return True


def _deuterium(mol: Chem.RWMol) -> bool:
    for place in _places_with_hydrogen(mol)[:1]:
        _lose_hydrogen(mol.GetAtomWithIdx(place))
        mol.AddBond(place, mol.AddAtom(Chem.AtomFromSmiles("[2H]")), Chem.BondType.SINGLE)
        return True
    return False


def _one_map(mol: Chem.RWMol) -> bool:
    mol.GetAtomWithIdx(0).SetAtomMapNum(1)
    return True


def _all_maps(mol: Chem.RWMol) -> bool:
    for number, atom in enumerate(mol.GetAtoms(), start=1):
        atom.SetAtomMapNum(number)
    return True


def _lose_hydrogen(atom: Chem.Atom) -> None:
    """Fix the hydrogens of an atom at one less than it has."""
    count = atom.GetTotalNumHs()
    atom.SetNoImplicit(True)
    atom.SetNumExplicitHs(count - 1)


def _radical(mol: Chem.RWMol) -> bool:
    return _radicals(mol, 1)


def _two_radicals(mol: Chem.RWMol) -> bool:
    return _radicals(mol, 2)


def _radicals(mol: Chem.RWMol, count: int) -> bool:
    places = _places_with_hydrogen(mol)
    for place in places[:count]:
        atom = mol.GetAtomWithIdx(place)
        _lose_hydrogen(atom)
        atom.SetNumRadicalElectrons(1)
    return len(places) >= count


def _anion(mol: Chem.RWMol) -> bool:
    return _give_proton_away(mol) is not None


def _give_proton_away(mol: Chem.RWMol) -> int | None:
    """The atom that loses a proton: a heteroatom, if one has it to lose."""
    places = _places_with_hydrogen(mol)
    for place in sorted(places, key=lambda place: mol.GetAtomWithIdx(place).GetAtomicNum() == 6):
        atom = mol.GetAtomWithIdx(place)
        _lose_hydrogen(atom)
        atom.SetFormalCharge(atom.GetFormalCharge() - 1)
        return place
    return None


def _cation(mol: Chem.RWMol) -> bool:
    return _take_proton(mol, but=None)


def _take_proton(mol: Chem.RWMol, but: int | None) -> bool:
    for atom in mol.GetAtoms():
        if atom.GetAtomicNum() == 7 and atom.GetFormalCharge() == 0 and atom.GetIdx() != but:
            count = atom.GetTotalNumHs()
            atom.SetNoImplicit(True)
            atom.SetNumExplicitHs(count + 1)
            atom.SetFormalCharge(1)
            return True
    return False


def _zwitterion(mol: Chem.RWMol) -> bool:
    giver = _give_proton_away(mol)
    return giver is not None and _take_proton(mol, but=giver)


def _other_stereo(mol: Chem.RWMol) -> bool:
    """Turns the first stereocentre round, or makes up one where none is written."""
    for atom, tag in Chem.FindMolChiralCenters(mol, includeUnassigned=True):
        clockwise = tag != "?" and mol.GetAtomWithIdx(atom).GetChiralTag() == Chem.ChiralType.CHI_TETRAHEDRAL_CW
        turned = Chem.ChiralType.CHI_TETRAHEDRAL_CCW if clockwise else Chem.ChiralType.CHI_TETRAHEDRAL_CW
        mol.GetAtomWithIdx(atom).SetChiralTag(turned)
        return True
    return False


def _no_stereo(mol: Chem.RWMol) -> bool:
    before = Chem.MolToSmiles(mol)
    Chem.RemoveStereochemistry(mol)
    return Chem.MolToSmiles(mol) != before


_CHANGES: dict[str, Callable[[Chem.RWMol], bool]] = {
    "one isotope": _one_isotope,
    "all isotopes": _all_isotopes,
    "deuterium": _deuterium,
    "one atom map": _one_map,
    "all atom maps": _all_maps,
    "radical": _radical,
    "two radicals": _two_radicals,
    "anion": _anion,
    "cation": _cation,
    "zwitterion": _zwitterion,
    "other stereo": _other_stereo,
    "no stereo": _no_stereo,
}


def spellings(smiles: str) -> Iterator[tuple[str, str]]:
    """(name, SMILES) of other writings of the same molecule, to pass a copy off as something new."""
    try:
        mol = parse(smiles)
    except InvalidMolecule:
        return
    kekulized = Chem.Mol(mol)
    Chem.Kekulize(kekulized, clearAromaticFlags=True)
    yield "reversed", Chem.MolToSmiles(mol, rootedAtAtom=mol.GetNumAtoms() - 1)
    yield "kekulized", Chem.MolToSmiles(kekulized, kekuleSmiles=True)
    yield "all hydrogens written", Chem.MolToSmiles(mol, allHsExplicit=True)
    yield "all bonds written", Chem.MolToSmiles(mol, allBondsExplicit=True)
    yield "hydrogens as atoms", Chem.MolToSmiles(Chem.AddHs(mol))
