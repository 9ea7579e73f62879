"""Which training rows a test set forbids: the rules one by one, and what each of them must leave alone."""

from __future__ import annotations

from typing import Any

import pytest
from small_tasks import Row, SmallTask, forward, measured, pairs, quiet, register, retro

from mmai_gym import lineage
from mmai_gym.audit import RULES, Exclusions
from mmai_gym.contracts import Molecule, Structure, UsageError

L_ALANINE, D_ALANINE = "C[C@H](N)C(=O)O", "C[C@@H](N)C(=O)O"
ESTER = "CCO.CC(=O)Cl>>CC(=O)OCC"


def reasons(
    monkeypatch: pytest.MonkeyPatch, train: SmallTask, *tests: SmallTask, **settings: Any
) -> list[tuple[Any, ...]] | None:
    """Against each training row; None where nothing has to be protected."""
    register(monkeypatch, train, *(test for test in tests if test is not train))
    guard = Exclusions([test.name for test in tests], **settings).guard(train, quiet)
    return None if guard is None else guard.reasons(train.examples("train"))


def other(*rows: Row, **more: Any) -> SmallTask:
    """A training source of its own."""
    return SmallTask("other/train", {"train": rows}, sources=("other",), **more)


def herg(*smiles: str, **more: Any) -> SmallTask:
    return SmallTask("admet/herg", {"test": measured(*smiles)}, sources=("tdc-admet",), **more)


def test_a_test_molecule_is_found_by_connectivity_on_either_side_of_a_pair(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    both: Row = ((Molecule("CCO"), Molecule(D_ALANINE)), "yes")
    train = other(*measured(D_ALANINE, "CCO"), both)
    against = [("molecule", "admet/herg")]
    assert reasons(monkeypatch, train, herg(L_ALANINE)) == [tuple(against), (), tuple(against)]


def test_a_test_molecule_that_is_a_training_answer_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    train = other(((Molecule("CCO"),), D_ALANINE), control="optimize", form=Structure())
    assert reasons(monkeypatch, train, herg(L_ALANINE)) == [(("molecule", "admet/herg"),)]


def test_every_test_set_that_forbids_a_row_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    ames = SmallTask("admet/ames", {"test": measured("CCO")}, sources=("tdc-admet",))
    found = reasons(monkeypatch, other(*measured("OCC")), herg("CCO"), ames)
    assert found == [(("molecule", "admet/ames"), ("molecule", "admet/herg"))]


def test_training_rows_of_the_same_data_set_stay_unless_strict(monkeypatch: pytest.MonkeyPatch) -> None:
    ames = SmallTask("admet/ames", {"train": measured("CCO", "CCN")}, sources=("tdc-admet",))
    assert reasons(monkeypatch, ames, herg("CCO")) is None
    assert reasons(monkeypatch, ames, herg("CCO"), strict=True) == [(("molecule", "admet/herg"),), ()]


def test_tasks_without_sources_count_as_one_data_set_by_family(monkeypatch: pytest.MonkeyPatch) -> None:
    one, two = SmallTask("toy/one", {"train": measured("CCO")}), SmallTask("toy/two", {"test": measured("CCO")})
    assert reasons(monkeypatch, one, two) is None
    stranger = SmallTask("yot/one", {"train": measured("CCO")})
    assert reasons(monkeypatch, stranger, two) == [(("molecule", "toy/two"),)]


def test_a_mixture_of_two_data_sets_is_not_the_official_part_of_one(monkeypatch: pytest.MonkeyPatch) -> None:
    mixed = SmallTask("pairs/mixed", {"train": measured("CCO")}, sources=("tdc-admet", "zinc"))
    assert reasons(monkeypatch, mixed, herg("CCO")) == [(("molecule", "admet/herg"),)]


def test_the_official_training_part_stays_whole_where_its_own_tests_are_asked_and_only_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    train = SmallTask("admet/bbb", {"train": measured("CCO")}, sources=("tdc-admet",))
    copy = SmallTask("moleculenet/bbbp", {"test": measured("CCO")}, sources=("moleculenet",))
    assert reasons(monkeypatch, train, copy, herg("CCN")) is None
    assert reasons(monkeypatch, train, copy) == [(("molecule", "moleculenet/bbbp"),)]
    assert reasons(monkeypatch, train, copy, herg("CCN"), strict=True) == [(("molecule", "moleculenet/bbbp"),)]


def test_labels_that_a_rule_computes_protect_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    computed = SmallTask("properties/x", {"test": measured("CCO")}, sources=("x",), teachers=("logp",))
    fitted = SmallTask("labels/x", {"test": measured("CCO")}, sources=("x",), teachers=("admet-ai",))
    assert reasons(monkeypatch, other(*measured("CCO")), computed) is None
    assert reasons(monkeypatch, other(*measured("CCO")), fitted) == [(("molecule", "labels/x"),)]
    assert lineage.computed(("logp", "qed")) and not lineage.computed(("logp", "admet-ai"))


# --------------------------------------------------------------------------------------------------- reactions


@pytest.mark.parametrize("asked", [retro, forward])
def test_a_reaction_goes_by_product_or_whole_and_never_by_a_shared_reactant(
    asked: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    train = asked(
        "other/reactions",
        {
            "train": [
                "CC(=O)Cl.OCC>>CCOC(C)=O",
                "CC(=O)O.CCO>>CCOC(C)=O",
                "CC(=O)Cl.CCO.c1ccncc1>>CCOC(C)=O",
                "CCO.CCBr>>CCOCC",
            ]
        },
        sources=("other",),
    )
    found = reasons(monkeypatch, train, retro("uspto/test", {"test": [ESTER]}, sources=("uspto",)))
    whole, product = ("reaction", "uspto/test"), ("product", "uspto/test")
    assert found == [(product, whole), (product,), (product, whole), ()]


def test_the_rule_of_whole_reactions_alone_spares_another_way_to_the_product(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    train = retro(
        "other/reactions", {"train": ["OCC.CC(=O)Cl>>CCOC(C)=O", "CC(=O)O.CCO>>CCOC(C)=O"]}, sources=("other",)
    )
    test = forward("uspto/test", {"test": [ESTER.replace("CCO.", "CCO.c1ccncc1.")]}, sources=("uspto",))
    assert reasons(monkeypatch, train, test, rules=("reaction",)) == [(("reaction", "uspto/test"),), ()]


def test_reactions_and_labelled_molecules_leave_each_other_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    reactions = retro("other/reactions", {"train": [ESTER], "test": [ESTER]}, sources=("other",))
    labelled = SmallTask(
        "admet/herg", {"train": measured("CCOC(C)=O"), "test": measured("CCOC(C)=O")}, sources=("tdc",)
    )
    assert reasons(monkeypatch, reactions, labelled) is None
    assert reasons(monkeypatch, labelled, reactions) is None


# --------------------------------------------------------------------------------------------------- pairs


def davis(rule: str, train: list[Row], test: list[Row]) -> SmallTask:
    return SmallTask(f"activity/davis/{rule}", {"train": train, "test": test}, sources=("davis",), table="davis")


COLD_DRUG = davis("cold-drug", pairs(("CCO", "AAA"), ("CCO", "BBB")), pairs(("CCN", "AAA"), ("CCN", "BBB")))
COLD_TARGET = davis("cold-target", pairs(("CCO", "AAA"), ("CCN", "AAA")), pairs(("CCO", "BBB"), ("CCN", "BBB")))


def test_cold_drugs_and_cold_sequences_are_protected_from_every_other_source_alike(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kiba = SmallTask(
        "activity/kiba/random",
        {"train": pairs(("NCC", "XXX"), ("CCO", "BBB"), ("CCO", "AAA"), ("C", "D"))},
        sources=("kiba",),
    )
    drug, target = "activity/davis/cold-drug", "activity/davis/cold-target"
    assert reasons(monkeypatch, kiba, COLD_DRUG) == [(("molecule", drug),), (), (), ()]
    assert reasons(monkeypatch, kiba, COLD_TARGET) == [(), (("pair", target), ("protein", target)), (), ()]
    cliffs = SmallTask("activity/cliffs", {"train": measured("NCC", "CCO")}, sources=("cliffs",))
    assert reasons(monkeypatch, cliffs, COLD_DRUG) == [(("molecule", drug),), ()]


def test_another_split_of_the_same_pairs_must_not_bring_the_cold_drug_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    drug = "activity/davis/cold-drug"
    found = reasons(monkeypatch, COLD_TARGET, COLD_DRUG)
    assert found == [(), (("molecule", drug), ("pair", drug), ("row", drug))]
    assert reasons(monkeypatch, COLD_DRUG, COLD_DRUG) is None


def test_another_split_of_the_same_rows_loses_them_and_the_molecules_that_only_the_test_set_has(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def split(name: str, train: list[Row], test: list[Row]) -> SmallTask:
        return SmallTask(
            f"groups/{name}/bbbp", {"train": train, "test": test}, sources=("fgbench",), table="fgbench"
        )

    def compared(*pairs: tuple[str, str]) -> list[Row]:
        return [((Molecule(one), Molecule(other)), "yes") for one, other in pairs]

    clean = split("clean", compared(("C", "CC"), ("CC", "CCC")), compared(("CO", "CCO"), ("CC", "CCCO")))
    published = split(
        "published",
        compared(("C", "CC"), ("CC", "CCCO"), ("C", "CCO")),
        compared(("CC", "CCC"), ("C", "CN")),
    )
    name = clean.name
    assert reasons(monkeypatch, published, clean) == [
        (),
        (("molecule", name), ("row", name)),
        (("molecule", name),),
    ]
    sibling = SmallTask(
        "groups/published/esol", {"train": compared(("CO", "CCO"))}, sources=("fgbench",), table="esol"
    )
    assert reasons(monkeypatch, sibling, clean) is None


def test_a_random_split_protects_its_test_pairs_and_not_their_members(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = pairs(("CCO", "AAA"), ("CCN", "BBB"))
    random = davis("random", rows, pairs(("CCN", "AAA")))
    kiba = SmallTask("activity/kiba", {"train": pairs(("NCC", "AAA"), ("NCC", "BBB"))}, sources=("kiba",))
    assert reasons(monkeypatch, kiba, random) == [(("pair", "activity/davis/random"),), ()]


# --------------------------------------------------------------------------------------------------- settings


def test_a_narrower_choice_of_rules_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    kiba = SmallTask("activity/kiba", {"train": pairs(("NCC", "BBB"))}, sources=("kiba",))
    target = "activity/davis/cold-target"
    assert reasons(monkeypatch, kiba, COLD_TARGET, rules=("protein",)) == [(("protein", target),)]
    assert reasons(monkeypatch, kiba, COLD_TARGET, rules=()) is None


def test_what_cannot_be_read_is_no_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    assert reasons(monkeypatch, other(*measured("C1CC", "C")), herg("C1CC", "CCO")) == [(), ()]


def test_the_description_changes_with_what_is_protected(monkeypatch: pytest.MonkeyPatch) -> None:
    def described(*smiles: str) -> dict[str, Any]:
        train = other(*measured("C"))
        register(monkeypatch, train, herg(*smiles))
        exclusions = Exclusions(["admet/herg"])
        assert exclusions.describe() == {}
        exclusions.guard(train, quiet)
        return exclusions.describe()

    first, same, changed = described("CCO"), described("CCO"), described("CCN")
    assert first == same
    assert first["tests"] == {"admet/herg": "1"}
    assert (first["rules"], first["strict"]) == (sorted(RULES), False)
    assert first["protected"] != changed["protected"]


def test_an_unknown_test_and_an_undeclared_teacher_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    register(monkeypatch, SmallTask("a/b", {"test": measured("C")}, teachers=("oracle-of-delphi",)))
    with pytest.raises(UsageError, match="unknown task 'a/c'"):
        Exclusions(["a/c"])
    with pytest.raises(UsageError, match=r"'oracle-of-delphi' is not declared"):
        Exclusions(["a/b"])
