"""The ceiling of the functional-group questions: the patterns that made their answers, asked again.

It reads the question as any model does, and nothing else. What it does not get right is a question with two right answers,
or a mistake of the gym.
"""

from __future__ import annotations

from collections.abc import Sequence

from mmai_gym.contracts import (
    AnswerForm,
    Choice,
    Count,
    Indices,
    Number,
    Property,
    Question,
    Structure,
    Words,
    answer_form,
)
from mmai_gym.models.baselines.base import Baseline, Fitted, Reply, TrainingSet, distribution, ranked
from mmai_gym.models.baselines.features import molecules_of
from mmai_gym.molecules import FUNCTIONAL_GROUPS, functional_group

_ASKS = frozenset({"detect", "count", "locate", "compare"})


class GroupOracle(Baseline):
    """Detects, counts, locates and compares functional groups by their SMARTS patterns."""

    name = "baseline:group-oracle"
    most = 0

    def supports(self, form: AnswerForm) -> bool:
        return not isinstance(form, Number | Structure)

    def suits(self, question: Question) -> bool:
        """Besides the form, a question must ask one of the four things about a group that has a pattern."""
        asked = {span.control for span in question if isinstance(span, Words)} & _ASKS
        named = [span for span in question if isinstance(span, Property) and span.name in FUNCTIONAL_GROUPS]
        return bool(asked) and len(named) == 1 and super().suits(question)

    def fit(self, training: TrainingSet) -> Fitted:
        return _Patterns()


class _Patterns:
    def reply(self, questions: Sequence[Question], n: int) -> list[Reply]:
        return [_reply(question) for question in questions]


def _reply(question: Question) -> Reply:
    name = next(span.name for span in question if isinstance(span, Property))
    matches = [functional_group(name).matches(smiles) for smiles in molecules_of(question)]
    form = answer_form(question)
    if isinstance(form, Count):
        return Reply((str(len(matches[0])),))
    if isinstance(form, Indices):
        return Reply((",".join(map(str, sorted({atom for match in matches[0] for atom in match}))),))
    counts = [len(found) for found in matches]
    answer = _compared(*counts) if len(counts) == 2 else "yes" if counts[0] else "no"
    probabilities = distribution(form.options if isinstance(form, Choice) else (answer,), {answer: 1.0})
    return Reply(tuple(ranked(probabilities)[:1]), probabilities)


def _compared(first: int, second: int) -> str:
    return "equal" if first == second else "first" if first > second else "second"
