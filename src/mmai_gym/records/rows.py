"""Every further line of a run record: one model's answer to one example, with its verdicts."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mmai_gym.contracts import Completion, Prediction, Reason, Verdict

Key = tuple[str, str, str]
"""(model, task, example id)"""


@dataclass(frozen=True, slots=True)
class Row:
    """One model's answer to one example, as the record holds it."""

    model: str
    task: str
    prediction: Prediction
    verdicts: tuple[Verdict, ...]
    seconds: float | None = None

    @property
    def key(self) -> Key:
        return self.model, self.task, self.prediction.example_id

    def as_json(self) -> dict[str, Any]:
        """JSON types only; a number that is not finite becomes null."""
        prediction = self.prediction
        data: dict[str, Any] = {
            "model": self.model,
            "task": self.task,
            "id": prediction.example_id,
            "completions": [[c.text, _finite(c.logprob)] for c in prediction.completions],
            "probabilities": None
            if prediction.probabilities is None
            else {option: _finite(p) for option, p in prediction.probabilities.items()},
            "value": _finite(prediction.value),
            "spread": _finite(prediction.spread),
            "verdicts": [_verdict_as_json(verdict) for verdict in self.verdicts],
        }
        return data if self.seconds is None else data | {"seconds": self.seconds}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Row:
        """Raises KeyError, TypeError or ValueError where the line is not a row."""
        options = data["probabilities"]
        prediction = Prediction(
            example_id=data["id"],
            completions=tuple(Completion(text, logprob) for text, logprob in data["completions"]),
            probabilities=None if options is None else {option: _or_nan(p) for option, p in options.items()},
            value=data["value"],
            spread=data["spread"],
        )
        verdicts = tuple(_verdict_from_json(verdict) for verdict in data["verdicts"])
        return cls(data["model"], data["task"], prediction, verdicts, data.get("seconds"))


def _verdict_as_json(verdict: Verdict) -> dict[str, Any]:
    data: dict[str, Any] = {
        "score": _finite(verdict.score),
        "reason": verdict.reason.value,
        "answer": verdict.answer,
        "components": {name: _finite(value) for name, value in verdict.components.items()},
    }
    optional = {"version": verdict.verifier_version, "detail": verdict.detail}
    return data | {name: text for name, text in optional.items() if text}


def _verdict_from_json(data: Mapping[str, Any]) -> Verdict:
    return Verdict(
        score=data["score"],
        reason=Reason(data["reason"]),
        answer=data["answer"],
        components={name: _or_nan(value) for name, value in data["components"].items()},
        verifier_version=data.get("version", ""),
        detail=data.get("detail", ""),
    )


def _finite(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else float(value)


def _or_nan(value: float | None) -> float:
    return math.nan if value is None else value
