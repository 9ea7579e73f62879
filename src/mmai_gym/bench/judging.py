"""Stored answers judged anew: a verifier was mended, or there is a better model for round trips, and the numbers shall
follow without the model being asked again."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from pathlib import Path

from mmai_gym import tasks
from mmai_gym.bench.round_trip import with_round_trips
from mmai_gym.bench.runner import FORWARD, Verifier, forward_checksums, service
from mmai_gym.contracts import Model, Progress
from mmai_gym.records import RunHeader, RunRecord, file_sha256, library_versions

_CHUNK = 500


def judge_again(
    record: str | Path,
    out: Path,
    verifier: Verifier | None = None,
    progress: Progress | None = None,
    forward: Model | None = None,
) -> Path:
    """Write the answers of `record` with verdicts of this gym's verifiers to a new record at `out`; returns that path.

    Round trips are made by `forward`, where the families of the record ask for them, and are left out where none is given.
    Rows that the record's faults name as left out (`Joined.faults`) are not in it. Stopped, the same call goes on. The new
    header names the record that the answers come from.

    Raises:
        DataError: the record cannot be read, or the data it answers are not here.
        UsageError: `out` cannot be written, or holds another run.
    """
    opened = RunRecord.read(record)
    results = opened.results(tasks.get)
    seconds = {row.key: row.seconds for row in opened.rows()}
    header = _header(opened.header, file_sha256(record), forward)
    families = [family for family in header.config["families"] if family.get("forward")]
    back = {name: family["forward"] for family in families for name in family["tasks"]}
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
                judged = [
                    replace(result, verdicts=tuple(next(verdicts) for _ in result.prediction.completions))
                    for result in chunk
                ]
                if forward is not None and name in back:
                    judged = with_round_trips(judged, forward, back[name], header.seeds["bench"])
                for result in judged:
                    new.append(model, result, seconds[model, name, result.example.id])
                done += len(chunk)
                if progress is not None:
                    progress(done, total, f"judging · {model} · {name}")
    return out


def _header(old: RunHeader, answers: str, forward: Model | None) -> RunHeader:
    """That of the new record, which names the record of the answers and the model of the round trips."""
    config = {key: value for key, value in old.config.items() if key != "forward"} | {"answers_from": answers}
    checksums = {key: sha for key, sha in old.checksums.items() if not key.startswith(FORWARD)}
    if forward is not None:
        config["forward"] = forward.name
        checksums |= forward_checksums(forward)
    return replace(old, config=config, checksums=checksums, libraries={**old.libraries, **library_versions()})
