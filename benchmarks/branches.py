"""Training on rows of one protein and many molecules, or one molecule and many proteins by name: tokens per second with
their branches laid out, against a mask.

    python benchmarks/branches.py --out docs/results/branches.json

A document is an opening and 32 branches: a protein of 300 or 800 tokens and molecules of 20 to 60, or a molecule of 60
tokens and requests of 8, of which ten stand in a row. In bfloat16; only attention differs, and the two take turns.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from machine import describe
from mmai_gym.lfm.presets import new_model
from mmai_gym.lfm.tokenizer import build_tokenizer
from training import Speed, race, show, summary

BRANCHES = 32
TOKENIZER = build_tokenizer([])


@dataclass(frozen=True)
class Documents:
    """Tokens of an opening and of its branches, the shortest and the longest, and how many documents stand in a row."""

    opening: int
    shortest: int
    longest: int
    in_a_row: int = 1


CASES = {
    "protein of 300 tokens": Documents(300, 20, 60),
    "protein of 800 tokens": Documents(800, 20, 60),
    "molecule of 60 tokens": Documents(60, 8, 8, in_a_row=10),
}


def rows(case: Documents, count: int) -> list[dict[str, torch.Tensor]]:
    """Batches of one row each; the last three tokens of a branch are its answer."""
    generator = torch.Generator().manual_seed(0)
    found = []
    for _ in range(count):
        lengths = torch.randint(case.shortest, case.longest + 1, (case.in_a_row, BRANCHES), generator=generator)
        counts = torch.cat([torch.full((case.in_a_row, 1), case.opening), lengths], dim=1)
        branches = torch.arange(BRANCHES + 1).repeat(case.in_a_row).repeat_interleave(counts.flatten())[None]
        segments = torch.arange(1, case.in_a_row + 1).repeat_interleave(counts.sum(1))[None]
        ids = torch.randint(10, len(TOKENIZER), branches.shape, generator=generator)
        left = counts.flatten().cumsum(0).repeat_interleave(counts.flatten())[None] - torch.arange(
            len(branches[0])
        )
        labels = torch.where((branches > 0) & (left <= 3), ids, -100)
        found.append({"input_ids": ids, "labels": labels, "segments": segments, "branches": branches})
    return found


def speed(model: Any, batches: list[dict[str, torch.Tensor]], laid_out: bool) -> Speed:
    """Tokens per second over all batches, once each is known."""
    model._lays_out = lambda segments: laid_out
    done, wall, cpu = 0, 0.0, 0.0
    for turn in range(2):  # oneDNN compiles the shapes that it meets first
        for batch in batches:
            started, used = time.perf_counter(), time.process_time()
            with torch.autocast("cpu", torch.bfloat16):
                loss = model(**batch).loss
            loss.backward()
            model.zero_grad()
            if turn:
                done += batch["input_ids"].numel()
                wall += time.perf_counter() - started
                cpu += time.process_time() - used
    return {"wall": done / wall, "cpu": done / cpu}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--preset", default="micro")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--rows", type=int, default=6)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    model = new_model(options.preset, TOKENIZER, 0).train()
    found: dict[str, Any] = {"machine": describe(), "preset": options.preset, "branches": BRANCHES, "cases": {}}
    for name, case in CASES.items():
        batches = rows(case, options.rows)
        contestants: dict[str, Callable[[], Speed]] = {
            "laid out": lambda batches=batches: speed(model, batches, True),  # type: ignore[misc]
            "mask": lambda batches=batches: speed(model, batches, False),  # type: ignore[misc]
        }
        results = race(contestants, options.rounds)
        table = {key: summary(results, "laid out", key) for key in ("wall", "cpu")}
        found["cases"][name] = table
        show(name, table["wall"])
    if options.out:
        options.out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
