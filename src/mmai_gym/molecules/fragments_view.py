"""Fragment SMILES: the building blocks of a molecule one after the other, joined by ring-bond numbers.

Cut at the bonds that syntheses make (BRICS; Degen et al., 2008) and written as blocks (as SAFE does; Noutahi et al.,
2024), a molecule is still one SMILES, which any toolkit reads: a number that stands in two blocks is the bond between
them. Aspirin, CC(=O)Oc1ccccc1C(=O)O::

    C2(=O)O.c21ccccc13.O32.C2(C)=O

Only single bonds are cut, and none between two double bonds that have cis-trans stereo, because either side would
then say which way the one bond points. A number takes a neighbour's place in the text, so the hand of a centre is
written anew where the neighbour stood elsewhere; the whole text is read back before it is given out.
"""

from __future__ import annotations

import heapq
import re

from rdkit import Chem

from mmai_gym.molecules.fidelity import require_same
from mmai_gym.molecules.smiles import write
from mmai_gym.molecules.toolkit import Mol, as_mol, parse

_LABEL = r"[1-9]\d{3,}"
_BOND = r"(?:->|<-|[-=#:$~/\\])"
_MARK = re.compile(
    rf"\((?P<bond>{_BOND}?)\[(?P<side>{_LABEL})\*\]\)"
    # A mark that an atom follows begins its block: elsewhere it ends a chain.
    rf"|\[(?P<mark>{_LABEL})\*\](?:(?P<back>{_BOND}?)(?P<atom>\[[^\]]+\]|Br|Cl|[A-Za-z*]))?|\."
)
_BONDS = "-=#:$~/\\"
_RING_NUMBERS = "0123456789%()" + _BONDS
_CUT_DOUBLE = re.compile(rf"=\[{_LABEL}\*\]|\[{_LABEL}\*\]=")
_BRACKET = re.compile(r"\[[^\]]+\]")
_LONG = re.compile(r"%\(?(\d\d+)")
_FIRST_LABEL = 1001
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
    marked = _opened(mol, whole)
    if marked is None:
        return whole
    text = _joined(marked)
    require_same(whole, parse(text), "fragment SMILES")
    return text


def _opened(mol: Mol, whole: str) -> str | None:
    """The blocks, both ends of each cut marked by an atom of the same isotope; None without cuts."""
    opened = Chem.FragmentOnBRICSBonds(mol)
    text = _marked(opened, mol)
    # BRICS cuts some double bonds; asking the text is quicker than asking the bonds.
    if "/" in whole or "\\" in whole or _CUT_DOUBLE.search(text):
        ends = [opened.GetAtomWithIdx(index).GetNeighbors()[0].GetIdx() for index in _marks(opened, mol)]
        bonds = [mol.GetBondBetweenAtoms(*pair) for pair in zip(ends[::2], ends[1::2], strict=True)]
        kept = [bond.GetIdx() for bond in bonds if _can_be_cut(bond)]
        if len(kept) < len(bonds):
            return _marked(Chem.FragmentOnBonds(mol, kept), mol) if kept else None
    return text if opened.GetNumAtoms() > mol.GetNumAtoms() else None


def _marked(opened: Mol, mol: Mol) -> str:
    marks = _marks(opened, mol)
    for index in marks:  # one atom at a time: a list of them takes longer than the writing
        opened.GetAtomWithIdx(index).SetIsotope(_FIRST_LABEL + (index - marks.start) // 2)
    return write(opened)


def _marks(opened: Mol, mol: Mol) -> range:
    """Indices of the atoms that stand for the ends of cuts, those of one cut side by side."""
    return range(mol.GetNumAtoms(), opened.GetNumAtoms())


def _can_be_cut(bond: Chem.Bond) -> bool:
    return bond.GetBondType() == Chem.BondType.SINGLE and not all(
        any(other.GetStereo() not in _STEREO for other in atom.GetBonds())
        for atom in (bond.GetBeginAtom(), bond.GetEndAtom())
    )


def _joined(opened: str) -> str:
    """The text with, in place of each mark, a number right behind its atom's own ring-bond numbers.

    A mark that is moved past an odd number of neighbours changes the hand of its atom.
    """
    numbering = _Numbering(_highest_ring_number(opened))
    text, copied = "", 0  # what is written, and how much of `opened` is in it
    for match in _MARK.finditer(opened):
        start, end = match.span()
        text += opened[copied:start]
        copied = end
        label = match["side"] or match["mark"]
        if label is None:
            text += "."
            numbering.end_block()
            continue
        number = numbering.of(label)
        if atom := match["atom"]:
            # Seen from a neighbour that is written first, an implied hydrogen comes second; else it comes first.
            hand = _other_hand(atom) if "H" in atom else atom
            text += hand + _TURNED.get(match["back"], match["back"]) + number
            continue
        bond = match["bond"] or ""
        if text[-1] in _BONDS:
            text, bond = text[:-1], text[-1]
        text = _behind_atom(text, bond + number) if text[-1] == ")" else text + bond + number
    return text + opened[copied:]


def _behind_atom(text: str, number: str) -> str:
    """The text with the number ahead of the branches that it ends with."""
    place, branches = len(text), 0
    while text[place - 1] == ")" and text[(opening := _opening(text, place - 1)) - 1] != "%":
        place, branches = opening, branches + 1
    atom, rest = text[:place], text[place:]
    if branches % 2:
        end = len(atom.rstrip(_RING_NUMBERS))
        if atom[end - 1] == "]":
            start = atom.rindex("[", 0, end)
            atom = atom[:start] + _other_hand(atom[start:end]) + atom[end:]
    return atom + number + rest


def _opening(text: str, closing: int) -> int:
    """Where the parenthesis opens that closes at `closing`."""
    place = text.rindex("(", 0, closing)
    unmatched = text.count(")", place, closing)
    while unmatched:
        before = text.rindex("(", 0, place)
        unmatched += text.count(")", before, place) - 1
        place = before
    return place


def _highest_ring_number(text: str) -> int:
    """RDKit takes the lowest number that is free, so those in use leave no gap."""
    bare = _BRACKET.sub("", text)
    if "%" in bare:
        return max(map(int, _LONG.findall(bare)))
    return next((number for number, digit in enumerate("123456789") if digit not in bare), 9)


def _other_hand(atom: str) -> str:
    """The atom's token with the other hand, if it has one."""
    return _HAND.sub(lambda hand: _OTHER_HAND[hand[0]], atom)


class _Numbering:
    """Ring-bond numbers for cuts: above those of the blocks' own rings, and used again after the block of the second
    end."""

    def __init__(self, highest: int) -> None:
        self._highest = highest
        self._closed: list[int] = []
        self._free: list[int] = []
        self._open: dict[str, int] = {}

    def of(self, label: str) -> str:
        number = self._open.pop(label, None)
        if number is not None:
            self._closed.append(number)
        else:
            if self._free:
                number = heapq.heappop(self._free)
            else:
                self._highest = number = self._highest + 1
            self._open[label] = number
        return str(number) if number < 10 else f"%{number}" if number < 100 else f"%({number})"

    def end_block(self) -> None:
        while self._closed:
            heapq.heappush(self._free, self._closed.pop())
