"""FGBench's questions: asked the right way round, split as published or by molecule, scored without flattery."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from mmai_gym import tasks
from mmai_gym.audit.content import content
from mmai_gym.contracts import SPLITS, Completion, Example, Prediction, Result
from mmai_gym.molecules import connectivity, parse
from mmai_gym.reasoning import Context, check
from mmai_gym.sources import fgbench as source
from mmai_gym.sources.fgbench import SETS, Pair
from mmai_gym.tasks import fgbench, fgbench_split
from mmai_gym.tasks.answers import wrap
from mmai_gym.tasks.fgbench import ChangeChoice, ChangeValue, linked
from mmai_gym.tasks.fgbench_split import PROTOCOLS, Place, places, published_test
from mmai_gym.tasks.rendering import chat_prompt, compact_prompt
from mmai_gym.verify.hacks import cheats

ALL = tasks.match("functional-groups/fgbench") + tasks.match("functional-groups/fgbench-clean")
LOST_METHYL = (("C1 alkane", ((0,),)),)


def pair(number: int, first: Sequence[float], second: Sequence[float], **changes: Any) -> Pair:
    """An alcohol that loses its first carbon."""
    chain = "C" * (number + 4)
    known = {"target": f"{chain}O", "reference": f"{chain[1:]}O", "measured": (True,) * len(first)} | changes
    return Pair(
        id=f"{number:016x}",
        target_groups=LOST_METHYL,
        reference_groups=(),
        target_labels=tuple(first),
        reference_labels=tuple(second),
        **known,
    )


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pairs of a set with values and of one with twelve classes, the first four in train, the others in test."""
    rows = {
        "esol": [pair(i, [-1.0 - i], [-1.5 + i]) for i in range(6)],
        "tox21": [
            pair(i, [0.0] * 12, [float(i == 4)] + [0.0] * 11, measured=(i != 5,) + (True,) * 11) for i in range(6)
        ],
    }
    edit, _ = fgbench_split._edit(rows["esol"][0])
    stands = tuple(Place("single", part, part, "", edit) for part in ("train",) * 4 + ("test",) * 2)
    monkeypatch.setattr(source, "pairs", lambda name: tuple(rows[name]))
    monkeypatch.setattr(fgbench, "places", lambda name: stands)
    monkeypatch.setattr(fgbench, "_asked", fgbench._asked.__wrapped__)  # type: ignore[attr-defined]


def results(task: Any, answers: Sequence[str], examples: Sequence[Example] | None = None) -> list[Result]:
    """Results of given answers to the test questions."""
    shown = task.examples("test") if examples is None else examples
    made = []
    for example, answer in zip(shown, answers, strict=True):
        text = wrap(answer)
        prediction = Prediction(example.id, (Completion(text),))
        made.append(Result(example, prediction, (task.verify(example, text),)))
    return made


# --------------------------------------------------------------------------------------------------- questions


def test_a_change_starts_from_the_target_and_a_comparison_from_the_reference(few: None) -> None:
    told, compared = (ChangeValue("fgbench", "esol", kind) for kind in ("single", "comparison"))
    one, other = told.examples("test")[0], compared.examples("test")[0]
    assert (one.inputs["known"], one.gold) == ("-5 log10 mol/L", 7.5)
    assert (other.inputs["known"], other.gold) == ("2.5 log10 mol/L", -7.5)
    rises = [ChangeChoice("fgbench", "esol", kind).examples("test")[0].gold for kind in ("single", "comparison")]
    assert rises == ["yes", "no"]


def test_the_changed_molecule_is_shown_in_a_comparison_only(few: None) -> None:
    for kind, shown in (("single", False), ("comparison", True)):
        task = ChangeChoice("fgbench", "esol", kind)  # type: ignore[arg-type]
        example = task.examples("test")[0]
        for text in (chat_prompt(task.question(example)), compact_prompt(task.question(example))):
            assert (example.inputs["other"] in re.findall(r"[A-Z]{3,}", text)) is shown
            assert ("remove C1 alkane at 0" in text) is not shown
            assert f"labelled {example.inputs['known']}" in text


def test_an_audit_sees_the_hidden_molecule(few: None) -> None:
    """The answer tells its label, so a corpus must be able to leave it out."""
    task = ChangeChoice("fgbench", "esol", "single")
    example = task.examples("test")[0]
    assert set(content(example, task.question(example), task.answer(example)).molecules) == {
        example.inputs["smiles"],
        example.inputs["other"],
    }


def test_a_rewritten_molecule_keeps_the_change_at_its_atoms(few: None) -> None:
    task = ChangeChoice("fgbench", "esol", "single")
    example = task.examples("test")[0]
    seen = set()
    for seed in range(12):
        other = task.augment(example, seed)
        ((name, (atom,)),) = other.inputs["edit"].removed
        carbon = parse(other.inputs["smiles"]).GetAtomWithIdx(atom)
        assert (name, carbon.GetSymbol(), carbon.GetTotalNumHs()) == ("C1 alkane", "C", 3)
        assert f"remove C1 alkane at {atom}" in chat_prompt(task.question(other))
        seen.add(atom)
    assert len(seen) > 1


def test_a_label_is_a_property_of_the_question_and_the_clean_rule_skips_what_was_not_measured(few: None) -> None:
    published, clean = (ChangeChoice(protocol, "tox21", "single") for protocol in PROTOCOLS)
    assert (len(published.examples("test")), len(clean.examples("test"))) == (24, 23)
    assert len({example.id for example in published.examples("test")}) == 24
    assert {example.inputs["property"] for example in published.examples("test")} == set(published.properties)
    assert (published.omitted(), clean.omitted()) == ({}, {fgbench._NOT_MEASURED: 1})


def test_numbers_can_be_answered_beyond_the_training_quantiles(few: None) -> None:
    grid = (
        ChangeValue("fgbench", "esol", "single")
        .question(ChangeValue("fgbench", "esol", "single").examples("test")[0])[-1]
        .grid
    )  # type: ignore[union-attr]
    assert len(grid) <= 128 and list(grid) == sorted(set(grid))
    assert grid[0] == -grid[-1] == pytest.approx(-5.5)  # training labels from -4.0 to 1.5


# --------------------------------------------------------------------------------------------------- scores


def test_always_no_scores_a_half_beside_the_majority(few: None) -> None:
    task = ChangeChoice("fgbench", "tox21", "single")
    scores = task.score(results(task, ["no"] * 24))
    assert scores["balanced_accuracy"].value == 0.5
    assert scores["accuracy"].value == scores["majority"].value == pytest.approx(23 / 24)
    assert "11 of 12 properties left out" in scores["balanced_accuracy"].method
    perfect = [str(example.gold) for example in task.examples("test")]
    assert task.score(results(task, perfect))["balanced_accuracy"].value == 1.0
    assert task.score(results(task, ["maybe"] * 24))["balanced_accuracy"].value == 0.0


def test_base_rates_are_those_of_the_training_questions_about_the_property(few: None) -> None:
    solubility = ChangeChoice("fgbench", "esol", "single")
    example = solubility.examples("test")[0]
    assert [str(e.gold) for e in solubility.examples("train")] == ["no", "yes", "yes", "yes"]
    assert solubility.base_rates(example) == {"yes": 0.75, "no": 0.25}
    # In training nothing about toxicity changes, which says no more than that it is rare.
    toxicity = ChangeChoice("fgbench", "tox21", "single")
    assert toxicity.base_rates(toxicity.examples("test")[0]) is None
    assert ChangeValue("fgbench", "esol", "single").base_rates(example) is None


def test_each_property_weighs_the_same(few: None) -> None:
    task = ChangeChoice("fgbench", "tox21", "single")
    base = task.examples("test")[0]
    first, second = task.properties[:2]
    asked = [(first, "yes")] * 1 + [(first, "no")] * 1 + [(second, "yes")] * 6 + [(second, "no")] * 2
    examples = [
        Example(str(i), base.task, "test", dict(base.inputs) | {"property": name, "other": "C" * i + "N"}, gold)
        for i, (name, gold) in enumerate(asked)
    ]
    # All right for the first; "yes" throughout for the second.
    given = ["yes", "no"] + ["yes"] * 8
    assert task.score(results(task, given, examples))["balanced_accuracy"].value == pytest.approx(0.75)


def test_the_error_of_a_constant_stands_beside_the_model_and_in_the_unit(few: None) -> None:
    task = ChangeValue("fgbench", "esol", "single")
    golds = [float(example.gold) for example in task.examples("test")]
    assert golds == [7.5, 9.5]
    middle = 2.5  # of -0.5, 1.5, 3.5 and 5.5
    scores = task.score(results(task, [str(middle)] * 2))
    assert scores["rmse"].value == scores["constant_rmse"].value == pytest.approx(np.sqrt((5.0**2 + 7.0**2) / 2))
    assert scores["rmse"].unit == scores["constant_rmse"].unit == "log10 mol/L"
    assert not scores["rmse"].higher_is_better
    assert "2 answers without a number" in task.score(results(task, ["up"] * 2))["rmse"].method


def test_intervals_draw_pairs_that_share_molecules_together() -> None:
    def result(smiles: str, other: str) -> Result:
        example = Example(smiles, "t", "test", {"smiles": smiles, "other": other}, "no")
        return Result(example, Prediction(smiles, ()), ())

    chain = [
        result("A", "B"),
        result("C", "D"),
        result("B", "E"),
        result("F", "C"),
        result("E", "G"),
        result("H", "I"),
    ]
    assert linked(chain) == [0, 1, 0, 1, 0, 2]
    task = ChangeChoice("fgbench", "esol", "single")
    assert task.score([])["balanced_accuracy"].n == 0


# --------------------------------------------------------------------------------------------------- splits


@pytest.mark.parametrize("count", [0, 1, 9, 42, 48, 50, 51, 914, 4500])
def test_the_published_draw_is_that_of_scikit_learn(count: int) -> None:
    size = 25 if count > 50 else count // 2
    drawn = published_test(count)
    assert len(set(drawn)) == len(drawn) == size
    if size:
        model_selection = pytest.importorskip("sklearn.model_selection")
        assert drawn == model_selection.train_test_split(range(count), test_size=size, random_state=42)[1]


def test_names_and_sizes_are_known_without_data_and_small_kinds_are_no_tasks() -> None:
    assert len(ALL) == 31 + 29
    assert min(tasks.get(name).sizes()["test"] for name in ALL) >= 10
    for missing in ("fgbench/freesolv", "fgbench-clean/freesolv", "fgbench-clean/esol"):
        assert not any(name.startswith(f"functional-groups/{missing}/interaction") for name in ALL)


@pytest.mark.data
@pytest.mark.parametrize("name", SETS)
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_the_stated_sizes_are_those_of_the_data_and_nothing_is_lost(protocol: Any, name: str) -> None:
    stands = places(name)
    for kind in ("single", "interaction", "comparison"):
        asked = {split: len(fgbench._asked(name, protocol, kind, split)) for split in SPLITS}
        assert asked == fgbench.sizes(protocol, name, kind)  # type: ignore[arg-type]
        omitted = ChangeChoice(protocol, name, kind).omitted()  # type: ignore[arg-type]
        pairs = sum(kind in (place.kind, "comparison") for place in stands)
        labels = len(SETS[name].properties)
        unmeasured = omitted.get(fgbench._NOT_MEASURED, 0)
        left_out = labels * (sum(omitted.values()) - unmeasured) + unmeasured
        assert sum(asked.values()) + left_out == labels * pairs


@pytest.mark.data
def test_the_test_sets_have_the_published_number_of_questions() -> None:
    """Of the 7,146 published, QM9 has 25 pairs per kind and each of its 12 properties and HIV 25 per kind."""
    totals = {
        kind: sum(fgbench.sizes("fgbench", name, kind)["test"] for name in SETS)
        for kind in ("single", "interaction", "comparison")
    }
    absent = 12 * 25 + 25
    assert totals == {"single": 1_423 - absent, "interaction": 1_425 - absent, "comparison": 2_848 - 2 * absent}


@pytest.mark.data
def test_pairs_whose_groups_do_not_explain_the_difference_are_counted() -> None:
    unexplained = {name: sum(bool(place.omitted) for place in places(name)) for name in SETS}
    assert unexplained == {
        "esol": 0, "freesolv": 0, "lipo": 0, "bbbp": 0, "clintox": 0, "bace": 658, "tox21": 256, "sider": 30,
    }  # fmt: skip


@pytest.mark.data
@pytest.mark.parametrize("name", SETS)
def test_no_molecule_is_in_two_parts_of_the_clean_split(name: str) -> None:
    parts: dict[str, set[str]] = {split: set() for split in SPLITS}
    skeletons: dict[str, str] = {}
    for row, place in zip(source.pairs(name), places(name), strict=True):
        if place.clean:
            for smiles in (row.target, row.reference):
                parts[place.clean].add(skeletons.setdefault(smiles, connectivity(smiles)))
    assert not parts["train"] & parts["test"]
    assert not parts["train"] & parts["valid"]
    assert not parts["valid"] & parts["test"]
    assert parts["train"] and parts["test"]


@pytest.mark.data
def test_most_published_test_molecules_are_in_training_pairs_too() -> None:
    """What the clean split is for."""
    known = {}
    for name in ("lipo", "bace", "tox21", "bbbp"):
        train: set[str] = set()
        test: list[str] = []
        for row, place in zip(source.pairs(name), places(name), strict=True):
            if place.published == "train":
                train |= {row.target, row.reference}
            elif place.published == "test":
                test += [row.target, row.reference]
        known[name] = sum(smiles in train for smiles in test) / len(test)
    shares = {name: round(share, 2) for name, share in known.items()}
    assert shares == {"lipo": 0.87, "bace": 0.95, "tox21": 0.86, "bbbp": 0.61}


@pytest.mark.data
@pytest.mark.parametrize("name", ["fgbench/lipo/interaction/value", "fgbench-clean/sider/comparison/bool"])
def test_no_cheat_scores(name: str) -> None:
    task = tasks.get(f"functional-groups/{name}")
    for example in task.examples("test")[:3]:
        for cheat, text in cheats(task, example):
            score = task.verify(example, text).score
            assert score is not None and score < 1.0, (cheat, example)


@pytest.mark.data
def test_every_step_of_a_comparison_is_true() -> None:
    task = tasks.get("functional-groups/fgbench-clean/bbbp/comparison/bool")
    kinds: Counter[str] = Counter()
    for example in task.examples("test"):
        trace = task.reason(example)
        context = Context((example.inputs["smiles"], example.inputs["other"]))
        for step in trace.steps if trace else ():
            assert check(step, context)
            kinds[step.kind] += 1
    assert kinds["group-count"] > 50
    told = tasks.get("functional-groups/fgbench-clean/bbbp/single/bool")
    assert told.reason(told.examples("test")[0]) is None


@pytest.mark.data
def test_the_split_does_not_depend_on_the_cache() -> None:
    computed = fgbench_split._computed(source.pairs("freesolv"))
    assert tuple(map(fgbench_split._place, computed)) == places("freesolv")
