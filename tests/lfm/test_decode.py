from __future__ import annotations

import numpy as np
import pytest
import torch
from transformers import Lfm2ForCausalLM, PreTrainedTokenizerFast

from mmai_gym.contracts import UsageError
from mmai_gym.lfm.beam import beam_search
from mmai_gym.lfm.cached import CachedRows
from mmai_gym.lfm.decode import Decoder
from mmai_gym.lfm.sampling import invert, nucleus
from mmai_gym.lfm.sharing import branches
from mmai_gym.lfm.stops import Stops
from mmai_gym.tasks.rendering import BIN_TOKENS

PROMPTS = [
    "<|bos|><|p:logp|>CCO<answer>",
    "<|bos|><|p:qed|>C[C@@H](N)C(=O)Oc1ccccc1<answer>",
    "<|bos|>O",
    "<|bos|><|p:qed|>[nH]1cccc1Cl<answer>",
    "<|bos|><|p:logp|>CCN<answer>",
]
# An untrained model hardly writes `</answer>`; a one-letter stop lets some rows end early and others not.
STOP = "C"


@pytest.fixture(scope="module")
def decoder(model: Lfm2ForCausalLM, tokenizer: PreTrainedTokenizerFast) -> Decoder:
    return Decoder(model, tokenizer)


def teacher_forced(model: Lfm2ForCausalLM, tokenizer: PreTrainedTokenizerFast, prompt: str, ids: tuple[int, ...]):
    """Log-probabilities of a continuation by one plain forward pass, without cache or batch."""
    head = tokenizer.encode(prompt)
    with torch.inference_mode():
        logprobs = model(torch.tensor([[*head, *ids]])).logits[0].log_softmax(-1)
    return [float(logprobs[len(head) - 1 + i, token]) for i, token in enumerate(ids)]


def test_the_seed_decides_the_sample_whatever_shares_the_batch(
    model: Lfm2ForCausalLM, tokenizer: PreTrainedTokenizerFast, decoder: Decoder
) -> None:
    seeds = [7, 8, 9, 10, 11]
    together = decoder.sample(PROMPTS, 4, max_new_tokens=24, stop=STOP, seeds=seeds)
    small = Decoder(model, tokenizer, max_batch_tokens=100)
    for i, prompt in enumerate(PROMPTS):
        alone = small.sample([prompt], 2, max_new_tokens=24, stop=STOP, seeds=[seeds[i]])[0]
        assert [s.token_ids for s in alone] == [s.token_ids for s in together[i][:2]]
    other = decoder.sample(PROMPTS, 4, max_new_tokens=24, stop=STOP, seeds=[s + 1 for s in seeds])
    texts = {s.text for group in (together, other) for row in group for s in row}
    assert len(texts) > 35  # of 40; neighbouring seeds and samples do not repeat each other


def test_sample_logprobs_are_those_of_the_model_at_temperature_one(
    model: Lfm2ForCausalLM, tokenizer: PreTrainedTokenizerFast, decoder: Decoder
) -> None:
    groups = decoder.sample(
        PROMPTS, 3, max_new_tokens=20, temperature=0.7, top_p=0.9, stop=STOP, seeds=range(len(PROMPTS))
    )
    ends = set()
    for prompt, group in zip(PROMPTS, groups, strict=True):
        for s in group:
            expected = teacher_forced(model, tokenizer, prompt, s.token_ids)
            assert s.token_logprobs == pytest.approx(expected, abs=1e-4)
            assert s.logprob == pytest.approx(sum(expected), abs=1e-3)
            assert s.text == tokenizer.decode(s.token_ids).removesuffix("<|eos|>")
            assert s.finished == (s.token_ids[-1] in (tokenizer.encode(STOP)[0], tokenizer.eos_token_id))
            assert tokenizer.encode(STOP)[0] not in s.token_ids[:-1]
            assert s.finished or len(s.token_ids) == 20
            ends.add(s.finished)
    assert ends == {True, False}


def test_samples_follow_the_distribution_of_the_model(
    model: Lfm2ForCausalLM, tokenizer: PreTrainedTokenizerFast, decoder: Decoder
) -> None:
    n = 4000
    drawn = decoder.sample(PROMPTS[:1], n, max_new_tokens=1, temperature=1.5, seeds=[1])[0]
    with torch.inference_mode():
        logits = model(torch.tensor([tokenizer.encode(PROMPTS[0])])).logits[0, -1]
    expected = (logits.double() / 1.5).softmax(-1).numpy()
    counts = np.bincount([s.token_ids[0] for s in drawn], minlength=len(expected))
    top = expected.argsort()[-5:]
    error = np.abs(counts[top] / n - expected[top]) / np.sqrt(expected[top] * (1 - expected[top]) / n)
    assert error.max() < 4.0


def test_a_nucleus_holds_the_smallest_set_with_the_mass() -> None:
    probability = nucleus(torch.tensor([[0.1, 0.5, 0.15, 0.25]]), torch.tensor([[0.7]]))
    drawn = [int(invert(probability, torch.tensor([[u / 100]]).double())) for u in range(100)]
    assert set(drawn) == {1, 3}
    assert drawn.count(1) == 67


def test_a_nucleus_is_the_same_where_a_short_list_does_not_hold_its_mass() -> None:
    flat = (torch.arange(500.0) / 500).softmax(0)
    sharp = (torch.arange(500.0) / 2).softmax(0)
    masses = torch.tensor([[0.9], [0.9], [1.0]])
    together = nucleus(torch.stack([flat, sharp, flat]), masses)
    for row, alone, mass in zip(together, (flat, sharp, flat), masses, strict=True):
        assert torch.equal(row, nucleus(alone[None], mass[None])[0])
        order = alone.sort(descending=True).values.double().cumsum(0)
        expected = int((order < mass - 1e-6).sum()) + 1 if mass < 1 else 500
        assert int((row > 0).sum()) == expected


def test_the_last_number_below_one_draws_the_last_possible_token() -> None:
    probability = torch.tensor([[0.25, 0.75, 0.0], [0.5, 0.5, 1e-30]])
    drawn = invert(probability, torch.tensor([[1.0 - 2**-53], [0.0]], dtype=torch.float64))
    assert drawn.tolist() == [[1], [0]]


def test_beam_scores_are_exact_ranked_and_distinct(
    model: Lfm2ForCausalLM, tokenizer: PreTrainedTokenizerFast, decoder: Decoder
) -> None:
    for prompt, group in zip(PROMPTS, decoder.beam(PROMPTS, 6, max_new_tokens=12, stop=STOP), strict=True):
        assert len({s.token_ids for s in group}) == len(group) == 6
        for done in (True, False):
            scores = [s.logprob for s in group if s.finished is done]
            assert scores == sorted(scores, reverse=True)
        assert [s.finished for s in group] == sorted((s.finished for s in group), reverse=True)
        for s in group:
            expected = teacher_forced(model, tokenizer, prompt, s.token_ids)
            assert s.token_logprobs == pytest.approx(expected, abs=1e-4)
            assert s.finished == (s.token_ids[-1] in (tokenizer.encode(STOP)[0], tokenizer.eos_token_id))


def test_a_beam_misses_nothing_where_it_can_hold_every_prefix(
    model: Lfm2ForCausalLM, tokenizer: PreTrainedTokenizerFast, decoder: Decoder
) -> None:
    """With two new tokens and room for every first token, all likely finished pairs are found, in order."""
    width, stop = len(tokenizer), tokenizer.encode(STOP)[0]
    ends = [stop, tokenizer.eos_token_id]
    head = tokenizer.encode(PROMPTS[0])
    with torch.inference_mode():
        first = model(torch.tensor([head])).logits[0, -1].log_softmax(-1)
        second = model(torch.tensor([[*head, token] for token in range(width)])).logits[:, -1].log_softmax(-1)
    pairs = first[:, None] + second
    pairs[ends] = -torch.inf
    bound = float(pairs.flatten().sort(descending=True).values[3 * width - 1])
    best = {(token,): float(first[token]) for token in ends}
    best |= {(t, end): float(pairs[t, end]) for t in range(width) for end in ends if pairs[t, end] > bound}
    found = decoder.beam(PROMPTS[:1], width, max_new_tokens=2, stop=STOP)[0]
    finished = {s.token_ids: s.logprob for s in found if s.finished}
    assert len(best) > 5
    assert finished == pytest.approx(best, abs=1e-4)
    assert list(finished) == sorted(best, key=lambda ids: -best[ids])


def test_beam_is_greedy_at_width_one_and_no_worse_when_wider(
    model: Lfm2ForCausalLM, tokenizer: PreTrainedTokenizerFast, decoder: Decoder
) -> None:
    greedy = decoder.beam(PROMPTS, 1, max_new_tokens=10, stop=STOP)
    wide = decoder.beam(PROMPTS, 8, max_new_tokens=10, stop=STOP)
    for prompt, (one,), many in zip(PROMPTS, greedy, wide, strict=True):
        ids = tokenizer.encode(prompt)
        for token in one.token_ids:
            with torch.inference_mode():
                assert int(model(torch.tensor([ids])).logits[0, -1].argmax()) == token
            ids.append(token)
        if one.finished:
            assert many[0].logprob >= one.logprob - 1e-5


def test_beam_gives_the_same_answers_in_every_batch(
    model: Lfm2ForCausalLM, tokenizer: PreTrainedTokenizerFast, decoder: Decoder
) -> None:
    together = decoder.beam(PROMPTS, 4, max_new_tokens=12, stop=STOP)
    alone = Decoder(model, tokenizer, max_batch_tokens=1).beam(PROMPTS, 4, max_new_tokens=12, stop=STOP)
    assert [[s.token_ids for s in group] for group in together] == [
        [s.token_ids for s in group] for group in alone
    ]


def test_a_prompt_that_is_settled_early_leaves_the_others_alone(
    model: Lfm2ForCausalLM, tokenizer: PreTrainedTokenizerFast
) -> None:
    ids = [tokenizer.encode(prompt) for prompt in PROMPTS]

    class OftenEnded(Stops):
        def of(self, index: torch.Tensor) -> Stops:
            return self

        def ended(self, tokens: torch.Tensor) -> torch.Tensor:
            return tokens[..., -1] % 6 == 0

    def search(prompts: list[list[int]]) -> tuple[list[object], list[object], int]:
        rows = CachedRows(model, 3 * len(prompts), len(prompts))
        with torch.inference_mode():
            finished, _ = beam_search(rows, prompts, 3, 8, OftenEnded(torch.zeros(0, 1), None))
        return finished.tokens.tolist(), finished.scores.tolist(), len(rows)

    together, scores, rows_left = search(ids)
    assert rows_left < 3 * len(ids)  # some prompts were dropped on the way
    for i, prompt in enumerate(ids):
        alone, score, _ = search([prompt])
        assert alone[0] == together[i]
        assert score[0] == pytest.approx(scores[i], abs=1e-4)


def test_an_end_token_ends_a_continuation_and_is_not_written(
    model: Lfm2ForCausalLM, tokenizer: PreTrainedTokenizerFast, decoder: Decoder
) -> None:
    found = decoder.beam(PROMPTS[:1], len(tokenizer), max_new_tokens=1)[0]
    (ended,) = [s for s in found if s.token_ids == (tokenizer.eos_token_id,)]
    assert ended.finished
    assert ended.text == ""
    assert sum(s.finished for s in found) == 2  # the other one is the stop text


def test_a_stop_text_of_several_tokens_is_recognised(
    model: Lfm2ForCausalLM, tokenizer: PreTrainedTokenizerFast, decoder: Decoder
) -> None:
    text = decoder.sample(PROMPTS[:1], 1, max_new_tokens=20, stop="</answer>", seeds=[3])[0][0].text
    pair = tokenizer.decode(tokenizer.encode(text)[4:6])
    stopped = decoder.sample(PROMPTS[:1], 1, max_new_tokens=20, stop=pair, seeds=[3])[0][0]
    assert len(tokenizer.encode(pair)) == 2
    assert stopped.finished
    assert text.startswith(stopped.text)
    assert stopped.text.endswith(pair)


def test_choices_equal_teacher_forcing_and_keep_their_places(
    model: Lfm2ForCausalLM, tokenizer: PreTrainedTokenizerFast, decoder: Decoder
) -> None:
    options = [["<|yes|>", "<|no|>"], ["CCO</answer>", "N</answer>", "C"], ["7"], [], ["12", "1", "123456789"]]
    scores = decoder.choice_logprobs(PROMPTS, options)
    assert [len(row) for row in scores] == [2, 3, 1, 0, 3]
    for prompt, texts, row in zip(PROMPTS, options, scores, strict=True):
        for text, score in zip(texts, row, strict=True):
            expected = sum(teacher_forced(model, tokenizer, prompt, tuple(tokenizer.encode(text))))
            assert score == pytest.approx(expected, abs=1e-4)
    tiny = Decoder(model, tokenizer, max_batch_tokens=1)
    for row, again in zip(scores, tiny.choice_logprobs(PROMPTS, options), strict=True):
        assert again == pytest.approx(row, abs=1e-4)


def test_bin_probabilities_are_the_softmax_over_the_grid_steps(
    model: Lfm2ForCausalLM, tokenizer: PreTrainedTokenizerFast, decoder: Decoder
) -> None:
    table = decoder.bin_probabilities(PROMPTS)
    assert table.shape == (len(PROMPTS), 128)
    np.testing.assert_allclose(table.sum(1), 1.0)
    for prompt, row in zip(PROMPTS, table, strict=True):
        scores = np.array(decoder.choice_logprobs([prompt], [BIN_TOKENS])[0])
        np.testing.assert_allclose(row, np.exp(scores) / np.exp(scores).sum(), atol=1e-5)


def test_prompts_that_begin_alike_are_told_the_same_as_each_by_itself(decoder: Decoder) -> None:
    stem, other = "<|bos|>" + "CN(C)C" * 40, "<|bos|>" + "OCC" * 60
    prompts = [f"{stem}{tail}<answer>" for tail in ("O", "CCN", "", "ClCC", "O")] + [f"{other}N<answer>", *PROMPTS]
    groups = branches([decoder._tokenizer.encode(prompt, add_special_tokens=False) for prompt in prompts])
    assert sorted((group.shared > 200, len(group.members)) for group in groups)[-1] == (True, 5)
    assert sorted(i for group in groups for i in group.members) == list(range(len(prompts)))
    table = decoder.bin_probabilities(prompts)
    alone = [decoder.bin_probabilities([prompt])[0] for prompt in prompts]
    np.testing.assert_allclose(table, alone, atol=1e-5)
    decoder = Decoder(decoder._model, decoder._tokenizer, max_batch_tokens=260)  # room for a few at a time
    np.testing.assert_allclose(decoder.bin_probabilities(prompts), alone, atol=1e-5)


def test_many_short_questions_about_one_molecule_are_read_together_and_told_the_same(decoder: Decoder) -> None:
    stem, others = "<|bos|><|smiles|>" + "CN(C)C" * 6, ["<|bos|><|smiles|>CCO", "<|bos|><|smiles|>CCN"]
    prompts = [f"{stem}<|affinity|><|bin_{i:03d}|><answer>" for i in range(20)]
    prompts += [f"{other}<|affinity|><|bin_001|><answer>" for other in others]
    groups = branches([decoder._tokenizer.encode(prompt, add_special_tokens=False) for prompt in prompts])
    assert sorted((group.shared, len(group.members)) for group in groups) == [(0, 1), (0, 1), (39, 20)]
    table = decoder.bin_probabilities(prompts)
    alone = [decoder.bin_probabilities([prompt])[0] for prompt in prompts]
    np.testing.assert_allclose(table, alone, atol=1e-5)


def test_nothing_asked_nothing_answered(decoder: Decoder) -> None:
    assert decoder.sample([], 3, max_new_tokens=5, seeds=[]) == []
    assert decoder.beam([], 3, max_new_tokens=5) == []
    assert decoder.choice_logprobs([], []) == []
    assert decoder.bin_probabilities([]).shape == (0, 128)


def test_a_model_in_training_goes_back_to_training(
    model: Lfm2ForCausalLM, tokenizer: PreTrainedTokenizerFast
) -> None:
    model.train()
    try:
        Decoder(model, tokenizer).bin_probabilities(PROMPTS)
        assert model.training
    finally:
        model.eval()


def test_bad_requests_are_refused_with_the_fix(decoder: Decoder) -> None:
    with pytest.raises(UsageError, match="shorten the prompt"):
        decoder.bin_probabilities(["<|bos|>" + "C" * 5000])
    with pytest.raises(UsageError, match="prompt 1 is empty"):
        decoder.beam(["<|bos|>", ""], 1, max_new_tokens=2)
    with pytest.raises(UsageError, match="for the best continuation use beam"):
        decoder.sample(PROMPTS, 1, max_new_tokens=2, temperature=0.0, seeds=range(5))
    with pytest.raises(UsageError, match="one seed per prompt"):
        decoder.sample(PROMPTS, 1, max_new_tokens=2, seeds=[1])
    with pytest.raises(UsageError, match="option of prompt 0 is empty"):
        decoder.choice_logprobs(PROMPTS[:1], [["C", ""]])
    with pytest.raises(UsageError, match="stop text is empty"):
        decoder.beam(PROMPTS, 1, max_new_tokens=2, stop="")
