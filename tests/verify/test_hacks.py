"""No cheat earns anything from any registered task, and one molecule for every question no more than the floor."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterator

import pytest

from mmai_gym import tasks
from mmai_gym.contracts import Choice, Example, Indices, InvalidMolecule, Molecule, Structure, Task, answer_form
from mmai_gym.molecules import canonical, is_valid, smiles_of
from mmai_gym.tasks.answers import wrap
from mmai_gym.verify import VerificationService, cheats, constants, floor
from mmai_gym.verify.disguises import disguises, spellings

EMBEDDED = [name for name in tasks.names() if "embedded" in name]
PUBLIC = [name for name in tasks.names() if "embedded" not in name]
ALL = [*EMBEDDED, *(pytest.param(name, marks=pytest.mark.data) for name in PUBLIC)]


@pytest.fixture(scope="module")
def service() -> Iterator[VerificationService]:
    with VerificationService(workers=2, seconds=10.0) as service:
        yield service


def some(task: Task, count: int) -> list[Example]:
    examples = task.examples("test")
    step = max(1, len(examples) // count)
    return [examples[i] for i in range(0, len(examples), step)][:count]


def attempts(name: str) -> list[tuple[Example, str, str]]:
    task = tasks.get(name)
    return [
        (example, *cheat)
        for example in some(task, 4 if name in EMBEDDED else 1)
        for cheat in cheats(task, example)
    ]


@pytest.mark.parametrize("name", ALL)
def test_every_cheat_scores_nothing(service: VerificationService, name: str) -> None:
    tried = attempts(name)
    verdicts = service.verify([(name, example, text) for example, _, text in tried])
    paid = {
        f"{cheat}: {text[:80]!r} -> {v.score} {v.reason}"
        for (_, cheat, text), v in zip(tried, verdicts, strict=True)
        if v.score != 0.0
    }
    assert not paid


@pytest.mark.parametrize("name", ALL)
def test_one_molecule_for_every_question_earns_no_more_than_the_floor(
    service: VerificationService, name: str
) -> None:
    task = tasks.get(name)
    examples = some(task, 8 if name in EMBEDDED else 4)
    tried = [(example, *constant) for example in examples for constant in constants(task, example)]
    verdicts = service.verify([(name, example, text) for example, _, text in tried])
    earned: Counter[str] = Counter()
    for (_, constant, _), verdict in zip(tried, verdicts, strict=True):
        assert verdict.score is not None, constant
        earned[constant] += verdict.score
    if earned:
        lowest = floor(task, examples)
        assert {constant for constant, total in earned.items() if total / len(examples) > lowest} == set()


@pytest.mark.parametrize("name", EMBEDDED)
def test_the_gold_answer_still_scores_fully(service: VerificationService, name: str) -> None:
    task = tasks.get(name)
    verdicts = service.verify([(name, example, wrap(task.answer(example))) for example in some(task, 8)])
    assert [v.score for v in verdicts] == [1.0] * len(verdicts)


def test_every_family_is_attacked_with_at_least_two_hundred_cheats() -> None:
    """Over the embedded tasks alone; a family without one is counted by the benchmark, on its data."""
    counts: Counter[str] = Counter()
    for name in EMBEDDED:
        if counts[tasks.get(name).family] < 200:
            counts[tasks.get(name).family] += len({text for _, _, text in attempts(name)})
    assert len(counts) >= 6
    assert min(counts.values()) >= 200, counts


@pytest.mark.parametrize("name", EMBEDDED)
def test_names_are_distinct_and_cover_the_kinds_of_attack(name: str) -> None:
    task = tasks.get(name)
    examples = some(task, 12)
    named = [[cheat for cheat, _ in cheats(task, example)] for example in examples]
    assert all(len(set(names)) == len(names) >= 80 for names in named)
    found = {cheat for names in named for cheat in names}
    wanted = [
        "empty",
        "echo",
        "think block",
        "two different answers",
        "instruction",
        "look-alike",
        "longest",
        "long text",
    ]
    form = answer_form(task.question(examples[0]))
    if isinstance(form, Choice):
        wanted += ["every option"]
    elif isinstance(form, Indices):
        wanted += ["every atom"]
    elif isinstance(form, Structure):
        wanted += [
            "isotope",
            "wildcard",
            "radical",
            "cation",
            "sodium chloride",
            "absurd",
            "twice",
            "copy of input",
        ]
        # The gold answer with its maps may be right; an input can only have maps where it is a whole molecule.
        if _shows_a_molecule(task, examples[0]):
            wanted += ["atom map"]
    assert [what for what in wanted if not any(what in name for name in found)] == []


def _shows_a_molecule(task: Task, example: Example) -> bool:
    """Whether the first molecule of a question can be read from its text, and not only guessed from its coordinates."""
    span = next(span for span in task.question(example) if isinstance(span, Molecule))
    try:
        return smiles_of(span.text, span.view) is not None
    except InvalidMolecule:
        return False


def test_a_weak_verifier_is_found_out() -> None:
    """A verifier that pays for the answer being somewhere in the text loses to several cheats."""
    task = tasks.get("activity/embedded")
    example = task.examples("test")[0]
    gold = str(task.answer(example))
    assert sum(gold in text for _, text in cheats(task, example)) > 20


def test_the_floor_is_what_knowing_nothing_earns() -> None:
    detect = tasks.get("functional-groups/embedded/detect")
    assert floor(detect, some(detect, 40)) == pytest.approx(0.5, abs=0.2)
    retro = tasks.get("retrosynthesis/embedded")
    assert floor(retro, some(retro, 10)) == 0.0
    number = tasks.get("properties/embedded/qed")
    examples = [dataclasses.replace(example, gold=0.0) for example in some(number, 4)]
    assert 0.0 < floor(number, examples) < 1.0


# --------------------------------------------------------------------------------------------------- disguises


ALANINE = "C[C@H](N)C(=O)O"


def test_disguises_are_readable_and_other_than_the_molecule() -> None:
    found = disguises(ALANINE)
    assert len({name for name, _ in found}) == len(found) > 40
    assert all(is_valid(text) for _, text in found)
    assert ALANINE not in {canonical(text) for _, text in found}
    assert disguises("not a molecule") == []


@pytest.mark.parametrize(
    ("name", "smiles"),
    [
        ("one isotope", "N[C@@H]([13CH3])C(=O)O"),
        ("cation", "C[C@H]([NH3+])C(=O)O"),
        ("anion", "C[C@H]([NH-])C(=O)O"),
        ("radical", "[CH2][C@H](N)C(=O)O"),
        ("other stereo", "C[C@@H](N)C(=O)O"),
        ("no stereo", "CC(N)C(=O)O"),
        ("hydroperoxide on its last atom", "C[C@H](N)C(=O)OOO"),
        ("with water at its side", f"{ALANINE}.O"),
    ],
)
def test_a_disguise_does_what_its_name_says(name: str, smiles: str) -> None:
    assert canonical(dict(disguises(ALANINE))[name]) == canonical(smiles)


def test_spellings_are_the_same_molecule() -> None:
    phenol = "Oc1ccccc1"
    found = dict(spellings(phenol))
    assert {canonical(text) for text in found.values()} == {canonical(phenol)}
    assert len(set(found.values())) == len(found) == 5
