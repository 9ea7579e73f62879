"""A checkpoint folder as a Model, trained from scratch or released; it is asked in its own dialect (`lfm.dialect`).

What an answer form allows to be read off the network is not sampled: the probability of each option, and the whole
distribution of a number over its grid, cost one forward pass and have no sampling noise. Counts, atom sets and
structures are decoded, structures within the grammar of SMILES (which is no oracle: it knows parentheses, ring bonds
and valences, and nothing of the question). A task that asks for the recorded answer (retrosynthesis) gets a beam,
ranked by log-probability. A task with many right answers (optimization, `decode = "sample"`) gets the greedy answer
first and then independent samples as they were drawn: no oracle has reordered them and repeats are kept, so the first
answer is an honest single attempt and the share of valid molecules is the one a user would see.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mmai_gym import tasks
from mmai_gym.contracts import (
    AnswerForm,
    Choice,
    Completion,
    Example,
    Indices,
    Molecule,
    Number,
    Prediction,
    Question,
    Structure,
    answer_form,
    item_seed,
)
from mmai_gym.extras import require
from mmai_gym.lfm.dialect import Dialect
from mmai_gym.models.shots import Shots
from mmai_gym.records import file_sha256
from mmai_gym.tasks.answers import number_of, wrap
from mmai_gym.tasks.prototypes import Prototype, filled
from mmai_gym.tasks.rendering import compact_apart, compact_shared

TEMPERATURE = 0.7
TOP_P = 0.95
_SMALL_NETWORK = 10_000_000
"""Parameters below which a second thread gains nothing, and waits for a core of its own on a busy machine: there,
two threads were seen to take twenty times as long as one."""
_SHORT_ANSWER = 8
_SLACK = 32
_ROOM_STEP = 64
_TIMES_AS_LONG = {"selfies": 5, "inchi": 4, "graph": 12, "conformer": 30, "internal": 30, "fragments": 3}
"""Tokens of a molecule in a view, by those of its SMILES, rounded up."""


@dataclass(frozen=True, slots=True)
class Item:
    """An example on its way through the network; `place` is its position in the caller's list."""

    place: int
    example: Example
    question: Question
    prompt: str
    """What the network reads before it writes, or before the name of an option."""
    room: int
    """New tokens that the answer may take. It must not depend on the batch, or a resumed run would differ."""

    @property
    def form(self) -> AnswerForm:
        """What kind of answer is wanted."""
        return answer_form(self.question)


Reader = Callable[[list[Item], int, int], list[Prediction]]


class LFMModel:
    """Answers with the LFM in `folder`, or another causal language model that has a chat template.

    Args:
        folder: a checkpoint folder (weights, configuration, tokenizer), or one with a LoRA adapter.
        name: how tables call it; the folder's name by default.
        grammar: keep the structures it writes within the grammar of SMILES.
        shots: worked examples before each question, for a model that reads sentences.

    Raises:
        CheckpointError: the folder lacks a part, its parts do not fit together, or it is no model that answers questions.
        MissingExtra: torch or transformers is not installed.
    """

    def __init__(self, folder: Path, name: str = "", *, grammar: bool = True, shots: int = 0) -> None:
        require("torch", "transformers", extra="train")
        from mmai_gym.lfm import adapter, checkpoint, decode, dialect, quiet
        from mmai_gym.lfm.grammar import SmilesGrammar

        self.name = name or folder.name
        self.folder = folder
        lora = adapter.Adapter.at(folder) if adapter.is_adapter(folder) else None
        self._base = lora.base.folder if lora else None
        with quiet.quiet():
            model, self._tokenizer = lora.load() if lora else checkpoint.load(folder)
        self._positions: int = model.config.max_position_embeddings
        self._threads = 1 if model.num_parameters() < _SMALL_NETWORK else None
        self._decoder: Any = decode.Decoder(model, self._tokenizer)
        self._shots = Shots(shots)
        card = checkpoint.read_card(self._base or folder)
        self._dialect: Dialect = dialect.dialect_of(self._tokenizer, card)
        self.names_proteins: bool = card.get("recipe", {}).get("name_proteins", False)
        """Whether it was taught proteins by name and has read no sequence."""
        self.questions: Mapping[str, Prototype] = _taught(card)
        """By the names of the tasks that it was trained on: what they ask, as it was asked then."""
        self._grammar: Any = SmilesGrammar(self._tokenizer) if grammar and self._dialect.grammar else None

    @property
    def checksums(self) -> dict[str, str]:
        """SHA-256 of the weights, by file name; those of the base stand under `base/`."""
        of_base = sorted(self._base.glob("*.safetensors")) if self._base else []
        return {path.name: file_sha256(path) for path in sorted(self.folder.glob("*.safetensors"))} | {
            f"base/{path.name}": file_sha256(path) for path in of_base
        }

    @property
    def prompts(self) -> dict[str, Any]:
        """What decides its prompts beside the gym's own templates; empty for an LFM that was trained from scratch."""
        shots = {"shots": self._shots.count} if self._shots.count else {}
        return self._dialect.describe() | shots

    @property
    def exclusions(self) -> dict[str, Any]:
        """By training corpus, which test sets were kept out of it and what it lost by that; empty where nothing was."""
        from mmai_gym.lfm.checkpoint import read_card

        manifests = read_card(self.folder).get("data", {})
        found = {name: manifest["made_from"] for name, manifest in manifests.items()}
        return {
            name: {"protected": made_from["exclusions"], "excluded": made_from["excluded"]}
            for name, made_from in found.items()
            if "exclusions" in made_from
        }

    def predict(self, examples: Sequence[Example], n: int, seed: int) -> list[Prediction]:
        """One Prediction per example, in order, each with up to `n` completions.

        Examples are grouped by how their answer is read off, whatever task they belong to. The samples of an
        example depend on its id and `seed`, not on what else is in the call.
        """
        from mmai_gym.lfm.quiet import quiet

        predictions: list[Prediction | None] = [None] * len(examples)
        groups: dict[tuple[Reader, type, int], list[Item]] = {}
        for i, example in enumerate(examples):
            task = tasks.get(example.task)
            question = self._question(example)
            render = self._dialect.choosing if isinstance(answer_form(question), Choice) else self._dialect.prompt
            prompt = render(question, self._shots.before(task, question))
            tokens = len(self._tokenizer(prompt, add_special_tokens=False)["input_ids"])
            room = min(_room(question) + self._dialect.room, self._positions - tokens)
            if room < _SHORT_ANSWER:
                predictions[i] = Prediction(example.id, (Completion(""),))
                continue
            item = Item(i, example, question, prompt, room)
            groups.setdefault((self._reader(item.form, task, n), type(item.form), room), []).append(item)
        for (read, _, _), items in groups.items():
            with quiet(), _threads(self._threads):
                answers = read(items, n, seed)
            for item, prediction in zip(items, answers, strict=True):
                predictions[item.place] = prediction
        return [prediction for prediction in predictions if prediction is not None]

    def opening(self, example: Example) -> str:
        """What it reads first of the question, and once for all that begin so in one call, such as a protein; '' where a
        question is read by itself."""
        posed = self._dialect.posed(self._question(example))
        return compact_shared(posed) if compact_apart(posed) else ""

    def _question(self, example: Example) -> Question:
        """As it was asked in training, which needs no data set; else as the task asks today."""
        found = self.questions.get(example.task)
        return tasks.get(example.task).question(example) if found is None else filled(found, example.inputs)

    def _reader(self, form: AnswerForm, task: Any, n: int) -> Reader:
        """How an answer is read off."""
        if isinstance(form, Choice):
            return self._choices
        if isinstance(form, Number):
            return self._numbers if self._dialect.grid else self._beams
        if n > 1 and getattr(task, "decode", "beam") == "sample":
            return self._samples
        return self._beams

    def _choices(self, items: list[Item], n: int, seed: int) -> list[Prediction]:
        options = [item.form.options if isinstance(item.form, Choice) else () for item in items]
        logprobs = self._decoder.choice_logprobs(_prompts(items), [self._dialect.options(row) for row in options])
        predictions: list[Prediction] = []
        for item, names, row in zip(items, options, logprobs, strict=True):
            scores = np.asarray(row, dtype=np.float64)
            weights = np.exp(scores - scores.max())
            order = np.argsort(-scores, kind="stable")[:n]
            completions = tuple(Completion(wrap(names[i]), float(scores[i])) for i in order)
            probabilities = dict(zip(names, (weights / weights.sum()).tolist(), strict=True))
            predictions.append(Prediction(item.example.id, completions, probabilities))
        return predictions

    def _numbers(self, items: list[Item], n: int, seed: int) -> list[Prediction]:
        table = np.asarray(self._decoder.bin_probabilities(_prompts(items)), dtype=np.float64)
        predictions: list[Prediction] = []
        for item, row in zip(items, table, strict=True):
            grid = np.array(item.form.grid if isinstance(item.form, Number) else (), dtype=np.float64)
            # Steps beyond this task's grid are no answer to it; what they got is shared out over the others.
            p = row[: len(grid)] + 1e-12
            p = p / p.sum()
            mean = float(p @ grid)
            spread = float(np.sqrt(p @ (grid - mean) ** 2))
            value = _median(p, grid) if _readout(item) == "median" else mean
            completions = (Completion(wrap(f"{value:.6g}")),)
            predictions.append(Prediction(item.example.id, completions, value=value, spread=spread))
        return predictions

    def _beams(self, items: list[Item], n: int, seed: int) -> list[Prediction]:
        found = self._decoder.beam(_prompts(items), n, **self._writing(items))
        return [self._prediction(item, texts) for item, texts in zip(items, found, strict=True)]

    def _samples(self, items: list[Item], n: int, seed: int) -> list[Prediction]:
        greedy = self._beams(items, 1, seed)
        drawn = self._decoder.sample(
            _prompts(items),
            n - 1,
            temperature=TEMPERATURE,
            top_p=TOP_P,
            **self._writing(items),
            seeds=[_example_seed(item.example, seed) for item in items],
        )
        return [
            Prediction(item.example.id, first.completions + self._prediction(item, texts).completions)
            for item, first, texts in zip(items, greedy, drawn, strict=True)
        ]

    def _writing(self, items: Sequence[Item]) -> dict[str, Any]:
        """How answers of one form and room are written out."""
        grammar = self._grammar if all(_is_smiles(item.form) for item in items) else None
        return {"max_new_tokens": items[0].room, "stop": self._dialect.stop, "constraint": grammar}

    def _prediction(self, item: Item, written: Sequence[Any]) -> Prediction:
        """What was written, as public text; a number that stands in the first answer is its value, too."""
        texts = [(self._dialect.public(one.text, item.form), float(one.logprob)) for one in written]
        value = number_of(texts[0][0]) if isinstance(item.form, Number) else None
        return Prediction(item.example.id, tuple(Completion(*text) for text in texts), value=value)


@contextmanager
def _threads(count: int | None) -> Iterator[None]:
    """Let torch use `count` threads for a while; None leaves it as it is."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(before if count is None else count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _taught(card: Mapping[str, Any]) -> dict[str, Prototype]:
    """The questions in the card of a checkpoint, and in those of the trunks that it goes back to."""
    trunk = card.get("base", {}).get("card", {})
    return (_taught(trunk) if trunk else {}) | card.get("questions", {})


def _prompts(items: Sequence[Item]) -> list[str]:
    return [item.prompt for item in items]


def _readout(item: Item) -> str:
    """The summary of a number's distribution that the task's metric rewards: "mean" or "median"."""
    return getattr(tasks.get(item.example.task), "readout", "mean")


def _room(question: Question) -> int:
    """New tokens that an answer may take, in few sizes, since examples of one size are decoded together.

    Reactants repeat the product and add leaving groups, an optimized molecule stays close to its input, and a
    functional group has few of its atoms: all fit in the length of the input and some slack. A view that spells out what
    SMILES implies takes several times as much.
    """
    form = answer_form(question)
    if not isinstance(form, Indices | Structure):
        return _SHORT_ANSWER
    shown = sum(len(span.text) for span in question if isinstance(span, Molecule))
    wider = _TIMES_AS_LONG.get(form.view, 1) if isinstance(form, Structure) else 1
    return _ROOM_STEP * math.ceil((shown * wider + _SLACK) / _ROOM_STEP)


def _is_smiles(form: AnswerForm) -> bool:
    return isinstance(form, Structure) and form.view == "smiles"


def _median(p: Any, grid: Any) -> float:
    return float(grid[int(np.searchsorted(np.cumsum(p), 0.5 * p.sum()))])


def _example_seed(example: Example, seed: int) -> int:
    version = tasks.get(example.task).version
    index = int.from_bytes(hashlib.sha256(example.id.encode()).digest()[:6], "big")
    return item_seed(example.task, version, example.split, seed, index)
