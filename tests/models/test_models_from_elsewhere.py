"""Models that others made, in a folder: another architecture, LoRA adapters, worked examples in the prompt."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("peft")

import torch

import small_released as small
from mmai_gym.contracts import CheckpointError, UsageError
from mmai_gym.models import LFMModel, find_records, load_model, record_path


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch, one_thread: None) -> None:
    monkeypatch.setattr("mmai_gym.lfm.dialect._TALKS_FIRST", 12)  # an untrained network would talk on to the end


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small.make(tmp_path_factory.mktemp("released") / "tiny-lfm", "dated")


def make_adapter(folder: Path, base: Path, **changes: Any) -> Path:
    """Random adapters on the attention and convolution of `base`."""
    from peft import LoraConfig, TaskType, get_peft_model

    from mmai_gym.lfm import checkpoint

    model, _ = checkpoint.load(base)
    settings = {"r": 4, "lora_alpha": 8, "target_modules": ["q_proj", "in_proj"], **changes}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        adapted = get_peft_model(model, LoraConfig(task_type=TaskType.CAUSAL_LM, **settings))
        with torch.no_grad():
            for name, weight in adapted.named_parameters():
                if "lora_" in name:
                    weight.normal_(std=0.5)
    adapted.save_pretrained(folder)
    configuration = json.loads((folder / "adapter_config.json").read_text())
    configuration["base_model_name_or_path"] = str(base)
    (folder / "adapter_config.json").write_text(json.dumps(configuration))
    return folder


# --------------------------------------------------------------------------------------------------- architectures


def test_another_architecture_with_a_chat_template_answers_every_form(tiny: Any, tmp_path: Path) -> None:
    from transformers import LlamaConfig, LlamaForCausalLM

    words = small.tokenizer("dated")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        network = LlamaForCausalLM(
            LlamaConfig(
                vocab_size=512, hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2,
                max_position_embeddings=1024, bos_token_id=small.BOS, eos_token_id=small.EOS, pad_token_id=0,
            )
        )  # fmt: skip
    network.save_pretrained(tmp_path / "llama")
    words.save_pretrained(tmp_path / "llama")
    model = load_model(str(tmp_path / "llama"))
    assert isinstance(model, LFMModel)
    assert model.prompts["date"] == "2026-01-01"
    examples = [example for task in tiny.values() for example in task.examples("test")]
    found = model.predict(examples, 2, 0)
    assert [p.example_id for p in found] == [e.id for e in examples]
    assert all(
        p.probabilities is not None for p, e in zip(found, examples, strict=True) if e.task == "tiny/choice"
    )


# --------------------------------------------------------------------------------------------------- adapters


def test_an_adapter_is_merged_into_the_base_that_it_names(tiny: Any, base: Path, tmp_path: Path) -> None:
    from peft import PeftModel

    from mmai_gym.lfm import checkpoint

    folder = make_adapter(tmp_path / "mine", base)
    model, plain = load_model(str(folder)), load_model(str(base))
    assert isinstance(model, LFMModel)
    assert isinstance(plain, LFMModel)
    assert model.name == "mine"
    assert sorted(model.checksums) == ["adapter_model.safetensors", "base/model.safetensors"]
    assert model.checksums["base/model.safetensors"] == plain.checksums["model.safetensors"]
    expected = PeftModel.from_pretrained(checkpoint.load(base)[0], folder).merge_and_unload()
    ids = torch.arange(8, 40)[None]
    with torch.no_grad():
        torch.testing.assert_close(model._decoder._model(ids).logits, expected(ids).logits)
    examples = tiny["tiny/choice"].examples("test")
    assert [p.probabilities for p in model.predict(examples, 1, 0)] != [
        p.probabilities for p in plain.predict(examples, 1, 0)
    ]


def test_the_adapter_of_a_run_has_its_records_beside_it(base: Path, tmp_path: Path) -> None:
    folder = make_adapter(tmp_path / "run" / "adapter", base)
    assert load_model(str(folder)).name == "run/adapter"
    path = record_path(str(folder), "core")
    assert path == folder / "bench-core.jsonl"
    path.write_text("")
    assert find_records(str(folder)) == ([path], folder)


def test_a_damaged_or_foreign_adapter_is_named(base: Path, tmp_path: Path) -> None:
    folder = make_adapter(tmp_path / "mine", base)
    configuration = json.loads((folder / "adapter_config.json").read_text())
    (folder / "adapter_config.json").write_text(json.dumps(configuration | {"r": 8}))
    with pytest.raises(CheckpointError, match="cannot be put onto"):
        load_model(str(folder))
    (folder / "adapter_config.json").write_text(json.dumps(configuration | {"target_modules": ["q_proj"]}))
    with pytest.raises(CheckpointError, match=r"does not fit .*left over"):
        load_model(str(folder))
    (folder / "adapter_config.json").write_text(json.dumps({"peft_type": "LORA"}))
    with pytest.raises(CheckpointError, match="names no base model"):
        load_model(str(folder))
    (folder / "adapter_config.json").write_text(json.dumps(configuration))
    (folder / "adapter_model.safetensors").rename(folder / "adapter_model.bin")
    with pytest.raises(CheckpointError, match=r"adapter_model\.safetensors.*pickled"):
        load_model(str(folder))


# --------------------------------------------------------------------------------------------------- worked examples


def test_worked_examples_stand_in_the_chat_before_the_question(
    tiny: Any, base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = load_model(str(base), ["shots=2"])
    assert isinstance(model, LFMModel)
    assert model.prompts["shots"] == 2
    assert "shots" not in load_model(str(base)).prompts  # type: ignore[attr-defined]
    asked: list[str] = []

    def choice(prompts: list[str], options: list[list[str]]) -> list[list[float]]:
        asked.extend(prompts)
        return [[0.0] * len(row) for row in options]

    monkeypatch.setattr(model._decoder, "choice_logprobs", choice)
    model.predict(tiny["tiny/choice"].examples("test")[:1], 1, 0)
    (prompt,) = asked
    assert prompt.count("<|im_start|>user") == 3
    assert prompt.count("<answer>no</answer><|im_end|>") == prompt.count("<answer>yes</answer><|im_end|>") == 1
    assert prompt.endswith("<|im_start|>assistant\n<answer>")


def test_a_model_that_reads_control_tokens_takes_no_worked_examples() -> None:
    from mmai_gym.contracts import Count, Molecule, Words
    from mmai_gym.lfm.dialect import COMPACT

    question = (Words("How long?", "count"), Molecule("CCO"), Count())
    with pytest.raises(UsageError, match="reads no examples"):
        COMPACT.prompt(question, [(question, "3")])
