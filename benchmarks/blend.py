"""Does a language model add to boosting? Its ADMET predictions and those of boosting, averaged, out of stored records.

    python benchmarks/blend.py --out docs/results/blend.json

No inference: both models have answered the same test molecules (docs/results/flagship-admet.jsonl.gz and maplight.jsonl.gz),
the language model in 20 written forms of each.
Probabilities of classes and predicted numbers are averaged with a fixed weight, which was written down before a blend was
scored and belongs to all endpoints. Boosting has five fits, the blend five with them: their mean and standard deviation,
as on TDC's board. Whether the blend is better than boosting alone is told by a paired bootstrap of the first fit, its
p-values adjusted over the endpoints. Prints, or writes, one JSON object.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from mmai_gym import bench, tasks
from mmai_gym.bench.compare import Contestant, compare, headline_value
from mmai_gym.contracts import Completion, Result
from mmai_gym.models.baselines.base import number_text
from mmai_gym.records import RunRecord
from mmai_gym.tasks.answers import wrap
from specialists import spread

RESULTS = Path(__file__).parents[1] / "docs" / "results"
LANGUAGE_MODEL, BOOSTING = "flagship x20", "baseline:maplight"
WEIGHT = 0.2
"""Of the language model; boosting, which is known to be the better of the two, has the rest."""
FITS = 5
RIVAL = "TxGemma-27B"

Answers = dict[str, list[Result]]
"""Results by task."""


def blended(one: Result, other: Result) -> Result:
    """`WEIGHT` of the first prediction and the rest of the second, to the same example."""
    if one.prediction.probabilities is not None and other.prediction.probabilities is not None:
        theirs = other.prediction.probabilities
        shares = {
            option: WEIGHT * share + (1 - WEIGHT) * theirs[option]
            for option, share in one.prediction.probabilities.items()
        }
        answer = Completion(wrap(max(shares, key=lambda option: shares[option])))
        prediction = replace(one.prediction, completions=(answer,), probabilities=shares)
    elif one.prediction.value is not None and other.prediction.value is not None:
        value = WEIGHT * one.prediction.value + (1 - WEIGHT) * other.prediction.value
        answer = Completion(wrap(number_text(value)))
        prediction = replace(one.prediction, completions=(answer,), value=value, spread=None)
    else:
        raise ValueError(f"{one.example.task} {one.example.id} has predictions of different kinds")
    verdict = tasks.get(one.example.task).verify(one.example, answer.text)
    return Result(one.example, prediction, (verdict,))


def blend(mine: Sequence[Result], theirs: Sequence[Result]) -> list[Result]:
    """The blend of two models' answers to the same examples, in the order of the first."""
    by_id = {result.example.id: result for result in theirs}
    if by_id.keys() != {result.example.id for result in mine}:
        raise ValueError(f"the two records of {mine[0].example.task} answer different examples")
    return [blended(result, by_id[result.example.id]) for result in mine]


def report(language_model: Path, boosting: Path) -> dict[str, Any]:
    """What the two models reach alone and together, endpoint by endpoint."""
    mine = {
        task: found
        for (who, task), found in RunRecord.read(language_model).results(tasks.get).items()
        if who == LANGUAGE_MODEL
    }
    fits: list[Answers] = [{} for _ in range(FITS)]
    names = [f"{BOOSTING}#{fit}" for fit in range(1, FITS + 1)]
    for (who, task), found in RunRecord.read(boosting).results(tasks.get).items():
        if who in names:
            fits[names.index(who)][task] = found
    blends: list[Answers] = [{task: blend(found, fit[task]) for task, found in mine.items()} for fit in fits]
    told = {row.task: row for row in compare(Contestant("blend", blends[0]), Contestant("boosting", fits[0]))}
    rows = []
    for task in mine:
        compared = told[task].as_dict()
        row = {
            "task": task,
            "metric": tasks.get(task).headline,
            "language_model": headline_value(tasks.get(task), mine[task]),
            "boosting": spread(headline_value(tasks.get(task), fit[task]) for fit in fits),
            "blend": spread(headline_value(tasks.get(task), fit[task]) for fit in blends),
            "difference": compared["difference"],
            "adjusted_p": compared["adjusted_p"],
            "better": compared["better"],
        }
        published = [one.value for one in bench.published_for(task, {}) if one.model == RIVAL]
        higher = compared["difference"]["higher_is_better"]
        if published:
            row["rival"] = published[0]
            row["beats_rival"] = {
                who: (row[who]["mean"] > published[0]) == higher for who in ("boosting", "blend")
            }
        rows.append(row)
    known = [row for row in rows if "rival" in row]
    return {
        "weight_of_the_language_model": WEIGHT,
        "rows": rows,
        "blend_better_than_boosting": sum(row["better"] == "blend" for row in rows),
        "boosting_better_than_blend": sum(row["better"] == "boosting" for row in rows),
        "better_than_rival": {who: sum(row["beats_rival"][who] for row in known) for who in ("boosting", "blend")},
        "of": len(known),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    found = report(RESULTS / "flagship-admet.jsonl.gz", RESULTS / "maplight.jsonl.gz")
    text = json.dumps(found, indent=1) + "\n"
    if options.out:
        options.out.write_text(text, encoding="utf-8")
    else:
        print(text, end="")


if __name__ == "__main__":
    main()
