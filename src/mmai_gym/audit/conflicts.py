"""One question, different answers: what no model can get right, and what the best possible score has to do with it.

Public tables hold repeated measurements, misprints and stereoisomers whose labels differ. They are kept as they are,
since published figures were computed on them; here they are counted.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass

from mmai_gym.audit.content import Content
from mmai_gym.contracts import Choice, Count, Molecule, Number, Question, answer_form


@dataclass(frozen=True, slots=True)
class Conflict:
    """One question with different answers, in whatever splits of a task.

    Attributes:
        molecules: skeletons that are asked the same and answered differently; stereoisomers may differ with reason.
        same_smiles: SMILES, letter by letter, that are.
        across: skeletons of which a test row differs from a row of another split.
        spread: the largest difference, where answers are numbers.
    """

    task: str
    molecules: int
    same_smiles: int
    across: int
    spread: float | None


_Asked = tuple[Hashable, tuple[str, ...], tuple[str, ...]]  # request, proteins, molecules


class Answers:
    """The answers of one task. Those of a question for a structure are not compared: it may have many right ones."""

    def __init__(self) -> None:
        self._by_text: dict[_Asked, list[tuple[int, str]]] = defaultdict(list)
        self._is_test: list[bool] = []

    def note(self, content: Content, question: Question, answer: str | None, *, is_test: bool) -> None:
        """Take down one row; rows are noted in the order of the ledger's."""
        if answer is not None and isinstance(answer_form(question), Choice | Count | Number):
            request = tuple(span for span in question if not isinstance(span, Molecule))
            self._by_text[request, content.proteins, content.molecules].append((len(self._is_test), answer))
        self._is_test.append(is_test)

    def conflict(self, task: str, skeletons: Sequence[tuple[int, ...]]) -> Conflict | None:
        """What is contradictory, or None.

        Args:
            skeletons: of each row that was noted; a row without any, since its molecule cannot be read, counts by its
                text alone.
        """
        by_skeleton: dict[Hashable, list[tuple[int, str]]] = defaultdict(list)
        for (request, proteins, text), given in self._by_text.items():
            by_skeleton[request, proteins, skeletons[given[0][0]] or text] += given
        differing = [given for given in by_skeleton.values() if len({answer for _, answer in given}) > 1]
        if not differing:
            return None
        return Conflict(
            task,
            len(differing),
            sum(len({answer for _, answer in given}) > 1 for given in self._by_text.values()),
            sum(map(self._across, differing)),
            max((spread for given in differing if (spread := _spread(given)) is not None), default=None),
        )

    def _across(self, given: Sequence[tuple[int, str]]) -> bool:
        test, rest = (
            {answer for row, answer in given if self._is_test[row] is tested} for tested in (True, False)
        )
        return bool(test and rest) and len(test | rest) > 1


def _spread(given: Iterable[tuple[int, str]]) -> float | None:
    try:
        values = [float(answer) for _, answer in given]
    except ValueError:
        return None
    return max(values) - min(values)
