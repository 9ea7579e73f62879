"""A model behind an OpenAI-compatible endpoint, `openai:NAME@URL`, as a Model.

It gets the question in plain sentences, as a released model in a folder does, and answers in text: probabilities and
distributions cannot be read off it. The first answer is asked for at temperature 0; where a task wants several, the others
are drawn. Every answer is written down as it comes (`answers`), so that a run that is stopped, or repeated, asks for nothing
twice. Its row stands in a table only where someone ran it, and the record says how it was asked.
"""

from __future__ import annotations

import hashlib
import os
import re
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from mmai_gym import tasks
from mmai_gym.contracts import (
    Completion,
    Example,
    Number,
    Prediction,
    Structure,
    UsageError,
    answer_form,
    item_seed,
)
from mmai_gym.models.answers import Answers
from mmai_gym.models.chat_api import ChatApi, Patience, PromptRefused
from mmai_gym.models.shots import Shots
from mmai_gym.records import refuse_secrets
from mmai_gym.tasks.answers import number_of
from mmai_gym.tasks.rendering import chat_messages

KEY = "OPENAI_API_KEY"
_SPEC = re.compile(r"openai:(?P<name>[^\s@]\S*)@(?P<url>https?://\S+)")


class Asking(BaseModel):
    """What is asked of an endpoint beside the question.

    Attributes:
        shots: worked examples before each question.
        max_tokens: an answer's length, thoughts included; `limit` is what the server calls it.
        greedy: temperature of the first answer; None leaves it to servers that take no other than their own.
        temperature, top_p: of the answers after the first.
        per_minute, parallel: requests that may begin in a minute, and that may be under way at once.
        price: dollars per million tokens read and written, to count the cost.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    shots: int = Field(default=0, ge=0)
    max_tokens: int = Field(default=2048, ge=1)
    limit: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    greedy: float | None = Field(default=0.0, ge=0, le=2)
    temperature: float = Field(default=0.7, gt=0, le=2)
    top_p: float = Field(default=0.95, gt=0, le=1)
    per_minute: float | None = Field(default=None, gt=0)
    parallel: int = Field(default=4, ge=1, le=256)
    price: tuple[float, float] | None = None


def is_endpoint(spec: str) -> bool:
    """Whether `spec` names an endpoint."""
    return spec.startswith("openai:")


class EndpointModel:
    """Answers by asking a server.

    Args:
        spec: `openai:NAME@URL`, such as `openai:qwen3-8b@http://127.0.0.1:8000/v1`. A key, where the server wants one, is
            read from the environment variable OPENAI_API_KEY.

    Raises:
        UsageError: the specification is malformed, or holds a credential.
    """

    def __init__(self, spec: str, asking: Asking | None = None, patience: Patience | None = None) -> None:
        match = _SPEC.fullmatch(spec)
        if match is None:
            raise UsageError(
                f"{spec!r} is no endpoint; give openai:NAME@URL, for example openai:qwen3-8b@http://127.0.0.1:8000/v1"
            )
        refuse_secrets({"endpoint": match["url"]})
        self.name = spec
        self.model, self.url = match["name"], match["url"]
        self.asking = asking or Asking()
        self._shots = Shots(self.asking.shots)
        self._api = ChatApi(self.url, os.environ.get(KEY), self.asking.per_minute, patience)
        self._answers = Answers(self.model, self.url)

    @property
    def prompts(self) -> dict[str, Any]:
        """For the record: where and how it is asked."""
        asked = self.asking.model_dump(mode="json", exclude={"per_minute", "parallel", "price"})
        return {"rendering": "chat", "endpoint": self.url, **asked}

    def predict(self, examples: Sequence[Example], n: int, seed: int) -> list[Prediction]:
        """One Prediction per example, in order. Only structures are answered more than once.

        Raises:
            EndpointError: the server refuses, or does not answer in the end; what it has answered is kept.
        """
        bodies = [self._requests(example, n, seed) for example in examples]
        with ThreadPoolExecutor(self.asking.parallel) as pool:
            asked = [[pool.submit(self._text, body) for body in some] for some in bodies]
            try:
                texts = [[answer.result() for answer in some] for some in asked]
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise
        self._report()
        return [_prediction(example, some) for example, some in zip(examples, texts, strict=True)]

    def _requests(self, example: Example, n: int, seed: int) -> list[dict[str, Any]]:
        """The requests for the answers to one example, the first answer's first."""
        task, ask = tasks.get(example.task), self.asking
        question = task.question(example)
        turns = chat_messages(question, self._shots.before(task, question))
        fixed = {"model": self.model, "messages": turns, ask.limit: ask.max_tokens}
        drawn = n - 1 if isinstance(answer_form(question), Structure) else 0
        warm = fixed | {"temperature": ask.temperature, "top_p": ask.top_p}
        first = fixed if ask.greedy is None else fixed | {"temperature": ask.greedy}
        return [first, *(warm | {"seed": _seed(example, task.version, seed, i)} for i in range(drawn))]

    def _text(self, request: dict[str, Any]) -> str:
        """The text that answers a request; '' where the server will not answer it."""
        known = self._answers.get(request)
        if known is not None:
            return known
        try:
            answer = self._api.complete(request)
        except PromptRefused as refusal:
            print(f"no answer: {refusal}", file=sys.stderr, flush=True)
            answer = {"choices": [{}]}
        text, usage = _written(answer["choices"][0]), answer.get("usage")
        self._answers.put(request, text, usage if isinstance(usage, Mapping) else {})
        return text

    def _report(self) -> None:
        spent = self._answers.spent()
        cost = "" if self.asking.price is None else f", {spent.dollars(self.asking.price):.2f} dollars"
        print(
            f"{self.name}: {spent.answers:,} answers so far, {spent.read:,} tokens read, {spent.written:,} written{cost}",
            file=sys.stderr,
            flush=True,
        )


def _seed(example: Example, version: str, seed: int, sample: int) -> int:
    """Of one drawn answer: 31 bits, which every server takes."""
    place = int.from_bytes(hashlib.sha256(f"{example.id} {sample}".encode()).digest()[:6], "big")
    return item_seed(example.task, version, example.split, seed, place) >> 32


def _written(choice: Mapping[str, Any]) -> str:
    """The text of a choice; '' where there is none, as when all tokens went into thoughts that are not shown."""
    message = choice.get("message")
    content = message.get("content") if isinstance(message, Mapping) else None
    return content if isinstance(content, str) else ""


def _prediction(example: Example, texts: Sequence[str]) -> Prediction:
    form = answer_form(tasks.get(example.task).question(example))
    value = number_of(texts[0]) if isinstance(form, Number) else None
    return Prediction(example.id, tuple(map(Completion, texts)), value=value)
