from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

import torch
from transformers import Lfm2ForCausalLM

from mmai_gym.contracts import CheckpointError, Choice, Molecule, Number, UsageError, Words
from mmai_gym.lfm import checkpoint
from mmai_gym.lfm.dialect import COMPACT
from mmai_gym.lfm.presets import Preset, config
from mmai_gym.lfm.tokenizer import build_tokenizer
from mmai_gym.models import LFMModel, find_records, load_model, record_path
from mmai_gym.models.augmented import Augmented
from mmai_gym.tasks.rendering import property_token, protein_name

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with an untrained network, as training leaves it behind."""
    folder = tmp_path_factory.mktemp("runs") / "pico"
    tokenizer = build_tokenizer(["<|p:acidity|>"])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        size = Preset(hidden=32, layers=3, feed_forward=64, heads=2, kv_heads=1)
        network = Lfm2ForCausalLM(config(size, len(tokenizer)))
    checkpoint.save(folder / "checkpoint", network, tokenizer, {"recipe": {"name": "none"}})
    return folder


@pytest.fixture(scope="module")
def model(run_folder: Path) -> LFMModel:
    loaded = load_model(str(run_folder))
    assert isinstance(loaded, LFMModel)
    return loaded


def test_every_form_is_answered_in_the_order_of_the_examples(tiny: Any, model: LFMModel) -> None:
    examples = [example for task in tiny.values() for example in task.examples("test")][::-1]
    predictions = model.predict(examples, 2, 0)
    assert [p.example_id for p in predictions] == [e.id for e in examples]
    assert all(1 <= len(p.completions) <= 2 for p in predictions)
    assert all(c.text.startswith("<answer>") for p in predictions for c in p.completions)


def test_a_choice_is_read_off_as_probabilities_with_the_options_ranked(tiny: Any, model: LFMModel) -> None:
    task = tiny["tiny/choice"]
    for prediction in model.predict(task.examples("test"), 3, 0):
        assert prediction.probabilities is not None
        assert sum(prediction.probabilities.values()) == pytest.approx(1.0)
        by_probability = sorted(prediction.probabilities, key=lambda o: -prediction.probabilities[o])  # type: ignore[index]
        assert [c.text for c in prediction.completions] == [f"<answer>{o}</answer>" for o in by_probability]


def test_options_without_a_token_of_their_own_end_with_the_closing_tag() -> None:
    assert COMPACT.options(("yes", "no")) == ["<|yes|>", "<|no|>"]
    assert COMPACT.options(("yes", "not at all")) == ["<|yes|></answer>", "not at all</answer>"]


def test_a_number_is_the_mean_or_the_median_of_the_distribution_on_the_task_grid(
    tiny: Any, model: LFMModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = tiny["tiny/number"]  # grid 0, 1, 5
    row = np.zeros(128)
    row[:4] = 0.3, 0.3, 0.2, 0.2  # the fourth step stands outside the grid
    monkeypatch.setattr(model._decoder, "bin_probabilities", lambda prompts: np.tile(row, (len(prompts), 1)))
    mean = model.predict(task.examples("test"), 1, 0)[0]
    expected = (0.3 * 0 + 0.3 * 1 + 0.2 * 5) / 0.8
    assert mean.value == pytest.approx(expected)
    assert mean.spread == pytest.approx(math.sqrt((0.3 * 0 + 0.3 * 1 + 0.2 * 25) / 0.8 - expected**2))
    assert mean.completions[0].text == f"<answer>{expected:.6g}</answer>"
    monkeypatch.setattr(task, "readout", "median")
    assert model.predict(task.examples("test"), 1, 0)[0].value == 1.0


def test_a_sampling_task_gets_the_greedy_answer_first_and_keeps_repeats(
    tiny: Any, model: LFMModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = tiny["tiny/structure"]
    monkeypatch.setattr(task, "decode", "sample", raising=False)
    examples = task.examples("test")
    greedy = model.predict(examples, 1, 0)
    sampled = model.predict(examples, 6, 0)
    assert [p.completions[0].text for p in sampled] == [p.completions[0].text for p in greedy]
    assert all(len(p.completions) == 6 for p in sampled)


def test_samples_depend_on_seed_and_example_and_not_on_the_company(
    tiny: Any, model: LFMModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = tiny["tiny/structure"]
    monkeypatch.setattr(task, "decode", "sample", raising=False)
    examples = task.examples("test")

    def texts(found: Sequence[Any]) -> list[str]:
        return [c.text for c in found[0].completions]

    alone, together = model.predict(examples[:1], 4, 7), model.predict(examples, 4, 7)
    other = model.predict(examples[:1], 4, 8)
    assert texts(alone) == texts(together)
    assert texts(alone)[1:] != texts(other)[1:]


def test_a_beam_is_ranked_by_log_probability(tiny: Any, model: LFMModel) -> None:
    for prediction in model.predict(tiny["tiny/structure"].examples("test"), 4, 0):
        assert len(prediction.completions) == 4
        logprobs = [completion.logprob for completion in prediction.completions if completion.logprob is not None]
        assert logprobs == sorted(logprobs, reverse=True)
        assert len(logprobs) == 4


def test_a_molecule_too_long_for_the_network_is_no_answer_instead_of_an_error(tiny: Any, model: LFMModel) -> None:
    for name in ("tiny/choice", "tiny/number", "tiny/structure"):
        short = tiny[name].examples("test")[0]
        long = replace(short, id="long", inputs={"smiles": "C" * 5000})
        found = model.predict([long, short], 1, 0)
        assert [p.example_id for p in found] == ["long", short.id]
        assert [c.text for c in found[0].completions] == [""]
        assert (found[0].probabilities, found[0].value) == (None, None)
        assert found[1].completions[0].text != ""


def test_folder_name_and_checkpoint_path_name_the_same_model_and_record(
    run_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(run_folder.parent.parent)
    (Path.cwd() / "runs").exists() or Path("runs").symlink_to(run_folder.parent)
    specs = (str(run_folder), "pico", str(run_folder / "checkpoint"))
    assert {load_model(spec).name for spec in specs} == {"pico"}
    assert {record_path(spec, "core") for spec in specs} == {run_folder.resolve() / "bench-core.jsonl"}
    assert list(load_model("pico").checksums) == ["model.safetensors"]  # type: ignore[attr-defined]


def test_a_folder_without_a_model_and_a_name_without_a_folder_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="holds no model"):
        load_model(str(tmp_path))
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(CheckpointError, match="weights"):
        load_model(str(tmp_path))
    with pytest.raises(UsageError, match="baseline:constant"):
        load_model("no-such-run")


def test_records_are_found_by_run_folder_by_file_and_by_baseline(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = record_path("baseline:nearest", "core")
    with pytest.raises(UsageError, match="mmai-gym bench"):
        Path("runs/empty").mkdir(parents=True)
        find_records("empty")
    with pytest.raises(UsageError, match=r"there is no record /.*bench-no\.jsonl"):
        find_records("bench-no.jsonl")
    path.parent.mkdir(parents=True)
    path.write_text("")
    assert find_records("baseline:nearest") == ([path], path.parent)
    assert find_records(str(path)) == ([path], None)


def test_the_softmax_over_options_is_the_one_of_their_log_probabilities(
    tiny: Any, model: LFMModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = tiny["tiny/choice"]
    assert isinstance(task.form, Choice)
    monkeypatch.setattr(
        model._decoder, "choice_logprobs", lambda prompts, options: [[0.0, math.log(3), -math.inf]]
    )
    found = model.predict(task.examples("test")[:1], 3, 0)[0]
    assert found.probabilities == pytest.approx({"yes": 0.25, "no": 0.75, "maybe": 0.0})


def test_questions_about_one_protein_or_one_molecule_and_named_proteins_begin_alike(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tiny: Any
) -> None:
    structure = tiny["tiny/structure"].examples("test")[0]
    tokenizer = build_tokenizer([property_token(protein_name("MKV"))])
    size = Preset(hidden=32, layers=3, feed_forward=64, heads=2, kv_heads=1)
    checkpoint.save(
        tmp_path / "named", Lfm2ForCausalLM(config(size, len(tokenizer))), tokenizer, {"recipe": {"name": "none"}}
    )
    named = LFMModel(tmp_path / "named")

    def asked(sequence: str) -> str:
        question = (
            Words("How well", "affinity"),
            Molecule("CCO"),
            Molecule(sequence, "protein"),
            Number("", (1.0,)),
        )
        monkeypatch.setattr(type(tiny["tiny/number"]), "question", lambda self, example: question)
        example = tiny["tiny/number"].examples("test")[0]
        assert named.predict([example], 1, 0)[0].value == 1.0
        assert Augmented(named, 3).opening(example) == named.opening(example)
        return named.opening(example)

    assert named.opening(structure) == ""
    assert asked("MKV") == "<|bos|><|smiles|>CCO<|affinity|>"
    assert asked("GGS") == "<|bos|><|protein|>GGS"
