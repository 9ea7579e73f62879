"""The library calls that a view cannot do without, one function each: what `molecules.py` holds the views against.

No check of the input, no error message, no choice of options. A view that is read back before it is given out (SELFIES,
InChI, fragments) needs the calls that read it as well. RDKit has no call that writes a graph; the bare one reads the same
columns atom by atom and bond by bond and joins them, without making them independent of the order in memory.
"""

from __future__ import annotations

import functools
import random
from collections.abc import Callable
from typing import Any

import numpy as np
import selfies
from rdkit import Chem
from rdkit.Chem import rdinchi, rdMolDescriptors
from rdkit.Chem.Scaffolds import MurckoScaffold

from mmai_gym.molecules import convert


def smiles(text: str) -> str:
    return Chem.MolToSmiles(Chem.MolFromSmiles(text))


def smiles_randomized(text: str) -> str:
    mol = Chem.MolFromSmiles(text)
    order = list(range(mol.GetNumAtoms()))
    random.Random(0).shuffle(order)
    return Chem.MolToSmiles(Chem.RenumberAtoms(mol, order), canonical=False)


def smiles_rooted(text: str) -> str:
    return Chem.MolToSmiles(Chem.MolFromSmiles(text), rootedAtAtom=0)


def smiles_kekulized(text: str) -> str:
    mol = Chem.MolFromSmiles(text)
    Chem.Kekulize(mol, clearAromaticFlags=True)
    return Chem.MolToSmiles(mol)


def smiles_flat(text: str) -> str:
    mol = Chem.Mol(Chem.MolFromSmiles(text))  # the molecule of the caller keeps its stereo
    Chem.RemoveStereochemistry(mol)
    return Chem.MolToSmiles(mol)


def to_selfies(text: str) -> str:
    encoded = selfies.encoder(Chem.MolToSmiles(Chem.MolFromSmiles(text)))
    Chem.MolToSmiles(Chem.MolFromSmiles(selfies.decoder(encoded)))
    return encoded


def to_inchi(text: str, options: str = "") -> str:
    mol = Chem.MolFromSmiles(text)
    written = rdinchi.MolToInchi(mol, options)[0]
    Chem.MolToSmiles(mol)
    Chem.MolToSmiles(Chem.MolFromInchi(written))
    return written


def to_fixed_inchi(text: str) -> str:
    return to_inchi(text, "/FixedH")


def to_inchikey(text: str) -> str:
    return rdinchi.InchiToInchiKey(rdinchi.MolToInchi(Chem.MolFromSmiles(text))[0])


def formula(text: str) -> str:
    return rdMolDescriptors.CalcMolFormula(Chem.MolFromSmiles(text))


def scaffold(text: str) -> str:
    return MurckoScaffold.MurckoScaffoldSmiles(mol=Chem.MolFromSmiles(text))


def fragments(text: str) -> str:
    mol = Chem.MolFromSmiles(text)
    whole = Chem.MolToSmiles(mol)
    opened = Chem.FragmentOnBRICSBonds(mol)
    for number in range(mol.GetNumAtoms(), opened.GetNumAtoms()):
        opened.GetAtomWithIdx(number).SetIsotope(number)  # which ends belong together stands nowhere else
    written = Chem.MolToSmiles(opened)
    Chem.MolToSmiles(Chem.MolFromSmiles(fragment_text(text)))
    return whole + written


@functools.cache
def fragment_text(text: str) -> str:
    """What is read back; made once, before anything is timed."""
    return convert(text, "fragments")


def graph(text: str) -> str:
    mol = Chem.MolFromSmiles(text)
    atoms = " ".join(
        f"{index}:{atom.GetIsotope() or ''}{atom.GetSymbol()}{atom.GetTotalNumHs()}{atom.GetFormalCharge()}"
        f"{atom.GetIsAromatic()}{atom.GetChiralTag()}{len(atom.GetBonds())}"
        for index, atom in enumerate(mol.GetAtoms())
    )
    bonds = " ".join(
        f"{bond.GetBeginAtomIdx()}{bond.GetBondType()}{bond.GetEndAtomIdx()}{bond.GetStereo()}"
        for bond in mol.GetBonds()
    )
    return f"{atoms} | {bonds}"


def graph_arrays(text: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    mol = Chem.MolFromSmiles(text)
    nodes = [
        (
            atom.GetAtomicNum(),
            atom.GetFormalCharge(),
            atom.GetTotalNumHs(),
            atom.GetIsAromatic(),
            atom.GetChiralTag(),
            atom.GetIsotope(),
        )
        for atom in mol.GetAtoms()
    ]
    ends: list[tuple[int, int]] = []
    features: list[tuple[Any, Any]] = []
    for bond in mol.GetBonds():
        begin, end = bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()
        ends += [(begin, end), (end, begin)]
        features += [(bond.GetBondType(), bond.GetStereo())] * 2
    return (
        np.array(nodes, dtype=np.int64),
        np.ascontiguousarray(np.array(ends, dtype=np.int64).reshape(-1, 2).T),
        np.array(features, dtype=np.int64).reshape(-1, 2),
    )


BARE: dict[str, Callable[[str], Any]] = {
    "smiles": smiles,
    "smiles-randomized": smiles_randomized,
    "smiles-rooted": smiles_rooted,
    "smiles-kekulized": smiles_kekulized,
    "smiles-flat": smiles_flat,
    "selfies": to_selfies,
    "inchi": to_inchi,
    "inchi-fixed-h": to_fixed_inchi,
    "inchikey": to_inchikey,
    "formula": formula,
    "fragments": fragments,
    "scaffold": scaffold,
    "graph": graph,
    "graph-arrays": graph_arrays,
}
