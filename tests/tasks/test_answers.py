"""The answer protocol against the ways in which a completion can pretend to have answered."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmai_gym.tasks.answers import extract_answer, strip_thinking, wrap


@pytest.mark.parametrize(
    ("completion", "answer"),
    [
        ("<answer>CCO</answer>", "CCO"),
        ("<answer>  CCO \n</answer>", "CCO"),
        ("so <answer>a</answer> and again <answer> a</answer>", "a"),
        ("<think>maybe <answer>b</answer></think><answer>a</answer>", "a"),
        ("no tags: CCO", None),
        ("<answer></answer>", None),
        ("<answer>CCO", None),
        ("<think>I am sure: <answer>CCO</answer>", None),
        ("<think>x</think> hm <think><answer>CCO</answer>", None),
        ("<answer>a</answer> or <answer>b</answer>", None),
        ("<think><answer>CCO</answer></think>", None),
        ("<answer>CCO</answer></think>", None),
    ],
)
def test_only_one_answer_outside_thinking_counts(completion: str, answer: str | None) -> None:
    assert extract_answer(completion) == answer


@given(st.text().filter(lambda text: "</think>" not in text))
def test_an_unclosed_thought_never_leaks_into_the_answer(thought: str) -> None:
    assert extract_answer(f"<think>{thought}<answer>secret</answer>") is None


@given(st.text().filter(lambda text: "<" not in text))
def test_a_plain_answer_comes_back(text: str) -> None:
    assert extract_answer(wrap(text)) == (text.strip() or None)


@given(st.text())
def test_any_text_is_read_without_error(text: str) -> None:
    assert extract_answer(text) is None or isinstance(extract_answer(text), str)
    assert len(strip_thinking(text)) <= len(text)
