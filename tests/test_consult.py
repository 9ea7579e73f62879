"""Asking a checkpoint about molecules of one's own: without data, with plain values, and with errors that name the fix."""

from __future__ import annotations

import json
import math
import shutil
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

import torch

from mmai_gym import tasks
from mmai_gym.consult import Consultant, _possible
from mmai_gym.contracts import (
    Completion,
    DataError,
    Example,
    InvalidMolecule,
    Molecule,
    Number,
    Prediction,
    UsageError,
    Words,
)
from mmai_gym.lfm import checkpoint
from mmai_gym.lfm.presets import Preset, config
from mmai_gym.lfm.tokenizer import build_tokenizer
from mmai_gym.models import InferenceRecipe, Materials, starting_materials
from mmai_gym.molecules import canonical, canonical_set
from mmai_gym.tasks.prototypes import prototype
from mmai_gym.tasks.rendering import property_token, protein_name

TAUGHT = (
    "activity/embedded",
    "forward/embedded",
    "functional-groups/embedded/count",
    "functional-groups/embedded/detect",
    "optimization/embedded/logp",
    "retrosynthesis/embedded",
)
PARACETAMOL = "CC(=O)Nc1ccc(O)cc1"


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An untrained network that says it was taught a few tasks, one of them in its trunk."""
    from transformers import Lfm2ForCausalLM

    folder = tmp_path_factory.mktemp("runs") / "pico"
    tokenizer = build_tokenizer()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = Lfm2ForCausalLM(
            config(Preset(hidden=32, layers=3, feed_forward=64, heads=2, kv_heads=1), len(tokenizer))
        )
    questions = {name: prototype(tasks.get(name)) for name in TAUGHT}
    trunk = {name: questions.pop(name) for name in ("functional-groups/embedded/detect",)}
    checkpoint.save(
        folder / "checkpoint", network, tokenizer, {"questions": questions, "base": {"card": {"questions": trunk}}}
    )
    return folder


@pytest.fixture(scope="module")
def consultant(run: Path) -> Consultant:
    return Consultant(str(run))


@pytest.fixture
def without_data(monkeypatch: pytest.MonkeyPatch) -> None:
    """No task gives its examples."""

    def missing(self: Any, split: str) -> Any:
        raise DataError("no data here")

    for name in TAUGHT:
        monkeypatch.setattr(type(tasks.get(name)), "examples", missing)


@pytest.mark.usefixtures("without_data")
def test_properties_are_told_without_any_data_set(consultant: Consultant) -> None:
    (found,) = consultant.predict(["Oc1ccc(NC(C)=O)cc1"])
    assert found["task"] == "activity/embedded"
    assert found["inputs"] == {"smiles": canonical(PARACETAMOL)}
    assert isinstance(found["value"], float) and "low" not in found
    json.dumps(found)


def test_an_interval_and_a_temperature_come_from_the_inference_recipe(run: Path) -> None:
    InferenceRecipe(
        stretches={"activity/embedded": 2.0},
        temperatures={"functional-groups/embedded/detect": 1000.0},
        copies={"activity": 3},
    ).write(run / "checkpoint")
    try:
        told = Consultant(str(run))
        (found,) = told.predict([PARACETAMOL])
        assert found["low"] < found["value"] < found["high"]
        asked = told.ask("functional-groups/embedded/detect", {"smiles": PARACETAMOL, "group": "phenol"})
        assert asked["probabilities"] == pytest.approx({"yes": 0.5, "no": 0.5}, abs=0.02)
    finally:
        (run / "checkpoint" / "inference.json").unlink()


@pytest.mark.parametrize(
    ("unit", "grid", "bounds"),
    [
        ("% bound", (0.5, 99.0), (0.0, 100.0)),
        ("h", (0.0, 30.0), (0.0, math.inf)),
        ("log10 mol/L", (-9.0, 1.0), (-math.inf, math.inf)),
    ],
)
def test_an_interval_ends_where_no_value_can_lie(
    unit: str, grid: tuple[float, ...], bounds: tuple[float, float]
) -> None:
    assert _possible(Number(unit, grid)) == bounds


def test_reactants_are_canonical_each_once_and_made_again_or_not(
    consultant: Consultant, monkeypatch: pytest.MonkeyPatch
) -> None:
    def answers(examples: list[Example], n: int, seed: int) -> list[Prediction]:
        (first, *_) = examples
        if first.task == "retrosynthesis/embedded":
            texts = ["Nc1ccc(O)cc1.CC(=O)Cl", "CC(Cl)=O.Nc1ccc(O)cc1", "C1CC", "CC(=O)O.Nc1ccc(O)cc1", PARACETAMOL]
            return [Prediction(first.id, tuple(Completion(f"<answer>{text}</answer>", -1.0) for text in texts))]
        made = {canonical_set("CC(=O)Cl.Nc1ccc(O)cc1"): "Oc1ccc(NC(C)=O)cc1"}
        return [
            Prediction(e.id, (Completion(f"<answer>{made.get(e.inputs['smiles'], 'C')}</answer>"),))
            for e in examples
        ]

    monkeypatch.setattr(consultant.model, "predict", answers)
    found = consultant.retro(PARACETAMOL)
    assert [(row["rank"], row["answer"], row["round_trip"]) for row in found["answers"]] == [
        (1, canonical_set("CC(=O)Cl.Nc1ccc(O)cc1"), True),
        (4, canonical_set("CC(=O)O.Nc1ccc(O)cc1"), False),
    ]


def beside_each_other(run: Path, folder: Path) -> None:
    """Two copies of a checkpoint, `one` and `forwards`, the first of which names the second for its round trips."""
    for name in ("one", "forwards"):
        shutil.copytree(run / "checkpoint", folder / name)
    InferenceRecipe(forward="forwards").write(folder / "one")


def test_round_trips_are_made_by_the_model_beside_it_that_the_inference_recipe_names(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    beside_each_other(run, tmp_path)
    consultant = Consultant(str(tmp_path / "one"))
    assert consultant._forward.model.folder == (tmp_path / "forwards").resolve()
    text = "<answer>CC(=O)Cl.Nc1ccc(O)cc1</answer>"
    monkeypatch.setattr(
        consultant.model, "predict", lambda examples, n, seed: [Prediction("", (Completion(text),))]
    )
    monkeypatch.setattr(
        consultant._forward.model,
        "predict",
        lambda examples, n, seed: [Prediction("", (Completion(f"<answer>{PARACETAMOL}</answer>"),))],
    )
    assert [row["round_trip"] for row in consultant.retro(PARACETAMOL)["answers"]] == [True]
    shutil.rmtree(tmp_path / "forwards")
    with pytest.raises(UsageError, match="no model called 'forwards'"):
        Consultant(str(tmp_path / "one")).retro(PARACETAMOL)


def test_reactants_are_re_ranked_where_the_forward_model_knows_what_its_reactions_start_from(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    beside_each_other(run, tmp_path)
    known, other = "CC(=O)Cl.Nc1ccc(O)cc1", "CC(=O)Br.Nc1ccc(O)cc1"
    Materials.of(known.split(".")).write(tmp_path / "forwards")
    consultant = Consultant(str(tmp_path / "one"))
    ranked = tuple(Completion(f"<answer>{text}</answer>", p) for text, p in ((other, -0.5), (known, -1.2)))
    monkeypatch.setattr(consultant.model, "predict", lambda examples, n, seed: [Prediction("", ranked)])
    products = (Completion(f"<answer>{PARACETAMOL}</answer>", math.log(0.3)), Completion("<answer>C</answer>", -3.0),
                Completion("<answer>Oc1ccc(NC(C)=O)cc1</answer>", math.log(0.2)))  # fmt: skip
    monkeypatch.setattr(
        consultant._forward.model,
        "predict",
        lambda examples, n, seed: [Prediction("", products) for _ in examples],
    )
    rows = consultant.retro(PARACETAMOL)["answers"]
    assert [(row["answer"], row["rank"], row["new_reactants"]) for row in rows] == [
        (canonical_set(known), 2, 0),
        (canonical_set(other), 1, 1),
    ]
    assert all(row["return_probability"] == pytest.approx(0.5) and row["round_trip"] for row in rows)
    (tmp_path / "forwards" / "materials.npy").unlink()
    assert [row["rank"] for row in consultant.retro(PARACETAMOL)["answers"]] == [1, 2]


def test_better_molecules_come_first_and_say_by_how_much(
    consultant: Consultant, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = ["CCCCCCCC", "CC(=O)Nc1ccc(OCC)cc1", PARACETAMOL]

    def answers(examples: list[Example], n: int, seed: int) -> list[Prediction]:
        return [
            Prediction(e.id, tuple(Completion(f"<answer>{text}</answer>") for text in texts)) for e in examples
        ]

    monkeypatch.setattr(consultant.model, "predict", answers)
    found = consultant.optimize(PARACETAMOL, "logp")
    assert [(row["rank"], row["reason"]) for row in found["answers"]] == [
        (2, "correct"), (1, "not-similar"), (3, "copied-input"),
    ]  # fmt: skip
    assert found["answers"][0]["components"]["gain"] > 0.5


def test_an_untrained_network_answers_everything_in_its_form(consultant: Consultant) -> None:
    assert consultant.goals() == ["embedded/logp"]
    assert isinstance(consultant.retro(PARACETAMOL, 3)["answers"], list)
    assert isinstance(consultant.optimize(PARACETAMOL, "logp", 3)["answers"], list)
    assert (
        len(consultant.ask("functional-groups/embedded/count", {"smiles": "CCO", "group": "alcohol"})["answers"])
        == 1
    )


@pytest.mark.parametrize(
    ("task", "inputs", "message"),
    [
        (
            "functional-groups/embedded/detekt",
            {},
            "was not taught .*did you mean 'functional-groups/embedded/detect'",
        ),
        ("functional-groups/embedded/count", {"smiles": "CCO"}, "needs group=VALUE"),
        ("activity/embedded", {"smiles": "CCO", "colour": "red"}, "has no input 'colour'; it needs: smiles"),
    ],
)
def test_a_wrong_question_is_named(
    consultant: Consultant, task: str, inputs: dict[str, str], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        consultant.ask(task, inputs)


def test_a_molecule_that_cannot_be_read_is_named(consultant: Consultant) -> None:
    with pytest.raises(InvalidMolecule, match="c1cc"):
        consultant.predict(["c1cc"])


def test_a_model_that_does_not_say_what_it_was_taught_is_refused() -> None:
    with pytest.raises(UsageError, match="constant does not say what it was taught"):
        Consultant("baseline:constant")


def gym(*args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "mmai_gym.cli", *args], capture_output=True, text=True, check=False
    )


def test_the_commands(run: Path, tmp_path: Path) -> None:
    model = ("--model", str(run))
    predicted = gym("predict", PARACETAMOL, "CCO", *model, "--json", "--draw", str(tmp_path / "drawn.svg"))
    assert predicted.returncode == 0, predicted.stderr
    assert [row["inputs"]["smiles"] for row in json.loads(predicted.stdout)] == [PARACETAMOL, "CCO"]
    assert "<svg" in (tmp_path / "drawn.svg").read_text()
    assert gym("optimize", PARACETAMOL, *model).stdout == "embedded/logp\n"
    for args in (("retro", PARACETAMOL, "-n", "2"), ("optimize", PARACETAMOL, "--goal", "logp", "-n", "2")):
        done = gym(*args, *model)
        assert done.returncode == 0, done.stderr
    asked = gym("ask", "functional-groups/embedded/detect", "smiles=CCO", "group=alcohol", *model)
    assert asked.stdout.startswith(("yes  ", "no  "))
    wrong = gym("ask", "functional-groups/embedded/detect", "CCO", *model)
    assert (wrong.returncode, "'CCO': want NAME=VALUE" in wrong.stderr) == (2, True)
    assert gym("calibrate", str(run), "--copies", "admet=many").returncode == 2
    wrong = gym("calibrate", str(run), "--task", "admet")
    assert (wrong.returncode, "taught nothing below 'admet'" in wrong.stderr) == (2, True)


def test_calibration_is_stored_beside_the_weights(run: Path) -> None:
    done = gym("calibrate", str(run), "--limit", "40", "--json", "--copies", "activity=2", "--forward", "beside")
    try:
        assert done.returncode == 0, done.stderr
        assert InferenceRecipe.read(run / "checkpoint").model_dump() == json.loads(done.stdout)
        assert json.loads(done.stdout)["temperatures"].keys() == {"functional-groups/embedded/detect"}
        assert json.loads(done.stdout)["forward"] == "beside"
        done = gym("calibrate", str(run), "--limit", "40", "--json", "--task", "activity")
        assert json.loads(done.stdout)["examples"].keys() <= {"activity/embedded"}
        assert (
            Materials.read(run / "checkpoint") is None
        )  # another model was named, and then a task of another kind
        assert gym("calibrate", str(run), "--limit", "40", "--task", "forward").returncode == 0
        known = Materials.read(run / "checkpoint")
        assert known is not None and set(known.hashes) == set(
            Materials.of(starting_materials("forward/embedded")).hashes
        )
    finally:
        for name in ("inference.json", "materials.npy"):
            (run / "checkpoint" / name).unlink(missing_ok=True)


def test_a_model_that_knows_proteins_by_name_is_not_asked_about_another_one(tmp_path: Path) -> None:
    from transformers import Lfm2ForCausalLM

    size = Preset(hidden=32, layers=3, feed_forward=64, heads=2, kv_heads=1)
    tokenizer = build_tokenizer([property_token(protein_name("MKV"))])
    spans = (Words("How well", "affinity"), Molecule("?"), Molecule("?", "protein"), Number("", (1.0, 2.0)))
    question = [{"kind": type(span).__name__.lower(), **asdict(span)} for span in spans]
    question[1]["text"], question[2]["text"] = {"input": "smiles"}, {"input": "sequence"}
    card = {"questions": {"activity/embedded": question}, "recipe": {"name_proteins": True}}
    checkpoint.save(tmp_path / "named", Lfm2ForCausalLM(config(size, len(tokenizer))), tokenizer, card)
    consultant = Consultant(str(tmp_path / "named"))
    found = consultant.ask("activity/embedded", {"smiles": PARACETAMOL, "sequence": "MKV"})
    assert 1.0 <= found["value"] <= 2.0
    with pytest.raises(UsageError, match="none of them"):
        consultant.ask("activity/embedded", {"smiles": PARACETAMOL, "sequence": "MKVA"})
