from __future__ import annotations

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

import torch
from transformers import Lfm2ForCausalLM, PreTrainedTokenizerFast

from mmai_gym.lfm.presets import Preset, config
from mmai_gym.lfm.tokenizer import build_tokenizer


@pytest.fixture(scope="module", autouse=True)
def always_one_thread(one_thread: None) -> None:
    """In every module of this folder."""


@pytest.fixture(scope="session")
def tokenizer() -> PreTrainedTokenizerFast:
    return build_tokenizer(["<|p:logp|>", "<|p:qed|>"])


@pytest.fixture(scope="session")
def model(tokenizer: PreTrainedTokenizerFast) -> Lfm2ForCausalLM:
    """A small untrained LFM whose weights are scaled up, so that its distributions are far from flat."""
    size = Preset(hidden=48, layers=4, feed_forward=96, heads=4, kv_heads=2)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        network = Lfm2ForCausalLM(config(size, len(tokenizer))).eval()
        with torch.no_grad():
            for name, weight in network.named_parameters():
                if "norm" not in name:
                    weight.normal_(std=0.5 if "conv.conv" in name else 0.15)
    return network
