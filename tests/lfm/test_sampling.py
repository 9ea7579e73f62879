"""Rows that queue, join, end and leave: every sample is the one it would have been alone."""

from __future__ import annotations

import pytest
import torch
from transformers import Lfm2ForCausalLM, PreTrainedTokenizerFast

from mmai_gym.contracts import UsageError
from mmai_gym.lfm.cache import Grain, Room
from mmai_gym.lfm.decode import Decoder, Sampled
from mmai_gym.lfm.engine import LfmRows
from mmai_gym.lfm.grammar import SmilesGrammar
from mmai_gym.lfm.sampling import Drawn, Group, Request, Sampler
from mmai_gym.lfm.weights import Weights

PROMPTS = [
    "<|bos|><|p:logp|>CCO<answer>",
    "<|bos|><|p:qed|>C[C@@H](N)C(=O)Oc1ccccc1<answer>",
    "<|bos|>O",
    "<|bos|><|p:qed|>[nH]1cccc1Cl<answer>",
    "<|bos|><|p:logp|>CCN<answer>",
    "<|bos|>CC",
    "<|bos|>c1ccccc1O<answer>",
]
STOPS = ["C", "N", "c", "O", "</answer>", "(", "CC"]
TEMPERATURES = [0.5, 0.8, 1.0, 1.2, 1.0, 0.7, 1.5]
MASSES = [1.0, 0.9, 0.95, 1.0, 0.5, 0.8, 1.0]
SEEDS = [3, 1, 4, 1, 5, 9, 2]
LENGTH = 20


def ids(sampled: list[Sampled]) -> list[tuple[int, ...]]:
    return [one.token_ids for one in sampled]


@pytest.fixture(scope="module")
def alone(model: Lfm2ForCausalLM, tokenizer: PreTrainedTokenizerFast) -> list[list[Sampled]]:
    """Each prompt in a call of its own, one row at a time."""
    decoder = Decoder(model, tokenizer, max_batch_tokens=1)
    return [
        decoder.sample(
            [prompt], 5, max_new_tokens=LENGTH, temperature=temperature, top_p=top_p, stop=stop, seeds=[seed]
        )[0]
        for prompt, temperature, top_p, stop, seed in zip(PROMPTS, TEMPERATURES, MASSES, STOPS, SEEDS, strict=True)
    ]


def test_each_prompt_has_its_own_temperature_nucleus_stop_and_seed(
    model: Lfm2ForCausalLM, tokenizer: PreTrainedTokenizerFast, alone: list[list[Sampled]]
) -> None:
    together = Decoder(model, tokenizer).sample(
        PROMPTS, 5, max_new_tokens=LENGTH, temperature=TEMPERATURES, top_p=MASSES, stop=STOPS, seeds=SEEDS
    )
    assert [ids(group) for group in together] == [ids(group) for group in alone]
    for stop, group in zip(STOPS, together, strict=True):
        for one in group:
            assert one.finished == (one.text.endswith(stop) or one.token_ids[-1] == tokenizer.eos_token_id)
    assert {one.finished for group in together for one in group} == {True, False}


@pytest.mark.parametrize("patience", [1, 3])
@pytest.mark.parametrize("grain", [Grain(1, 1, 1), Grain(8, 8, 64)])
def test_a_queue_longer_than_the_batch_changes_no_sample(
    model: Lfm2ForCausalLM,
    tokenizer: PreTrainedTokenizerFast,
    alone: list[list[Sampled]],
    grain: Grain,
    patience: int,
) -> None:
    """Also where the host looks only every few steps, so that rows that have ended go on beside the others."""
    requests = [
        Request(tokenizer.encode(stop), temperature, top_p, seed)
        for stop, temperature, top_p, seed in zip(STOPS, TEMPERATURES, MASSES, SEEDS, strict=True)
    ]
    prompts = [tokenizer.encode(prompt) for prompt in PROMPTS]
    groups = [Group(prompt, [(i, j) for j in range(5)]) for i, prompt in enumerate(prompts)]
    room = Room(rows=12, prompts=4, width=5, prompt_length=max(map(len, prompts)), new=LENGTH)
    with torch.inference_mode():
        rows = LfmRows(Weights(model), room, grain)
        sampler = Sampler(rows, requests, LENGTH, tokenizer.eos_token_id, None, patience)
        drawn: dict[tuple[int, int], Drawn] = sampler.run(groups)
    assert len(drawn) == 35
    for (i, j), one in drawn.items():
        assert tuple(one.tokens) == alone[i][j].token_ids
        assert one.logprobs == pytest.approx(alone[i][j].token_logprobs, abs=1e-4)
        assert one.finished == alone[i][j].finished


def test_a_grammar_holds_for_rows_that_join_late(
    model: Lfm2ForCausalLM, tokenizer: PreTrainedTokenizerFast
) -> None:
    """Each row has its own room left, so that a late one is not hurried."""
    grammar = SmilesGrammar(tokenizer)
    seeds = range(len(PROMPTS))
    together = Decoder(model, tokenizer).sample(PROMPTS, 4, max_new_tokens=24, seeds=seeds, constraint=grammar)
    few = Decoder(model, tokenizer, max_batch_tokens=400)
    queued = few.sample(PROMPTS, 4, max_new_tokens=24, seeds=seeds, constraint=grammar)
    assert [ids(group) for group in queued] == [ids(group) for group in together]
    assert all(one.finished for group in queued for one in group)


def test_a_prompt_given_twice_is_read_once_and_sampled_by_its_seeds(
    model: Lfm2ForCausalLM, tokenizer: PreTrainedTokenizerFast, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[int] = []
    join = LfmRows.join

    def counted(self: LfmRows, prompts: list[list[int]], counts: list[int]) -> None:
        read.append(len(prompts))
        join(self, prompts, counts)

    monkeypatch.setattr(LfmRows, "join", counted)
    decoder = Decoder(model, tokenizer)
    repeated = decoder.sample([PROMPTS[0]] * 3, 2, max_new_tokens=8, seeds=[1, 2, 1])
    assert read == [1]
    assert ids(repeated[0]) == ids(repeated[2]) != ids(repeated[1])


def test_a_beam_has_its_own_stop_for_each_prompt(
    model: Lfm2ForCausalLM, tokenizer: PreTrainedTokenizerFast
) -> None:
    decoder = Decoder(model, tokenizer)
    together = decoder.beam(PROMPTS, 4, max_new_tokens=8, stop=STOPS)
    for prompt, stop, group in zip(PROMPTS, STOPS, together, strict=True):
        assert ids(group) == ids(decoder.beam([prompt], 4, max_new_tokens=8, stop=stop)[0])


def test_beams_are_those_of_generate(model: Lfm2ForCausalLM, tokenizer: PreTrainedTokenizerFast) -> None:
    """Where a text only ends at the end token, and the score is the total log-probability."""
    prompt, width, length = PROMPTS[1], 5, 12
    head = torch.tensor([tokenizer.encode(prompt)])
    with torch.inference_mode():
        written = model.generate(
            head, attention_mask=torch.ones_like(head), max_new_tokens=length, num_beams=width,
            num_return_sequences=width, length_penalty=0.0, do_sample=False, early_stopping=False,
        )[:, head.shape[1] :].tolist()  # fmt: skip
    found = Decoder(model, tokenizer).beam([prompt], width, max_new_tokens=length, stop="<|user|>" * 3)[0]
    expected = [tuple(row[: row.index(2) + 1] if 2 in row else row) for row in written]
    assert sorted(ids(found)) == sorted(expected)


def test_settings_that_do_not_fit_the_prompts_are_refused(
    model: Lfm2ForCausalLM, tokenizer: PreTrainedTokenizerFast
) -> None:
    decoder = Decoder(model, tokenizer)
    with pytest.raises(UsageError, match="2 values of temperature for 7 prompts"):
        decoder.sample(PROMPTS, 1, max_new_tokens=4, temperature=[1.0, 2.0], seeds=SEEDS)
    with pytest.raises(UsageError, match="for the best continuation use beam"):
        decoder.sample(PROMPTS, 1, max_new_tokens=4, temperature=[1.0] * 6 + [0.0], seeds=SEEDS)
    with pytest.raises(UsageError, match="1 values of stop for 7 prompts"):
        decoder.beam(PROMPTS, 1, max_new_tokens=4, stop=["C"])
