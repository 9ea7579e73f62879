"""Stored answers judged anew: a verifier was mended, and its numbers shall follow without a model being asked again."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from pathlib import Path

from mmai_gym import tasks
from mmai_gym.bench.runner import Verifier, service
from mmai_gym.contracts import Progress, Result
from mmai_gym.records import RunRecord, file_sha256, library_versions

_CHUNK = 500


def judge_again(
    record: str | Path, out: Path, verifier: Verifier | None = None, progress: Progress | None = None
) -> Path:
    """Write the answers of `record` with verdicts of this gym's verifiers to a new record at `out`; returns that path.

    Rows that `RunRecord.faults` names as left out are not in it. Stopped, the same call goes on. The new header names the
    record that the answers come from.

    Raises:
        DataError: the record cannot be read, or the data it answers are not here.
        UsageError: `out` cannot be written, or holds another run.
    """
    opened = RunRecord.read(record)
    results = opened.results(tasks.get)
    seconds = {row.key: row.seconds for row in opened.rows()}
    config = {**opened.header.config, "answers_from": file_sha256(record)}
    header = replace(opened.header, config=config, libraries={**opened.header.libraries, **library_versions()})
    total, done = sum(map(len, results.values())), 0
    with contextlib.ExitStack() as stack:
        new = stack.enter_context(RunRecord.open(out, header))
        known = new.done()
        judge = verifier or stack.enter_context(service())
        for (model, name), found in results.items():
            waiting = [result for result in found if (model, name, result.example.id) not in known]
            done += len(found) - len(waiting)
            for start in range(0, len(waiting), _CHUNK):
                chunk = waiting[start : start + _CHUNK]
                verdicts = iter(
                    judge.verify([(name, r.example, c.text) for r in chunk for c in r.prediction.completions])
                )
                for result in chunk:
                    judged = tuple(next(verdicts) for _ in result.prediction.completions)
                    new.append(
                        model,
                        Result(result.example, result.prediction, judged),
                        seconds[model, name, result.example.id],
                    )
                done += len(chunk)
                if progress is not None:
                    progress(done, total, f"judging · {model} · {name}")
    return out
