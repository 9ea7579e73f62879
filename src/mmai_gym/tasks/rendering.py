"""How a question becomes text: once for all tasks, in two ways.

*Chat* writes plain sentences for any instruction-following model. *Compact* writes control tokens for an LFM that
was trained from scratch: one token says what is asked, one names the property, one announces the view of each
molecule, and a number is answered with one token of a 128-step grid, so that its whole distribution can be read in
a single forward pass. `expand` undoes the compact answer, so a verifier always sees the same public text.

The control tokens are frozen: their order is their token id, checkpoints depend on it. New ones replace the next
free `<|reserved_N|>`; nothing is ever moved or renamed.
"""

from __future__ import annotations

import bisect
import hashlib
import re
from collections.abc import Container, Iterable, Sequence

from mmai_gym.contracts import (
    AnswerForm,
    Choice,
    Count,
    Indices,
    Molecule,
    Number,
    Property,
    Question,
    Span,
    Structure,
    Trace,
    Words,
    answer_form,
)
from mmai_gym.tasks.answers import ANSWER_CLOSE, ANSWER_OPEN, THINK_CLOSE, THINK_OPEN, wrap

TEMPLATE_VERSION = "1"

_STRUCTURE = ("<|pad|>", "<|bos|>", "<|eos|>", "<|sep|>", THINK_OPEN, THINK_CLOSE, ANSWER_OPEN, ANSWER_CLOSE)
_VIEWS = (
    "smiles", "selfies", "inchi", "inchikey", "formula", "name", "scaffold", "fragments",
    "graph", "conformer", "internal", "protein", "pocket", "antibody", "reaction", "text",
)  # fmt: skip
_REQUESTS = (
    "detect", "count", "locate", "compare", "classify", "measure", "retrosynthesis", "forward", "optimize",
    "affinity", "translate", "canonicalize", "complete", "repair", "describe", "generate", "difference", "stereo",
)  # fmt: skip
_FORMS = ("choice", "number", "integer", "indices", "molecule", "reactants", "fragment")
_OPTIONS = (
    "yes", "no", "first", "second", "equal", "low", "medium", "high", "up", "down", "same", "true", "false",
    "unknown",
)  # fmt: skip
SPAN_VIEWS = frozenset(_VIEWS)
"""Views that have a control token of their own, which opens their spans."""
_SPAN_OF = dict.fromkeys(("xyz", "sdf", "pdb"), "conformer")

_NAMED = _STRUCTURE + tuple(f"<|{name}|>" for name in (*_VIEWS, *_REQUESTS, *_FORMS, *_OPTIONS))

CONTROL_TOKENS: tuple[str, ...] = _NAMED + tuple(f"<|reserved_{i}|>" for i in range(len(_NAMED), 256))
BIN_TOKENS: tuple[str, ...] = tuple(f"<|bin_{i:03d}|>" for i in range(128))

_CONTROL = frozenset(CONTROL_TOKENS)
_AFFINITY = "<|affinity|>"
_BIN = re.compile(r"<\|bin_(\d{3})\|>")
_NAME = re.compile(r"[^a-z0-9_.+-]+")


def control(name: str) -> str:
    """The control token called `name`.

    Raises:
        ValueError: there is no such token.
    """
    token = f"<|{name}|>"
    if token not in _CONTROL:
        raise ValueError(f"{token} is not a control token; add it in place of the next free reserved one")
    return token


def view_token(view: str) -> str:
    """The control token that opens the span of a text in a view.

    Ways to write one view share its token: "smiles-kekulized" opens with `<|smiles|>`, "xyz" with `<|conformer|>`.

    Raises:
        ValueError: there is no token for the view.
    """
    return control(_SPAN_OF.get(view, view.partition("-")[0]))


def property_token(name: str) -> str:
    """The token that names a property, e.g. `<|caco2_wang|>`; never one of the control tokens."""
    return f"<|p:{_NAME.sub('_', name.lower())}|>"


def protein_name(sequence: str) -> str:
    """What a vocabulary may call a whole protein: from its sequence, and so the same in every data set."""
    return f"protein-{hashlib.sha256(sequence.encode()).hexdigest()[:12]}"


# --------------------------------------------------------------------------------------------------- compact


def compact_named(question: Question, vocabulary: Container[str]) -> Question:
    """The question with the proteins that have a token in the vocabulary by name: one token instead of hundreds."""
    return tuple(_named(span, vocabulary) for span in question)


def _named(span: Span, vocabulary: Container[str]) -> Span:
    if isinstance(span, Molecule) and _is_protein(span):
        name = protein_name(span.text)
        return Property(name) if property_token(name) in vocabulary else span
    return span


def compact_prompt(question: Question, think: str = "") -> str:
    """The prompt of a from-scratch LFM. It ends with the answer tag, or with `think` ("<think>") where given."""
    return compact_molecules(question) + compact_request(question) + (think or ANSWER_OPEN)


def compact_molecules(question: Question) -> str:
    """The opening of a prompt: what is asked about, proteins first.

    Molecules come before the request, so that all questions about one molecule share their opening: a corpus row can
    ask several of them, and a decoder needs to read the molecule only once.
    """
    return compact_opening(question) + compact_ligands(question)


def compact_opening(question: Question) -> str:
    """The proteins of a question: long, and shared by the many molecules of a corpus row (`compact_branches`)."""
    return "<|bos|>" + _shown(span for span in question if _is_protein(span))


def compact_ligands(question: Question) -> str:
    """The molecules of a question other than proteins."""
    return _shown(span for span in question if not _is_protein(span))


def _shown(spans: Iterable[Span]) -> str:
    return "".join(view_token(span.view) + span.text for span in spans if isinstance(span, Molecule))


def _is_protein(span: Span) -> bool:
    return isinstance(span, Molecule) and span.view == "protein"


def compact_request(question: Question) -> str:
    """What is asked, without the molecules and without the answer tag."""
    parts: list[str] = []
    for span in question:
        match span:
            case Words():
                parts.append(control(span.control) if span.control else "")
            case Property():
                parts.append((control(span.goal) if span.goal else "") + property_token(span.name))
            case Choice():
                parts.append(control("choice"))
            case Number():
                parts.append(control("number"))
            case Count():
                parts.append(control("integer"))
            case Indices():
                parts.append(control("indices"))
            case Structure():
                parts.append(control(span.role) + ("" if span.view == "smiles" else view_token(span.view)))
    return "".join(parts)


def compact_answer(answer: str, form: AnswerForm) -> str:
    """The answer as a from-scratch LFM writes it, without tags."""
    if isinstance(form, Number):
        return BIN_TOKENS[nearest_bin(float(answer), form.grid)]
    if isinstance(form, Choice):
        return compact_option(answer)
    return answer


def compact_option(option: str) -> str:
    """An option of a Choice: its control token where it has one, else as it is."""
    token = f"<|{option}|>"
    return token if token in _CONTROL else option


def compact_row(question: Question, answer: str, trace: Trace | None = None) -> tuple[str, str]:
    """A training row: the prompt (masked from the loss) and the target that follows it.

    Steps that a tool has *given* belong to the prompt; the steps that the model shall claim open the target.
    """
    ending = compact_answer(answer, answer_form(question)) + ANSWER_CLOSE + "<|eos|>"
    if trace is None:
        return compact_prompt(question), ending
    given = " ".join(step.text for step in trace.steps if step.given)
    claimed = " ".join(step.text for step in trace.steps if not step.given)
    return compact_prompt(question, THINK_OPEN) + given, claimed + THINK_CLOSE + ANSWER_OPEN + ending


def compact_turns(turns: Sequence[tuple[Question, str]]) -> list[tuple[str, str]]:
    """Several questions about the same molecules as one training row: (prompt, target) of each turn.

    The molecules are written once, at the start; the row ends after the last answer.

    Raises:
        ValueError: the questions are not about the same molecules.
    """
    opening, last = _one_opening(map(compact_molecules, _asked(turns))), len(turns) - 1
    return [
        (
            ("" if i else opening) + compact_request(question) + ANSWER_OPEN,
            compact_answer(answer, answer_form(question)) + ANSWER_CLOSE + ("<|eos|>" if i == last else ""),
        )
        for i, (question, answer) in enumerate(turns)
    ]


def compact_shared(question: Question) -> str:
    """What a question has in common with all others of its corpus row: the protein, or else the molecules.

    Requests for affinities form rows of their own.
    """
    opening = compact_opening(question)
    if opening != control("bos"):
        return opening
    return compact_molecules(question) + (_AFFINITY if compact_apart(question) else "")


def compact_apart(question: Question) -> bool:
    """Whether the questions of a row must not read each other (`compact_branches`): those about many molecules, and those
    about many proteins, which are kin: what a molecule does to one nearly tells what it does to the next."""
    return compact_opening(question) != control("bos") or compact_request(question).startswith(_AFFINITY)


def compact_branches(turns: Sequence[tuple[Question, str]]) -> list[tuple[str, str, str, str]]:
    """Questions that share a protein, or a molecule, and must not read each other, as one training row: (opening, molecule,
    prompt, target) of each.

    What they share is written once. About one protein each molecule opens a branch, with `<|smiles|>`; about one molecule,
    and proteins by name, each request for an affinity does. The network keeps branches from reading each other
    (`lfm.network`), so that each is what it would be by itself.

    Raises:
        ValueError: the questions share nothing, or a branch would open with another token.
    """
    shared = _one_opening(map(compact_shared, _asked(turns)))
    rows = []
    for i, (question, answer) in enumerate(turns):
        opening, ligands, request = compact_opening(question), compact_ligands(question), compact_request(question)
        smiles = view_token("smiles")
        if opening == shared and (ligands.count(smiles) != 1 or not ligands.startswith(smiles)):
            raise ValueError(f"a branch is about one SMILES, not about {ligands!r}")
        if opening != shared and not request.startswith(_AFFINITY):
            raise ValueError(f"a branch about a molecule asks for an affinity, not for {request!r}")
        target = compact_answer(answer, answer_form(question)) + ANSWER_CLOSE + "<|eos|>"
        again = ligands if opening == shared else ""
        rows.append((opening if i == 0 else "", ligands if i == 0 else again, request + ANSWER_OPEN, target))
    return rows


def _asked(turns: Sequence[tuple[Question, str]]) -> list[Question]:
    return [question for question, _ in turns]


def _one_opening(openings: Iterable[str]) -> str:
    found = set(openings)
    if len(found) != 1:
        raise ValueError(f"one row asks about one opening, not about {len(found)}")
    return found.pop()


def nearest_bin(value: float, grid: tuple[float, ...]) -> int:
    """The index of the grid centre closest to `value` (ties go to the lower one)."""
    i = bisect.bisect_left(grid, value)
    if i == 0:
        return 0
    if i == len(grid):
        return len(grid) - 1
    return i if grid[i] - value < value - grid[i - 1] else i - 1


def expand(completion: str, form: AnswerForm) -> str:
    """A compact completion as public text: grid steps become numbers, option tokens become words.

    A grid step outside the grid stays as it is and will not parse as a number.
    """
    if isinstance(form, Number):

        def number(match: re.Match[str]) -> str:
            i = int(match.group(1))
            return f"{form.grid[i]:.6g}" if i < len(form.grid) else match.group(0)

        return _BIN.sub(number, completion)
    if isinstance(form, Choice):
        for option in form.options:
            completion = completion.replace(compact_option(option), option)
    return completion


# --------------------------------------------------------------------------------------------------- chat

_VIEW_WORDS = {
    "smiles": "SMILES",
    "selfies": "SELFIES",
    "inchi": "InChI",
    "formula": "molecular formula",
    "graph": "graph",
    "conformer": "3D conformer (angstrom)",
    "protein": "Sequence",
    "text": "Given",
}


def chat_prompt(question: Question) -> str:
    """The question in plain sentences, ending with how the answer must be given."""
    parts: list[str] = []
    for span in question:
        match span:
            case Words():
                parts.append(span.text)
            case Molecule():
                parts.append(f"\n{_VIEW_WORDS.get(span.view, span.view)}: {span.text}\n")
            case Property():
                goal = {"up": "increase ", "down": "decrease ", None: ""}[span.goal]
                parts.append(goal + span.name.replace("_", " "))
            case _:
                parts.append("\n" + _instruction(span))
    text = " ".join(part for part in parts if part)
    return re.sub(r" *\n *", "\n", text).strip()


def chat_messages(question: Question, shots: Sequence[tuple[Question, str]] = ()) -> list[dict[str, str]]:
    """The question as a conversation of role and content; `shots` are questions with their answers, shown before it."""
    turns: list[dict[str, str]] = []
    for asked, answer in shots:
        turns.append({"role": "user", "content": chat_prompt(asked)})
        turns.append({"role": "assistant", "content": wrap(answer)})
    return [*turns, {"role": "user", "content": chat_prompt(question)}]


def _instruction(form: AnswerForm) -> str:
    match form:
        case Choice():
            wanted = "one of: " + ", ".join(form.options)
        case Number():
            wanted = f"a number in {form.unit}" if form.unit else "a number"
        case Count():
            wanted = "an integer"
        case Indices():
            wanted = "atom positions, counted from 0 in the order written, ascending, separated by commas"
        case Structure(role="reactants"):
            wanted = "the SMILES of all reactants, separated by dots"
        case Structure(view="smiles"):
            wanted = "one SMILES"
        case Structure():
            wanted = f"the {_VIEW_WORDS.get(form.view, form.view)} alone"
    return f"Give {wanted}, between {ANSWER_OPEN} and {ANSWER_CLOSE}."


def template_hash() -> str:
    """Twelve hex digits that change when a rendering of any span changes; stored in every run record."""
    probe: list[str] = [TEMPLATE_VERSION, *CONTROL_TOKENS, *BIN_TOKENS]
    forms: tuple[AnswerForm, ...] = (
        Choice(("yes", "no")), Number("h", (0.0, 1.0)), Count(), Indices(), Structure(), Structure("reactants"),
        Structure(view="graph"),
    )  # fmt: skip
    for form in forms:
        question: Question = (
            Words("What is the", "measure"), Property("half_life", "up"), Words("of"), Molecule("CCO"), form,
        )  # fmt: skip
        probe += [chat_prompt(question), compact_prompt(question)]
    probe.append(compact_prompt((Molecule("CCO"), Molecule("MKV", view="protein"), Count())))
    return hashlib.sha256("\x1f".join(probe).encode()).hexdigest()[:12]
