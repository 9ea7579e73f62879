from __future__ import annotations

from pathlib import Path

import huggingface_hub.constants
import pytest

import small_released as small
from mmai_gym.contracts import CheckpointError, UsageError
from mmai_gym.lfm import released

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def hub_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of huggingface_hub, and no network."""
    folder = tmp_path / "hub"
    folder.mkdir()
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(folder))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    return folder


def test_a_model_in_the_cache_is_found_by_id_and_by_commit_without_a_network(hub_cache: Path) -> None:
    small.into_hub_cache(hub_cache, "Org/tiny-lfm", COMMIT)
    for spec in ("Org/tiny-lfm", f"Org/tiny-lfm@{COMMIT}"):
        found = released.find(spec)
        assert (found.name, found.commit) == ("Org/tiny-lfm", COMMIT)
        assert released.load_tokenizer(found).eos_token_id == small.EOS
        assert released.load(found).config.layer_types == ["conv", "full_attention", "conv"]


def test_offline_the_id_and_what_to_do_are_named(hub_cache: Path) -> None:
    with pytest.raises(
        CheckpointError, match=r"LiquidAI/LFM2-350M@v2, .* is not in the cache.*local folder.*HF_HOME"
    ):
        released.find("LiquidAI/LFM2-350M@v2")


def test_a_folder_comes_before_the_hub_and_anything_else_is_refused(tmp_path: Path) -> None:
    folder = small.make(tmp_path / "lfm")
    assert released.find(str(folder)) == released.Released(str(folder), folder)
    with pytest.raises(UsageError, match="neither a folder, nor a run under runs/, nor a hub id"):
        released.find(str(tmp_path / "missing"))
    with pytest.raises(UsageError, match="neither a folder, nor a run under runs/, nor a hub id"):
        released.find("three/part/name")


def test_a_tokenizer_that_ends_on_another_token_than_the_network_is_refused(tmp_path: Path) -> None:
    folder = small.make(tmp_path / "lfm", eos=2)
    with pytest.raises(CheckpointError, match=r"tokenizer ends on '<\|im_end\|>' \(7\), config.json on 2"):
        released.load(released.find(str(folder)))


def test_an_architecture_that_is_no_lfm2_is_refused_as_a_base(tmp_path: Path) -> None:
    from transformers import LlamaConfig, LlamaForCausalLM

    words = small.tokenizer()
    folder = tmp_path / "llama"
    words.save_pretrained(folder)
    LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(words), hidden_size=16, intermediate_size=16, num_hidden_layers=1,
            num_attention_heads=1, eos_token_id=7, bos_token_id=1, pad_token_id=0,
        )
    ).save_pretrained(folder)  # fmt: skip
    with pytest.raises(CheckpointError, match="is a 'llama' model; a recipe starts from a dense LFM2"):
        released.load(released.find(str(folder)))


def test_pickled_weights_are_never_read(tmp_path: Path) -> None:
    folder = small.make(tmp_path / "lfm")
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(CheckpointError, match=r"lacks the weights \(model.safetensors\)"):
        released.load(released.find(str(folder)))


def test_code_that_lies_beside_the_weights_is_never_run(tmp_path: Path) -> None:
    folder = small.make(tmp_path / "lfm")
    (folder / "modeling_lfm2.py").write_text("raise SystemExit('code of a checkpoint was run')")
    config = (folder / "config.json").read_text()
    entry = '"auto_map": {"AutoModelForCausalLM": "modeling_lfm2.Lfm2ForCausalLM"},'
    (folder / "config.json").write_text(config.replace("{", "{" + entry, 1))
    assert type(released.load(released.find(str(folder)))).__module__.startswith("transformers.")
