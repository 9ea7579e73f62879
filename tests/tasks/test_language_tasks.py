"""The language itself: what each task takes for right, and what it sees through."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest
from rdkit.Chem import rdCIPLabeler

from mmai_gym import tasks
from mmai_gym.contracts import Completion, Example, InvalidMolecule, Prediction, Reason, Result, answer_form
from mmai_gym.molecules import VIEWS, canonical, is_valid, parse, smiles_of, tanimoto
from mmai_gym.tasks.answers import wrap
from mmai_gym.tasks.language import LISTS, LanguageTask, list_split
from mmai_gym.tasks.rendering import SPAN_VIEWS, chat_prompt, compact_prompt
from mmai_gym.tasks.spelling import edits
from mmai_gym.tasks.view_translation import FLAT_VIEWS, blocks

ASPIRIN = "CC(=O)Oc1ccccc1C(=O)O"


def embedded(name: str) -> LanguageTask:
    task = tasks.get(f"language/embedded/{name}")
    assert isinstance(task, LanguageTask)
    return task


def some(name: str, count: int = 12) -> list[Example]:
    return list(embedded(name).examples("test")[:count])


def asked(name: str, gold: str, **inputs: str) -> Example:
    return Example("x", f"language/embedded/{name}", "test", {"smiles": ASPIRIN, **inputs}, gold)


def reason(example: Example, answer: str) -> Reason:
    return tasks.get(example.task).verify(example, wrap(answer)).reason


def result(example: Example, answer: str) -> Result:
    verdict = tasks.get(example.task).verify(example, wrap(answer))
    return Result(example, Prediction(example.id, (Completion(wrap(answer)),)), (verdict,))


# --------------------------------------------------------------------------------------------------- lists


def test_every_question_is_asked_about_every_list_that_can_answer_it() -> None:
    kinds = {name.split("/")[-1] for name in tasks.match("language")}
    for molecules in LISTS:
        missing = kinds - {name.split("/")[-1] for name in tasks.match(f"language/{molecules.name}")}
        assert missing == (set() if molecules.stereo else {"centre", "double-bond"})


def test_isomers_and_charge_states_of_a_list_are_on_one_side() -> None:
    for texts in (
        ["C[C@H](N)c1ccccc1", "C[C@@H](N)c1ccccc1", "C[C@H]([NH3+])c1ccccc1"],
        ["C/C=C/C(=O)O", "C/C=C\\C(=O)[O-]"],
    ):
        assert len({list_split(text) for text in texts}) == 1
    parts = [list_split("C" * n) for n in range(1, 400)]
    assert 0.85 < parts.count("train") / len(parts) < 0.95 and parts.count("test") > 5


def test_a_task_draws_molecules_of_its_own() -> None:
    first, second = ({example.id for example in some(name, 200)} for name in ("canonicalize", "repair"))
    assert len(first) == len(second) == 200
    assert len(first & second) < 150  # 98 of 409 by chance


@pytest.mark.data
@pytest.mark.parametrize("name", [name for name in tasks.match("language/zinc") if "to-" not in name])
def test_the_examples_of_a_large_list_are_found_and_distinct(name: str) -> None:
    task = tasks.get(name)
    examples = [task.examples("test")[i] for i in range(0, task.sizes()["test"], 7)]
    assert len({example.id for example in examples}) == len(examples)
    assert {example.id for example in examples} <= {row.id for row in LISTS[1].rows("test", "")}


# --------------------------------------------------------------------------------------------------- translation


def test_every_pair_of_exact_flat_views_with_a_span_is_asked_about() -> None:
    wanted = {n for n, v in VIEWS.items() if v.exact and v.dimensions == 2 and v.form is str and n in SPAN_VIEWS}
    assert set(FLAT_VIEWS) == wanted >= {"smiles", "selfies", "inchi", "graph", "fragments"}
    for view in FLAT_VIEWS:
        shown = {example.inputs["view"] for example in some(f"to-{view}", 60)}
        assert shown == set(FLAT_VIEWS) - {view}


@pytest.mark.parametrize("view", FLAT_VIEWS)
def test_a_text_is_shown_and_wanted_in_the_views_that_are_named(view: str) -> None:
    for example in some(f"to-{view}"):
        assert (
            canonical(smiles_of(example.inputs["shown"], example.inputs["view"]) or "") == example.inputs["smiles"]
        )
        assert canonical(smiles_of(example.gold, view) or "") == example.inputs["smiles"]
        question = embedded(f"to-{view}").question(example)
        assert answer_form(question).view == view  # type: ignore[union-attr]
        assert f"<|{example.inputs['view']}|>{example.inputs['shown']}<|translate|>" in compact_prompt(question)


def test_any_writing_of_the_molecule_is_right_and_another_view_is_not() -> None:
    example = asked("to-smiles", ASPIRIN, shown="?", view="graph")
    for text in ("OC(=O)c1ccccc1OC(C)=O", "[H]OC(=O)c1ccccc1OC(C)=O", "CC(=O)OC1=CC=CC=C1C(=O)O"):
        assert reason(example, text) is Reason.CORRECT
    blocked = str(VIEWS["fragments"].write(parse(ASPIRIN)))
    assert reason(example, blocked) is Reason.WRONG
    assert reason(example, ASPIRIN.replace("c1", "n1", 1)) is Reason.INVALID_MOLECULE
    fragments = asked("to-fragments", blocked, shown=ASPIRIN, view="smiles")
    assert reason(fragments, ".".join(reversed(blocked.split(".")))) is Reason.CORRECT
    assert reason(fragments, ASPIRIN) is Reason.WRONG
    assert reason(fragments, "CC(=O)Oc1ccccc12.C2(=O)O") is Reason.WRONG


def test_blocks_are_what_the_dots_of_a_text_cut() -> None:
    assert blocks("C1C.O1") == ["*CC", "*O"]
    assert blocks("[Na+].[Cl-]") == ["[Cl-]", "[Na+]"]
    assert blocks("CCO") == ["CCO"]


def test_accuracy_is_told_apart_by_the_view_shown() -> None:
    examples = some("to-smiles", 30)
    score = embedded("to-smiles").score([result(example, example.gold) for example in examples])
    assert {name for name in score if "from" in name} == {
        f"accuracy_from_{v}" for v in FLAT_VIEWS if v != "smiles"
    }
    assert score["accuracy"].value == 1.0 and sum(e.n for n, e in score.items() if "from" in n) == 30


# --------------------------------------------------------------------------------------------------- spelling


def test_only_the_canonical_text_is_canonical() -> None:
    example = asked("canonicalize", ASPIRIN, shown="OC(=O)c1ccccc1OC(C)=O")
    verdict = tasks.get(example.task).verify(example, wrap(example.inputs["shown"]))
    assert (verdict.score, verdict.reason, verdict.components["same"]) == (0.0, Reason.COPIED_INPUT, 1.0)
    assert reason(example, "C(=O)(C)Oc1ccccc1C(=O)O") is Reason.WRONG
    assert all(
        ex.inputs["shown"] != ex.gold and canonical(ex.inputs["shown"]) == ex.gold for ex in some("canonicalize")
    )


def test_a_completion_is_any_one_molecule_that_begins_so() -> None:
    example = asked("complete", ASPIRIN, shown="CC(=O)Oc1cc")
    assert reason(example, ASPIRIN) is Reason.CORRECT
    assert reason(example, "CC(=O)Oc1ccncc1") is Reason.CORRECT
    for wrong in (
        "CC(=O)Oc1ccccc1.C",
        "CC(=O)Oc1ccccc1[Na]",
        "CC(=O)Oc1cc*cc1",
        "CC(=O)Oc1cc[13cH]cc1",
        "O=C(C)Oc1ccccc1",
    ):
        assert reason(example, wrong) is Reason.WRONG, wrong
    assert reason(example, example.inputs["shown"]) is Reason.INVALID_MOLECULE
    assert not any(
        is_valid(ex.inputs["shown"]) or not ex.gold.startswith(ex.inputs["shown"]) for ex in some("complete")
    )


def test_a_repair_is_the_molecule_itself_or_one_as_near_to_the_text() -> None:
    example = asked("repair", ASPIRIN, shown="CC(=O)Oc1cccc1C(=O)O(")
    assert not is_valid(example.inputs["shown"])
    verdict = tasks.get(example.task).verify(example, wrap("OC(=O)c1ccccc1OC(C)=O"))
    assert (verdict.reason, verdict.components["recovered"]) == (Reason.CORRECT, 1.0)
    near = tasks.get(example.task).verify(example, wrap("CC(=O)Oc1ccsc1C(=O)O"))
    assert (near.score, near.components["recovered"]) == (1.0, 0.0)
    assert reason(example, "CC(=O)O") is Reason.WRONG
    assert reason(example, "CC(=O)O.c1cccc1C(=O)O") is Reason.INVALID_MOLECULE
    assert not any(is_valid(ex.inputs["shown"]) for ex in some("repair"))


def test_edits_are_those_of_levenshtein() -> None:
    assert [edits(*pair) for pair in (("", "abc"), ("kitten", "sitting"), ("CCO", "CCO"), ("ab", "ba"))] == [
        3,
        3,
        0,
        2,
    ]


# --------------------------------------------------------------------------------------------------- reading


def test_formula_and_counts_are_those_of_the_molecule() -> None:
    assert reason(asked("formula", "C9H8O4", shown=ASPIRIN, view="smiles"), "C9H8O4") is Reason.CORRECT
    assert reason(asked("formula", "C9H8O4", shown=ASPIRIN, view="smiles"), "C9O4H8") is Reason.WRONG
    assert all(example.inputs["view"] != "inchi" for example in some("formula", 40))
    from mmai_gym.tasks.counting import COUNTS

    counted = {name: count(parse("C[C@H](N)C(=O)NCCc1ccccc1")) for name, count in COUNTS.items()}
    assert counted == {
        "heavy-atoms": 14, "carbon-atoms": 11, "nitrogen-atoms": 2, "oxygen-atoms": 1, "hydrogen-atoms": 16,
        "rings": 1, "aromatic-rings": 1, "rotatable-bonds": 4, "stereocentres": 1,
    }  # fmt: skip


@pytest.mark.parametrize("name", ["centre", "double-bond"])
def test_the_text_that_is_shown_has_the_stereo_that_is_right(name: str) -> None:
    labels = set()
    for example in some(name, 24):
        mol = parse(example.inputs["shown"])
        rdCIPLabeler.AssignCIPLabels(mol)
        marked = [atom.GetIdx() for atom in mol.GetAtoms() if atom.GetAtomMapNum()]
        element = mol.GetAtomWithIdx(*marked) if name == "centre" else mol.GetBondBetweenAtoms(*marked)
        assert element.GetProp("_CIPCode") == example.gold
        labels.add(example.gold)
    assert labels == set(embedded(name).form.options)  # type: ignore[attr-defined]


def test_a_scaffold_is_asked_of_a_molecule_that_has_more() -> None:
    task = embedded("scaffold")
    assert task.fits(ASPIRIN) and not task.fits("c1ccccc1") and not task.fits("CCO")
    assert not task.fits("CCc1cc[c-](C)[n+](=O)c1"), "its scaffold, O=[n+]1[c-]cccc1, is no molecule"
    for example in some("scaffold"):
        assert example.gold and example.gold != canonical(example.inputs["shown"])
    example = asked("scaffold", "c1ccccc1", shown=ASPIRIN)
    assert reason(example, "C1=CC=CC=C1") is Reason.CORRECT
    assert reason(example, "c1ccncc1") is reason(example, ASPIRIN) is Reason.WRONG


def test_a_fragment_is_contained_or_not_and_lies_where_it_is_said_to_lie() -> None:
    golds = []
    for example in some("contains", 40):
        contained = parse(example.inputs["shown"]).HasSubstructMatch(parse(example.inputs["fragment"]))
        assert ("yes" if contained else "no") == example.gold
        golds.append(example.gold)
    assert 8 < golds.count("yes") < 32
    for example in some("locate"):
        (match,) = parse(example.inputs["shown"]).GetSubstructMatches(parse(example.inputs["fragment"]))
        assert sorted(match) == [int(part) for part in example.gold.split(",")]


def test_the_closer_molecule_is_the_more_similar_one() -> None:
    clear = 0
    for example in some("closer", 20):
        first, second = (tanimoto(example.inputs["shown"], example.inputs[key]) for key in ("first", "second"))
        assert ("first" if first > second else "second") == example.gold
        clear += abs(first - second) >= 0.1
    assert clear >= 18


def test_no_other_molecule_comes_in_when_an_example_is_rewritten() -> None:
    """What a corpus leaves out is told by the example as it is drawn."""
    for name, keys in (("closer", ("shown", "first", "second")), ("contains", ("shown", "fragment"))):
        for example in some(name, 6):
            other = embedded(name).augment(example, 11)
            assert [canonical(other.inputs[key]) for key in keys] == [
                canonical(example.inputs[key]) for key in keys
            ]
            assert other.gold == example.gold and other.inputs != example.inputs


# --------------------------------------------------------------------------------------------------- renderings


def test_a_chat_model_is_told_the_view_it_shall_write() -> None:
    assert "Give the SELFIES alone" in chat_prompt(embedded("to-selfies").question(some("to-selfies", 1)[0]))
    assert "Give one SMILES" in chat_prompt(embedded("to-smiles").question(some("to-smiles", 1)[0]))
    assert compact_prompt(embedded("to-graph").question(some("to-graph", 1)[0])).endswith(
        "<|translate|><|molecule|><|graph|><answer>"
    )


def test_a_molecule_that_a_view_cannot_say_is_asked_in_another() -> None:
    task, rng = embedded("to-smiles"), random.Random(0)
    drawn: Sequence[object] = [
        task.draw("*CCO", "test", rng) for _ in range(12)
    ]  # neither SELFIES nor InChI has dummies
    views = {inputs["view"] for inputs, _ in drawn}  # type: ignore[misc]
    assert "selfies" not in views and "inchi" not in views
    assert embedded("to-inchi").draw("*CCO", "test", rng) is None
    with pytest.raises(InvalidMolecule):
        VIEWS["inchi"].write(parse("*CCO"))
