from __future__ import annotations

import datetime
from collections.abc import Iterator

import pytest
from transformers import PreTrainedTokenizerFast
from transformers.utils import chat_template_utils

import small_released as small
from mmai_gym.contracts import CheckpointError, Choice, Count, Molecule, Number, Property, Span, Words
from mmai_gym.lfm.chat import pinned
from mmai_gym.lfm.dialect import COMPACT, Chat, Compact, Turn, dialect_of
from mmai_gym.lfm.tokenizer import build_tokenizer
from mmai_gym.tasks.answers import extract_answer
from mmai_gym.tasks.rendering import chat_prompt, property_token, protein_name

QUESTION = (Words("What is the", "measure"), Property("acidity"), Molecule("CCO"), Count())
DATE = "2026-03-09"


@pytest.fixture
def another_day(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Transformers' clock says 24 December 2031."""

    class Clock(datetime.datetime):
        @classmethod
        def now(cls, tz: datetime.tzinfo | None = None) -> Clock:
            return cls(2031, 12, 24, 18, 0)

    monkeypatch.setattr(chat_template_utils, "datetime", Clock)
    yield


# --------------------------------------------------------------------------------------------------- the date


def test_a_template_with_a_clock_says_the_pinned_date_on_any_day(another_day: None) -> None:
    tokenizer = small.tokenizer("dated")
    asked = [{"role": "user", "content": "?"}]
    assert "Today is 2031-12-24" in tokenizer.apply_chat_template(asked, tokenize=False)
    assert "Today is 2026-03-09, 9 March<|im_end|>" in Chat(tokenizer, DATE).prompt(QUESTION)


def test_a_clock_handed_over_as_an_argument_would_not_be_called() -> None:
    """Why the clock is put into the template's text: transformers makes plain data of its arguments."""
    tokenizer = small.tokenizer("dated")
    with pytest.raises(Exception, match="not callable"):
        tokenizer.apply_chat_template(
            [{"role": "user", "content": "?"}], tokenize=False, strftime_now=lambda code: DATE
        )


@pytest.mark.parametrize("start", ["", "\n", "  ", "\n\n  x", "{%- if true %}\n  {% endif %}y"])
def test_pinning_changes_nothing_but_the_date(start: str) -> None:
    tokenizer = small.tokenizer()
    bare = start + "{{ messages[0].content }}"
    asked = [{"role": "user", "content": "?"}]
    dated = pinned(bare + "{# strftime_now #}", DATE)
    assert dated != bare
    rendered = [tokenizer.apply_chat_template(asked, chat_template=text, tokenize=False) for text in (bare, dated)]
    assert rendered[0] == rendered[1]
    assert pinned(bare, DATE) == bare


@pytest.mark.parametrize("code", ["%Y-%m-%d", "%d %b %Y", "%A, %B %-d", "%H:%M", "%j %y"])
def test_every_usual_way_to_write_a_date_is_understood(code: str) -> None:
    tokenizer = small.tokenizer()
    text = pinned("{{ strftime_now('" + code + "') }}", DATE)
    written = tokenizer.apply_chat_template([{"role": "user", "content": "?"}], chat_template=text, tokenize=False)
    assert written == datetime.datetime(2026, 3, 9).strftime(code)


# --------------------------------------------------------------------------------------------------- chat


@pytest.mark.parametrize("template", ["plain", "dated", "marked"])
def test_a_turn_is_the_models_own_template_up_to_the_end_token(template: str) -> None:
    tokenizer = small.tokenizer(template)
    chat = Chat(tokenizer, DATE)
    (turn,) = chat.turns([(QUESTION, "3")])
    said = [
        {"role": "user", "content": turn.asked.partition("user\n")[2].partition("<|im_end|>")[0]},
        {"role": "assistant", "content": "<answer>3</answer>"},
    ]
    whole = tokenizer.apply_chat_template(
        said, chat_template=pinned(small.TEMPLATES[template], DATE), tokenize=False
    )
    assert turn.asked + "".join(turn.written) == whole.rstrip("\n")
    assert turn.shown == ""
    assert "What is the acidity" in turn.asked and "SMILES: CCO" in turn.asked
    assert turn.asked.startswith("<|startoftext|><|im_start|>") and turn.asked.endswith("<|im_start|>assistant\n")
    assert chat.prompt(QUESTION) == turn.asked
    assert chat.choosing(QUESTION) == turn.asked + "<answer>"


def test_a_model_that_is_made_to_think_is_taught_to_answer_at_once() -> None:
    chat = Chat(small.tokenizer("thinking"), DATE)
    (turn,) = chat.turns([(QUESTION, "3")])
    assert turn.asked.endswith("assistant\n<think>")
    assert turn.written == ("</think>", "<answer>", "3", "</answer><|im_end|>")
    assert extract_answer("".join(turn.written)) == "3"
    assert extract_answer("<think>" + "".join(turn.written)) == "3"
    assert chat.choosing(QUESTION).endswith("<think></think><answer>")


def test_an_option_is_read_off_as_the_tokens_that_training_showed() -> None:
    """The tokenizer merges `>yes`, which the parts of an answer never show."""
    tokenizer = small.tokenizer()

    def ids(text: str) -> list[int]:
        return tokenizer(text, add_special_tokens=False)["input_ids"]

    assert ids("<answer>yes") != ids("<answer>") + ids("yes")
    chat = Chat(tokenizer, DATE)
    question = (*QUESTION[:-1], Choice(("yes", "no")))
    (turn,) = chat.turns([(question, "yes")])
    trained = [i for text in (turn.asked, *turn.written) for i in ids(text)]
    read = ids(chat.choosing(question)) + ids(chat.options(("yes", "no"))[0])
    assert trained[: len(read)] == read


def test_options_of_which_one_begins_another_are_compared_with_their_ends() -> None:
    chat = Chat(small.tokenizer(), DATE)
    assert chat.options(("low", "high")) == ["low", "high"]
    assert chat.options(("no", "not at all")) == ["no</answer>", "not at all</answer>"]


def test_the_same_dialect_is_described_alike_and_another_date_otherwise() -> None:
    tokenizer = small.tokenizer("dated")
    assert Chat(tokenizer, DATE).describe() == Chat(tokenizer, DATE).describe()
    assert Chat(tokenizer, DATE).describe()["date"] == DATE
    assert Chat(tokenizer, DATE).describe() != Chat(tokenizer, "2026-03-10").describe()


# --------------------------------------------------------------------------------------------------- which dialect


def test_the_gyms_tokenizer_is_spoken_to_in_control_tokens_whatever_the_card(
    tokenizer: PreTrainedTokenizerFast,
) -> None:
    for card in ({}, {"recipe": {}}):
        found = dialect_of(tokenizer, card)
        assert (found.prompt(QUESTION), found.describe()) == (COMPACT.prompt(QUESTION), {})
    assert COMPACT.public("<|bin_001|></answer>", Number("h", (1.0, 2.5))) == "<answer>2.5</answer>"


def test_a_model_without_a_card_gets_room_to_talk_and_one_of_ours_answers_at_once() -> None:
    tokenizer = small.tokenizer("dated")
    trained = Chat(tokenizer, DATE)
    again = dialect_of(tokenizer, {"dialect": trained.describe()})
    assert again.describe() == trained.describe()
    assert again.room == trained.room < dialect_of(tokenizer, {}).room


def test_another_template_than_that_of_training_is_refused() -> None:
    card = {"dialect": Chat(small.tokenizer("dated"), DATE).describe()}
    with pytest.raises(CheckpointError, match=r"was trained to read .*restore the tokenizer files"):
        dialect_of(small.tokenizer("plain"), card)


def test_a_model_without_a_template_is_refused() -> None:
    with pytest.raises(CheckpointError, match="neither the gym's tokenizer nor a chat template"):
        dialect_of(small.tokenizer(None), {})


def test_a_template_that_ends_no_turn_with_the_end_token_is_refused() -> None:
    tokenizer = small.tokenizer()
    tokenizer.chat_template = small.PLAIN.replace("<|im_end|>", "<|endoftext|>")
    with pytest.raises(CheckpointError, match=r"the end token is '<\|im_end\|>'"):
        Chat(tokenizer, DATE)
    tokenizer.chat_template = "{{ raise_exception('no') }}"
    with pytest.raises(CheckpointError, match="cannot render a question: no"):
        Chat(tokenizer, DATE)


# --------------------------------------------------------------------------------------------------- named proteins


def binding(sequence: str, smiles: str = "CCO") -> tuple[Span, ...]:
    return (
        Words("How well", "affinity"), Property("binding"), Molecule(smiles), Molecule(sequence, "protein"), Count(),
    )  # fmt: skip


def test_a_protein_that_has_a_token_is_shown_by_it_and_any_other_by_its_sequence() -> None:
    token = property_token(protein_name("MKVLA"))
    found = dialect_of(build_tokenizer([property_token("binding"), token]), {})
    asked = "<|affinity|><|p:binding|>"
    assert found.prompt(binding("MKVLA")) == f"<|bos|><|smiles|>CCO{asked}{token}<|integer|><answer>"
    assert found.prompt(binding("GGSH")) == f"<|bos|><|protein|>GGSH<|smiles|>CCO{asked}<|integer|><answer>"
    assert "MKVLA" in chat_prompt(binding("MKVLA"))
    assert protein_name("MKVLA") != protein_name("MKVLG")


def test_affinities_of_one_molecule_are_branches_that_hold_one_protein_each() -> None:
    tokens = [property_token(protein_name(sequence)) for sequence in ("MKVLA", "GGSH")]
    found = Compact(tokens)
    posed = [(found.posed(binding(sequence)), str(n)) for n, sequence in enumerate(("MKVLA", "GGSH"))]
    assert found.turns(posed) == [
        Turn(
            "<|bos|>",
            "<|smiles|>CCO",
            f"<|affinity|><|p:binding|>{tokens[0]}<|integer|><answer>",
            ("0</answer><|eos|>",),
        ),
        Turn("", "", f"<|affinity|><|p:binding|>{tokens[1]}<|integer|><answer>", ("1</answer><|eos|>",)),
    ]
    with pytest.raises(ValueError, match="one opening"):
        found.turns([posed[0], (found.posed(binding("GGSH", "CCN")), "1")])
    with pytest.raises(ValueError, match="one opening"):
        found.turns([posed[0], (binding("VVV"), "1")])
    with pytest.raises(ValueError, match="about one SMILES"):
        found.turns([(binding("VVV", "CCO<|smiles|>CC"), "1")])
