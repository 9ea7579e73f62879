"""Completions broken at random, as by a model that goes astray: no verdict may depend on good manners."""

from __future__ import annotations

import random

from mmai_gym.tasks.answers import ANSWER_CLOSE, ANSWER_OPEN, THINK_CLOSE, THINK_OPEN, wrap

_PIECES = (
    ANSWER_OPEN, ANSWER_CLOSE, THINK_OPEN, THINK_CLOSE, "(", ")", "[", "]", "=", "#", "$", ":", "/", "\\", ".", "%10", "%",
    "@", "@@", "@TH1", "@OH26", "1", "2", "9", "0", "-", "+", "+15", "--", "*", "~", "->", "<-", ">>", "C", "c", "N", "n",
    "o", "s", "Cl", "Br", "[nH]", "[H]", "[2H]", "[C-]", "[N+]", "[99C]", "[C:999]", "[Fe+2]", "[#6]", "[C@@H]", "{", "}",
    "|", ",", ";", "_", "e", "E9", "inf", "nan", "yes", "no", "first", " ", "\t", "\n", "\r", "\x00", "\x7f", "\u200b",
    "\u202e", "é", "中", "\ud800", "<|bin_000|>", "<|eos|>",
)  # fmt: skip
"""What an answer is made of, in any form of answer, and what it never should be."""

_MOST_REPEATS = 400


def broken(answer: str, rng: random.Random) -> str:
    """A completion that would have given an answer: half of the time the answer itself is mutated, else the whole text."""
    return wrap(mutated(answer, rng)) if rng.random() < 0.5 else mutated(wrap(answer), rng)


def mutated(completion: str, rng: random.Random) -> str:
    """The completion with one to five mutations: pieces lost, doubled, moved, reversed, repeated many times or put in."""
    for _ in range(rng.randint(1, 5)):
        completion = _mutation(completion, rng)
    return completion


def _mutation(text: str, rng: random.Random) -> str:
    start = rng.randint(0, len(text))
    end = min(len(text), start + rng.choice((0, 1, 1, 2, 5, 20)))
    before, piece, after = text[:start], text[start:end], text[end:]
    match rng.randrange(7):
        case 0:
            return before + after
        case 1:
            return before + piece * 2 + after
        case 2:
            return before + piece[::-1] + after
        case 3:
            return after + piece + before
        case 4:
            return before + rng.choice(_PIECES) * rng.randint(2, _MOST_REPEATS) + after
        case 5:
            return before + chr(rng.randrange(0x110000)) + after
        case _:
            return before + rng.choice(_PIECES) + after
