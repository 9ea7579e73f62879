"""Control tokens are frozen, and the compact rendering can be undone."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmai_gym.contracts import Choice, Count, Molecule, Number, Property, Step, Structure, Trace, Words
from mmai_gym.tasks import rendering
from mmai_gym.tasks.rendering import BIN_TOKENS, CONTROL_TOKENS, compact_answer, expand, nearest_bin

GRID = (0.5, 1.25, 3.0, 10.0)


def test_control_tokens_never_move() -> None:
    assert len(CONTROL_TOKENS) == 256 == len(set(CONTROL_TOKENS))
    assert len(BIN_TOKENS) == 128
    named = [token for token in CONTROL_TOKENS if "reserved" not in token]
    assert named[:8] == [
        "<|pad|>",
        "<|bos|>",
        "<|eos|>",
        "<|sep|>",
        "<think>",
        "</think>",
        "<answer>",
        "</answer>",
    ]
    # Token ids of shipped checkpoints depend on this order: new names take reserved places after these 63.
    assert hashlib.sha256("\n".join(named[:63]).encode()).hexdigest()[:16] == "e2fca385e021c7bb"


@given(st.sampled_from(GRID))
def test_a_number_on_the_grid_survives_the_compact_form(value: float) -> None:
    form = Number("h", GRID)
    assert float(expand(compact_answer(str(value), form), form)) == value


@pytest.mark.parametrize(("value", "index"), [(-9, 0), (0.5, 0), (0.87, 0), (0.88, 1), (2.2, 2), (99, 3)])
def test_numbers_go_to_the_nearest_grid_centre(value: float, index: int) -> None:
    assert nearest_bin(value, GRID) == index


def test_a_grid_step_outside_the_grid_is_not_a_number() -> None:
    assert expand("<answer><|bin_100|></answer>", Number("", GRID)) == "<answer><|bin_100|></answer>"


def test_options_use_their_control_tokens_and_come_back() -> None:
    form = Choice(("yes", "no", "purple"))
    assert [compact_answer(option, form) for option in form.options] == ["<|yes|>", "<|no|>", "purple"]
    assert expand("<answer><|yes|></answer>", form) == "<answer>yes</answer>"


def test_the_chat_prompt_says_how_to_answer() -> None:
    question = (Words("How often does it have", "count"), Property("nitro"), Molecule("CCO"), Count())
    text = rendering.chat_prompt(question)
    assert "SMILES: CCO" in text
    assert "nitro" in text
    assert text.endswith("Give an integer, between <answer> and </answer>.")


def test_the_compact_prompt_is_control_tokens_and_molecules() -> None:
    question = (Words("Improve", "optimize"), Property("QED", "up"), Molecule("CCO"), Structure())
    assert (
        rendering.compact_prompt(question) == "<|bos|><|smiles|>CCO<|optimize|><|up|><|p:qed|><|molecule|><answer>"
    )


def test_given_steps_are_prompt_and_claimed_steps_are_target() -> None:
    question = (Words("?", "count"), Molecule("CCO"), Count())
    steps = (Step("a", "Given fact.", {}, given=True), Step("b", "Own claim.", {}))
    prompt, target = rendering.compact_row(question, "1", Trace(steps))
    assert prompt.endswith("<think>Given fact.")
    assert target == "Own claim.</think><answer>1</answer><|eos|>"


def test_a_property_never_becomes_a_control_token() -> None:
    assert rendering.property_token("count") not in CONTROL_TOKENS
    assert rendering.property_token("Half life (h)") == "<|p:half_life_h_|>"
