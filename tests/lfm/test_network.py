"""Packing: the leak is shown on the upstream class, and its absence by the same test on ours."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast
from transformers import Lfm2ForCausalLM as Upstream

from mmai_gym.lfm import checkpoint
from mmai_gym.lfm.network import IGNORED, Lfm2ForCausalLM, Steps, adopt
from mmai_gym.lfm.presets import Preset, config

LENGTHS = (7, 1, 12, 5)


@pytest.fixture
def ours(model: Upstream) -> Lfm2ForCausalLM:
    return adopt(copy.deepcopy(model))


@pytest.fixture
def documents(model: Upstream) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return [torch.randint(3, model.config.vocab_size, (n,), generator=generator) for n in LENGTHS]


def packed(documents: list[torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Two rows: all documents with padding behind them, and the first two. Tokens, segments, positions."""
    width = sum(LENGTHS) + 3
    ids, segments = torch.zeros(2, width, dtype=torch.long), torch.zeros(2, width, dtype=torch.long)
    positions = torch.zeros(2, width, dtype=torch.long)
    for row, members in enumerate((documents, documents[:2])):
        at = 0
        for number, document in enumerate(members, 1):
            part = slice(at, at + len(document))
            ids[row, part], segments[row, part] = document, number
            positions[row, part] = torch.arange(len(document))
            at += len(document)
    return ids, segments, positions


def difference(logits: torch.Tensor, model: Upstream, documents: list[torch.Tensor]) -> float:
    """Largest difference between the first row's logits and those of each document alone."""
    at, worst = 0, 0.0
    for document in documents:
        solo = model(input_ids=document[None], use_cache=False).logits[0]
        worst = max(worst, float((logits[0, at : at + len(document)] - solo).abs().max()))
        at += len(document)
    return worst


@torch.no_grad()
def test_the_upstream_convolution_reads_across_documents(model: Upstream, documents: list[torch.Tensor]) -> None:
    ids, segments, positions = packed(documents)
    causal = torch.ones(ids.shape[1], ids.shape[1], dtype=torch.bool).tril()
    masks = {"full_attention": ((segments[:, :, None] == segments[:, None]) & causal)[:, None], "conv": None}
    logits = model(input_ids=ids, attention_mask=masks, position_ids=positions, use_cache=False).logits
    assert difference(logits, model, documents) > 0.01


@torch.no_grad()
@pytest.mark.parametrize("implementation", ["sdpa", "eager"])
def test_ours_gives_packed_documents_the_logits_they_have_alone(
    model: Upstream, ours: Lfm2ForCausalLM, documents: list[torch.Tensor], implementation: str
) -> None:
    ours.config._attn_implementation = implementation
    ids, segments, _ = packed(documents)
    assert difference(ours(input_ids=ids, segments=segments).logits, model, documents) < 1e-5


@torch.no_grad()
def test_one_document_per_row_gives_the_same_logits_in_both_classes(
    model: Upstream, ours: Lfm2ForCausalLM, documents: list[torch.Tensor]
) -> None:
    ids, _, _ = packed(documents)
    torch.testing.assert_close(
        ours(input_ids=ids, use_cache=False).logits, model(input_ids=ids, use_cache=False).logits
    )
    cached = ours(input_ids=ids[:, :9], use_cache=True).past_key_values
    rest = ours(input_ids=ids[:, 9:], past_key_values=cached).logits
    torch.testing.assert_close(rest, model(input_ids=ids).logits[:, 9:], rtol=1e-4, atol=1e-5)


def gradients(model: torch.nn.Module, loss: torch.Tensor) -> dict[str, torch.Tensor]:
    model.zero_grad()
    loss.backward()
    return {name: weight.grad.clone() for name, weight in model.named_parameters() if weight.grad is not None}


@pytest.mark.parametrize("items", [None, 40])
def test_the_loss_and_its_gradient_are_upstreams(
    model: Upstream, ours: Lfm2ForCausalLM, documents: list[torch.Tensor], items: int | None
) -> None:
    ids, segments, _ = packed(documents)
    labels = torch.where((segments > 0) & (ids % 3 > 0), ids, IGNORED)
    reference = copy.deepcopy(model)
    expected = reference(input_ids=ids, labels=labels, num_items_in_batch=items).loss
    found = ours(input_ids=ids, labels=labels, num_items_in_batch=items)
    torch.testing.assert_close(found.loss, expected)
    supervised = int((labels[:, 1:] != IGNORED).sum())
    assert float(found.token_losses.sum()) / (items or supervised) == pytest.approx(expected.item(), rel=1e-5)
    assert (found.token_losses[labels == IGNORED] == 0).all()
    wanted = gradients(reference, expected)
    for name, gradient in gradients(ours, found.loss).items():
        torch.testing.assert_close(gradient, wanted[name], rtol=1e-4, atol=1e-5, msg=name)


def test_packed_rows_teach_what_their_documents_teach_alone(
    model: Upstream, ours: Lfm2ForCausalLM, documents: list[torch.Tensor]
) -> None:
    ids, segments, _ = packed(documents)
    labels = torch.where(segments > 0, ids, IGNORED)
    items = 2 * sum(LENGTHS)
    reference = copy.deepcopy(model)
    solo = sum(
        reference(input_ids=one[None], labels=one[None], num_items_in_batch=items).loss
        for one in [*documents, *documents[:2]]
        if len(one) > 1
    )
    together = ours(input_ids=ids, labels=labels, segments=segments, num_items_in_batch=items).loss
    torch.testing.assert_close(together, solo, rtol=1e-5, atol=1e-5)
    wanted = gradients(reference, solo)
    for name, gradient in gradients(ours, together).items():
        torch.testing.assert_close(gradient, wanted[name], rtol=1e-4, atol=1e-5, msg=name)


def test_checkpoints_load_both_ways_with_identical_logits(
    ours: Lfm2ForCausalLM, tokenizer: PreTrainedTokenizerFast, tmp_path: Path
) -> None:
    folder = checkpoint.save(tmp_path / "ours", ours, tokenizer, {})
    theirs = AutoModelForCausalLM.from_pretrained(folder)
    assert type(theirs) is Upstream
    ids = torch.arange(3, 30)[None]
    wanted = ours(input_ids=ids, use_cache=True).logits
    assert torch.equal(theirs.eval()(input_ids=ids, use_cache=True).logits, wanted)
    theirs.save_pretrained(tmp_path / "theirs")
    back = Lfm2ForCausalLM.from_pretrained(tmp_path / "theirs").eval()
    assert torch.equal(back(input_ids=ids, use_cache=True).logits, wanted)
    assert back.config.architectures == ["Lfm2ForCausalLM"]
    assert torch.equal(adopt(theirs)(input_ids=ids).logits, back(input_ids=ids).logits)


def test_what_is_no_lfm_is_not_adopted() -> None:
    with pytest.raises(TypeError, match="Linear is no Lfm2ForCausalLM"):
        adopt(torch.nn.Linear(2, 2))  # type: ignore[arg-type]


@torch.no_grad()
def test_packing_refuses_an_attention_that_cannot_keep_documents_apart() -> None:
    size = Preset(hidden=16, layers=2, feed_forward=16, heads=2, kv_heads=1)
    network = Lfm2ForCausalLM(config(size, 20))
    network.config._attn_implementation = "flash_attention_2"
    with pytest.raises(ValueError, match="sdpa or eager"):
        network(input_ids=torch.ones(1, 4, dtype=torch.long), segments=torch.ones(1, 4, dtype=torch.long))


# --------------------------------------------------------------------------------------------------- branches


def branched(documents: list[torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, list[torch.Tensor]]:
    """A row of two documents between plain ones: tokens, segments, branches; and each branch behind its opening alone."""
    opening, one, other, third = documents
    parts = [
        (third, 1, 0), (opening, 2, 0), (one, 2, 1), (other, 2, 2), (third, 2, 3), (one, 3, 0), (other, 3, 1),
        (opening, 4, 0),
    ]  # fmt: skip
    ids = torch.cat([tokens for tokens, _, _ in parts] + [torch.zeros(4, dtype=torch.long)])
    segments = torch.cat(
        [torch.full_like(tokens, n) for tokens, n, _ in parts] + [torch.zeros(4, dtype=torch.long)]
    )
    branches = torch.cat(
        [torch.full_like(tokens, n) for tokens, _, n in parts] + [torch.zeros(4, dtype=torch.long)]
    )
    alone = [
        third, torch.cat([opening, one]), torch.cat([opening, other]), torch.cat([opening, third]),
        torch.cat([one, other]), opening,
    ]  # fmt: skip
    return ids[None], segments[None], branches[None], alone


@torch.no_grad()
@pytest.mark.parametrize("implementation", ["sdpa", "eager"])
def test_a_branch_is_what_it_would_be_behind_its_opening_alone(
    model: Upstream, ours: Lfm2ForCausalLM, documents: list[torch.Tensor], implementation: str
) -> None:
    ours.config._attn_implementation = implementation
    ids, segments, branches, alone = branched(documents)
    logits = ours(input_ids=ids, segments=segments, branches=branches).logits[0]
    keys = [(1, 0), (2, 1), (2, 2), (2, 3), (3, 1), (4, 0)]
    for (segment, branch), tokens in zip(keys, alone, strict=True):
        here = (segments[0] == segment) & ((branches[0] == branch) | (branches[0] == 0))
        assert ids[0, here].tolist() == tokens.tolist()
        expected = model(input_ids=tokens[None], use_cache=False).logits[0]
        assert float((logits[here] - expected).abs().max()) < 1e-5
    # Without the numbers of the branches, the second reads the first.
    mixed = ours(input_ids=ids, segments=segments).logits[0]
    second = (segments[0] == 2) & (branches[0] == 2)
    assert float((mixed[second] - logits[second]).abs().max()) > 0.01


def test_branches_teach_what_they_teach_alone(
    model: Upstream, ours: Lfm2ForCausalLM, documents: list[torch.Tensor]
) -> None:
    ids, segments, branches, alone = branched(documents)
    labels = torch.where(branches > 0, ids, IGNORED)
    reference = adopt(copy.deepcopy(model))
    solo = torch.zeros(())
    openings = {1: documents[0], 2: documents[0], 3: documents[0], 4: documents[1]}
    for number, opening in openings.items():
        tokens = alone[number][None]
        # The first token of a branch is foretold by nobody.
        learned = torch.arange(tokens.shape[1]) > len(opening)
        solo = (
            solo
            + reference(input_ids=tokens, labels=torch.where(learned, tokens, IGNORED), num_items_in_batch=10).loss
        )
    found = ours(input_ids=ids, labels=labels, segments=segments, branches=branches, num_items_in_batch=10)
    torch.testing.assert_close(found.loss, solo)
    wanted = gradients(reference, solo)
    for name, gradient in gradients(ours, found.loss).items():
        torch.testing.assert_close(gradient, wanted[name], rtol=1e-4, atol=1e-5, msg=name)


# --------------------------------------------------------------------------------------------------- numbers


def test_a_number_is_learned_as_a_distribution_over_the_steps_around_it_and_words_as_they_are(
    ours: Lfm2ForCausalLM, model: Upstream
) -> None:
    steps = Steps(first=20, count=10, deviation=2.0)
    ids = torch.tensor([[3, 4, 5, 22, 29, 6]])
    labels = torch.tensor([[IGNORED, IGNORED, IGNORED, 22, 29, 6]])
    logprobs = model(input_ids=ids, use_cache=False).logits[0].detach().log_softmax(-1)
    losses = ours(input_ids=ids, labels=labels, steps=steps).token_losses[0]
    for place, step in ((3, 2), (4, 9)):
        weights = torch.tensor([2.718281828 ** (-0.5 * ((other - step) / 2.0) ** 2) for other in range(10)])
        expected = -(weights / weights.sum()) @ logprobs[place - 1, 20:30]
        assert float(losses[place]) == pytest.approx(float(expected), rel=1e-4)
    assert float(losses[5]) == pytest.approx(-float(logprobs[4, 6]), rel=1e-4)
    plain, narrow = (
        ours(input_ids=ids, labels=labels, steps=one).loss.item() for one in (None, Steps(20, 10, 0.05))
    )
    assert narrow == pytest.approx(plain, rel=1e-4)
