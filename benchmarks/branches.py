"""Training on rows of one protein and many molecules: tokens per second with its branches laid out, against a mask.

    python benchmarks/branches.py --out docs/results/branches.json

A row is an opening of `--openings` tokens and 32 branches of 20 to 60, in bfloat16; only attention differs, and
the two take turns.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from machine import describe
from mmai_gym.lfm.presets import new_model
from mmai_gym.lfm.tokenizer import build_tokenizer
from training import Speed, race, show, summary

BRANCHES, SHORTEST, LONGEST = 32, 20, 60
TOKENIZER = build_tokenizer([])


def rows(opening: int, count: int) -> list[dict[str, torch.Tensor]]:
    """Batches of one row each; the last five tokens of a branch are its answer."""
    generator = torch.Generator().manual_seed(0)
    found = []
    for _ in range(count):
        lengths = torch.randint(SHORTEST, LONGEST + 1, (BRANCHES,), generator=generator)
        counts = torch.cat([torch.tensor([opening]), lengths])
        branches = torch.arange(BRANCHES + 1).repeat_interleave(counts)[None]
        ids = torch.randint(10, len(TOKENIZER), branches.shape, generator=generator)
        left = counts.cumsum(0).repeat_interleave(counts)[None] - torch.arange(len(branches[0]))
        labels = torch.where((branches > 0) & (left <= 5), ids, -100)
        segments = torch.ones_like(ids)
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
    parser.add_argument("--openings", type=int, nargs="+", default=[300, 800], help="tokens of the proteins")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--rows", type=int, default=6)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    model = new_model(options.preset, TOKENIZER, 0).train()
    found: dict[str, Any] = {"machine": describe(), "preset": options.preset, "branches": BRANCHES, "openings": {}}
    for opening in options.openings:
        batches = rows(opening, options.rows)
        contestants: dict[str, Callable[[], Speed]] = {
            "laid out": lambda batches=batches: speed(model, batches, True),  # type: ignore[misc]
            "mask": lambda batches=batches: speed(model, batches, False),  # type: ignore[misc]
        }
        results = race(contestants, options.rounds)
        table = {key: summary(results, "laid out", key) for key in ("wall", "cpu")}
        found["openings"][str(opening)] = table
        show(f"opening of {opening} tokens", table["wall"])
    if options.out:
        options.out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
