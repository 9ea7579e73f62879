"""The answer protocol: where the answer stands in a completion.

A completion may think in `<think>...</think>` and then answers in `<answer>...</answer>`. The rules below are the
ones that cheats probe: text inside a think block is never graded, a think block that is never closed swallows the
rest of the text (so a model cut off while thinking has not answered), and a completion that gives two different
answers has given none.
"""

from __future__ import annotations

import math
import re

ANSWER_OPEN, ANSWER_CLOSE = "<answer>", "</answer>"
THINK_OPEN, THINK_CLOSE = "<think>", "</think>"

_ANSWER = re.compile(re.escape(ANSWER_OPEN) + r"(.*?)" + re.escape(ANSWER_CLOSE), re.DOTALL)


def wrap(answer: str) -> str:
    """The shortest completion that gives `answer`."""
    return f"{ANSWER_OPEN}{answer}{ANSWER_CLOSE}"


def strip_thinking(completion: str) -> str:
    """The text outside think blocks. An unclosed block runs to the end; a stray close tag hides what precedes it."""
    if THINK_CLOSE in completion and THINK_OPEN not in completion.split(THINK_CLOSE, 1)[0]:
        completion = THINK_OPEN + completion
    kept: list[str] = []
    rest = completion
    while True:
        before, opened, rest = rest.partition(THINK_OPEN)
        kept.append(before)
        if not opened:
            return "".join(kept)
        _, closed, rest = rest.partition(THINK_CLOSE)
        if not closed:
            return "".join(kept)


def extract_answer(completion: str) -> str | None:
    """The one answer of a completion, stripped of surrounding blanks; None where there is none or several differ."""
    answers = {match.strip() for match in _ANSWER.findall(strip_thinking(completion))}
    if len(answers) != 1:
        return None
    answer = answers.pop()
    return answer or None


def number_of(completion: str) -> float | None:
    """The finite number that a completion answers with, None where there is none."""
    answer = extract_answer(completion) or ""
    try:
        value = float(answer)
    except ValueError:
        return None
    # float() also reads full-width digits and underscores, which no verifier takes.
    return value if math.isfinite(value) and answer.isascii() and "_" not in answer else None
