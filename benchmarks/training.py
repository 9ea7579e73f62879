"""Training speed: real (not padded) tokens per second of the gym against transformers' Trainer and TRL's SFTTrainer, on the
lengths of ZINC250k; the LFM against its transformer twin; the memory of a nano run.

    python benchmarks/training.py --out docs/results/training.json

Contestants take turns, `--rounds` times, and ratios are taken within each round, so that a busy neighbour slows all;
medians are shown. Both the clock on the wall and the seconds of the processor are taken: on a shared machine only the
latter repeat. TRL and datasets are needed for TRL's lines (`pip install trl datasets`), which are left out without them.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from transformers import Trainer, TrainerCallback, TrainingArguments

from machine import describe
from mmai_gym.lfm.decode import Decoder
from mmai_gym.lfm.presets import new_model
from mmai_gym.lfm.quiet import quiet
from mmai_gym.lfm.tokenizer import build_tokenizer
from mmai_gym.sources import molecule_lists
from mmai_gym.training.batches import BatchPlan, plan_stage
from mmai_gym.training.corpus import Corpus, Manifest, TaskCount
from mmai_gym.training.job import Meter, StageJob
from mmai_gym.training.log import TrainingLog, read_log
from mmai_gym.training.ranks import Ranks
from mmai_gym.training.recipe import Recipe
from mmai_gym.training.sft import train_stage
from mmai_gym.training.starting import Fresh
from mmai_gym.training.throughput import native_bfloat16, peak_memory

TOKENS, WIDTH, ROWS = 2048, 256, 20_000
Speed = dict[str, float]
TOKENIZER = build_tokenizer([])


class Zinc:
    """Molecules as token ids, and as a corpus in memory that supervises all of them."""

    def __init__(self, limit: int | None = None) -> None:
        texts = ["<|bos|>" + row.smiles + "<|eos|>" for row in molecule_lists.zinc()[:limit]]
        self.ids = [
            one.ids for one in TOKENIZER.backend_tokenizer.encode_batch_fast(texts, add_special_tokens=False)
        ]
        self.lengths = np.array([len(ids) for ids in self.ids])
        np.random.default_rng(0).shuffle(self.ids)
        self.ids = self.ids[:ROWS]
        tokens = np.concatenate(self.ids).astype(np.uint16)
        offsets = np.cumsum([0, *map(len, self.ids)])
        manifest = Manifest(
            version=1,
            split="train",
            made_from={},
            libraries={},
            tasks=[TaskCount(name="zinc", version="1")],
            files={},
        )
        ones = np.ones(len(tokens), np.uint8)
        self.corpus = Corpus(Path(), manifest, tokens, ones, offsets, np.zeros(len(self.ids), np.uint16))
        nothing = np.zeros(0, np.uint16)
        self.empty = Corpus(Path(), manifest, nothing, ones[:0], np.zeros(1, np.int64), nothing)


def fill(lengths: Any, rows: Any) -> float:
    """Share of real tokens over the whole of ZINC250k."""
    plan = plan_stage(lengths, 16 * TOKENS, 1, 0, "fill", rows, WIDTH)
    return float(lengths.sum() / plan.padded(lengths))


# --------------------------------------------------------------------------------------------------- contestants


def ours(zinc: Zinc, preset: str, rows: Any, steps: int, precision: str = "float32") -> Speed:
    """The gym's own loop over the first steps of a plan; the first one warms up."""
    batch = {"rows": rows, "tokens": TOKENS, "max_length": WIDTH}
    recipe = Recipe.model_validate(
        {
            "name": "speed",
            "preset": preset,
            "precision": precision,
            "batch": batch,
            "schedule": {"log_steps": 1, "checkpoint_minutes": 1e6},
            "stage": [{"name": "zinc", "mixture": {"properties": {}}}],
        }
    )
    whole = plan_stage(zinc.corpus.lengths, TOKENS, 1, 0, "zinc", rows, WIDTH)
    end = whole.bounds[steps + 1]
    lines = whole.lines[: np.searchsorted(whole.lines, end) + 1]
    plan = BatchPlan(whole.rows[:end], whole.bounds[: steps + 2], lines, whole.width)
    with tempfile.TemporaryDirectory() as folder, quiet():
        log = TrainingLog(Path(folder) / "log.jsonl")
        job = StageJob(
            recipe, recipe.stages[0], zinc.corpus, zinc.empty, plan, Path(folder), Fresh(recipe), 0, 0, len(plan), Ranks(),
            compiled=False,
        )  # fmt: skip
        clock = Clock()
        train_stage(new_model(preset, TOKENIZER, 0), job, log, Meter(), clock.progress)
        lines_ = read_log(log.path)
    return clock.speed(lines_[-1]["tokens"] - lines_[0]["tokens"])


class Clock(TrainerCallback):
    """From the end of the first step to the end of the last."""

    def __init__(self) -> None:
        self.marks: list[tuple[float, float]] = []

    def _mark(self) -> None:
        self.marks.append((time.perf_counter(), time.process_time()))

    def progress(self, done: int, total: int, what: str) -> None:
        if "loss" in what:
            self._mark()

    def on_step_end(self, *_: Any, **__: Any) -> None:
        self._mark()

    def speed(self, tokens: int) -> Speed:
        (wall, cpu), (wall_end, cpu_end) = self.marks[0], self.marks[-1]
        return {"wall": tokens / (wall_end - wall), "cpu": tokens / (cpu_end - cpu)}


class Counting:
    """A collator that counts the real tokens of each batch."""

    def __init__(self, collator: Callable[[Any], Any]) -> None:
        self._collator = collator
        self.tokens: list[int] = []

    def __call__(self, rows: Any) -> Any:
        self.tokens.append(sum(len(row["input_ids"]) for row in rows))
        return self._collator(rows)


def upstream_model(preset: str) -> Any:
    """The same network as the library has it."""
    model = new_model(preset, TOKENIZER, 0)
    theirs = transformers.Lfm2ForCausalLM(model.config)
    theirs.load_state_dict(model.state_dict())
    return theirs


def plain_trainer(zinc: Zinc, preset: str, steps: int) -> Speed:
    """transformers' Trainer as its documentation uses it: random batches of 32 rows, padded to the longest."""
    collator = Counting(transformers.DataCollatorForLanguageModeling(TOKENIZER, mlm=False))
    clock = Clock()
    with tempfile.TemporaryDirectory() as folder, quiet():
        arguments = TrainingArguments(
            folder, max_steps=steps + 1, per_device_train_batch_size=32, use_cpu=not torch.cuda.is_available(),
            save_strategy="no", report_to="none", disable_tqdm=True, logging_strategy="no",
        )  # fmt: skip
        data = [{"input_ids": ids} for ids in zinc.ids]
        trainer = Trainer(
            upstream_model(preset), arguments, data_collator=collator, train_dataset=data, callbacks=[clock]
        )
        trainer.remove_callback(transformers.PrinterCallback)
        trainer.train()
    return clock.speed(sum(collator.tokens[1 : steps + 1]))


def trl(zinc: Zinc, preset: str, steps: int, **settings: Any) -> Speed:
    """TRL's SFTTrainer on tokenised rows."""
    from datasets import Dataset, disable_progress_bars
    from trl import SFTConfig, SFTTrainer

    disable_progress_bars()
    clock = Clock()
    with tempfile.TemporaryDirectory() as folder, quiet():
        arguments = SFTConfig(
            folder, max_steps=steps + 1, save_strategy="no", report_to="none", disable_tqdm=True,
            logging_strategy="no", use_cpu=not torch.cuda.is_available(), **settings,
        )  # fmt: skip
        trainer = SFTTrainer(
            upstream_model(preset),
            args=arguments,
            train_dataset=Dataset.from_dict({"input_ids": zinc.ids[:2000]}),
            processing_class=TOKENIZER,
            callbacks=[clock],
        )
        trainer.remove_callback(transformers.PrinterCallback)
        trainer.data_collator = collator = Counting(trainer.data_collator)
        trainer.train()
    return clock.speed(sum(collator.tokens[1 : steps + 1]))


# --------------------------------------------------------------------------------------------------- twin and memory


def context_speed(preset: str, arch: Any, context: int, what: str) -> Speed:
    """Tokens per second of training or decoding with a preset at a length of context."""
    model = new_model(preset, TOKENIZER, 0, arch)
    rows = max(1, 2 * TOKENS // context)
    ids = torch.randint(10, len(TOKENIZER), (rows, context), generator=torch.Generator().manual_seed(0))
    decoder, new = Decoder(model, TOKENIZER), 48
    prompt = "<|bos|>" + "C" * (context - new - 1)

    def train() -> int:
        model.train()
        model(input_ids=ids, labels=ids).loss.backward()
        model.zero_grad()
        return ids.numel()

    def decode() -> int:
        drawn = decoder.sample([prompt], 8, max_new_tokens=new, seeds=[0])[0]
        return sum(len(one.token_ids) for one in drawn)

    work = train if what == "train" else decode
    work()
    wall, cpu, done = time.perf_counter(), time.process_time(), 0
    while time.perf_counter() - wall < 2.0:
        done += work()
    return {"wall": done / (time.perf_counter() - wall), "cpu": done / (time.process_time() - cpu)}


def memory() -> float:
    """Gigabytes resident at the peak of a nano training of its own process."""
    output = subprocess.run([sys.executable, __file__, "--memory"], check=True, capture_output=True, text=True)
    return float(output.stdout.split()[-1])


# --------------------------------------------------------------------------------------------------- the table


def race(contestants: dict[str, Callable[[], Speed]], rounds: int) -> list[dict[str, Speed]]:
    """All contestants in turn, so many times."""
    results: list[dict[str, Speed]] = []
    for number in range(rounds):
        results.append({})
        for name, run in contestants.items():
            results[-1][name] = run()
            print(f"round {number + 1}, {name}: {results[-1][name]}", file=sys.stderr, flush=True)
    return results


def summary(results: list[dict[str, Speed]], base: str, key: str) -> dict[str, Any]:
    """Median speed of each contestant, and the median, least and greatest ratio of `base` to it."""
    table = {}
    for name in results[0]:
        ratios = [row[base][key] / row[name][key] for row in results]
        table[name] = {
            "tokens_per_second": round(statistics.median(row[name][key] for row in results), 1),
            "ratio": round(statistics.median(ratios), 2),
            "ratio_range": [round(min(ratios), 2), round(max(ratios), 2)],
        }
    return table


def show(title: str, table: dict[str, Any]) -> None:
    """A table of `summary`, as text."""
    print(f"\n{title}")
    for name, row in table.items():
        low, high = row["ratio_range"]
        print(f"  {name:44} {row['tokens_per_second']:9,.0f} tok/s  {row['ratio']:6.2f}x  ({low}-{high})")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--preset", default="micro")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=5, help="measured steps of a contestant in a round")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--trainers", action="store_true", help="compare trainers only: no twin, no memory")
    parser.add_argument("--memory", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.memory:
        ours(Zinc(ROWS), "nano", "grouped", 30)
        print(f"{peak_memory() / 1e9:.3f}")
        return
    zinc = Zinc()
    preset, steps = options.preset, options.steps
    contestants: dict[str, Callable[[], Speed]] = {
        "ours, grouped": lambda: ours(zinc, preset, "grouped", steps),
        "ours, packed": lambda: ours(zinc, preset, "packed", steps),
        "ours, grouped, bfloat16": lambda: ours(zinc, preset, "grouped", steps, "bfloat16"),
        "ours, packed, bfloat16": lambda: ours(zinc, preset, "packed", steps, "bfloat16"),
        "transformers Trainer, random 32": lambda: plain_trainer(zinc, preset, steps),
    }
    if find_spec("trl") and find_spec("datasets"):
        lean = {"bf16": False, "activation_checkpointing": False}
        contestants["TRL, bf16 and checkpointing off"] = lambda: trl(zinc, preset, 3 * steps, **lean)
        contestants["TRL, defaults"] = lambda: trl(zinc, preset, 2 * steps)
        contestants["TRL, checkpointing off"] = lambda: trl(
            zinc, preset, 2 * steps, activation_checkpointing=False
        )
    results = race(contestants, options.rounds)
    contexts = () if options.trainers else (512, 2048)
    works = [(what, context) for context in contexts for what in ("train", "decode")]
    twins = {
        f"{what} at {context}": race(
            {arch: partial(context_speed, preset, arch, context, what) for arch in ("lfm", "transformer")},
            options.rounds,
        )
        for what, context in works
    }
    found = {
        "machine": describe(),
        "preset": preset,
        "native_bfloat16": native_bfloat16(),
        "fill": {
            "grouped": round(fill(zinc.lengths, "grouped"), 4),
            "packed": round(fill(zinc.lengths, "packed"), 4),
        },
        "nano_peak_memory_gb": None if options.trainers else memory(),
        "ratios": {
            base: {key: summary(results, base, key) for key in ("wall", "cpu")}
            for base in results[0]
            if base.startswith("ours")
        },
        "lfm_over_twin": {
            name: {key: summary(rows, "lfm", key) for key in ("wall", "cpu")} for name, rows in twins.items()
        },
    }
    for base, tables in (*found["ratios"].items(), *found["lfm_over_twin"].items()):
        show(
            f"{base}: tokens per second of the processor, and the ratio of the first to the others", tables["cpu"]
        )
        show(f"{base}: the same by the clock on the wall", tables["wall"])
    print(f"\nfill {found['fill']}; nano takes {found['nano_peak_memory_gb']} GB")
    if options.out:
        options.out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
