"""The training log: one JSON object per line, written as training goes.

A line is complete or it is dropped on reading, and a run that goes on from a checkpoint first removes what was
logged after it, so that the curve of an interrupted run is the curve of an uninterrupted one.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from mmai_gym.contracts import DataError

LOG = "log.jsonl"


def read_log(path: str | Path) -> list[dict[str, Any]]:
    """The lines of a `log.jsonl` in order; empty where there is none.

    Each has `stage` and `step` (counted over the whole run). A training line has `loss` (nats per supervised
    token, mean since the line before), `learning_rate`, `tokens` (seen so far, without padding), `tokens_per_second` and
    `supervised_per_second` (of training alone, over all processes), `model_flops_utilisation` (see `throughput.row_flops`;
    null for an unknown GPU), `peak_memory_mb` (of the main process or its GPU) and `wall_seconds` (everything); a validation
    line has `validation_loss` and `validation_by_task`; a probe's line has `exact_match` and `exact_match_n` by task, and
    `probe_seconds`.

    Raises:
        DataError: a line other than an incomplete last one is not a JSON object.
    """
    path = Path(path)
    if not path.is_file():
        return []
    *whole, _cut_short = path.read_text(encoding="utf-8").split("\n")
    lines = []
    for number, text in enumerate(whole, 1):
        try:
            line = json.loads(text)
        except ValueError:
            line = None
        if not isinstance(line, dict) or "step" not in line:
            raise DataError(f"{path}, line {number} is no line of a training log; delete that line")
        lines.append(line)
    return lines


class TrainingLog:
    """Appends to `RUN/log.jsonl`."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def rewind(self, step: int) -> None:
        """Remove what was logged after `step`."""
        kept = [line for line in read_log(self.path) if line["step"] <= step]
        fresh = self.path.with_name(f".{self.path.name}.partial")
        fresh.write_text("".join(_text(line) for line in kept), encoding="utf-8")
        fresh.replace(self.path)

    def append(self, **line: Any) -> None:
        """Write one line and hand it to the operating system."""
        with self.path.open("a", encoding="utf-8") as stream:
            stream.write(_text(line))


class SilentLog(TrainingLog):
    """Of a process that does not lead: another one writes."""

    def rewind(self, step: int) -> None:
        """Nothing."""

    def append(self, **line: Any) -> None:
        """Nothing."""


def _text(line: dict[str, Any]) -> str:
    return json.dumps(line, allow_nan=False) + "\n"
