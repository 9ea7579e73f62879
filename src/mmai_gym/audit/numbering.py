"""Numbers of molecules: one for all SMILES of one identity, found with as few identities as will do."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from mmai_gym.audit.keys import Keys


class Numbering:
    """A growing numbering, over all data sets.

    Most molecules of most data sets are unlike any other, and their `molecules.sketch` shows it at a third of the price.
    A sketch that one SMILES alone has stands for its identity; when a second SMILES has it, identities of both decide. So
    they do where there is no sketch.

    Args:
        sketched: sketches, which several numberings may share.
        identities: what two SMILES that are to have one number share, and with it a sketch: skeletons or sides.
    """

    def __init__(self, sketched: Keys, identities: Keys) -> None:
        self._sketches, self._identities = sketched, identities
        self._numbers: dict[str, int | None] = {}
        self._first: dict[str, str] = {}
        self._by_identity: dict[str, int] = {}
        self._decided: set[str] = set()
        self._next = 0

    def __len__(self) -> int:
        return self._next

    def of(self, dataset: str, smiles: Sequence[str]) -> list[int | None]:
        """The number of each, in order; None where a structure has no identity.

        Questions about one data set should follow each other, since what is computed is kept by data set.
        """
        new = [text for text in dict.fromkeys(smiles) if text not in self._numbers]
        contested: list[str] = []
        for text, sketched in zip(new, self._sketches.of(dataset, new), strict=True):
            first = text if sketched is None else self._first.setdefault(sketched, text)
            if sketched is not None and first is text:
                self._numbers[text] = self._another()
            else:
                contested += [first, text]
        self._decide(dataset, dict.fromkeys(contested))
        return [self._numbers[text] for text in smiles]

    def _decide(self, dataset: str, contested: Iterable[str]) -> None:
        asked = [text for text in contested if text not in self._decided]
        self._decided.update(asked)
        for text, identity in zip(asked, self._identities.of(dataset, asked), strict=True):
            number = self._numbers.get(text)
            if identity is None:
                self._numbers.setdefault(text, None)
            elif number is not None:  # the first of its sketch lends its number to its identity
                self._by_identity[identity] = number
            else:
                if identity not in self._by_identity:
                    self._by_identity[identity] = self._another()
                self._numbers[text] = self._by_identity[identity]

    def _another(self) -> int:
        self._next += 1
        return self._next - 1
