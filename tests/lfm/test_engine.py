"""The fast engine gives the logits of transformers at every step, whatever comes, goes and moves."""

from __future__ import annotations

import copy

import pytest
import torch
from transformers import Lfm2Config, Lfm2ForCausalLM, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from mmai_gym.lfm.cache import Grain, Room
from mmai_gym.lfm.cached import CachedRows
from mmai_gym.lfm.decode import Decoder
from mmai_gym.lfm.engine import Engine, LfmRows
from mmai_gym.lfm.network import adopt
from mmai_gym.lfm.rows import Rows
from mmai_gym.lfm.weights import Weights, supports

HYBRID = ["conv", "full_attention", "conv", "full_attention"]
VARIANTS = {
    "hybrid": {},
    "transformer twin": {"layer_types": ["full_attention"] * 4},
    "convolution only": {"layer_types": ["conv"] * 4},
    "released layout": {"block_auto_adjust_ff_dim": True, "conv_bias": True, "num_key_value_heads": 2},
    "wide heads": {"head_dim": 32},
    "untied head": {"tie_word_embeddings": False},
    "kernel of four": {"conv_L_cache": 4},
}
GRAINS = {"exact": Grain(1, 1, 1), "cpu": Grain(16, 1, 1), "static": Grain(20, 8, 8)}
PROMPT_LENGTHS = [1, 2, 9, 30, 17]
VOCABULARY = 300


def network(dtype: torch.dtype = torch.float32, **changes: object) -> Lfm2ForCausalLM:
    """A small LFM2 with weights that make a difference."""
    settings: dict[str, object] = {
        "vocab_size": VOCABULARY, "hidden_size": 64, "intermediate_size": 160, "num_hidden_layers": 4,
        "num_attention_heads": 8, "num_key_value_heads": 4, "layer_types": HYBRID, "max_position_embeddings": 256,
        "block_auto_adjust_ff_dim": False, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2,
    }  # fmt: skip
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = Lfm2ForCausalLM(Lfm2Config(**(settings | changes))).eval()
        with torch.no_grad():
            for name, weight in model.named_parameters():
                if "norm" in name:
                    weight.uniform_(0.5, 1.5)
                else:
                    weight.normal_(std=0.5 if "conv.conv" in name else 0.15)
    return model.to(dtype)


class Followed:
    """Rows, and beside them the token sequences they should stand for."""

    def __init__(self, model: Lfm2ForCausalLM, rows: Rows) -> None:
        self.model, self.rows = model, rows
        self.sequences: list[list[int]] = []
        self.generator = torch.Generator().manual_seed(1)
        self.prompts = [self.tokens(length) for length in PROMPT_LENGTHS]
        self.worst = 0.0

    def tokens(self, count: int) -> list[int]:
        return torch.randint(3, VOCABULARY, (count,), generator=self.generator).tolist()

    def join(self, prompts: list[int], counts: list[int]) -> None:
        self.rows.join([self.prompts[i] for i in prompts], counts)
        self.sequences += [list(self.prompts[i]) for i, n in zip(prompts, counts, strict=True) for _ in range(n)]
        self.check()

    def append(self) -> None:
        tokens = self.tokens(len(self.rows))
        self.rows.append(torch.tensor(tokens))
        self.sequences = [[*ids, token] for ids, token in zip(self.sequences, tokens, strict=True)]
        self.check()

    def select(self, order: list[int]) -> None:
        self.rows.select(torch.tensor(order, dtype=torch.long))
        self.sequences = [self.sequences[i] for i in order]
        self.check()

    def check(self) -> None:
        assert len(self.rows) == len(self.sequences)
        for row, ids in zip(self.rows.logits, self.sequences, strict=True):
            plain = self.model(torch.tensor([ids]), use_cache=False).logits[0, -1].float()
            self.worst = max(self.worst, float((row - plain).abs().max()))


def through_everything(followed: Followed) -> float:
    """The largest difference in a logit over joins, steps, moves, drops and a fresh start."""
    with torch.inference_mode():
        followed.join([0, 1, 2], [2, 1, 3])
        followed.append()
        followed.append()
        followed.select([5, 1, 2, 3])
        followed.append()
        followed.join([3, 4], [4, 1])
        followed.append()
        followed.select([8, 6, 6, 0, 3])
        followed.append()
        followed.select([0, 3])
        followed.join([2], [4])
        followed.append()
        followed.select([])
        followed.join([0, 1, 2, 3, 4], [3] * 5)
        followed.append()
    return followed.worst


ROOM = Room(rows=20, prompts=6, width=4, prompt_length=30, new=12)


@pytest.mark.parametrize("grain", GRAINS)
@pytest.mark.parametrize("variant", VARIANTS)
def test_logits_are_those_of_transformers(variant: str, grain: str) -> None:
    model = network(**VARIANTS[variant])
    assert supports(model) and supports(adopt(copy.deepcopy(model)))
    assert through_everything(Followed(model, LfmRows(Weights(model), ROOM, GRAINS[grain]))) < 1e-4


def test_half_precision_differs_by_its_rounding() -> None:
    model = network(torch.bfloat16)
    worst = through_everything(Followed(model, LfmRows(Weights(model), ROOM, GRAINS["static"])))
    assert 0.0 < worst < 0.5  # logits of about 10 in steps of 1/16


def test_rows_that_have_no_room_left_harm_no_others() -> None:
    """Rows that ended go on in their last place until the host looks."""
    model = network()
    rows = LfmRows(Weights(model), Room(rows=4, prompts=2, width=2, prompt_length=9, new=3), GRAINS["static"])
    followed = Followed(model, rows)
    with torch.inference_mode():
        followed.join([2], [2])
        for _ in range(5):
            rows.append(torch.tensor([5, 6]))
        rows.join([followed.prompts[1]], [1])
        rows.append(torch.tensor([5, 6, 7]))
        plain = model(torch.tensor([[*followed.prompts[1], 7]]), use_cache=False).logits[0, -1]
    torch.testing.assert_close(rows.logits[2], plain, atol=1e-4, rtol=0)


def test_rows_over_the_cache_of_transformers_keep_the_same_contract() -> None:
    model = network()
    followed = Followed(model, CachedRows(model, 20, 6))
    with torch.inference_mode():
        assert followed.rows.room() == (20, 6)
        followed.join([0, 1, 2, 3], [2, 1, 3, 1])
        assert followed.rows.room() == (0, 0)
        followed.append()
        followed.select([5, 1, 1, 0, 6])
        followed.append()
        followed.select([])
        assert followed.rows.room() == (20, 6)
        followed.join([4], [2])
        followed.append()
    assert followed.worst < 1e-4


@pytest.mark.parametrize("write", ["in place", "through data", "replaced"])
def test_weights_that_changed_between_calls_are_read_anew(write: str) -> None:
    model = network()
    engine = Engine(model)
    weight = model.model.layers[1].self_attn.v_proj.weight
    with torch.inference_mode():
        first = engine.rows(ROOM)
        first.join([[5, 6, 7]], [1])
    if write == "in place":
        with torch.no_grad():
            weight.mul_(0.5)
    elif write == "through data":
        weight.data.mul_(0.5)
    else:
        model.model.layers[1].self_attn.v_proj.weight = torch.nn.Parameter(weight.detach() * 0.5)
    with torch.inference_mode():
        second = engine.rows(ROOM)
        second.join([[5, 6, 7]], [1])
        plain = model(torch.tensor([[5, 6, 7]])).logits[0, -1]
    assert float((first.logits[0] - plain).abs().max()) > 1e-3
    torch.testing.assert_close(second.logits[0], plain, atol=1e-4, rtol=0)


def test_buffers_of_the_same_room_are_used_again() -> None:
    model = network()
    engine = Engine(model)
    with torch.inference_mode():
        first = engine.rows(ROOM)
        first.join([[5, 6, 7], [8, 9]], [2, 3])
        first.append(torch.arange(5))
        again = engine.rows(ROOM)
        assert again is first
        assert through_everything(Followed(model, again)) < 1e-4
        assert engine.rows(Room(2, 2, 2, 5, 5)) is not first


def test_weights_that_did_not_change_are_kept() -> None:
    model = network()
    weights = Weights(model)
    assert weights.match(model)
    model(torch.tensor([[1, 2, 3]]))
    assert weights.match(model)


def test_a_model_with_other_parts_goes_over_the_cache_of_transformers() -> None:
    changed = network()
    changed.model.layers[0].feed_forward.w1 = torch.nn.Sequential(changed.model.layers[0].feed_forward.w1)
    assert not supports(changed)
    assert isinstance(Engine(changed).rows(ROOM), CachedRows)


def test_another_architecture_samples_searches_and_scores(tokenizer: PreTrainedTokenizerFast) -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = LlamaForCausalLM(
            LlamaConfig(
                vocab_size=len(tokenizer), hidden_size=32, intermediate_size=64, num_hidden_layers=2,
                num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=128,
            )
        ).eval()  # fmt: skip
    decoder = Decoder(model, tokenizer, max_batch_tokens=64)  # several batches, one behind the other
    prompts = ["<|bos|>CCO<answer>", "<|bos|>N", "<|bos|>c1ccccc1<answer>"]
    together = decoder.sample(prompts, 3, max_new_tokens=8, seeds=[1, 2, 3])
    for i, prompt in enumerate(prompts):
        alone = decoder.sample([prompt], 3, max_new_tokens=8, seeds=[i + 1])[0]
        assert [one.token_ids for one in alone] == [one.token_ids for one in together[i]]
        head = tokenizer.encode(prompt)
        for one in [*alone, *decoder.beam([prompt], 2, max_new_tokens=4)[0]]:
            with torch.inference_mode():
                logprobs = model(torch.tensor([[*head, *one.token_ids]])).logits[0].log_softmax(-1)
            own = [float(logprobs[len(head) - 1 + i, token]) for i, token in enumerate(one.token_ids)]
            assert one.token_logprobs == pytest.approx(own, abs=1e-4)
    assert len(decoder.choice_logprobs(prompts, [["C", "NO"]] * 3)[2]) == 2
