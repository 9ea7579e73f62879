from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, Lfm2ForCausalLM, PreTrainedTokenizerFast

from mmai_gym.contracts import CheckpointError
from mmai_gym.lfm.checkpoint import load, read_card, save
from mmai_gym.lfm.tokenizer import build_tokenizer


@pytest.fixture
def folder(tmp_path: Path, model: Lfm2ForCausalLM, tokenizer: PreTrainedTokenizerFast) -> Path:
    return save(tmp_path / "runs" / "nano", model, tokenizer, {"recipe": {"name": "test"}, "steps": 3})


def logits(model: Lfm2ForCausalLM, tokenizer: PreTrainedTokenizerFast) -> torch.Tensor:
    with torch.inference_mode():
        return model(torch.tensor([tokenizer.encode("<|bos|><|p:qed|>C[C@@H](N)O<answer>")])).logits


def test_a_saved_model_comes_back_with_equal_logits(
    folder: Path, model: Lfm2ForCausalLM, tokenizer: PreTrainedTokenizerFast
) -> None:
    again, words = load(folder)
    assert torch.equal(logits(again, words), logits(model, tokenizer))
    assert not again.training
    assert words.get_vocab() == tokenizer.get_vocab()
    assert read_card(folder) == {"recipe": {"name": "test"}, "steps": 3}


def test_plain_transformers_loads_the_folder(
    folder: Path, model: Lfm2ForCausalLM, tokenizer: PreTrainedTokenizerFast
) -> None:
    again = AutoModelForCausalLM.from_pretrained(folder)
    words = AutoTokenizer.from_pretrained(folder)
    assert torch.equal(logits(again, words), logits(model, tokenizer))
    assert again.config.layer_types == model.config.layer_types
    assert again.config.eos_token_id == words.eos_token_id == 2


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("model.safetensors", "the weights"),
        ("tokenizer.json", "the tokenizer"),
        ("config.json", "the configuration"),
    ],
)
def test_a_missing_part_is_named(folder: Path, name: str, what: str) -> None:
    (folder / name).unlink()
    with pytest.raises(CheckpointError, match=f"lacks {what}"):
        load(folder)


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"there is no folder .*absent"):
        load(tmp_path / "absent")


@pytest.mark.parametrize("name", ["model.safetensors", "tokenizer.json", "config.json"])
def test_a_truncated_part_is_an_error_that_names_the_folder(folder: Path, name: str) -> None:
    path = folder / name
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(CheckpointError, match=str(folder)):
        load(folder)


def test_a_tokenizer_larger_than_the_embedding_is_refused(folder: Path) -> None:
    build_tokenizer([f"<|extra_{i}|>" for i in range(5)]).save_pretrained(folder)
    with pytest.raises(CheckpointError, match="tokens but the model embeds"):
        load(folder)


def test_a_configuration_with_more_layers_than_the_weights_is_refused(folder: Path) -> None:
    path = folder / "config.json"
    settings = json.loads(path.read_text())
    settings["num_hidden_layers"] += 1
    settings["layer_types"].append("conv")
    path.write_text(json.dumps(settings))
    with pytest.raises(CheckpointError, match=r"do not fit config\.json"):
        load(folder)


def test_a_failed_save_keeps_the_old_checkpoint_and_leaves_nothing_behind(
    folder: Path, model: Lfm2ForCausalLM, tokenizer: PreTrainedTokenizerFast, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*args: object, **kwargs: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(type(tokenizer), "save_pretrained", interrupt)
    with pytest.raises(KeyboardInterrupt):
        save(folder, model, tokenizer, {"steps": 4})
    assert read_card(folder)["steps"] == 3
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]
    load(folder)


def test_saving_again_replaces_the_checkpoint(
    folder: Path, model: Lfm2ForCausalLM, tokenizer: PreTrainedTokenizerFast
) -> None:
    save(folder, model, tokenizer, {"steps": 4})
    assert read_card(folder) == {"steps": 4}
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]


def test_a_folder_of_other_files_is_never_replaced(
    tmp_path: Path, model: Lfm2ForCausalLM, tokenizer: PreTrainedTokenizerFast
) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(CheckpointError, match="no checkpoint"):
        save(tmp_path, model, tokenizer, {})
    assert (tmp_path / "thesis.tex").exists()


def test_a_checkpoint_of_others_has_an_empty_card_and_a_broken_card_is_named(folder: Path) -> None:
    (folder / "card.json").write_text("[1]")
    with pytest.raises(CheckpointError, match=r"card\.json"):
        read_card(folder)
    (folder / "card.json").unlink()
    assert read_card(folder) == {}
