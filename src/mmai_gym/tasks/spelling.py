"""SMILES as a language: write the canonical form, finish a text that breaks off, mend one that is broken.

All three are graded by program and none by taste. A completion may be any molecule that begins as shown. A repair may be any
molecule that lies as near to the broken text as the one that was broken, in edits of characters (Levenshtein 1966); the
recovery of that very molecule is counted beside it. What makes a text valid without making it a molecule of
the kind asked about (a second molecule behind a dot, a wildcard, a radical: see `tricks`) counts for nothing.
"""

from __future__ import annotations

import functools
import random
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from rdkit import Chem

from mmai_gym import stats
from mmai_gym.contracts import (
    Estimate,
    Example,
    Molecule,
    Question,
    Reason,
    Result,
    Split,
    Structure,
    Verdict,
    Words,
)
from mmai_gym.molecules import canonical, is_valid, parse, randomized
from mmai_gym.tasks.base import BaseTask
from mmai_gym.tasks.language import LISTS, LanguageTask
from mmai_gym.tasks.scoring import decided
from mmai_gym.tasks.tricks import unlike

_TOKEN = re.compile(r"\[[^\]]*\]|Cl|Br|%\d\d|.")


class Canonicalize(LanguageTask):
    """Another writing of a molecule, to be written as RDKit's canonical SMILES; no other text is right."""

    asks_for = "canonicalize"

    def draw(self, smiles: str, split: Split, rng: random.Random) -> tuple[Mapping[str, Any], Any]:
        text = randomized(smiles, rng.getrandbits(32))
        if rng.random() < 0.5 or text == smiles:
            # With all hydrogens written, no text is canonical.
            text = next(other for other in _spellings(text, rng) if other != smiles)
        return {"shown": text}, smiles

    def question(self, example: Example) -> Question:
        words = Words("Write the canonical SMILES (RDKit) of the molecule.", "canonicalize")
        return (words, Molecule(example.inputs["shown"]), Structure())

    def judge(self, example: Example, answer: str) -> Verdict:
        if answer == example.gold:
            return Verdict(1.0, Reason.CORRECT, answer)
        same = canonical(answer) == example.gold
        copied = answer == example.inputs["shown"]
        detail = "the right molecule in another writing" if same else ""
        return Verdict(
            0.0, Reason.COPIED_INPUT if copied else Reason.WRONG, answer, {"same": float(same)}, detail=detail
        )


def _spellings(smiles: str, rng: random.Random) -> Iterator[str]:
    """Alternating instead of aromatic bonds, or all bonds written, or all hydrogens; one of them first, the last always."""
    kekulized = parse(smiles)
    Chem.Kekulize(kekulized, clearAromaticFlags=True)
    yield rng.choice(
        [
            Chem.MolToSmiles(kekulized, kekuleSmiles=True, canonical=False),
            Chem.MolToSmiles(parse(smiles), allBondsExplicit=True, canonical=False),
        ]
    )
    yield Chem.MolToSmiles(parse(smiles), allHsExplicit=True, canonical=False)


class Complete(LanguageTask):
    """A text that breaks off within a ring or a branch, so that it is no molecule by itself."""

    asks_for = "complete"

    def fits(self, smiles: str) -> bool:
        return bool(_breaks(smiles))

    def draw(self, smiles: str, split: Split, rng: random.Random) -> tuple[Mapping[str, Any], Any] | None:
        # Most writings of a molecule with a branch or a ring break somewhere; the canonical one of those that fit does.
        texts = [randomized(smiles, rng.getrandbits(32)) for _ in range(3)]
        for text in (*texts, smiles):
            if breaks := _breaks(text):
                return {"shown": text[: rng.choice(breaks)]}, text
        return None

    def question(self, example: Example) -> Question:
        return (
            Words("Finish this SMILES: write one molecule that begins exactly so.", "complete"),
            Molecule(example.inputs["shown"], "text"),
            Structure(),
        )

    def judge(self, example: Example, answer: str) -> Verdict:
        target = canonical(answer)
        if not answer.startswith(example.inputs["shown"]):
            return Verdict(0.0, Reason.WRONG, answer, detail="does not begin as shown")
        if found := unlike(example.inputs["smiles"], target):
            return Verdict(0.0, Reason.WRONG, answer, detail=found)
        return Verdict(1.0, Reason.CORRECT, answer, {"recovered": float(target == example.inputs["smiles"])})

    def score(self, results: Sequence[Result]) -> dict[str, Estimate]:
        return super().score(results) | {"recovered": _recovered(results)}


def _breaks(smiles: str) -> list[int]:
    """Positions between two tokens, in the second and third quarter of a text, where a ring or a branch is open."""
    open_rings: set[str] = set()
    depth = position = 0
    found: list[int] = []
    for token in _TOKEN.findall(smiles):
        position += len(token)
        if token in "()":
            depth += 1 if token == "(" else -1
        elif token[0] == "%" or token.isdigit():
            open_rings ^= {token}
        if (depth or open_rings) and len(smiles) <= 4 * position <= 3 * len(smiles):
            found.append(position)
    return found


# --------------------------------------------------------------------------------------------------- repair


class Repair(LanguageTask):
    """A SMILES with one fault, which RDKit does not read."""

    asks_for = "repair"

    def draw(self, smiles: str, split: Split, rng: random.Random) -> tuple[Mapping[str, Any], Any]:
        text = randomized(smiles, rng.getrandbits(32))
        for _ in range(50):
            broken = rng.choice(_FAULTS)(text, rng)
            if not is_valid(broken):
                return {"shown": broken}, text
        return {"shown": text + "("}, text

    def question(self, example: Example) -> Question:
        return (
            Words("This SMILES is broken. Write the molecule that takes the fewest changed characters.", "repair"),
            Molecule(example.inputs["shown"], "text"),
            Structure(),
        )

    def judge(self, example: Example, answer: str) -> Verdict:
        source, target = example.inputs["smiles"], canonical(answer)
        if target == source:
            return Verdict(1.0, Reason.CORRECT, answer, {"recovered": 1.0})
        if found := unlike(source, target):
            return Verdict(0.0, Reason.WRONG, answer, detail=found)
        allowed, needed = (edits(example.inputs["shown"], text) for text in (str(example.gold), answer))
        near = needed <= allowed
        detail = f"{needed} edits from the broken text, {allowed} suffice"
        return Verdict(
            float(near),
            Reason.CORRECT if near else Reason.WRONG,
            answer,
            {"recovered": 0.0, "edits": needed},
            detail=detail,
        )

    def score(self, results: Sequence[Result]) -> dict[str, Estimate]:
        return super().score(results) | {"recovered": _recovered(results)}


def edits(first: str, second: str) -> int:
    """Levenshtein distance: characters inserted, deleted or replaced, as few as possible."""
    row = list(range(len(second) + 1))
    for i, letter in enumerate(first, start=1):
        diagonal, row[0] = row[0], i
        for j, other in enumerate(second, start=1):
            diagonal, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, diagonal + (letter != other))
    return row[-1]


def _drop(pattern: str) -> Callable[[str, random.Random], str]:
    """Leave out one of the places that a pattern finds."""

    def fault(text: str, rng: random.Random) -> str:
        places = [match.span() for match in re.finditer(pattern, text)]
        if not places:
            return text
        start, end = rng.choice(places)
        return text[:start] + text[end:]

    return fault


def _insert(pieces: Sequence[str]) -> Callable[[str, random.Random], str]:
    """Put one of the pieces behind a token."""

    def fault(text: str, rng: random.Random) -> str:
        tokens = _TOKEN.findall(text)
        place = rng.randint(1, len(tokens))
        return "".join([*tokens[:place], rng.choice(pieces), *tokens[place:]])

    return fault


def _replace(text: str, rng: random.Random) -> str:
    """One atom of the text becomes an element with fewer bonds, or loses its aromaticity."""
    tokens = _TOKEN.findall(text)
    places = [i for i, token in enumerate(tokens) if token in _FEWER_BONDS]
    if places:
        place = rng.choice(places)
        tokens[place] = rng.choice(_FEWER_BONDS[tokens[place]])
    return "".join(tokens)


_FEWER_BONDS = {"C": ("O", "F"), "N": ("O", "F"), "c": ("o", "C"), "n": ("o", "c"), "O": ("F",), "S": ("F",)}
_FAULTS = (_drop(r"[()]"), _drop(r"(?<=[A-Za-z\]])\d"), _insert("()=#1"), _insert("()"), _replace)


def _recovered(results: Sequence[Result]) -> Estimate:
    """Share of first answers that are the molecule the text was made from (Wilson interval)."""
    found = [result.first.components.get("recovered", 0.0) == 1.0 for result in decided(results)]
    return stats.proportion(np.array(found, dtype=bool))


TASKS: tuple[Callable[[], BaseTask], ...] = tuple(
    functools.partial(task, molecules) for molecules in LISTS for task in (Canonicalize, Complete, Repair)
)
