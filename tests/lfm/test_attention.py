"""Attention by plain products is upstream's, and documents that are laid out come back where they were."""

from __future__ import annotations

import copy

import pytest
import torch
from transformers import Lfm2ForCausalLM as Upstream

from mmai_gym.lfm import attention
from mmai_gym.lfm.attention import Layout
from mmai_gym.lfm.network import IGNORED, adopt

LENGTHS = ((40, 3, 1, 90, 17, 40), (150, 41))
WIDTH = 192


def lines(vocabulary: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Two rows of documents, the first with padding behind: tokens and segments."""
    ids = torch.randint(3, vocabulary, (2, WIDTH), generator=torch.Generator().manual_seed(1))
    segments = torch.zeros(2, WIDTH, dtype=torch.long)
    for row, lengths in enumerate(LENGTHS):
        numbers = torch.arange(1, len(lengths) + 1).repeat_interleave(torch.tensor(lengths))
        segments[row, : len(numbers)] = numbers
    return ids, segments


def test_every_document_lies_in_a_row_of_its_own_and_few_slots_are_empty() -> None:
    _, segments = lines(100)
    layout = Layout.of(segments)
    assert torch.equal(layout.tokens[layout.slots], torch.arange(segments.numel()))
    assert len(layout.empty) == sum(block.slots for block in layout.blocks) - segments.numel()
    assert all(block.rows % 4 == 0 and block.width % 16 == 0 for block in layout.blocks)
    starts = torch.tensor([start for start, _ in rows_of(layout)])
    flat = (segments + 100 * torch.arange(2)[:, None]).flatten()
    for number in flat.unique():
        slots = layout.slots[flat == number]
        assert torch.equal(slots, slots[0] + torch.arange(len(slots)))
        assert slots[0] in starts
        (width,) = (width for start, width in rows_of(layout) if start == slots[0])
        assert len(slots) <= width


def rows_of(layout: Layout) -> list[tuple[int, int]]:
    """The first slot of each row, and its width."""
    found, start = [], 0
    for block in layout.blocks:
        found += [(start + block.width * row, block.width) for row in range(block.rows)]
        start += block.slots
    return found


def taught(model: torch.nn.Module, **inputs: torch.Tensor) -> tuple[float, torch.Tensor]:
    """The loss, and its gradient as one vector."""
    model.zero_grad()
    loss = model(**inputs).loss
    loss.backward()
    return loss.item(), torch.cat(
        [weight.grad.flatten() for weight in model.parameters() if weight.grad is not None]
    )


@pytest.mark.parametrize("widest", [512, 128, 8])
def test_packed_rows_have_the_loss_and_the_gradient_of_a_mask(
    model: Upstream, monkeypatch: pytest.MonkeyPatch, widest: int
) -> None:
    monkeypatch.setattr(attention, "_WIDEST", {True: widest, False: widest})
    ours, masked = adopt(copy.deepcopy(model)), adopt(copy.deepcopy(model))
    masked.config._attn_implementation = "eager"
    ids, segments = lines(model.config.vocab_size)
    inputs = {"input_ids": ids, "labels": torch.where(segments > 0, ids, IGNORED), "segments": segments}
    loss, gradient = taught(ours, **inputs)
    expected, wanted = taught(masked, **inputs)
    assert loss == pytest.approx(expected, rel=1e-5)
    torch.testing.assert_close(gradient, wanted, rtol=1e-3, atol=1e-5)


OPENINGS = ((30, (20, 20, 7, 1, 33)), (300, (50, 9)), (40, ()), (3, (60,)))


def branched(vocabulary: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Two rows of openings and their branches, the second with padding behind: tokens, segments, branches."""
    width = 520
    ids = torch.randint(3, vocabulary, (2, width), generator=torch.Generator().manual_seed(2))
    segments, branches = torch.zeros(2, 2, width, dtype=torch.long)
    for row, documents in enumerate((OPENINGS[:2], OPENINGS[2:])):
        lengths = [(n, opening, *rest) for n, (opening, rest) in enumerate(documents, 1)]
        parts = [(n, branch, length) for n, *runs in lengths for branch, length in enumerate(runs)]
        numbers, kinds, counts = torch.tensor(parts).T
        segments[row, : counts.sum()] = numbers.repeat_interleave(counts)
        branches[row, : counts.sum()] = kinds.repeat_interleave(counts)
    return ids, segments, branches


def test_the_branches_of_an_opening_share_blocks_that_know_where_it_lies() -> None:
    _, segments, branches = branched(100)
    layout = Layout.of(segments, branches)
    assert torch.equal(layout.tokens[layout.slots], torch.arange(segments.numel()))
    taken, start = torch.zeros(len(layout.tokens), dtype=torch.bool), 0
    taken[layout.slots] = True
    found: dict[int, list[int]] = {}
    for block in layout.blocks:
        rows = taken[start : start + block.slots].view(block.rows, block.width).sum(1)
        if block.opening is not None:
            place, length = block.opening
            held = layout.tokens[layout.openings.split(layout.widths)[place][:length]]
            opening = segments.flatten()[held]
            assert (branches.flatten()[held] == 0).all()
            assert len(opening.unique()) == 1
            found.setdefault(length, []).extend(rows[rows > 0].tolist())
        start += block.slots
    assert {length: sorted(rest) for length, rest in found.items()} == {
        length: sorted(rest) for length, rest in OPENINGS if rest
    }


@pytest.mark.parametrize("widest", [512, 16])
def test_branches_have_the_loss_and_the_gradient_of_a_mask(
    model: Upstream, monkeypatch: pytest.MonkeyPatch, widest: int
) -> None:
    monkeypatch.setattr(attention, "_WIDEST", {True: widest, False: widest})
    ours, masked = adopt(copy.deepcopy(model)), adopt(copy.deepcopy(model))
    masked.config._attn_implementation = "eager"
    ids, segments, branches = branched(model.config.vocab_size)
    inputs = {"input_ids": ids, "labels": torch.where(segments > 0, ids, IGNORED)}
    inputs |= {"segments": segments, "branches": branches}
    loss, gradient = taught(ours, **inputs)
    expected, wanted = taught(masked, **inputs)
    assert loss == pytest.approx(expected, rel=1e-5)
    torch.testing.assert_close(gradient, wanted, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("packed", [True, False])
def test_in_bfloat16_the_gradient_is_as_near_as_that_of_torchs_attention(
    model: Upstream, monkeypatch: pytest.MonkeyPatch, packed: bool
) -> None:
    ids, segments = lines(model.config.vocab_size)
    inputs = {"input_ids": ids, "labels": torch.where(segments > 0, ids, IGNORED)}
    inputs |= {"segments": segments} if packed else {}
    _, exact = taught(adopt(copy.deepcopy(model)), **inputs)
    errors = []
    for widest in (512, 0):
        monkeypatch.setattr(attention, "_WIDEST", {True: widest, False: widest})
        with torch.autocast("cpu", dtype=torch.bfloat16):
            _, rough = taught(adopt(copy.deepcopy(model)), **inputs)
        errors.append(float((rough - exact).norm() / exact.norm()))
    plain, torchs = errors
    assert 0.0 < plain < 1.5 * torchs


def test_short_branches_share_their_blocks() -> None:
    segments = torch.ones(1, 40 + 8 * 30, dtype=torch.long)
    branches = torch.zeros_like(segments)
    branches[0, 40:] = 1 + torch.arange(8 * 30) // 8
    opening, rest = Layout.of(segments, branches).blocks
    assert (opening.width, rest.width, rest.rows) == (48, 16, 32)
