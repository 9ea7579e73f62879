"""The specialists: that each does what its authors describe, on cases small enough to be worked out."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mmai_gym import tasks
from mmai_gym.contracts import (
    Choice,
    DataError,
    Molecule,
    Number,
    Property,
    Question,
    Structure,
    UsageError,
    Words,
)
from mmai_gym.models import baseline
from mmai_gym.models.baselines.base import Reply, TrainingSet
from mmai_gym.models.baselines.features import MAPLIGHT_COLUMNS, MAPLIGHT_DESCRIPTORS, maplight_features
from mmai_gym.models.baselines.genetic import evolve
from mmai_gym.models.baselines.maplight import Scale
from mmai_gym.models.baselines.pair_boosting import _history, _Known, _Pairs
from mmai_gym.models.baselines.pairs import PairTable
from mmai_gym.molecules import canonical, crossover, morgan_array, mutated, parse, tanimoto
from mmai_gym.oracles import ORACLES
from mmai_gym.sources import tdc
from mmai_gym.sources.computed import Computed
from mmai_gym.tasks.tricks import trick


@pytest.fixture(autouse=True)
def few_trees(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mmai_gym.models.baselines.maplight.TREES", 40)
    monkeypatch.setattr("mmai_gym.models.baselines.pair_boosting.TREES", 40)


# --------------------------------------------------------------------------------------------------- computed once


def doubled(text: str) -> bytes | None:
    """Leaves a mark beside the file that the text names, so that a test can count its calls."""
    with Path(text).open("a", encoding="utf-8") as stream:
        stream.write("x")
    return None if text.endswith("none") else (text * 2).encode()


def failing(text: str) -> bytes | None:
    if text == "hang":
        while True:
            pass
    if text == "bad":
        raise ValueError("no such thing")
    return text.encode()


def test_a_value_is_computed_once_and_none_is_remembered_as_well(tmp_path: Path) -> None:
    table = Computed("doubled", "1", doubled)
    one, none, later = (str(tmp_path / name) for name in ("one", "none", "later"))
    assert table.of([one, none, one]) == {one: (one * 2).encode(), none: None}
    assert table.of([later, one, none])[later] == (later * 2).encode()
    assert [Path(path).read_text(encoding="utf-8") for path in (one, none, later)] == ["x"] * 3
    Computed("doubled", "2", doubled).of([one])
    assert Path(one).read_text(encoding="utf-8") == "xx"


def test_what_was_computed_before_a_mistake_is_kept_and_a_hang_is_a_value_that_there_is_not() -> None:
    table = Computed("failing", "1", failing, seconds=1.0)
    with pytest.raises(DataError, match=r"cannot compute failing of 'bad': .*no such thing"):
        table.of(["good", "hang", "bad"])
    assert table.of(["good", "hang"]) == {"good": b"good", "hang": None}


def test_a_damaged_file_is_named_with_what_to_do() -> None:
    table = Computed("damaged", "1", failing)
    table.path.parent.mkdir(parents=True, exist_ok=True)
    table.path.write_bytes(b"this is no database" * 100)
    with pytest.raises(DataError, match=r"damaged-.*sqlite.*[Dd]elete it"):
        table.of(["good"])


# --------------------------------------------------------------------------------------------------- MapLight


def test_maplight_features_are_the_four_blocks_of_the_toolkit() -> None:
    from rdkit import DataStructs
    from rdkit.Avalon import pyAvalonTools
    from rdkit.Chem import Descriptors, rdMolDescriptors, rdReducedGraphs

    smiles = "CC(=O)Oc1ccccc1C(=O)O"
    row, broken, again = maplight_features([smiles, "not a molecule", smiles])
    mol = parse(smiles)
    expected = np.zeros((2, 1024))
    DataStructs.ConvertToNumpyArray(rdMolDescriptors.GetHashedMorganFingerprint(mol, 2, nBits=1024), expected[0])
    DataStructs.ConvertToNumpyArray(pyAvalonTools.GetAvalonCountFP(mol, nBits=1024), expected[1])
    assert (row[:2048] == expected.ravel()).all()
    np.testing.assert_allclose(row[2048:2363], rdReducedGraphs.GetErGFingerprint(mol), rtol=1e-6)
    assert row[2363 + MAPLIGHT_DESCRIPTORS.index("TPSA")] == pytest.approx(Descriptors.TPSA(mol))
    assert row[2363 + MAPLIGHT_DESCRIPTORS.index("fr_ester")] == 1.0
    assert len(row) == MAPLIGHT_COLUMNS == 2563
    assert len(set(MAPLIGHT_DESCRIPTORS)) == 200
    assert (row == again).all()
    assert not broken[:2048].any()
    assert np.isnan(broken[2048:]).all()


@pytest.mark.parametrize(
    ("labels", "logarithmic"),
    [([0.0, 1.0, 2.0, 3.0], False), ([1.0, 1.0, 1.0, 2.0, 90.0], True), ([-7.7, -5.0, -4.0, -3.5], False)],
)
def test_labels_are_standardised_on_a_logarithmic_scale_where_they_trail_off(
    labels: list[float], logarithmic: bool
) -> None:
    y = np.array(labels)
    scale = Scale.of(y)
    z = scale.forward(y)
    assert scale.logarithmic is logarithmic
    assert (z.mean(), z.std()) == (pytest.approx(0, abs=1e-9), pytest.approx(1))
    np.testing.assert_allclose(scale.back(z), y, atol=1e-9)
    if logarithmic:
        np.testing.assert_allclose(np.diff(z)[-1] / np.diff(z)[-2], np.log(91 / 3) / np.log(3 / 2))


@pytest.mark.data
def test_the_logarithmic_scale_is_chosen_for_the_endpoints_that_the_authors_chose() -> None:
    chosen = set()
    for name, endpoint in tdc.ENDPOINTS.items():
        labels = np.array([row.label for row in tdc.molecules(name, "train_val")])
        if endpoint.kind != "binary" and Scale.of(labels).logarithmic:
            chosen.add(name)
    assert chosen == {"vdss_lombardo", "half_life_obach", "clearance_hepatocyte_az", "clearance_microsome_az"}


def test_maplight_learns_train_and_validation_part_with_the_seed_that_it_is_given(tiny: Any) -> None:
    task = tiny["tiny/number"]
    examples = task.examples("test")
    model = baseline("maplight")
    first, second = model.predict(examples, 1, 1), model.predict(examples, 1, 2)
    assert [p.value for p in first] != [p.value for p in second]
    assert first == baseline("maplight").predict(examples, 1, 1)
    assert len(model._training.of(task.name, model.most, model.parts).questions) == 8 + len(task.examples("valid"))


def test_maplight_is_not_asked_for_what_stands_in_its_columns(tiny: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    task, model = tiny["tiny/number"], baseline("maplight")
    example = task.examples("test")[0]
    assert model.can_answer(task, example)
    monkeypatch.setattr(task, "teachers", ("tpsa",))
    assert model.suits(task.question(example))
    assert not model.can_answer(task, example)


# --------------------------------------------------------------------------------------------------- pairs

DRUGS = ("CCO", "CCCO", "c1ccccc1O", "CCN")
TARGETS = ("MKKLLAAA", "MKKLLAAG", "GSGSGSGS")


def asked(drug: str, target: str) -> Question:
    form = Number("", (0.0, 10.0))
    return (Words("Predict", "affinity"), Property("pkd"), Molecule(drug), Molecule(target, view="protein"), form)


def training(values: dict[tuple[str, str], float]) -> TrainingSet:
    return TrainingSet(tuple(asked(*pair) for pair in values), tuple(map(str, values.values())), "mean")


def full_table() -> dict[tuple[str, str], float]:
    return {
        (d, t): 5.0 + i - 0.5 * j + 0.25 * i * j for i, d in enumerate(DRUGS[:3]) for j, t in enumerate(TARGETS)
    }


@pytest.mark.parametrize("missing", [(), (("CCO", "GSGSGSGS"), ("CCCO", "MKKLLAAA"))])
def test_kronrls_solves_the_system_of_all_measured_pairs(missing: tuple[tuple[str, str], ...]) -> None:
    values = {pair: value for pair, value in full_table().items() if pair not in missing}
    table = PairTable.of(training(values))
    kernel = np.kron(table.drug_similarity(table.drugs), table.target_similarity(table.targets))
    cells = table.rows * len(table.targets) + table.columns
    weights = np.linalg.solve(
        kernel[np.ix_(cells, cells)] + np.eye(len(cells)), table.values - table.values.mean()
    )
    new = ("CCN", "MKKLLAAC")
    towards = np.kron(table.drug_similarity([new[0]]), table.target_similarity([new[1]]))[0]
    expected = table.values.mean() + towards[cells] @ weights
    fitted = baseline("kronrls").fit(training(values))
    assert fitted.reply([asked(*new)], 1)[0].value == pytest.approx(expected, abs=1e-3)


def test_drugs_are_compared_as_the_toolkit_does_and_proteins_by_their_words() -> None:
    table = PairTable.of(training(full_table()))
    assert table.drug_similarity(["CCO"])[0, 1] == pytest.approx(tanimoto("CCO", "CCCO"))
    # Words of three: MKK KKL KLL LLA LAA and AAA or AAG; five of six are shared.
    np.testing.assert_allclose(table.target_similarity(["MKKLLAAA"])[0], [1.0, 5 / 6, 0.0])


def test_a_pair_that_was_measured_twice_counts_with_its_mean() -> None:
    twice = TrainingSet((asked("CCO", "MKK"), asked("CCO", "MKK")), ("4", "6"), "mean")
    assert PairTable.of(twice).matrix.tolist() == [[5.0]]


def test_the_history_of_a_pair_leaves_its_own_row_out_and_weighs_neighbours_by_similarity() -> None:
    matrix = np.array([[1.0, np.nan], [3.0, np.nan], [8.0, 2.0]])
    similarity = np.array([[1.0, 0.5, 0.1], [0.2, 0.4, 0.0]])
    known, new = _history(matrix, similarity, np.array([0, -1]))
    mean, nearest, highest, closest = known[0]
    assert (mean, highest, closest) == (5.5, 8.0, pytest.approx(0.5))
    assert nearest == pytest.approx((3 * 0.501 + 8 * 0.101) / 0.602)
    assert known[1].tolist() == [2.0, 2.0, 2.0, pytest.approx(0.1)]
    assert new[0][0] == 4.0
    assert np.isnan(_history(matrix[:2], similarity[:, :2], np.array([0, -1]))[:, 1]).all()


def test_only_five_neighbours_count() -> None:
    matrix = np.array([[float(i)] for i in range(8)])
    line = np.array([[0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1]])
    assert _history(matrix, line, np.array([-1]))[0, 0, 2] == 4.0
    assert _history(matrix, line, np.array([0]))[0, 0, 2] == 5.0


def test_a_new_side_has_its_own_model_without_columns_that_it_cannot_have() -> None:
    fitted = _Pairs(PairTable.of(training(full_table())), seed=0)
    questions = [asked("CCO", "MKKLLAAA"), asked("CCN", "MKKLLAAA"), asked("CCO", "MKR"), asked("CCN", "MKR")]
    replies = fitted.reply(questions, 1)
    assert all(4.0 < (reply.value or 0.0) < 8.0 for reply in replies)
    widths = {known: model.feature_names_ for known, model in fitted.models.items()}
    assert {known: len(names) for known, names in widths.items()} == {
        _Known(True, True): (base := len(widths[_Known(False, False)])) + 8,
        _Known(False, True): base + 4,
        _Known(True, False): base + 4,
        _Known(False, False): base,
    }


def test_pair_specialists_want_one_molecule_and_one_protein(tiny: Any) -> None:
    for name in ("kronrls", "pair-boosting"):
        model = baseline(name)
        assert model.suits(asked("CCO", "MKK"))
        assert not model.suits((*asked("CCO", "MKK"), Molecule("CC")))
        assert not model.suits(tiny["tiny/number"].question(tiny["tiny/number"].examples("test")[0]))


# --------------------------------------------------------------------------------------------------- groups


def test_the_group_oracle_is_right_on_every_kind_of_question() -> None:
    model = baseline("group-oracle")
    for name in tasks.match("functional-groups/embedded"):
        task = tasks.get(name)
        examples = [task.examples("test")[i] for i in range(40)]
        assert model.can_answer(task, examples[0])
        for example, prediction in zip(examples, model.predict(examples, 1, 0), strict=True):
            assert task.verify(example, prediction.completions[0].text).score == 1.0
    assert not model.suits(
        (Words("Does it have", "detect"), Property("charm"), Molecule("C"), Choice(("yes", "no")))
    )


# --------------------------------------------------------------------------------------------------- templates


def wanted(product: str) -> Question:
    return (Words("Which reactants?", "retrosynthesis"), Molecule(product), Structure("reactants"))


def reactions() -> TrainingSet:
    """Two amides from acid and amine, an ether from phenol and bromide, and something without a map."""
    known = {
        "CCNC(C)=O": "CC(=O)O.CCN",
        "CCNC(=O)c1ccccc1": "CCN.O=C(O)c1ccccc1",
        "CCCOc1ccccc1": "CCCBr.Oc1ccccc1",
        "C1CC1": "[Na+].[Cl-]",
    }
    return TrainingSet(tuple(map(wanted, known)), tuple(known.values()), "mean")


def test_a_product_is_cut_as_the_most_similar_known_reaction_was() -> None:
    pytest.importorskip("rdchiral")
    fitted = baseline("templates").fit(reactions())
    amide, ether, neither, broken = fitted.reply(
        [wanted("CCCNC(=O)c1ccccc1"), wanted("CCCCOc1ccccc1"), wanted("CCCC"), wanted("no molecule")], 10
    )
    assert amide.answers[0] == canonical("CCCN.O=C(O)c1ccccc1")
    assert ether.answers[0] == canonical("CCCCBr.Oc1ccccc1")
    assert neither.answers == broken.answers == ()


def test_a_baseline_without_an_answer_has_answered_wrongly(tiny: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    task, model = tiny["tiny/structure"], baseline("copy")

    class Silent:
        def reply(self, questions: Sequence[Question], n: int) -> list[Reply]:
            return [Reply(()) for _ in questions]

    monkeypatch.setattr(model, "fit", lambda training: Silent())
    (found,) = model.predict(task.examples("test")[:1], 5, 0)
    assert [completion.text for completion in found.completions] == [""]


def test_the_order_in_which_a_task_writes_reactants_does_not_matter_for_templates() -> None:
    pytest.importorskip("rdchiral")
    from mmai_gym.models.baselines.templates import RETRO_TEMPLATES, retro_template

    template = retro_template("CC(=O)O.CCN>>CCNC(C)=O")
    assert template is not None
    assert template.count(b">>") == 1
    baseline("templates").fit(TrainingSet((wanted("CCNC(C)=O"),), ("NCC.OC(C)=O",), "mean"))
    assert RETRO_TEMPLATES.of(["CC(=O)O.CCN>>CCNC(C)=O"]) == {"CC(=O)O.CCN>>CCNC(C)=O": template}
    assert retro_template("[Na+].[Cl-]>>C1CC1") is None


# --------------------------------------------------------------------------------------------------- breeding


def test_children_are_sound_molecules_and_depend_on_the_seed_alone() -> None:
    parents = [parse(text) for text in ("CC(=O)Nc1ccc(O)cc1", "C[N+](C)(C)CC([O-])=O", "C[C@H](N)C(=O)O", "C")]

    def children(seed: int) -> list[str | None]:
        rng = random.Random(seed)
        return [mutated(rng.choice(parents), rng) for _ in range(150)] + [
            crossover(rng.choice(parents), rng.choice(parents), rng) for _ in range(150)
        ]

    born = children(0)
    assert born == children(0) != children(1)
    sound = [child for child in born if child is not None]
    assert len(sound) > 150
    assert len(set(sound)) > 75
    assert all(canonical(child) == child and "." not in child and "*" not in child for child in sound)


def test_a_search_asks_for_no_more_values_than_it_may_and_for_none_twice() -> None:
    asked_for: list[str] = []

    def score(smiles: str) -> float | None:
        asked_for.append(smiles)
        return None if "F" in smiles else float(parse(smiles).GetNumHeavyAtoms())

    found = evolve(["CCO", "CCO", "CCN"], score, 120, random.Random(3), population=20)
    assert len(asked_for) == len(set(asked_for)) == 120
    assert list(found.values()) == sorted(found.values(), reverse=True)
    assert next(iter(found.values())) > 6
    assert not any("F" in smiles for smiles in found)
    assert evolve(["CF"], score, 50, random.Random(0)) == {}


def test_the_genetic_algorithm_improves_molecules_within_the_rules(monkeypatch: pytest.MonkeyPatch) -> None:
    from mmai_gym.models.baselines import genetic

    monkeypatch.setattr(genetic, "CALLS", 60)
    source = canonical("CC(=O)Nc1ccc(OCc2ccccc2)cc1")
    for oracle, goal, sign in (("tpsa", "up", 1.0), ("logp", "down", -1.0)):
        found = genetic.improved(genetic.Problem(source, oracle, goal, seed=7))  # type: ignore[arg-type]
        gains = [sign * (ORACLES[oracle].one(smiles) - ORACLES[oracle].one(source)) for smiles in found]
        assert len(gains) > 5
        assert gains == sorted(gains, reverse=True)
        assert gains[-1] > 0.0
        assert all(tanimoto(source, smiles) >= 0.4 and not trick(source, smiles) for smiles in found)


def test_a_question_without_an_oracle_is_not_searched_for() -> None:
    goal = (Words("Change", "optimize"), Property("charm", "up"), Molecule("CCO"), Structure())
    assert not baseline("graph-ga").suits(goal)
    assert baseline("graph-ga").suits((goal[0], Property("qed", "up"), *goal[2:]))


# --------------------------------------------------------------------------------------------------- other draws


@pytest.mark.data
def test_a_cold_split_can_be_drawn_again_and_is_still_cold() -> None:
    first, again = (tasks.get(f"activity/davis/cold-drug{at}") for at in ("", "@3"))
    drugs = [{e.inputs["drug"] for e in task.examples("test")} for task in (first, again)]
    assert drugs[0] != drugs[1]
    assert not drugs[1] & {e.inputs["drug"] for split in ("train", "valid") for e in again.examples(split)}
    assert again.sizes() == {split: len(again.examples(split)) for split in ("train", "valid", "test")}  # type: ignore[arg-type]
    assert again.examples("test")[0].task == "activity/davis/cold-drug@3"
    assert tasks.get("activity/davis/cold-drug@3") is again
    assert tasks.match("activity/davis/cold-drug@3") == ["activity/davis/cold-drug@3"]
    assert not any("@" in name for name in (*tasks.names(), *tasks.match("activity")))


@pytest.mark.parametrize("name", ["activity/davis/random@1", "admet/caco2_wang@1", "retrosynthesis/uspto-50k@2"])
def test_a_published_split_is_not_drawn_again(name: str) -> None:
    with pytest.raises(UsageError, match="one split only"):
        tasks.get(name)


@pytest.mark.parametrize("name", ["activity/davis/cold-drug@0", "activity/davis/cold-drug@x", "activity/none@1"])
def test_a_draw_that_does_not_exist_is_an_unknown_task(name: str) -> None:
    with pytest.raises(UsageError, match="unknown task"):
        tasks.get(name)


def test_counts_of_the_quick_fingerprint_and_of_maplight_agree_before_folding() -> None:
    """Both count the same circular fragments: their totals are equal, however many columns they are folded into."""
    smiles = ["CC(=O)Oc1ccccc1C(=O)O", "CCN"]
    assert (maplight_features(smiles)[:, :1024].sum(1) == morgan_array(smiles).sum(1)).all()
