"""Seconds that `mmai-gym verify` takes for a large file of completions, and milliseconds of each verifier.

    python benchmarks/verify.py --runs 2
    python benchmarks/verify.py --against ../other-checkout/src

The file holds what a beam search writes, drawn with a fixed seed: for every test example 20 completions, among them
the gold answer, other spellings of it, near misses that are molecules, broken SMILES, copies of the question, repeats,
and texts without an answer. The whole command is timed, start-up, reading of the test set and start of the workers
included. With `--against` the command of another source tree runs in turn with ours on the same file, and the verdicts
of both are compared. Other work on the same machine lengthens wall seconds more than CPU seconds, so both are given.
Prints one JSON object.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import random
import re
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import mmai_gym
from mmai_gym import tasks
from mmai_gym.contracts import Example, Structure, answer_form
from mmai_gym.molecules import canonical, canonical_set, heavy_atoms, is_valid, randomized, rooted
from mmai_gym.records import library_versions
from mmai_gym.tasks import BaseTask
from mmai_gym.tasks.answers import wrap

SWAPS = {"Cl": "Br", "Br": "Cl", "F": "Cl", "O": "S", "N": "C", "c": "n", "C": "N", "S": "O"}
_TOKEN = re.compile(r"\[[^\]]+\]|Br|Cl|%\d\d|.")


def spelling(smiles: str, rng: random.Random) -> str:
    """The same set of molecules, each from another root, in another order."""
    parts = [rooted(part, rng.randrange(1 << 30) % max(1, heavy_atoms(part))) for part in smiles.split(".")]
    rng.shuffle(parts)
    return ".".join(parts)


def near_miss(smiles: str, other: str, rng: random.Random) -> str:
    """A readable set of molecules that differs a little: one atom exchanged, one molecule exchanged, added or lost."""
    parts = smiles.split(".")
    kind = rng.random()
    if kind < 0.5:
        tokens = _TOKEN.findall(smiles)
        places = [i for i, token in enumerate(tokens) if token in SWAPS]
        rng.shuffle(places)
        for place in places[:8]:
            text = "".join([*tokens[:place], SWAPS[tokens[place]], *tokens[place + 1 :]])
            if is_valid(text):
                return spelling(text, rng)
    if kind < 0.7 and len(parts) > 1:
        parts.pop(rng.randrange(len(parts)))
    elif kind < 0.9:
        parts[rng.randrange(len(parts))] = rng.choice(other.split("."))
    else:
        parts.append(rng.choice(other.split(".")))
    return ".".join(parts)


def broken(smiles: str, rng: random.Random) -> str:
    """The text with a few tokens lost, doubled or exchanged; most such texts cannot be read."""
    tokens = _TOKEN.findall(smiles)
    for _ in range(rng.randint(1, 3)):
        place = rng.randrange(len(tokens))
        tokens[place] = rng.choice(["", tokens[place] * 2, "(", ")", "1", "c", "=", "[", "C"])
    return "".join(tokens)


def completions(example: Example, gold: str, other: str, rng: random.Random) -> list[str]:
    """Twenty texts for one example, in random order but for the repeats, which come last."""
    answers = [gold, *(spelling(gold, rng) for _ in range(4)), *(near_miss(gold, other, rng) for _ in range(8))]
    answers += [*(broken(gold, rng) for _ in range(3)), randomized(example.inputs["smiles"], rng.randrange(99))]
    texts = [*map(wrap, answers), f"<think>It is cut at the amide.</think>{wrap(spelling(gold, rng))}", gold]
    rng.shuffle(texts)
    return [*texts, rng.choice(texts)]


def lines(task: BaseTask, examples: Sequence[Example], seed: int) -> Iterator[str]:
    """JSON lines for the command, those of one example together."""
    rng = random.Random(seed)
    golds = [str(task.answer(example)) for example in examples]
    for example, gold in zip(examples, golds, strict=True):
        for text in completions(example, gold, rng.choice(golds), rng):
            yield json.dumps({"id": example.id, "completion": text}) + "\n"


def run(source: Path, name: str, file: Path, out: Path) -> dict[str, float]:
    """Wall and CPU seconds of the command in a source tree; its verdicts go to `out`."""
    command = [sys.executable, "-c", "from mmai_gym.cli import main; main()", "verify", name, "--input", str(file)]
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    with out.open("wb") as stream:
        subprocess.run(command, env={**os.environ, "PYTHONPATH": str(source)}, stdout=stream, check=True)
    after, wall = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter() - started
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"wall_seconds": round(wall, 2), "cpu_seconds": round(cpu, 2)}


def verdicts(file: Path) -> list[tuple[Any, ...]]:
    """What both trees must agree on."""
    rows = map(json.loads, file.read_text(encoding="utf-8").splitlines())
    return [(row["id"], row["score"], row["reason"], row["answer"]) for row in rows]


def verifier_milliseconds(name: str, limit: int, seed: int) -> dict[str, float]:
    """CPU milliseconds of one task's verifier in this process, for right answers and for those of other examples.

    Molecules are spelled anew and nothing is remembered from before, as with answers that a model writes. Where no right
    answer is known, the molecule that another example asks about is the answer.
    """
    task = tasks.get(name)
    examples = task.examples("test")
    rng = random.Random(seed)
    chosen = [examples[i] for i in rng.sample(range(len(examples)), min(limit, len(examples)))]
    gold = [task.answer(example) for example in chosen]
    answers = [
        str(example.inputs["smiles"]) if one is None else one for example, one in zip(chosen, gold, strict=True)
    ]
    form = answer_form(task.question(chosen[0]))
    if isinstance(form, Structure) and form.view == "smiles":
        answers = [randomized(text, seed) for text in answers]
    texts = list(map(wrap, answers))
    found = {}
    for kind, given in (("right", texts), ("other", texts[1:] + texts[:1])):
        if kind == "right" and None in gold:
            continue
        task.verify(chosen[0], texts[0])
        canonical.cache_clear()
        canonical_set.cache_clear()
        started = time.process_time()
        for example, text in zip(chosen, given, strict=True):
            task.verify(example, text)
        found[kind] = round(1000.0 * (time.process_time() - started) / len(chosen), 4)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--task", default="retrosynthesis/uspto-50k")
    parser.add_argument("--limit", type=int, default=0, help="so many test examples, 0 for all")
    parser.add_argument("--runs", type=int, default=1, help="runs of the command; the fastest counts")
    parser.add_argument("--against", type=Path, help="the src folder of another checkout")
    parser.add_argument(
        "--verifiers", nargs="*", default=[], help="task names or prefixes to time in this process"
    )
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()

    task = tasks.get(options.task)
    examples = list(task.examples("test")[: options.limit or None])
    trees = {"this": Path(mmai_gym.__file__).parents[1]}
    if options.against:
        trees["against"] = options.against.resolve()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "completions.jsonl"
        file.write_text("".join(lines(task, examples, options.seed)), encoding="utf-8")
        count = sum(1 for _ in file.open(encoding="utf-8"))
        outs = {tree: Path(folder) / f"{tree}.jsonl" for tree in trees}
        runs: dict[str, list[dict[str, float]]] = {tree: [] for tree in trees}
        for _ in range(options.runs):
            for tree, source in trees.items():
                runs[tree].append(run(source, options.task, file, outs[tree]))
        found = verdicts(outs["this"])
        result: dict[str, Any] = {
            "task": options.task,
            "completions": count,
            "distinct": len(set(file.read_text(encoding="utf-8").splitlines())),
            "file_sha256": hashlib.sha256(file.read_bytes()).hexdigest()[:16],
            "cores": len(os.sched_getaffinity(0)),
            "load_before": round(os.getloadavg()[0], 2),
            "machine": platform.machine(),
            "libraries": library_versions(),
            "runs": runs,
            "reasons": dict(Counter(reason for _, _, reason, _ in found).most_common()),
        }
        for tree in trees:
            best = {key: min(r[key] for r in runs[tree]) for key in ("wall_seconds", "cpu_seconds")}
            result[tree] = best | {"wall_ms_per_completion": round(1000.0 * best["wall_seconds"] / count, 4)}
        if options.against:
            others = verdicts(outs["against"])
            result["different_verdicts"] = sum(a != b for a, b in zip(found, others, strict=True))
            for key in ("wall_seconds", "cpu_seconds"):
                result[f"ratio_{key}"] = round(result["against"][key] / result["this"][key], 2)
    names = [name for prefix in options.verifiers for name in tasks.match(prefix)]
    result["verifier_ms"] = {name: verifier_milliseconds(name, 400, options.seed) for name in names}
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
