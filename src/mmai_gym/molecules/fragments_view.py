"""Fragment SMILES: the building blocks of a molecule one after the other, joined by ring-bond numbers.

Cut at the bonds that syntheses make (BRICS; Degen et al., 2008) and written as blocks (as SAFE does; Noutahi et al.,
2024), a molecule is still one SMILES, which any toolkit reads: a number that stands in two blocks is the bond between
them. Aspirin, CC(=O)Oc1ccccc1C(=O)O::

    C2(C)=O.O23.c13ccccc1C(=O)O

Only single bonds are cut, and none between two double bonds that have cis-trans stereo, because either side would
then say which way the one bond points. A number takes a neighbour's place in the text, so the hand of a centre is
written anew where the neighbour stood elsewhere; the whole text is read back before it is given out.
"""

from __future__ import annotations

import heapq
import re
from dataclasses import dataclass

from rdkit import Chem

from mmai_gym.molecules.fidelity import require_same
from mmai_gym.molecules.smiles import write
from mmai_gym.molecules.toolkit import Mol, as_mol, parse

_TOKEN = re.compile(r"\[[^\]]+\]|Br|Cl|->|<-|%\d\d|%\(\d+\)|\d|[A-Za-z*]|[^A-Za-z0-9]")
_RING = re.compile(r"%\d\d|%\(\d+\)|\d")
_ATOM = re.compile(r"\[|[A-Za-z*]")
_FIRST_LABEL = 1001
_MARK = re.compile(r"\[(1\d{3})\*\]")
_HAND = re.compile("@+")
_TURNED = {"/": "\\", "\\": "/"}
_OTHER_HAND = {"@": "@@", "@@": "@"}
_STEREO = (Chem.BondStereo.STEREONONE, Chem.BondStereo.STEREOANY)


def to_fragments(molecule: str | Mol) -> str:
    """Fragment SMILES; of a molecule without a bond to cut, its canonical SMILES.

    Raises:
        InvalidMolecule: the SMILES cannot be read, or the text would be read as another molecule.
    """
    mol = as_mol(molecule)
    whole = write(mol)
    opened = _opened(mol)
    if opened is None:
        return whole
    text = _joined(write(opened))
    require_same(whole, parse(text), "fragment SMILES")
    return text


def _opened(mol: Mol) -> Mol | None:
    """The molecule cut apart, both ends of each cut marked by an atom of the same isotope; None without cuts."""
    opened = Chem.FragmentOnBRICSBonds(mol)
    count = mol.GetNumAtoms()
    marks = [opened.GetAtomWithIdx(index) for index in range(count, opened.GetNumAtoms())]
    ends = [mark.GetNeighbors()[0].GetIdx() for mark in marks]
    bonds = [mol.GetBondBetweenAtoms(*pair) for pair in zip(ends[::2], ends[1::2], strict=True)]
    if not all(map(_can_be_cut, bonds)):
        kept = [bond.GetIdx() for bond in bonds if _can_be_cut(bond)]
        if not kept:
            return None
        opened = Chem.FragmentOnBonds(mol, kept)
        marks = [opened.GetAtomWithIdx(index) for index in range(count, opened.GetNumAtoms())]
    for number, mark in enumerate(marks):
        mark.SetIsotope(_FIRST_LABEL + number // 2)
    return opened if marks else None


def _can_be_cut(bond: Chem.Bond) -> bool:
    return bond.GetBondType() == Chem.BondType.SINGLE and not all(
        any(other.GetStereo() not in _STEREO for other in atom.GetBonds())
        for atom in (bond.GetBeginAtom(), bond.GetEndAtom())
    )


@dataclass(slots=True)
class _Written:
    """An atom as it stands in the text: its token, its ring-bond numbers, and the neighbours written so far."""

    token: str
    numbers: str = ""
    neighbours: int = 0

    def turn(self) -> None:
        """The other hand, if the atom has one."""
        hand = _HAND.search(self.token)
        if hand:
            self.token = self.token.replace(hand[0], _OTHER_HAND[hand[0]])


def _joined(opened: str) -> str:
    """The text with, in place of each mark, a number right behind its atom's own ring-bond numbers.

    A mark that is moved past an odd number of neighbours changes the hand of its atom.
    """
    tokens = _TOKEN.findall(opened)
    numbering = _Numbering(max((int(token.strip("%()")) for token in tokens if _RING.fullmatch(token)), default=0))
    out: list[_Written | str] = []
    open_branches: list[_Written] = []
    atom: _Written | None = None
    leading, bond = "", ""
    for token in tokens:
        if mark := _MARK.fullmatch(token):
            number = numbering.of(mark[1])
            if atom is None:
                leading = number  # it begins the block: its atom comes next
                continue
            if atom.neighbours % 2:
                atom.turn()
            atom.numbers += bond + number
        elif atom is not None and _RING.fullmatch(token):
            atom.numbers += bond + token
        elif _ATOM.match(token):
            if atom is not None:
                atom.neighbours += 1
                out.append(bond)
            atom = _Written(token)
            out.append(atom)
            if leading:
                # Seen from a neighbour that is written first, an implied hydrogen comes second; else it comes first.
                atom.numbers, leading = _TURNED.get(bond, bond) + leading, ""
                if "H" in token:
                    atom.turn()
        elif token == "(" and atom is not None:
            open_branches.append(atom)
            out.append(token)
        elif token == ")":
            atom = open_branches.pop()
            if out[-1] == "(":
                out.pop()  # it held a mark alone
            else:
                out.append(token)
        elif token == ".":
            atom = None
            out.append(token)
        else:
            bond += token
            continue
        bond = ""
    return "".join(part if isinstance(part, str) else part.token + part.numbers for part in out)


class _Numbering:
    """Ring-bond numbers for cuts: above those of the blocks' own rings, and used again once both ends are written."""

    def __init__(self, highest: int) -> None:
        self._highest = highest
        self._free: list[int] = []
        self._open: dict[str, int] = {}

    def of(self, label: str) -> str:
        number = self._open.pop(label, None)
        if number is not None:
            heapq.heappush(self._free, number)
        else:
            if self._free:
                number = heapq.heappop(self._free)
            else:
                self._highest = number = self._highest + 1
            self._open[label] = number
        return str(number) if number < 10 else f"%{number}" if number < 100 else f"%({number})"
