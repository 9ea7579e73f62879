"""The molecule as a graph: a text that a language model reads and writes, and arrays that PyTorch Geometric takes.

SMILES hides the graph behind ring digits and branches; here every bond is spelled out, so that "which atoms are
bonded to atom 3?" can be read off. Both forms go through one small value, `MolecularGraph`, and read back to the
same canonical SMILES: isotopes, charges, radicals, dative bonds and stereo included. Two conventions make that
possible. Hydrogens are counted on every atom, never implied, so a radical is an atom whose count leaves a valence
open. Stereo is written relative to *atom numbers*, not to the order of bonds in memory: `@` means that, seen from
the lowest-numbered neighbour, the others in ascending order (an implied hydrogen last) run anticlockwise, and `c`
or `t` after a double bond says whether the lowest-numbered substituents of its ends are cis or trans. Atom maps
belong to reactions, not to the molecule, and are left out.

The text form of lactic acid, C[C@H](O)C(=O)O::

    0:CH3 1:CH@ 2:OH 3:C 4:O 5:OH | 0-1 1-2 1-3 3=4 3-5
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from rdkit import Chem

from mmai_gym.contracts import InvalidMolecule
from mmai_gym.molecules.smiles import write
from mmai_gym.molecules.toolkit import MAX_SMILES_LENGTH, Mol, as_mol, parse, shown

_TABLE = Chem.GetPeriodicTable()
_SYMBOLS = ("*", *(_TABLE.GetElementSymbol(number) for number in range(1, 119)))
_NUMBERS = {symbol: number for number, symbol in enumerate(_SYMBOLS)}
_AROMATIC_SYMBOLS = frozenset({"b", "c", "n", "o", "p", "s", "se", "as", "te", "si"})

_BOND_TYPES = {
    "-": Chem.BondType.SINGLE,
    "=": Chem.BondType.DOUBLE,
    "#": Chem.BondType.TRIPLE,
    ":": Chem.BondType.AROMATIC,
    "$": Chem.BondType.QUADRUPLE,
    ">": Chem.BondType.DATIVE,
    "~": Chem.BondType.UNSPECIFIED,
}
_BOND_SIGNS = {kind: sign for sign, kind in _BOND_TYPES.items()}
_BOND_CODES = {sign: code for code, sign in enumerate("-=#:$><~", start=1)}
_SIGNS_BY_CODE = {code: sign for sign, code in _BOND_CODES.items()}
_REVERSED = {">": "<", "<": ">"}

_CHIRAL_TAGS = {
    "": Chem.ChiralType.CHI_UNSPECIFIED,
    "@": Chem.ChiralType.CHI_TETRAHEDRAL_CCW,
    "@@": Chem.ChiralType.CHI_TETRAHEDRAL_CW,
}
_CHIRALITY = {tag: sign for sign, tag in _CHIRAL_TAGS.items()}
_CHIRAL_CODES = ("", "@", "@@")
_CODES_OF_CHIRALITY = {sign: code for code, sign in enumerate(_CHIRAL_CODES)}
_OTHER_HAND = {"": "", "@": "@@", "@@": "@"}

_STEREO_CODES = ("", "c", "t")
_OTHER_SIDE = {"c": "t", "t": "c"}
_NO_TAG = Chem.ChiralType.CHI_UNSPECIFIED
_NO_STEREO = Chem.BondStereo.STEREONONE
_TRANS = (Chem.BondStereo.STEREOE, Chem.BondStereo.STEREOTRANS)
_CIS = (Chem.BondStereo.STEREOZ, Chem.BondStereo.STEREOCIS)

_FEATURES = {
    (sign, stereo): ((code, place), (_BOND_CODES[_REVERSED.get(sign, sign)], place))
    for sign, code in _BOND_CODES.items()
    for place, stereo in enumerate(_STEREO_CODES)
}
"""Rows of `GraphArrays.edge_features` for the two directions of a bond."""

MAX_GRAPH_LENGTH = 10 * MAX_SMILES_LENGTH
"""A graph text spends about ten characters where SMILES spends one."""

NODE_COLUMNS = ("atomic_number", "charge", "hydrogens", "aromatic", "chirality", "isotope")
"""`GraphArrays.node_features`: chirality is 0 none, 1 `@`, 2 `@@`; isotope 0 is the natural mixture; `*` is 0."""

EDGE_COLUMNS = ("bond", "stereo")
"""`GraphArrays.edge_features`: bond is 1 single, 2 double, 3 triple, 4 aromatic, 5 quadruple, 6 dative away from
and 7 dative towards the first atom, 8 unspecified; stereo is 0 none, 1 cis, 2 trans."""

_ATOM = re.compile(
    r"(?P<index>\d{1,4}):(?P<isotope>\d{1,3})?(?P<symbol>[A-Z][a-z]?|[a-z]{1,2}|\*)"
    r"(?:H(?P<hydrogens>\d{0,2}))?(?P<charge>[+-]\d{0,2})?(?P<chirality>@{0,2})",
    re.ASCII,
)
_BOND = re.compile(r"(?P<begin>\d{1,4})(?P<sign>[-=#:$<>~])(?P<end>\d{1,4})(?P<stereo>[ct]?)", re.ASCII)


class Atom(NamedTuple):
    """One node; `hydrogens` counts the implied ones, those that are no nodes themselves."""

    symbol: str
    charge: int
    hydrogens: int
    aromatic: bool
    chirality: str
    isotope: int


class Bond(NamedTuple):
    """One edge with `begin < end`; `sign` is one of - = # : $ > < ~ and `stereo` one of '', 'c', 't'."""

    begin: int
    end: int
    sign: str
    stereo: str


@dataclass(frozen=True, slots=True)
class MolecularGraph:
    """Atoms, and bonds in ascending order of (begin, end)."""

    atoms: tuple[Atom, ...]
    bonds: tuple[Bond, ...]


@dataclass(frozen=True, slots=True, eq=False)
class GraphArrays:
    """A graph of n atoms and m bonds as PyTorch Geometric takes it, each bond once in either direction.

    node_features: (n, 6) int64, columns NODE_COLUMNS; edge_index: (2, 2m) int64; edge_features: (2m, 2) int64,
    columns EDGE_COLUMNS.
    """

    node_features: npt.NDArray[np.int64]
    edge_index: npt.NDArray[np.int64]
    edge_features: npt.NDArray[np.int64]


# ------------------------------------------------------------------------------------------- molecule <-> graph


def molecular_graph(molecule: str | Mol) -> MolecularGraph:
    """The graph, atoms numbered as in the molecule (or as in the SMILES).

    Raises:
        InvalidMolecule: an unreadable SMILES, or stereo other than tetrahedral and double-bond.
    """
    mol = as_mol(molecule)
    return MolecularGraph(tuple(map(_read_atom, mol.GetAtoms())), tuple(sorted(map(_read_bond, mol.GetBonds()))))


def _read_atom(atom: Chem.Atom) -> Atom:
    tag = atom.GetChiralTag()
    return Atom(
        atom.GetSymbol(),
        atom.GetFormalCharge(),
        atom.GetTotalNumHs(),
        atom.GetIsAromatic(),
        "" if tag == _NO_TAG else _hand(atom, tag),
        atom.GetIsotope(),
    )


def _hand(atom: Chem.Atom, tag: Chem.ChiralType) -> str:
    """The chirality sign by atom numbers, from RDKit's tag, which goes by the order of bonds in memory."""
    if tag not in _CHIRALITY:
        raise InvalidMolecule(
            f"atom {atom.GetIdx()} has {tag} stereo; the graph view knows tetrahedral centres only"
        )
    neighbours = [bond.GetOtherAtomIdx(atom.GetIdx()) for bond in atom.GetBonds()]
    sign = _CHIRALITY[tag]
    return _OTHER_HAND[sign] if _is_odd(neighbours) else sign


def _is_odd(order: list[int]) -> bool:
    """Whether an odd number of swaps sorts `order`."""
    swaps = sum(first > second for i, first in enumerate(order) for second in order[i + 1 :])
    return swaps % 2 == 1


def _read_bond(bond: Chem.Bond) -> Bond:
    begin, end = bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()
    sign = _BOND_SIGNS.get(bond.GetBondType())
    if sign is None:
        raise InvalidMolecule(f"the graph view has no {bond.GetBondType()} bond")
    if begin > end:
        begin, end, sign = end, begin, _REVERSED.get(sign, sign)
    stereo = bond.GetStereo()
    return Bond(begin, end, sign, "" if stereo == _NO_STEREO else _double_bond_stereo(bond, stereo))


def _double_bond_stereo(bond: Chem.Bond, stereo: Chem.BondStereo) -> str:
    """Cis or trans of the lowest-numbered substituents, from RDKit's answer about the ones it chose."""
    if stereo not in (*_TRANS, *_CIS):
        return ""
    side = "t" if stereo in _TRANS else "c"
    for atom, partner, chosen in zip(
        (bond.GetBeginAtom(), bond.GetEndAtom()),
        (bond.GetEndAtomIdx(), bond.GetBeginAtomIdx()),
        bond.GetStereoAtoms(),
        strict=True,
    ):
        if chosen != _lowest_substituent(atom, partner):
            side = _OTHER_SIDE[side]
    return side


def _lowest_substituent(atom: Chem.Atom, partner: int) -> int:
    return min(other.GetIdx() for other in atom.GetNeighbors() if other.GetIdx() != partner)


def _mol_of(graph: MolecularGraph) -> Mol:
    """The molecule of a graph.

    A text of it is read once more: only reading drops stereo marks from where there is no stereocentre.
    """
    mol = Chem.RWMol()
    for atom in graph.atoms:
        mol.AddAtom(_build_atom(atom))
    try:
        for bond in sorted(graph.bonds, key=lambda bond: (bond.begin, bond.end)):
            _add_bond(mol, bond)
        Chem.SanitizeMol(mol)
        Chem.AssignStereochemistry(mol)  # first: it would take the marks set below for leftovers and drop them
        for bond in graph.bonds:
            if bond.stereo:
                _set_stereo(mol, bond)
        text = write(mol)
    except (ValueError, RuntimeError) as error:  # RDKit raises both, for chemistry and for broken preconditions
        raise InvalidMolecule(f"the graph is not a molecule: {shown(str(error).strip())}") from error
    return parse(text)


def _build_atom(atom: Atom) -> Chem.Atom:
    built = Chem.Atom(_NUMBERS[atom.symbol])
    built.SetFormalCharge(atom.charge)
    built.SetIsotope(atom.isotope)
    built.SetIsAromatic(atom.aromatic)
    built.SetNumExplicitHs(atom.hydrogens)
    built.SetNoImplicit(True)  # the count is complete: what it leaves open is a radical
    built.SetChiralTag(_CHIRAL_TAGS[atom.chirality])
    return built


def _add_bond(mol: Chem.RWMol, bond: Bond) -> None:
    begin, end, sign = bond.begin, bond.end, bond.sign
    if sign == "<":
        begin, end, sign = end, begin, ">"
    mol.AddBond(begin, end, _BOND_TYPES[sign])
    mol.GetBondBetweenAtoms(begin, end).SetIsAromatic(sign == ":")


def _set_stereo(mol: Chem.RWMol, bond: Bond) -> None:
    built = mol.GetBondBetweenAtoms(bond.begin, bond.end)
    if built.GetBondType() != Chem.BondType.DOUBLE:
        raise ValueError(f"bond {bond.begin}-{bond.end} is not a double bond and cannot be cis or trans")
    built.SetStereoAtoms(
        _lowest_substituent(built.GetBeginAtom(), built.GetEndAtomIdx()),
        _lowest_substituent(built.GetEndAtom(), built.GetBeginAtomIdx()),
    )
    built.SetStereo(Chem.BondStereo.STEREOTRANS if bond.stereo == "t" else Chem.BondStereo.STEREOCIS)


# ------------------------------------------------------------------------------------------------ graph <-> text


def to_graph_text(molecule: str | Mol) -> str:
    """The text form, `0:CH3 1:OH | 0-1` for methanol; atoms numbered as in the SMILES.

    Raises:
        InvalidMolecule: as `molecular_graph`.
    """
    graph = molecular_graph(molecule)
    atoms = " ".join(f"{index}:{_atom_text(*atom)}" for index, atom in enumerate(graph.atoms))
    bonds = " ".join(f"{begin}{sign}{end}{stereo}" for begin, end, sign, stereo in graph.bonds)
    return f"{atoms} | {bonds}".rstrip()


@lru_cache(maxsize=4096)
def _atom_text(symbol: str, charge: int, hydrogens: int, aromatic: bool, chirality: str, isotope: int) -> str:
    return "".join(
        (
            str(isotope or ""),
            symbol.lower() if aromatic else symbol,
            f"H{_unless_one(hydrogens)}" if hydrogens else "",
            f"{'+' if charge > 0 else '-'}{_unless_one(abs(charge))}" if charge else "",
            chirality,
        )
    )


def _unless_one(count: int) -> str:
    return "" if count == 1 else str(count)


def from_graph_text(text: str) -> str:
    """Canonical SMILES of the text form.

    Raises:
        InvalidMolecule: as `read_graph_text`.
    """
    return write(read_graph_text(text))


def read_graph_text(text: str) -> Mol:
    """The molecule of the text form.

    Raises:
        InvalidMolecule: text out of form, atoms not numbered 0, 1, 2, ..., a bond to an atom that is not
            listed, or a graph that is no molecule.
    """
    if not isinstance(text, str):
        raise InvalidMolecule(f"a graph text must be a string, this is a {type(text).__name__}")
    if len(text) > MAX_GRAPH_LENGTH:
        raise InvalidMolecule(
            f"the graph text has {len(text):,} characters, more than {MAX_GRAPH_LENGTH:,} allowed"
        )
    atom_part, bar, bond_part = text.partition("|")
    if not bar or not atom_part.strip():
        raise InvalidMolecule(f"{shown(text)} is not of the form 'ATOMS | BONDS'")
    atoms = tuple(_parse_atom(token, index) for index, token in enumerate(atom_part.split()))
    bonds = tuple(_parse_bond(token, len(atoms)) for token in bond_part.split())
    return _mol_of(MolecularGraph(atoms, bonds))


def _parse_atom(token: str, index: int) -> Atom:
    match = _ATOM.fullmatch(token)
    if match is None:
        raise InvalidMolecule(f"{shown(token)} is not an atom such as '{index}:CH3'")
    if int(match["index"]) != index:
        raise InvalidMolecule(f"atom {shown(token)} stands in place {index}; atoms are numbered 0, 1, 2, ...")
    written = match["symbol"]
    symbol = written.capitalize()
    if symbol not in _NUMBERS or (written != symbol and written not in _AROMATIC_SYMBOLS):
        raise InvalidMolecule(f"atom {shown(token)} has no known element")
    return Atom(
        symbol=symbol,
        charge=_parse_charge(match["charge"] or ""),
        hydrogens=0 if match["hydrogens"] is None else int(match["hydrogens"] or 1),
        aromatic=written != symbol,
        chirality=match["chirality"],
        isotope=int(match["isotope"] or 0),
    )


def _parse_charge(text: str) -> int:
    if not text:
        return 0
    return int(text[1:] or 1) * (1 if text[0] == "+" else -1)


def _parse_bond(token: str, atom_count: int) -> Bond:
    match = _BOND.fullmatch(token)
    if match is None:
        raise InvalidMolecule(f"{shown(token)} is not a bond such as '0-1' or '2=3t'")
    begin, end, sign = int(match["begin"]), int(match["end"]), match["sign"]
    if begin == end or max(begin, end) >= atom_count:
        raise InvalidMolecule(f"bond {shown(token)} does not join two of the {atom_count} atoms listed")
    if begin > end:
        begin, end, sign = end, begin, _REVERSED.get(sign, sign)
    return Bond(begin, end, sign, match["stereo"])


# ---------------------------------------------------------------------------------------------- graph <-> arrays


def to_graph_arrays(molecule: str | Mol) -> GraphArrays:
    """The arrays of a molecule; see `GraphArrays` for shapes and columns.

    Raises:
        InvalidMolecule: as `molecular_graph`.
    """
    graph = molecular_graph(molecule)
    nodes = [
        (_NUMBERS[symbol], charge, hydrogens, aromatic, _CODES_OF_CHIRALITY[chirality], isotope)
        for symbol, charge, hydrogens, aromatic, chirality, isotope in graph.atoms
    ]
    ends: list[int] = []
    features: list[tuple[int, int]] = []
    for begin, end, sign, stereo in graph.bonds:
        ends += (begin, end, end, begin)
        features += _FEATURES[sign, stereo]
    return GraphArrays(
        node_features=np.array(nodes, dtype=np.int64).reshape(-1, len(NODE_COLUMNS)),
        edge_index=np.ascontiguousarray(np.array(ends, dtype=np.int64).reshape(-1, 2).T),
        edge_features=np.array(features, dtype=np.int64).reshape(-1, len(EDGE_COLUMNS)),
    )


def from_graph_arrays(arrays: GraphArrays) -> str:
    """Canonical SMILES of the arrays.

    Raises:
        InvalidMolecule: as `read_graph_arrays`.
    """
    return write(read_graph_arrays(arrays))


def read_graph_arrays(arrays: GraphArrays) -> Mol:
    """The molecule of the arrays; of the two directions of a bond, the one from the lower atom is read.

    Raises:
        InvalidMolecule: shapes or codes that `GraphArrays` does not allow, or a graph that is no molecule.
    """
    nodes, edges, features = arrays.node_features, arrays.edge_index, arrays.edge_features
    bond_shapes_fit = edges.shape == (2, len(features)) and features.shape == (len(features), len(EDGE_COLUMNS))
    if nodes.ndim != 2 or nodes.shape[1] != len(NODE_COLUMNS) or not len(nodes) or not bond_shapes_fit:
        raise InvalidMolecule(
            f"arrays of shapes {nodes.shape}, {edges.shape}, {features.shape} are not "
            f"(n, {len(NODE_COLUMNS)}), (2, 2m), (2m, {len(EDGE_COLUMNS)})"
        )
    atoms = tuple(_atom_of_row(index, row) for index, row in enumerate(nodes.tolist()))
    bonds = tuple(
        _bond_of_row(begin, end, row, len(atoms))
        for (begin, end), row in zip(edges.T.tolist(), features.tolist(), strict=True)
        if begin <= end
    )
    return _mol_of(MolecularGraph(atoms, bonds))


def _atom_of_row(index: int, row: list[int]) -> Atom:
    number, charge, hydrogens, aromatic, chirality, isotope = row
    allowed = (len(_SYMBOLS), None, 100, 2, len(_CHIRAL_CODES), 1000)
    if abs(charge) > 99 or any(
        top is not None and not 0 <= value < top for value, top in zip(row, allowed, strict=True)
    ):
        raise InvalidMolecule(f"node {index} has features {row} out of range; columns are {NODE_COLUMNS}")
    return Atom(_SYMBOLS[number], charge, hydrogens, bool(aromatic), _CHIRAL_CODES[chirality], isotope)


def _bond_of_row(begin: int, end: int, row: list[int], atom_count: int) -> Bond:
    code, stereo = row
    if not 0 <= begin < end < atom_count or code not in _SIGNS_BY_CODE or not 0 <= stereo < len(_STEREO_CODES):
        raise InvalidMolecule(
            f"edge {begin}-{end} with features {row} is out of range; columns are {EDGE_COLUMNS}"
        )
    return Bond(begin, end, _SIGNS_BY_CODE[code], _STEREO_CODES[stereo])
