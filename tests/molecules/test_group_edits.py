"""Edits in functional groups: what is told is enough to draw the second molecule, wherever the first one starts."""

from __future__ import annotations

import re

import pytest
from rdkit import Chem

from mmai_gym.molecules import GroupEdit, NoCommonCore, group_edit, parse, randomized_places
from mmai_gym.sources import fgbench


def skeleton(mol: Chem.Mol) -> str:
    """Which atoms are bonded, without hydrogens, bond orders and charges."""
    bare = Chem.RWMol()
    for atom in mol.GetAtoms():
        bare.AddAtom(Chem.Atom(atom.GetAtomicNum()))
    for bond in mol.GetBonds():
        bare.AddBond(bond.GetBeginAtomIdx(), bond.GetEndAtomIdx(), Chem.BondType.SINGLE)
    for atom in bare.GetAtoms():
        atom.SetNoImplicit(True)
    Chem.FastFindRings(bare)
    return Chem.MolToSmiles(bare)


def carried_out(smiles: str, edit: GroupEdit) -> str:
    """The skeleton that the edit leads to, by its words alone."""
    mol, gone = Chem.RWMol(parse(smiles)), set()
    for _, atoms in edit.removed:
        outer = {n.GetIdx() for a in atoms for n in mol.GetAtomWithIdx(a).GetNeighbors()} - set(atoms) - gone
        if len(outer) == 2 and mol.GetBondBetweenAtoms(*outer) is None:
            mol.AddBond(*outer, Chem.BondType.SINGLE)
        gone |= set(atoms)
    for part in edit.added:
        text = re.sub(r"\[\*:(\d+)\]", lambda match: f"[*:{int(match[1]) + 1}]", part.fragment)
        fragment = Chem.MolFromSmiles(text, sanitize=False)
        ends = {a.GetIdx(): a.GetAtomMapNum() - 1 for a in fragment.GetAtoms() if a.GetAtomMapNum()}
        if part.verb == "insert":
            mol.RemoveBond(*ends.values())
        own = {
            a.GetIdx(): ends[a.GetIdx()] if a.GetIdx() in ends else mol.AddAtom(Chem.Atom(a.GetAtomicNum()))
            for a in fragment.GetAtoms()
        }
        for bond in fragment.GetBonds():
            mol.AddBond(own[bond.GetBeginAtomIdx()], own[bond.GetEndAtomIdx()], Chem.BondType.SINGLE)
    mol.BeginBatchEdit()
    for atom in gone:
        mol.RemoveAtom(atom)
    mol.CommitBatchEdit()
    return skeleton(mol)


TOLD = [
    ("CCCCCCCO", "CCCCCCO", [("C1 alkane", [(0,)])], [], "remove C1 alkane at 0"),
    ("Cc1ccccc1", "Clc1ccccc1", [("C1 alkane", [(0,)])], [("Arylchloride", [(0,)])],
     "remove C1 alkane at 0; add Arylchloride Cl[*:1]"),
    ("CCCCOC", "CCCOC", [("C1 alkane", [(2,)])], [], "remove C1 alkane at 2"),
    ("CCCOC", "CCCNOC", [], [("Amine", [(3,)])], "insert Amine N([*:2])[*:3]"),
    ("CC(C)N.Cl", "CC(C)N", [("Halogen", [(4,)])], [], "remove Halogen at 4"),
    ("CC(C)N", "CC(C)N.Cl", [], [("Halogen", [(4,)])], "add Halogen Cl"),
    ("CCCC", "CCCCC(=O)OC", [], [("Ester", [(4, 5, 6)]), ("C1 alkane", [(7,)])],
     "add Ester + C1 alkane COC(=O)[*:3]"),
]  # fmt: skip


@pytest.mark.parametrize(("before", "after", "going", "coming", "text"), TOLD)
def test_an_edit_names_what_goes_and_draws_what_comes(before, after, going, coming, text) -> None:
    edit = group_edit(before, after, going, coming)
    assert edit.text() == text
    assert carried_out(before, edit) == skeleton(parse(after))


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(("before", "after", "going", "coming", "text"), TOLD)
def test_an_edit_follows_its_molecule_into_another_writing(before, after, going, coming, text, seed) -> None:
    written, places = randomized_places(before, seed)
    edit = group_edit(before, after, going, coming).renumbered(places)
    assert carried_out(written, edit) == skeleton(parse(after))
    atoms = parse(before).GetAtoms()
    assert [parse(written).GetAtomWithIdx(places[a.GetIdx()]).GetSymbol() for a in atoms] == [
        a.GetSymbol() for a in atoms
    ]


@pytest.mark.parametrize(
    ("before", "after", "going", "why"),
    [
        ("CCCCO", "CCCCN", [], "the remainders differ"),
        ("CC", "CCC", [("C1 alkane", [(1,)])], "the remainders differ"),
        ("CCO", "CC", [("Hydroxy", [(2,)])], "too small"),
        ("Cc1ccccc1", "CC", [("a third of a ring", [(1, 2)])], "not a molecule"),
        ("CCO", "CC", [("Hydroxy", [(7,)])], "atom 7, which the molecule lacks"),
    ],
)
def test_groups_that_do_not_explain_the_difference_are_refused(before, after, going, why) -> None:
    with pytest.raises(NoCommonCore, match=why):
        group_edit(before, after, going, [])


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "every", "unexplained"),
    [
        ("esol", 1, 0), ("freesolv", 1, 0), ("bbbp", 1, 0), ("clintox", 1, 0), ("sider", 1, 30), ("lipo", 20, 0),
        ("bace", 40, None), ("tox21", 20, None),
    ],
)  # fmt: skip
def test_every_published_pair_can_be_rebuilt_from_its_edit(name: str, every: int, unexplained: int | None) -> None:
    refused = 0
    for pair in fgbench.pairs(name)[::every]:
        try:
            edit = group_edit(pair.target, pair.reference, pair.target_groups, pair.reference_groups)
        except NoCommonCore:
            refused += 1
            continue
        assert carried_out(pair.target, edit) == skeleton(parse(pair.reference)), (pair, edit.text())
    assert unexplained in (refused, None)
