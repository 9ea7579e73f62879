"""What a row gives away is read from question and answer, whatever the task is called."""

from __future__ import annotations

import pytest
from small_tasks import SmallTask, forward, measured, pairs, retro

from mmai_gym.audit.content import Content, content, kind
from mmai_gym.contracts import Choice, Count, Example, Molecule, Question, Structure, Words
from mmai_gym.molecules import inchi, to_selfies

YES = Choice(("yes", "no"))


def read(question: Question, answer: str | None = "yes", **inputs: str) -> Content:
    return content(Example("id", "task", "train", inputs, answer), question, answer)


@pytest.mark.parametrize(
    ("view", "text"), [("smiles", "CCO"), ("selfies", to_selfies("CCO")), ("inchi", inchi("CCO"))]
)
def test_a_molecule_counts_in_every_view_that_names_it(view: str, text: str) -> None:
    assert read((Words("?"), Molecule(text, view), Count()), "1").molecules == ("CCO",)


def test_a_view_that_cannot_be_read_counts_through_the_input() -> None:
    found = read((Words("?"), Molecule("0 1 2", "graph"), Count()), "1", smiles="CCO")
    assert found == Content(("CCO",))


def test_a_damaged_view_gives_no_molecule() -> None:
    assert read((Words("?"), Molecule("InChI=nonsense", "inchi"), YES)).molecules == ()


def test_both_molecules_of_a_comparison_count() -> None:
    assert read((Words("?"), Molecule("CCO"), Molecule("CCN"), YES)).molecules == ("CCO", "CCN")


def test_a_molecule_that_is_the_answer_counts_but_reactants_or_a_fragment_do_not() -> None:
    shown = (Words("Change", "optimize"), Molecule("CCO"))
    assert read((*shown, Structure("molecule")), "CCCO").molecules == ("CCO", "CCCO")
    assert read((*shown, Structure("fragment")), "C").molecules == ("CCO",)
    assert read((*shown, Structure("molecule")), None).molecules == ("CCO",)


def test_a_pair_holds_its_protein_apart() -> None:
    found = read((Words("?"), Molecule("CCO"), Molecule("MKV", "protein"), YES))
    assert (found.molecules, len(found.proteins), found.kind) == (("CCO",), 1, "pair")
    other = read((Words("?"), Molecule("CCO"), Molecule("MKL", "protein"), YES))
    assert found.proteins != other.proteins


def test_a_molecule_that_the_question_tells_of_but_does_not_show_counts() -> None:
    found = read((Words("?"), Molecule("CCO"), YES), smiles="CCO", other="CCN")
    assert found.molecules == ("CCO", "CCN")


def test_a_reaction_is_its_product_and_its_reactants_whichever_side_is_asked_for() -> None:
    backward = read((Words("?", "retrosynthesis"), Molecule("CC(=O)NC"), Structure("reactants")), "CN.CC(=O)Cl")
    onward = read((Words("?", "forward"), Molecule("CN.CC(=O)Cl"), Structure()), "CC(=O)NC")
    assert backward == onward == Content(("CC(=O)NC",), (), "CN.CC(=O)Cl")
    assert backward.kind == "reaction"


def test_the_kind_of_a_split_is_that_of_its_rows() -> None:
    reaction = "CN.CC(=O)Cl>>CC(=O)NC"
    assert kind(SmallTask("a/a", {"test": measured("CCO")}), "test") == "molecule"
    assert kind(SmallTask("a/b", {"test": pairs(("CCO", "MKV"))}), "test") == "pair"
    assert kind(retro("a/c", {"test": [reaction]}), "test") == "reaction"
    assert kind(forward("a/d", {"train": [reaction]}), "train") == "reaction"
    assert kind(forward("a/d", {"train": [reaction]}), "test") is None
