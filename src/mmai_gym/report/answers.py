"""Right and wrong answers of each family, drawn: what was asked, what is known, what the model said, and why the
verifier decided as it did.

Numbers in a table do not show *how* a model fails. The few answers shown are chosen by a rule, not by hand: as
many tasks and as many reasons as possible, and among equals the example whose id hashes lowest. So nobody picked
the pretty ones, and the same record always shows the same ones.
"""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mmai_gym.bench import FamilySummary
from mmai_gym.contracts import (
    AnswerForm,
    Choice,
    Indices,
    Molecule,
    Number,
    Property,
    Question,
    Reason,
    Result,
    Structure,
    Task,
    Verdict,
    Words,
    answer_form,
)
from mmai_gym.report.drawings import Pencil
from mmai_gym.report.markup import Markup, clip, element, join, text
from mmai_gym.report.material import Chapter

SHOWN = 3
"""Right ones, and as many wrong ones, of each family."""
_MAX_TEXT = 600
_DRAWABLE = frozenset({"smiles", "scaffold"})


@dataclass(frozen=True, slots=True)
class Case:
    """One answer to show: a result and which of its completions."""

    task: str
    result: Result
    rank: int

    @property
    def verdict(self) -> Verdict:
        return self.result.verdicts[self.rank]


def answers_section(chapter: Chapter, pencil: Pencil) -> Markup:
    """All families of a record, in the order of its suite."""
    return join(_family(chapter, family, pencil) for family in chapter.table.families)


def _family(chapter: Chapter, family: FamilySummary, pencil: Pencil) -> Markup:
    results = chapter.of_family(family, chapter.table.model)
    right, wrong = sort_out(results)
    undecided = Counter(
        v.reason.value for found in results.values() for r in found for v in r.verdicts if v.score is None
    )
    note = ", ".join(f"{count:,} × {reason.replace('-', ' ')}" for reason, count in undecided.most_common())
    columns = [
        _column(title, found, kind, chapter, pencil)
        for title, found, kind in (("Right", right, "right"), ("Not right", wrong, "wrong"))
    ]
    return element(
        "section",
        element("h3", family.family),
        element("p", f"Without a verdict, and counted neither right nor wrong: {note}.", class_="warn small")
        if note
        else None,
        element("div", *columns, class_="answers"),
    )


def sort_out(results: Mapping[str, Sequence[Result]]) -> tuple[list[Case], list[Case]]:
    """(right, wrong): the best-ranked correct completion of each result, or its first one where none is correct.

    A result that is wrong as far as it is decided, but has an undecided completion, is neither.
    """
    right: list[Case] = []
    wrong: list[Case] = []
    for task, found in results.items():
        for result in found:
            reasons = [verdict.reason for verdict in result.verdicts]
            if Reason.CORRECT in reasons:
                right.append(Case(task, result, reasons.index(Reason.CORRECT)))
            elif reasons and all(verdict.score is not None for verdict in result.verdicts):
                wrong.append(Case(task, result, 0))
    return right, wrong


def choose(cases: Sequence[Case], count: int = SHOWN) -> list[Case]:
    """At most `count` cases: the task shown least, then the reason shown least, then the lowest hash of the id."""
    left = sorted(cases, key=lambda case: hashlib.sha256(case.result.example.id.encode()).digest())
    chosen: list[Case] = []
    tasks: Counter[str] = Counter()
    reasons: Counter[Reason] = Counter()
    while left and len(chosen) < count:
        case = min(left, key=lambda c: (tasks[c.task], reasons[c.verdict.reason]))
        left.remove(case)
        chosen.append(case)
        tasks[case.task] += 1
        reasons[case.verdict.reason] += 1
    return chosen


def _column(title: str, cases: Sequence[Case], kind: str, chapter: Chapter, pencil: Pencil) -> Markup:
    chosen = choose(cases)
    heading = f"{title}: {len(chosen)} of {len(cases):,}" if cases else f"{title}: none"
    cards = [_card(case, chapter.tasks[case.task], kind, pencil) for case in chosen]
    return element("div", element("h4", heading), *cards)


# --------------------------------------------------------------------------------------------------- one card


def _card(case: Case, task: Task, kind: str, pencil: Pencil) -> Markup:
    verdict, example = case.verdict, case.result.example
    question = task.question(example)
    form, known = answer_form(question), task.answer(example)
    figures = _figures(question, form, known, verdict, pencil)
    score = "no verdict" if verdict.score is None else f"score {verdict.score:.2f}"
    of = len(case.result.verdicts)
    return element(
        "article",
        element(
            "header",
            element("span", verdict.reason.value.replace("-", " "), class_="chip"),
            element("code", case.task),
            element("span", score if of == 1 else f"{score}, answer {case.rank + 1} of {of}", class_="score"),
        ),
        element("p", question_sentence(question), class_="question"),
        element("div", *figures, class_="molecules") if figures else None,
        _comparison(form, known, case),
        element(
            "details",
            element("summary", "What the model wrote"),
            element("pre", clip(case.result.prediction.completions[case.rank].text, _MAX_TEXT)),
            element("p", f"Example {example.id}, {example.split} split", class_="muted"),
        ),
        class_=f"card {kind}",
    )


def question_sentence(question: Question) -> Markup:
    """The question without its molecules, which are drawn below it."""
    parts: list[Markup] = []
    for span in question:
        match span:
            case Words():
                parts.append(text(span.text))
            case Property():
                goal = {"up": "increase ", "down": "decrease ", None: ""}[span.goal]
                parts.append(join([goal, element("b", span.name.replace("_", " "))]))
            case Choice():
                parts.append(element("span", f"({', '.join(span.options)})", class_="muted"))
    return join(parts, between=" ")


def _figures(
    question: Question, form: AnswerForm, known: str | None, verdict: Verdict, pencil: Pencil
) -> list[Markup]:
    """The molecules of the question, then what is known and what was answered where those can be drawn."""
    shown = [span for span in question if isinstance(span, Molecule)]
    if isinstance(form, Indices) and len(shown) == 1 and shown[0].view in _DRAWABLE:
        smiles, given = shown[0].text, _positions(verdict.answer)
        return [
            pencil.molecule(smiles, "Atoms asked for", _positions(known)),
            pencil.molecule(smiles, "Atoms the model named", given),
        ]
    names = ["Question"] if len(shown) == 1 else [f"Molecule {i + 1}" for i in range(len(shown))]
    figures = [_shown(span, name, pencil) for span, name in zip(shown, names, strict=True)]
    if isinstance(form, Structure):
        if known is not None:
            figures.append(_shown(Molecule(known, form.view), "A known answer", pencil))
        figures.append(
            element("p", "The model gave no answer.", class_="undrawn")
            if verdict.answer is None
            else _shown(Molecule(verdict.answer, form.view), "The model’s answer", pencil)
        )
    return figures


def _shown(span: Molecule, name: str, pencil: Pencil) -> Markup:
    return pencil.molecule(span.text, name) if span.view in _DRAWABLE else _view(span, name)


def _view(span: Molecule, name: str) -> Markup:
    """A view that is not drawn (a graph, a conformer) stands as it was asked."""
    return element(
        "figure", element("span", f"{name} ({span.view})", class_="role"), element("pre", clip(span.text, 400))
    )


def _positions(answer: str | None) -> list[int]:
    """Atom positions of an answer; none where it is no list of them."""
    parts = [part.strip() for part in (answer or "").split(",")]
    return (
        [int(part) for part in parts]
        if all(part.isascii() and part.isdigit() and len(part) <= 4 for part in parts)
        else []
    )


def _comparison(form: AnswerForm, known: str | None, case: Case) -> Markup:
    """Known and given answer side by side (unless they are drawn), then the verifier's reason and numbers."""
    verdict, rows = case.verdict, []
    if not isinstance(form, Structure):
        unit = f" {form.unit}" if isinstance(form, Number) and form.unit else ""
        kind = "True value" if isinstance(form, Number) else "Right answer"
        given = "none" if verdict.answer is None else clip(verdict.answer, 200)
        rows += [
            (kind, clip(known or "unknown", 200) + unit),
            ("Model", given + (unit if verdict.answer is not None else "")),
        ]
    if isinstance(form, Choice) and (belief := case.result.prediction.probabilities):
        rows.append(("Probabilities", ", ".join(f"{option} {p:.2f}" for option, p in belief.items())))
    if told := _told(verdict):
        rows.append(
            ("Numbers", ", ".join(f"{name.replace('_', ' ')} {_component(x)}" for name, x in told.items()))
        )
    if verdict.detail:
        rows.append(("Verifier", clip(verdict.detail, 300)))
    pairs = [join([element("dt", name), element("dd", value)]) for name, value in rows]
    return element("dl", *pairs, class_="compare") if pairs else Markup("")


def _told(verdict: Verdict) -> dict[str, float]:
    """The verifier's numbers; the absolute error only where the signed one does not stand beside it."""
    return {
        k: v for k, v in verdict.components.items() if k != "absolute_error" or "error" not in verdict.components
    }


def _component(value: float) -> str:
    return f"{value:.3g}".replace("-", "−") if math.isfinite(value) else "undefined"
