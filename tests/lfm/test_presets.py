from __future__ import annotations

import pytest
import torch
from transformers import PreTrainedTokenizerFast

from mmai_gym.contracts import UsageError
from mmai_gym.lfm.presets import PRESETS, new_model, preset


@pytest.mark.parametrize(("name", "low", "high"), [("nano", 1e6, 3e6), ("micro", 6e6, 8e6), ("mini", 22e6, 28e6)])
def test_each_preset_has_the_size_it_promises(
    name: str, low: float, high: float, tokenizer: PreTrainedTokenizerFast
) -> None:
    model = new_model(name, tokenizer, seed=0)
    assert low <= sum(weight.numel() for weight in model.parameters()) <= high
    assert model.lm_head.weight is model.model.embed_tokens.weight


@pytest.mark.parametrize("name", PRESETS)
def test_no_preset_falls_into_the_defaults_of_the_bare_configuration(name: str) -> None:
    configuration = preset(name, 1000)
    assert configuration.layer_types.count("full_attention") >= 2
    assert configuration.layer_types.count("conv") >= 2
    assert len(configuration.layer_types) == configuration.num_hidden_layers
    assert (configuration.pad_token_id, configuration.bos_token_id, configuration.eos_token_id) == (0, 1, 2)
    assert configuration.max_position_embeddings == 4096
    assert configuration.block_auto_adjust_ff_dim is False
    assert configuration.intermediate_size == PRESETS[name].feed_forward


def test_the_seed_alone_decides_the_initial_weights(tokenizer: PreTrainedTokenizerFast) -> None:
    torch.manual_seed(11)
    state = torch.random.get_rng_state()
    first = new_model("nano", tokenizer, seed=5)
    assert torch.equal(torch.random.get_rng_state(), state)
    torch.rand(7)
    same, other = new_model("nano", tokenizer, seed=5), new_model("nano", tokenizer, seed=6)
    pairs = list(zip(first.parameters(), same.parameters(), strict=True))
    assert all(torch.equal(a, b) for a, b in pairs)
    assert not torch.equal(first.model.embed_tokens.weight, other.model.embed_tokens.weight)


def test_the_short_convolution_is_not_silent_at_the_start(tokenizer: PreTrainedTokenizerFast) -> None:
    """With the library's own initial weights this ratio is 0.0002, and training starts slowly."""
    model = new_model("nano", tokenizer, seed=0)
    ids = torch.tensor([tokenizer.encode("<|bos|>CC(=O)Oc1ccccc1C(=O)O")])
    layer = model.model.layers[0]
    with torch.inference_mode():
        inputs = layer.operator_norm(model.model.embed_tokens(ids))
        ratio = layer.conv(inputs).std() / inputs.std()
    assert 0.1 < ratio < 3.0


def test_an_unknown_preset_is_answered_with_the_known_ones() -> None:
    with pytest.raises(UsageError, match=r"'giga'.*nano, micro, mini"):
        preset("giga", 1000)


@pytest.mark.parametrize("name", PRESETS)
def test_the_transformer_twin_is_attention_only_and_as_large(
    name: str, tokenizer: PreTrainedTokenizerFast
) -> None:
    lfm, twin = new_model(name, tokenizer, 0), new_model(name, tokenizer, 0, "transformer")
    assert set(twin.config.layer_types) == {"full_attention"}
    assert (twin.config.hidden_size, twin.config.num_hidden_layers) == (
        lfm.config.hidden_size,
        lfm.config.num_hidden_layers,
    )
    assert twin.num_parameters() == pytest.approx(lfm.num_parameters(), rel=0.02)
