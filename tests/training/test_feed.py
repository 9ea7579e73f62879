"""Plans, shares and tensors: what reaches the network, whatever the kind of rows and the number of processes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mmai_gym.training.batches import plan_stage
from mmai_gym.training.corpus import Corpus, Manifest, TaskCount
from mmai_gym.training.feed import (
    AFFINITY,
    IGNORED,
    PROTEIN,
    SMILES,
    Collator,
    StepFeed,
    ahead,
    branches_of,
    predicted,
)
from mmai_gym.training.shares import share

PAD = 0


def corpus_of(lengths: list[int]) -> Corpus:
    """Rows whose tokens are all different; every third is supervised."""
    n = sum(lengths)
    manifest = Manifest(
        version=1, split="train", made_from={}, libraries={}, tasks=[TaskCount(name="t", version="1")], files={}
    )
    tokens, mask = np.arange(1, n + 1).astype(np.uint16), (np.arange(n) % 3 == 0).astype(np.uint8)
    offsets = np.cumsum([0, *lengths]).astype(np.int64)
    return Corpus(Path(), manifest, tokens, mask, offsets, np.zeros(len(lengths), np.uint16))


lengths_of = st.lists(st.integers(1, 40), min_size=1, max_size=120)


@given(lengths_of, st.integers(40, 400), st.integers(1, 2), st.integers(0, 2**32))
def test_packed_lines_hold_every_row_once_an_epoch_within_width_and_budget(
    lengths: list[int], tokens: int, epochs: int, seed: int
) -> None:
    sizes = np.array(lengths)
    plan = plan_stage(sizes, tokens, epochs, seed, "s", "packed", 40)
    assert np.array_equal(np.bincount(plan.rows, minlength=len(sizes)), np.full(len(sizes), epochs))
    assert np.concatenate([plan[i] for i in range(len(plan))]).tolist() == plan.rows.tolist()
    for i in range(len(plan)):
        lines = plan.lines_of(i)
        assert np.concatenate(lines).tolist() == plan[i].tolist()
        assert 0 < len(lines) * 40 <= max(40, tokens)
        assert all(sizes[line].sum() <= 40 for line in lines)


@pytest.mark.parametrize("rows", ["grouped", "packed"])
def test_rows_of_drug_like_length_fill_a_batch_to_97_per_cent(rows: str) -> None:
    """ZINC250k in tokens: mean 40.3, standard deviation 8.5, from 10 to 74."""
    lengths = np.random.default_rng(0).normal(40.3, 8.5, 30_000).round().clip(10, 74).astype(np.int64)
    plan = plan_stage(lengths, 8192, 1, 0, "s", rows, 256)  # type: ignore[arg-type]
    assert lengths.sum() / plan.padded(lengths) >= 0.97


@given(lengths_of, st.none() | st.integers(10, 200), st.integers(1, 4))
def test_a_step_is_shared_out_whole_and_every_process_has_as_many_passes(
    lengths: list[int], tokens: int | None, ranks: int
) -> None:
    lines = [np.array([i]) for i in range(len(lengths))]
    shares = [share(lines, lengths, tokens, rank, ranks) for rank in range(ranks)]
    assert len({len(one) for one in shares}) == 1
    given_ = sorted(int(line[0]) for one in shares for part in one for line in part)
    assert given_ == list(range(len(lengths)))
    for part in (part for one in shares for part in one):
        sizes = [lengths[int(line[0])] for line in part]
        assert len(part) <= 1 or tokens is None or max(sizes) * len(sizes) <= tokens


@settings(max_examples=40)
@given(lengths_of, st.sampled_from(["grouped", "packed"]), st.integers(1, 3), st.none() | st.integers(40, 200))
def test_the_feed_carries_every_token_and_label_of_the_plan(
    lengths: list[int], rows: str, ranks: int, tokens: int | None
) -> None:
    corpus = corpus_of(lengths)
    plan = plan_stage(corpus.lengths, 160, 1, 3, "s", rows, 40)  # type: ignore[arg-type]
    per_step = np.diff(plan.cumulative(predicted(corpus)))
    feeds = [list(StepFeed(corpus, plan, PAD, tokens=tokens, rank=r, ranks=ranks)) for r in range(ranks)]
    for step in range(len(plan)):
        passes = [one for feed in feeds for one in feed[step]]
        labels = torch.cat([one["labels"].flatten() for one in passes])
        taught = [one for one in passes if (one["labels"] != IGNORED).any()]
        wanted = np.concatenate([corpus.row(row)[0][corpus.row(row)[1] > 0] for row in plan[step]])
        assert sorted(labels[labels != IGNORED].tolist()) == sorted(wanted.tolist())
        learned = 0
        for one in taught:
            same = torch.ones_like(one["labels"][:, 1:], dtype=torch.bool)
            if rows == "packed":
                same = one["segments"][:, 1:] == one["segments"][:, :-1]
                assert ((one["segments"] == 0) == (one["input_ids"] == PAD)).all()
            learned += int(((one["labels"][:, 1:] != IGNORED) & same).sum())
        assert learned == per_step[step]


def test_segments_number_the_rows_of_a_line() -> None:
    batch = Collator(corpus_of([2, 3, 1]), PAD).fill([np.array([2, 0]), np.array([1])], 5)
    assert batch["segments"].tolist() == [[1, 2, 2, 0, 0], [1, 1, 1, 0, 0]]
    assert batch["input_ids"].tolist() == [[6, 1, 2, 0, 0], [3, 4, 5, 0, 0]]
    assert batch["labels"].tolist() == [
        [IGNORED, 1, IGNORED, IGNORED, IGNORED],
        [IGNORED, 4, IGNORED, IGNORED, IGNORED],
    ]


def test_a_feed_starts_where_a_stopped_run_goes_on() -> None:
    corpus = corpus_of([5] * 40)
    plan = plan_stage(corpus.lengths, 20, 1, 0, "s")
    whole, rest = list(StepFeed(corpus, plan, PAD)), list(StepFeed(corpus, plan, PAD, start=4))
    assert len(rest) == len(plan) - 4
    assert all(torch.equal(a[0]["input_ids"], b[0]["input_ids"]) for a, b in zip(whole[4:], rest, strict=True))


def test_what_goes_wrong_ahead_is_raised_in_its_place() -> None:
    def items() -> object:
        yield 1
        raise ValueError("damaged")

    made = ahead(items())  # type: ignore[arg-type]
    assert next(made) == 1
    with pytest.raises(ValueError, match="damaged"):
        next(made)


def test_a_row_that_opens_with_a_protein_branches_at_every_smiles() -> None:
    with_protein = [1, PROTEIN, 90, 91, SMILES, 92, 93, SMILES, 94]
    plain = [1, SMILES, 92, SMILES]
    tokens, lengths = np.array([*plain, *with_protein, 1, *plain]), np.array([4, 9, 1, 4])
    found = branches_of(tokens, lengths)
    assert found is not None
    assert found.tolist() == [0] * 4 + [0, 0, 0, 0, 1, 1, 1, 2, 2] + [0] * 5


def test_a_row_that_opens_with_a_molecule_branches_at_every_request_for_an_affinity() -> None:
    row = [1, SMILES, 92, 93, AFFINITY, 94, 95, AFFINITY, 96]
    with_protein = [1, PROTEIN, 90, SMILES, 92, AFFINITY, 94]
    found = branches_of(np.array([*with_protein, *row]), np.array([7, 9]))
    assert found is not None
    assert found.tolist() == [0, 0, 0, 1, 1, 1, 1, 0, 0, 0, 0, 1, 1, 1, 2, 2]
    assert branches_of(np.array(row[:7]), np.array([7])) is None


def test_one_molecule_behind_a_protein_is_an_ordinary_row() -> None:
    assert branches_of(np.array([1, PROTEIN, 90, SMILES, 92]), np.array([5])) is None
    assert branches_of(np.array([1]), np.array([1])) is None


@pytest.mark.parametrize("width", [0, 12])
def test_branches_lie_where_their_tokens_lie(width: int) -> None:
    row = [1, PROTEIN, 90, SMILES, 92, SMILES, 94]
    corpus = corpus_of([2, 7])
    corpus.tokens[2:] = row
    batch = Collator(corpus, PAD).fill([np.array([0, 1])] if width else [np.array([1]), np.array([0])], width)
    line = batch["branches"][0].tolist()
    assert line == ([0, 0, 0, 0, 0, 1, 1, 2, 2, 0, 0, 0] if width else [0, 0, 0, 1, 1, 2, 2])
    assert batch["segments"][0].tolist() == ([1] * 2 + [2] * 7 + [0] * 3 if width else [1] * 7)
    corpus.manifest.made_from["dialect"] = {"rendering": "chat"}
    assert "branches" not in Collator(corpus, PAD).fill([np.array([1])], width)
