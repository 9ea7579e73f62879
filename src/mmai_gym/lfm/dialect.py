"""How one speaks with a checkpoint: the text of its questions, and how it writes answers.

An LFM that was trained from scratch reads control tokens; a released model reads plain sentences in its own chat
template. Which of the two a checkpoint understands is told by its tokenizer, never by its name, and all that differs
between them stands here: corpora and benchmarks ask a dialect, so that a model is asked as it was taught.

Two traps are closed. A tokenizer learned on prose may merge letters across the border of tag and answer (`>yes` is
one token in many), and then the tokens that training showed are not those that reading an option off the network
asks about: so the parts of an answer are tokenised apart in both. And a template may write today's date, see `chat`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from mmai_gym.contracts import AnswerForm, CheckpointError, Question, UsageError
from mmai_gym.lfm.chat import DEFAULT_DATE, pinned
from mmai_gym.lfm.tokenizer import FIRST_BIN_ID
from mmai_gym.tasks.answers import ANSWER_CLOSE, ANSWER_OPEN, THINK_CLOSE, THINK_OPEN
from mmai_gym.tasks.rendering import (
    BIN_TOKENS,
    chat_messages,
    compact_apart,
    compact_branches,
    compact_ligands,
    compact_named,
    compact_opening,
    compact_option,
    compact_prompt,
    compact_turns,
    expand,
)

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

_ANSWERS_AT_ONCE = 24
"""Tokens of the two tags and the end of the turn, and what a number or word takes more in a prose vocabulary."""
_TALKS_FIRST = 512


@dataclass(frozen=True, slots=True)
class Turn:
    """One question and its answer, as the texts that are tokenised one by one, in their order.

    `opening` is what a row begins with, such as a protein, and `asked` the request; neither is ever supervised. `shown` is
    the molecules where they can be told from the request, else ''; a stage may supervise them. `written` always is.
    """

    opening: str
    shown: str
    asked: str
    written: tuple[str, ...]


class Dialect(Protocol):
    """What differs between models that were trained from scratch and released ones."""

    turns_per_row: int
    """Questions that one row of a corpus may ask about the same molecules."""
    branches_per_row: int
    """Questions of one row that must not read each other: about molecules and one protein, or proteins and one molecule."""
    grid: bool
    """Whether a number is one token of a grid, so that its distribution can be read off."""
    grammar: bool
    """Whether structures can be kept within the grammar of SMILES, which knows the gym's tokens only."""
    stop: str
    """The text at which an answer ends."""
    room: int
    """New tokens that an answer takes beside those of the compact rendering."""

    def posed(self, question: Question) -> Question:
        """The question as it reads it: proteins by name where it knows them by name."""

    def turns(self, turns: Sequence[tuple[Question, str]]) -> list[Turn]:
        """Questions as `posed`, about the same molecules, or each about one molecule and all about the same protein, with
        their answers, as one row of a corpus."""

    def prompt(self, question: Question, shots: Sequence[tuple[Question, str]] = ()) -> str:
        """What the model reads before it writes; `shots` are questions with their answers, shown before its own.

        Raises:
            UsageError: it reads no such examples.
        """

    def choosing(self, question: Question, shots: Sequence[tuple[Question, str]] = ()) -> str:
        """What it reads before the name of an option."""

    def options(self, names: Sequence[str]) -> list[str]:
        """Options as it writes them, made to be compared fairly by their log-probabilities."""

    def public(self, text: str, form: AnswerForm) -> str:
        """What it wrote, as the text that a verifier reads."""

    def describe(self) -> dict[str, Any]:
        """For manifests and cards: all that decides its texts beside the gym's templates."""


class Compact:
    """Control tokens, for an LFM that was trained from scratch.

    Args:
        vocabulary: its tokens, some of which may name proteins.
    """

    turns_per_row = 16  # a molecule that is asked more in one corpus opens another row
    branches_per_row = 32
    grid = grammar = True
    stop = ANSWER_CLOSE
    room = 0

    def __init__(self, vocabulary: Container[str] = ()) -> None:
        self._vocabulary = vocabulary

    def posed(self, question: Question) -> Question:
        return compact_named(question, self._vocabulary)

    def turns(self, turns: Sequence[tuple[Question, str]]) -> list[Turn]:
        if compact_apart(turns[0][0]):
            return [
                Turn(opening, shown, asked, (target,)) for opening, shown, asked, target in compact_branches(turns)
            ]
        opening, ligands = compact_opening(turns[0][0]), compact_ligands(turns[0][0])
        (first, target), *rest = compact_turns(turns)
        return [
            Turn(opening, ligands, first.removeprefix(opening + ligands), (target,)),
            *(Turn("", "", prompt, (target,)) for prompt, target in rest),
        ]

    def prompt(self, question: Question, shots: Sequence[tuple[Question, str]] = ()) -> str:
        if shots:
            raise UsageError(
                "an LFM that was trained from scratch reads no examples in its prompt; leave out `shots`"
            )
        return compact_prompt(self.posed(question))

    choosing = prompt

    def options(self, names: Sequence[str]) -> list[str]:
        """Without a token each, they must end alike to be compared fairly."""
        texts = [compact_option(name) for name in names]
        own_tokens = all(text != name for text, name in zip(texts, names, strict=True))
        return texts if own_tokens else [text + ANSWER_CLOSE for text in texts]

    def public(self, text: str, form: AnswerForm) -> str:
        return ANSWER_OPEN + expand(text, form)  # the open tag stood at the end of the prompt

    def describe(self) -> dict[str, Any]:
        return {}


class Chat:
    """Plain sentences in the model's own chat template; every question is a conversation of its own.

    Args:
        tokenizer: of the released model, with its template.
        date: what the template shall take for today, `YYYY-MM-DD`.
        talks: the model was not trained to answer at once, and gets room to explain itself first.

    Raises:
        CheckpointError: there is no template, or it does not end the assistant's turn with the end token.
    """

    turns_per_row = branches_per_row = 1
    grid = grammar = False

    def __init__(self, tokenizer: PreTrainedTokenizerFast, date: str, *, talks: bool = False) -> None:
        self._tokenizer = tokenizer
        self._date = date
        self._template = pinned(_template(tokenizer), date)
        self.stop = str(tokenizer.eos_token)
        self.room = _TALKS_FIRST if talks else _ANSWERS_AT_ONCE
        opened = self._rendered([{"role": "user", "content": "?"}])
        # Some models are made to think before they answer; what is trained here answers at once.
        self._opening = (THINK_CLOSE,) if opened.rstrip().endswith(THINK_OPEN) else ()
        self._check_template(opened)

    def posed(self, question: Question) -> Question:
        return question

    def turns(self, turns: Sequence[tuple[Question, str]]) -> list[Turn]:
        return [
            Turn(
                "",
                "",
                self.prompt(question),
                (*self._opening, ANSWER_OPEN, answer, ANSWER_CLOSE + self.stop),
            )
            for question, answer in turns
        ]

    def prompt(self, question: Question, shots: Sequence[tuple[Question, str]] = ()) -> str:
        return self._rendered(chat_messages(question, shots))

    def choosing(self, question: Question, shots: Sequence[tuple[Question, str]] = ()) -> str:
        return "".join([self.prompt(question, shots), *self._opening, ANSWER_OPEN])

    def options(self, names: Sequence[str]) -> list[str]:
        """With the closing tag only where one is the beginning of another: without it, they are tokenised as in training."""
        clash = any(one != other and other.startswith(one) for one in names for other in names)
        return [name + ANSWER_CLOSE for name in names] if clash else list(names)

    def public(self, text: str, form: AnswerForm) -> str:
        return text

    def describe(self) -> dict[str, Any]:
        return {
            "rendering": "chat",
            "date": self._date,
            "chat_template": hashlib.sha256(_template(self._tokenizer).encode()).hexdigest()[:12],
            "end_of_turn": self.stop,
        }

    def _rendered(self, messages: list[dict[str, str]]) -> str:
        try:
            return self._tokenizer.apply_chat_template(
                messages, chat_template=self._template, tokenize=False, add_generation_prompt=True
            )
        except Exception as error:  # a template may raise whatever its author thought of
            raise CheckpointError(
                f"the model's chat template cannot render a question: {error}; use an instruction-tuned checkpoint"
            ) from error

    def _check_template(self, opened: str) -> None:
        """That what the template makes of a whole conversation is what `turns` writes."""
        said = self._tokenizer.apply_chat_template(
            [{"role": "user", "content": "?"}, {"role": "assistant", "content": "!"}],
            chat_template=self._template,
            tokenize=False,
        )
        start = said.partition("!")[0] if self._opening else opened
        if not said.startswith(f"{start}!{self.stop}"):
            raise CheckpointError(
                f"the model's chat template writes an answer as {said[-80:]!r}, but it asks with {opened[-40:]!r} and "
                f"the end token is {self.stop!r}; use an instruction-tuned checkpoint whose tokenizer ends turns"
            )
        apart = [*self._ids(opened), *(i for part in (*self._opening, ANSWER_OPEN) for i in self._ids(part))]
        if self._ids("".join([opened, *self._opening, ANSWER_OPEN])) != apart:
            raise CheckpointError(
                f"the model's tokenizer merges the end of a question {opened[-20:]!r} with {ANSWER_OPEN!r}; "
                "its answers cannot be told from its questions"
            )

    def _ids(self, text: str) -> list[int]:
        return self._tokenizer(text, add_special_tokens=False)["input_ids"]


COMPACT: Dialect = Compact()


def is_compact(tokenizer: PreTrainedTokenizerFast) -> bool:
    """Whether a tokenizer is the gym's own, and its model reads control tokens."""
    return tokenizer.convert_tokens_to_ids(BIN_TOKENS[0]) == FIRST_BIN_ID


def dialect_of(tokenizer: PreTrainedTokenizerFast, card: Mapping[str, Any]) -> Dialect:
    """How one speaks with the model that has this tokenizer, and this card from its training (`{}` where it has none).

    Raises:
        CheckpointError: the tokenizer is neither the gym's nor that of a chat model, or its template is not the one
            that the model was trained with.
    """
    if is_compact(tokenizer):
        return Compact(tokenizer.get_vocab())
    described = card.get("dialect", {})
    chat = Chat(tokenizer, described.get("date", DEFAULT_DATE), talks=not described)
    if described and chat.describe() != described:
        raise CheckpointError(
            f"the model was trained to read {described}, its tokenizer now gives {chat.describe()}; "
            "restore the tokenizer files and chat_template.jinja that were saved with the weights"
        )
    return chat


def _template(tokenizer: PreTrainedTokenizerFast) -> str:
    """The template's text.

    Raises:
        CheckpointError: the tokenizer has none.
    """
    if not tokenizer.chat_template:
        raise CheckpointError(
            "the checkpoint has neither the gym's tokenizer nor a chat template; "
            "use an instruction-tuned model (such as LiquidAI/LFM2-350M), or a folder that `train` wrote"
        )
    return tokenizer.get_chat_template()
