"""A released model as a Model, found in a folder and on the hub."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import huggingface_hub.constants
import pytest
import torch

import small_released as small
from mmai_gym import bench, tasks
from mmai_gym.contracts import CheckpointError, Example, UsageError, Verdict
from mmai_gym.lfm import checkpoint
from mmai_gym.lfm.dialect import Chat
from mmai_gym.models import LFMModel, find_records, load_model, record_path

COMMIT = "89abcdef0123456789abcdef0123456789abcdef"


class InProcess:
    """Workers would not know the tiny tasks."""

    def verify(self, items: Sequence[tuple[str, Example, str]]) -> list[Verdict]:
        return [tasks.get(name).verify(example, text) for name, example, text in items]


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small.make(tmp_path_factory.mktemp("released") / "tiny-lfm", "dated")


@pytest.fixture
def model(folder: Path, monkeypatch: pytest.MonkeyPatch) -> LFMModel:
    monkeypatch.setattr("mmai_gym.lfm.dialect._TALKS_FIRST", 12)  # an untrained network would talk on to the end
    loaded = load_model(str(folder))
    assert isinstance(loaded, LFMModel)
    return loaded


@pytest.fixture
def hub_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of huggingface_hub, and no network."""
    cache = tmp_path / "hub"
    cache.mkdir()
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(cache))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    return cache


def test_every_form_is_answered_and_choices_get_probabilities(tiny: Any, model: LFMModel) -> None:
    examples = [example for task in tiny.values() for example in task.examples("test")]
    predictions = model.predict(examples, 2, 0)
    assert [p.example_id for p in predictions] == [e.id for e in examples]
    for example, prediction in zip(examples, predictions, strict=True):
        assert 1 <= len(prediction.completions) <= 2
        if example.task in ("tiny/choice", "tiny/pair"):
            assert prediction.probabilities is not None
            assert sum(prediction.probabilities.values()) == pytest.approx(1)


def test_the_network_is_asked_in_its_template_on_the_pinned_date(
    tiny: Any, model: LFMModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []

    def beam(prompts: list[str], width: int, **how: Any) -> list[list[Any]]:
        asked.append((prompts, how))
        return [[] for _ in prompts]

    def choice(prompts: list[str], options: list[list[str]]) -> list[list[float]]:
        asked.append((prompts, options))
        return [[0.0] * len(row) for row in options]

    monkeypatch.setattr(model._decoder, "beam", beam)
    monkeypatch.setattr(model._decoder, "choice_logprobs", choice)
    model.predict(tiny["tiny/count"].examples("test")[:1], 1, 0)
    model.predict(tiny["tiny/choice"].examples("test")[:1], 1, 0)
    (written, how), (chosen, options) = asked
    for prompt in (*written, *chosen):
        assert prompt.startswith("<|startoftext|><|im_start|>system\nToday is 2026-01-01, 1 January<|im_end|>")
    assert written[0].endswith("<|im_start|>assistant\n")
    assert chosen[0].endswith("<|im_start|>assistant\n<answer>")
    assert options == [["yes", "no", "maybe"]]
    assert how["stop"] == "<|im_end|>"
    assert how["constraint"] is None


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("The answer is <answer>2.5</answer>", 2.5),
        ("<answer>2.5</answer>", 2.5),
        ("2.5", None),
        ("<answer>inf</answer>", None),
        ("<answer>about 2</answer>", None),
    ],
)
def test_a_number_that_was_written_in_the_answer_is_the_value(
    tiny: Any, model: LFMModel, monkeypatch: pytest.MonkeyPatch, written: str, value: float | None
) -> None:
    class Text:
        text, logprob = written, -1.0

    monkeypatch.setattr(model._decoder, "beam", lambda prompts, width, **how: [[Text]] * len(prompts))
    found = model.predict(tiny["tiny/number"].examples("test")[:1], 1, 0)[0]
    assert found.completions[0].text == written
    assert found.value == value


def test_an_answer_ends_at_the_end_of_the_turn(tiny: Any, folder: Path, tmp_path: Path) -> None:
    """A network that thinks of nothing but the end token writes nothing else."""
    network, words = checkpoint.load(folder)
    with torch.no_grad():
        for name, weight in network.named_parameters():
            weight.fill_(1 if "norm" in name or "embed_tokens" in name else 0)
        network.get_input_embeddings().weight[small.EOS] = 2
    card = {"dialect": Chat(words, "2026-05-06").describe()}
    checkpoint.save(tmp_path / "checkpoint", network, words, card)
    loaded = LFMModel(tmp_path / "checkpoint")
    assert loaded.prompts["date"] == "2026-05-06"
    completion = loaded.predict(tiny["tiny/structure"].examples("test")[:1], 1, 0)[0].completions[0]
    assert (completion.text, completion.logprob) == ("", pytest.approx(0, abs=1e-3))


def test_a_benchmark_of_a_hub_model_is_recorded_under_its_id_with_date_and_template(
    tiny: Any, hub_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mmai_gym.lfm.dialect._TALKS_FIRST", 4)
    monkeypatch.chdir(tmp_path)
    small.into_hub_cache(hub_cache, "Org/tiny-lfm", COMMIT, "dated")
    model = load_model("Org/tiny-lfm")
    assert model.name == "Org/tiny-lfm"
    path = record_path("Org/tiny-lfm", "core")
    assert path == Path("runs/Org--tiny-lfm/bench-core.jsonl")
    suite = bench.Suite.model_validate(
        {
            "name": "mine",
            "family": [{"name": "tiny", "tasks": ["tiny/choice"]}],
            "baselines": ["baseline:constant"],
        }
    )
    bench.run(model, suite, path, limit=2, verifier=InProcess())
    header = json.loads(path.read_text(encoding="utf-8").splitlines()[0])
    assert header["prompts"]["date"] == "2026-01-01"
    assert len(header["prompts"]["chat_template"]) == 12
    assert list(header["checksums"]) == ["model.safetensors"]
    assert find_records("Org/tiny-lfm") == ([path], path.parent)


def test_what_is_neither_here_nor_on_the_hub_is_told_apart(hub_cache: Path) -> None:
    with pytest.raises(CheckpointError, match=r"Org/other, .* is not in the cache.*local folder.*HF_HOME"):
        load_model("Org/other")
    with pytest.raises(UsageError, match=r"no model called 'other'.*a hub id such as"):
        load_model("other")
    with pytest.raises(UsageError, match="no model called 'runs/other'"):
        load_model("runs/other")
