"""What the verification service stands, and how fast it is. Each command prints one JSON object, or writes it to --out.

    python benchmarks/verification.py throughput --out docs/results/verdicts-per-second.json
    python benchmarks/verification.py poison --out docs/results/poisoned-batch.json
    python benchmarks/verification.py hacks --out docs/results/hacks.json
    python benchmarks/verification.py fuzz --out docs/results/fuzz.json
    python benchmarks/verification.py verifiers --out docs/results/verifiers.json

`throughput`: verdicts per second of two workers on distinct answers that are all readable, right or wrong at random, with
nothing remembered from before. Retrosynthesis: USPTO-50k test reactions, ten answers each, and one each. Optimization:
twenty candidates for each input, as its protocol has it; one is judged by the tasks that ask for QED and for penalised logP
(logP, SA, similarity), and the two verdicts count as one. What RDKit alone does on as many processes takes turns with it
for five rounds, since processors differ: an exact match whose two sides are read and written anew, as peers compare them,
and QED. `poison`: a batch with twenty items that hang, crash or eat memory against the same batch without them. `hacks`:
what the cheats earn from every task, beside its floor. `fuzz`: mutated answers to all tasks. `verifiers`: milliseconds of
every verifier. Other work on the machine lengthens wall seconds, so the rate by CPU seconds (of all processes, on so many
cores as there are workers) stands beside.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import platform
import random
import resource
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

from rdkit import Chem
from rdkit.Chem import QED

from mmai_gym import tasks
from mmai_gym.contracts import Completion, DataError, Example, Prediction, Result, Verdict
from mmai_gym.molecules import canonical_set, is_valid
from mmai_gym.records import library_versions
from mmai_gym.tasks import BaseTask
from mmai_gym.tasks.answers import extract_answer, wrap
from mmai_gym.verify import Item, VerificationService, cheats, constants, floor
from mmai_gym.verify.fuzz import broken
from mmai_gym.verify.hacks import CONSTANTS
from verify import near_miss, spelling, verifier_milliseconds

WORKERS = 2
ROUNDS = 5


def machine() -> dict[str, Any]:
    """What the figures were taken on."""
    return {
        "cores": len(os.sched_getaffinity(0)),
        "load_before": round(os.getloadavg()[0], 2),
        "machine": platform.machine(),
        "libraries": library_versions(),
    }


def cpu_seconds() -> float:
    """Of this process and of its children that have ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def spread(examples: Sequence[Example], count: int) -> list[Example]:
    """At most so many examples, evenly over a split."""
    step = max(1, len(examples) // count)
    return [examples[i] for i in range(0, len(examples), step)][:count]


# --------------------------------------------------------------------------------------------------- throughput


def drawn(example: Example, gold: str, others: Sequence[str], each: int, rng: random.Random) -> list[str]:
    """So many distinct readable answers to a reaction, half of them right on average."""
    texts: dict[str, None] = {}
    for _ in range(20 * each):
        text = spelling(gold, rng) if rng.random() < 0.5 else near_miss(gold, rng.choice(others), rng)
        if is_valid(text):
            texts[text] = None
        if len(texts) == each:
            break
    return list(texts)


def reactions(name: str, total: int, each: int, seed: int) -> list[list[Item]]:
    """One item per answer."""
    rng, task = random.Random(seed), tasks.get(name)
    examples = spread(task.examples("test"), total // each)
    golds = [str(task.answer(example)) for example in examples]
    return [
        [(name, example, wrap(text))]
        for example, gold in zip(examples, golds, strict=True)
        for text in drawn(example, gold, golds, each, rng)
    ]


def candidates(names: Sequence[str], total: int, each: int, seed: int) -> list[list[Item]]:
    """For each candidate an item per task: inputs of the first task with an atom or a part exchanged. No two are the same
    molecule, and none is an input, so that nobody has met it before.
    """
    rng = random.Random(seed)
    examples = spread(tasks.get(names[0]).examples("test"), total // each)
    shown = [str(example.inputs["smiles"]) for example in examples]
    met = set(map(canonical_set, shown))
    found: list[list[Item]] = []
    for example, smiles in zip(examples, shown, strict=True):
        texts: dict[str, str] = {}
        for _ in range(20 * each):
            text = near_miss(smiles, rng.choice(shown), rng)
            if is_valid(text) and "." not in text and (molecule := canonical_set(text)) not in met:
                met.add(molecule)
                texts[molecule] = text
            if len(texts) == each:
                break
        found += [[(name, replace(example, task=name), wrap(text)) for name in names] for text in texts.values()]
    return found


def in_turns(
    groups: Sequence[Sequence[Item]], function: Callable[[Any], Any], alone: Sequence[Any]
) -> dict[str, Any]:
    """Groups of items per second through a service that is warm, and of what RDKit does alone; medians over rounds.

    The two take turns, since a shared machine is not as fast from one minute to the next. What starting a service costs
    is measured by itself; each round has a new one, which remembers nothing.
    """
    items = [item for group in groups for item in group]
    first = {item[0]: item for item in items}
    warm = [(name, example, wrap("C")) for name, example, _ in first.values()]
    start_cpu, _, _ = judged(warm, [])
    ours, by_cpu, theirs = [], [], []
    for _ in range(ROUNDS):
        cpu, wall, verdicts = judged(warm, items)
        ours.append(len(groups) / wall)
        by_cpu.append(len(groups) / (cpu - start_cpu) * WORKERS)
        theirs.append(per_second(function, alone))
    return {
        "answers": len(groups),
        "verdicts": len(items),
        "per_second": round(median(ours)),
        "per_second_of_rounds": sorted(map(round, ours)),
        "per_second_by_cpu": round(median(by_cpu)),
        "rdkit_alone_per_second": round(median(theirs)),
        "rdkit_alone_of_rounds": sorted(map(round, theirs)),
        "ratio": round(median(one / other for one, other in zip(ours, theirs, strict=True)), 2),
        "reasons": dict(Counter(v.reason.value for v in verdicts).most_common()),
    }


def judged(warm: Sequence[Item], items: Sequence[Item]) -> tuple[float, float, list[Verdict]]:
    """CPU seconds of a service from start to end, wall seconds of the items alone, and the verdicts on them."""
    before = cpu_seconds()
    with VerificationService(workers=WORKERS) as service:
        for n in range(100):  # both workers
            service.verify([(name, example, text + " " * n) for name, example, text in warm])
        started = time.perf_counter()
        verdicts = service.verify(items)
        wall = time.perf_counter() - started
    return cpu_seconds() - before, wall, verdicts


def throughput(options: argparse.Namespace) -> dict[str, Any]:
    """Reactions with many answers and with one, and optimization."""
    retro, both = "retrosynthesis/uspto-50k", ("optimization/jin/qed", "optimization/jin/logp04")
    count = options.count or 10_000
    ten = reactions(retro, count, 10, options.seed)
    proposed = candidates(both, count, 20, options.seed)
    one = reactions(retro, min(count, 5_000), 1, options.seed)
    answers = [extract_answer(group[0][2]) or "" for group in proposed]
    return {
        "retrosynthesis, ten answers each": in_turns(ten, exact_match, matches(retro, ten)),
        "retrosynthesis, one answer each": in_turns(one, exact_match, matches(retro, one)),
        "optimization": in_turns(proposed, quantitative_estimate, answers),
    }


def matches(name: str, groups: Sequence[Sequence[Item]]) -> list[tuple[str, str]]:
    """Recorded and given answer of each."""
    return [(str(tasks.get(name).answer(example)), extract_answer(text) or "") for [(_, example, text)] in groups]


def exact_match(pair: tuple[str, str]) -> bool:
    """Whether two texts are the same molecules."""
    first, second = (Chem.MolToSmiles(Chem.MolFromSmiles(text)) for text in pair)
    return first == second


def quantitative_estimate(smiles: str) -> float:
    """RDKit's QED of a text."""
    return float(QED.qed(Chem.MolFromSmiles(smiles)))


def per_second(function: Callable[[Any], Any], items: Sequence[Any]) -> float:
    """Items per second of as many plain processes as there are workers."""
    parts = [items[start::WORKERS] for start in range(WORKERS)]
    with multiprocessing.Pool(WORKERS) as pool:
        pool.map(len, parts)
        before = time.perf_counter()
        pool.starmap(apply, [(function, part) for part in parts], chunksize=1)
        return len(items) / (time.perf_counter() - before)


def apply(function: Callable[[Any], Any], items: Sequence[Any]) -> list[Any]:
    """`function` of each."""
    return [function(item) for item in items]


# --------------------------------------------------------------------------------------------------- poison


class Bomb:
    """Ends the process that unpickles it."""

    def __reduce__(self) -> tuple[Callable[[], Any], tuple[()]]:
        return os.abort, ()


def necklace(rings: int) -> str:
    """Spiro-fused four-membered rings closed to a chain: ring perception takes twice as much of all for each one more."""
    text, opened = "C123C", 3
    for _ in range(rings - 2):
        text += f"C{7 - opened}(C{opened})C"
        opened = 7 - opened
    return text + f"C(C{opened})(C1)C2"


def poison(options: argparse.Namespace) -> dict[str, Any]:
    """A batch as it is, and again with twenty of its items exchanged for ones that hang, crash or eat memory."""
    name, seconds, memory_mb = "retrosynthesis/uspto-50k", 3.0, 1024
    count = options.count or 10_000
    clean = [item for group in reactions(name, count, 10, options.seed) for item in group]
    places = random.Random(options.seed).sample(range(len(clean)), 20)
    dirty = list(clean)
    for number, place in enumerate(places):
        _, example, _ = clean[place]
        if number % 3 == 0:  # asks for gigabytes at once
            dirty[place] = (name, example, wrap(necklace(27)) + " " * number)
        elif number % 3 == 1:  # would fill the memory, after 24 seconds of a quick processor
            dirty[place] = (name, example, wrap(necklace(23)) + " " * number)
        else:
            dirty[place] = (name, replace(example, inputs={**example.inputs, "bomb": Bomb()}), wrap("CCO"))
    runs: dict[str, Any] = {}
    verdicts = {}
    for kind, items in (("clean", clean), ("poisoned", dirty)):
        with VerificationService(workers=WORKERS, seconds=seconds, memory_mb=memory_mb) as service:
            started = time.perf_counter()
            verdicts[kind] = service.verify(items)
            runs[kind] = {"wall_seconds": round(time.perf_counter() - started, 2)}
    undecided = [i for i, v in enumerate(verdicts["poisoned"]) if v.score is None]
    lost = Counter(verdicts["poisoned"][i].reason.value for i in undecided)
    waited = lost["timeout"] * seconds
    runs["limits"] = {"seconds": seconds, "memory_mb": memory_mb, "workers": WORKERS}
    runs["items"] = len(dirty)
    runs["undecided"] = dict(lost)
    runs["undecided_are_the_poisoned_ones"] = undecided == sorted(places)
    runs["other_verdicts_equal"] = all(
        a == b
        for i, (a, b) in enumerate(zip(verdicts["clean"], verdicts["poisoned"], strict=True))
        if i not in set(places)
    )
    clean_wall, wall = runs["clean"]["wall_seconds"], runs["poisoned"]["wall_seconds"]
    runs["time_outs_seconds"] = {"one after the other": waited, "on all workers at once": waited / WORKERS}
    runs["wall_less_time_outs_by_clean"] = {
        "one after the other": round((wall - waited) / clean_wall, 2),
        "on all workers at once": round((wall - waited / WORKERS) / clean_wall, 2),
    }
    return runs


# --------------------------------------------------------------------------------------------------- hacks and fuzz


def readable_tasks(prefixes: Sequence[str]) -> Iterator[str]:
    """Tasks whose data are here and that have test examples."""
    names = [name for prefix in prefixes for name in tasks.match(prefix)] if prefixes else tasks.names()
    for name in names:
        try:
            if len(tasks.get(name).examples("test")):
                yield name
        except DataError:
            continue


def hacks(options: argparse.Namespace) -> dict[str, Any]:
    """Per task: the floor, and the most that a cheat earned; per family: how many cheats, and how many paid."""
    rows: dict[str, Any] = {}
    families: dict[str, Counter[str]] = {}
    with VerificationService(workers=WORKERS, seconds=10.0) as service:
        for name in readable_tasks(options.tasks):
            task = tasks.get(name)
            examples = spread(task.examples("test"), options.examples)
            tried = [(example, text) for example in examples for _, text in cheats(task, example)]
            same = [(example, text) for example in examples for _, text in constants(task, example)]
            verdicts = service.verify([(name, example, text) for example, text in tried + same])
            scores = [v.score for v in verdicts[: len(tried)]]
            width = len(same) // len(examples)
            means = [
                sum(v.score or 0.0 for v in verdicts[len(tried) + i :: width]) / len(examples)
                for i in range(width)
            ]
            lowest = floor(task, examples)
            rows[name] = {
                "floor": round(lowest, 4),
                "cheats": len({text for _, text in tried}),
                "highest": max(score or 0.0 for score in scores),
                "undecided": sum(v.score is None for v in verdicts),
                "highest_constant": round(max(means, default=0.0), 4),
            }
            if row := constant_row(task, examples, verdicts[len(tried) :]):
                rows[name]["wins_the_protocol"] = row
            counts = families.setdefault(task.family, Counter())
            counts["cheats"] += rows[name]["cheats"]
            counts["paid"] += sum(1 for score in scores if score)
            counts["undecided"] += rows[name]["undecided"]
            counts["constants_above_floor"] += sum(mean > lowest for mean in means)
    return {"examples_per_task": options.examples, "families": families, "tasks": rows}


def constant_row(task: BaseTask, examples: Sequence[Example], same: Sequence[Verdict]) -> dict[str, Any]:
    """The row of the constant molecule that does best by a public protocol, beside the gym's own metrics; or nothing."""
    best: dict[str, Any] = {}
    width = len(same) // len(examples)
    for i, name in enumerate(list(CONSTANTS)[:width]):
        results = [
            Result(example, Prediction(example.id, (Completion(verdict.answer or ""),)), (verdict,))
            for example, verdict in zip(examples, same[i::width], strict=True)
        ]
        row = {
            metric: round(found.value, 4)
            for metric, found in task.score(results).items()
            if found.value == found.value
        }
        first = next((metric for metric in row if metric.startswith("protocol_")), "")
        if first and row[first] > best.get(first, 0.0):
            best = {"molecule": name} | {
                m: v for m, v in row.items() if m == first or "success" in m or "simil" in m
            }
    return best


def fuzz(options: argparse.Namespace) -> dict[str, Any]:
    """Mutated answers, spread evenly over the tasks."""
    count, names = options.count or 100_000, list(readable_tasks(options.tasks))
    rng = random.Random(options.seed)
    seconds = 5.0

    def items() -> Iterator[Item]:
        for n in range(count):
            name = names[
                n * len(names) // count
            ]  # one task after the other: a worker keeps few data sets in memory
            task = tasks.get(name)
            examples = task.examples("test")
            example = examples[rng.randrange(len(examples))]
            answer = task.answer(example) or str(example.inputs["smiles"])
            yield name, example, broken(answer, rng)

    started = time.perf_counter()
    reasons: Counter[str] = Counter()
    outside = 0
    with VerificationService(workers=WORKERS, seconds=seconds) as service:
        for verdict in service.stream(items()):
            reasons[verdict.reason.value] += 1
            outside += verdict.score is not None and not 0.0 <= verdict.score <= 1.0
    return {
        "completions": sum(reasons.values()),
        "tasks": len(names),
        "reasons": dict(reasons.most_common()),
        "exceptions": reasons["verifier-error"],
        "scores_outside_0_1": outside,
        "limit_seconds": seconds,
        "stopped_at_the_limit": reasons["timeout"],
        "wall_seconds": round(time.perf_counter() - started, 1),
    }


def verifiers(options: argparse.Namespace) -> dict[str, Any]:
    """CPU milliseconds per item of every verifier in one process: right answers, and those of other examples."""
    names = list(readable_tasks(options.tasks))
    found = {name: verifier_milliseconds(name, options.examples * 25, options.seed) for name in names}
    return {"families": by_family(found), "ms_per_item": found}


def by_family(milliseconds: Mapping[str, Mapping[str, float]]) -> dict[str, dict[str, Any]]:
    """Of each family the number of tasks, the median of their milliseconds, and the dearest one; of every task the dearer
    kind of answer counts.
    """
    members: dict[str, dict[str, float]] = defaultdict(dict)
    for name, kinds in milliseconds.items():
        members[name.partition("/")[0]][name] = max(kinds.values())
    return {
        family: {
            "tasks": len(found),
            "median_ms": round(median(found.values()), 4),
            "dearest": max(found, key=lambda name: found[name]),
            "dearest_ms": max(found.values()),
        }
        for family, found in members.items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = {"throughput": throughput, "poison": poison, "hacks": hacks, "fuzz": fuzz, "verifiers": verifiers}
    parser.add_argument("command", choices=commands)
    parser.add_argument(
        "--count", type=int, default=0, help="items, instead of as many as the results were taken with"
    )
    parser.add_argument("--examples", type=int, default=8, help="of each task")
    parser.add_argument(
        "--tasks", nargs="*", default=[], help="names or prefixes; all whose data are here by default"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="write here instead of printing")
    options = parser.parse_args()
    described = machine()
    text = json.dumps({"command": options.command, **described, **commands[options.command](options)}, indent=1)
    if options.out:
        options.out.write_text(text + "\n", encoding="utf-8")
    else:
        print(text)


if __name__ == "__main__":
    main()
