"""Numbers of skeletons: one for all SMILES of one connectivity, found with as few InChIKeys as will do."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from mmai_gym.audit.keys import Keys, skeletons, sketches


class Skeletons:
    """A growing numbering, over all data sets.

    Most molecules of most data sets are unlike any other, and their `molecules.sketch` shows it at a third of the price.
    A sketch that one SMILES alone has stands for its skeleton; when a second SMILES has it, InChIKeys of both decide.
    """

    def __init__(self) -> None:
        self._sketches, self._keys = Keys(sketches), Keys(skeletons)
        self._numbers: dict[str, int | None] = {}
        self._first: dict[str, str] = {}
        self._by_key: dict[str, int] = {}
        self._decided: set[str] = set()
        self._next = 0

    def __len__(self) -> int:
        return self._next

    def of(self, dataset: str, smiles: Sequence[str]) -> list[int | None]:
        """The number of each, in order; None where a structure has no skeleton.

        Questions about one data set should follow each other, since what is computed is kept by data set.
        """
        new = [text for text in dict.fromkeys(smiles) if text not in self._numbers]
        contested: list[str] = []
        for text, sketched in zip(new, self._sketches.of(dataset, new), strict=True):
            first = None if sketched is None else self._first.setdefault(sketched, text)
            if first is None:
                self._numbers[text] = None
            elif first is text:
                self._numbers[text] = self._another()
            else:
                contested += [first, text]
        self._decide(dataset, dict.fromkeys(contested))
        return [self._numbers[text] for text in smiles]

    def _decide(self, dataset: str, contested: Iterable[str]) -> None:
        asked = [text for text in contested if text not in self._decided]
        self._decided.update(asked)
        for text, key in zip(asked, self._keys.of(dataset, asked), strict=True):
            number = self._numbers.get(text)
            if key is None:
                self._numbers.setdefault(text, None)
            elif number is not None:  # the first of its sketch lends its number to its key
                self._by_key[key] = number
            else:
                if key not in self._by_key:
                    self._by_key[key] = self._another()
                self._numbers[text] = self._by_key[key]

    def _another(self) -> int:
        self._next += 1
        return self._next - 1
