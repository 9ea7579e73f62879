"""The page that goes with shipped weights: what they were taught, what was kept from them, and what they can do.

Everything comes out of the card that training wrote beside the weights and out of run records about these very weights;
nothing is typed in. It is Markdown with the front matter that model hubs read.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from mmai_gym import __version__, bench, lineage, tasks
from mmai_gym.bench.rendering import number
from mmai_gym.contracts import Estimate, UsageError
from mmai_gym.models import InferenceRecipe, Materials
from mmai_gym.models.materials import MATERIALS
from mmai_gym.sources import dataset, list_datasets
from mmai_gym.tasks.prototypes import Prototype, inputs_of

_EMBEDDED = ("embedded", "molecules that ship inside RDKit", "BSD-3-Clause", "RDKit")

_LIMITS = """\
For research and teaching: to sort ideas before a chemist looks at them, to study what small language models learn of
chemistry, and to go on training from. Not for decisions about patients, about the safety of a substance, or about
anything that nobody checks.

- A predicted property is a guess from molecules like those it was trained on. Far from them it is worth less than it looks.
- A route or a molecule that it proposes is a proposal: nobody has made it, and whether it can be made, bought or handled
  safely is not said.
- It reads one question at a time in the form that it was taught, and no other language.
- Probabilities and intervals mean what they say only for the tasks that `inference.json` calibrates, and there on average
  over molecules like those of the validation part."""


def model_card(
    name: str,
    card: Mapping[str, Any],
    inference: InferenceRecipe,
    tables: Sequence[bench.Table],
    curve: str,
    known: Materials | None = None,
) -> str:
    """The page as Markdown.

    Args:
        name: of the weights, which is also the name of their folder.
        card: what training wrote down, the whole of it.
        tables: of the records about these weights.
        curve: file name of the picture of the training curve; '' for none.
        known: what its training reactions start from, where that lies beside the weights.
    """
    recipe = card.get("recipe", {})
    taught = _lessons(card)
    parts = [
        _FRONT,
        f"# {name}",
        _summary(card, taught),
        "## Ask it",
        _asking(name, card),
        "## What it was taught",
        _table(("tasks", "questions", "tokens"), [(k, f"{q:,}", f"{t:,}") for k, (q, t) in taught.items()]),
        "How often each question was shown, and the order, are in the recipe, which stands whole in `card.json`. "
        f"The recipe's name is `{recipe.get('name', '')}`.",
        "## Data",
        _table(("data", "what", "licence", "cite"), _data(card)),
        "## What was kept from it",
        _exclusions(card),
        "## Teachers",
        _teachers(card),
        "## Training",
        _training(card),
        f"![Loss during training]({curve})" if curve else "",
        "## Results",
        *([_results(table) for table in tables] or ["These weights have not been benchmarked yet."]),
        "## How it is asked",
        _inference(inference, known),
        "## Intended use and limits",
        _LIMITS,
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


_FRONT = """\
---
library_name: transformers
pipeline_tag: text-generation
license: other
license_name: terms-of-the-data
tags: [chemistry, drug-discovery, smiles, lfm2]
---"""


def _summary(card: Mapping[str, Any], taught: Mapping[str, Any]) -> str:
    arch = (
        "a plain transformer, the twin of a Liquid Foundation Model"
        if card.get("recipe", {}).get("arch") == "transformer"
        else "a Liquid Foundation Model (gated short convolutions and grouped-query attention)"
    )
    rounds = list(_rounds(card))
    base = rounds[0].get("recipe", {}).get("base")
    trained = f"trained on from `{base}`" if base else "trained from scratch"
    if len(rounds) > 1:
        trained += f" in {len(rounds)} rounds"
    tokens = sum(one["tokens"] for one in rounds)
    return (
        f"{card['parameters'] / 1e6:.1f}M parameters, {arch}, {trained} on {tokens / 1e6:.1f}M tokens of "
        f"{len(taught)} families of questions about molecules with MMAI Gym {__version__}. It reads SMILES and answers in "
        "classes, numbers, atoms and molecules."
    )


_MOLECULE, _REACTANTS = '"CC(=O)Nc1ccc(O)cc1"', '"CC(=O)Cl.Nc1ccc(O)cc1"'
_COMMANDS: Mapping[str, Callable[[str, Prototype], bool]] = {
    "predict": lambda task, question: (
        inputs_of(question) == ["smiles"] and any(span["kind"] in ("choice", "number") for span in question)
    ),
    "retro": lambda task, question: task.startswith("retrosynthesis/"),
    "optimize": lambda task, question: task.startswith("optimization/"),
}
"""Which tasks a command asks."""


def _asking(name: str, card: Mapping[str, Any]) -> str:
    """The commands for what it was taught last, and a word on what only earlier rounds taught."""
    *earlier, last = [one.get("questions", {}) for one in _rounds(card)]
    commands = [
        f"{command} {_MOLECULE}"
        for command, asks in _COMMANDS.items()
        if any(asks(task, question) for task, question in last.items())
    ]
    if not commands:
        commands = [f"ask {task} {_inputs(task, question)}" for task, question in last.items()]
    lines = "\n".join(f"    mmai-gym {command} --model checkpoints/{name}" for command in commands)
    lost = sorted({_job(task) for one in earlier for task in one} - set(map(_job, last)))
    notes = f"Only earlier rounds taught {', '.join(lost)}; that may be forgotten.\n\n" if lost else ""
    if card.get("recipe", {}).get("name_proteins"):
        notes += "It knows the proteins of its training pairs by name, which is looked up by sequence, and no others.\n\n"
    return f"""\
{lines}

{notes}It is an ordinary transformers folder: `AutoModelForCausalLM.from_pretrained("checkpoints/{name}")` loads it
without the gym. `card.json` holds what each task asks, token for token."""


def _inputs(task: str, question: Prototype) -> str:
    smiles = _REACTANTS if task.startswith("forward/") else _MOLECULE
    return " ".join(f"{one}={smiles if one == 'smiles' else one.upper()}" for one in inputs_of(question))


def _job(task: str) -> str:
    return task.split("/", 1)[0]


# --------------------------------------------------------------------------------------------------- training


def _rounds(card: Mapping[str, Any]) -> Iterable[Mapping[str, Any]]:
    """The cards of the trunks that a training went on from, the first one first, and its own."""
    if trunk := card.get("base", {}).get("card", {}):
        yield from _rounds(trunk)
    yield card


def _corpora(card: Mapping[str, Any]) -> Iterable[Mapping[str, Any]]:
    """Manifests of the training corpora, those of a trunk first."""
    for one in _rounds(card):
        yield from (manifest for name, manifest in one.get("data", {}).items() if name.endswith("/train"))


def _lessons(card: Mapping[str, Any]) -> dict[str, tuple[int, int]]:
    """By the first two parts of a task's name: questions and tokens of one pass over the corpora."""
    found: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for manifest in _corpora(card):
        for task in manifest["tasks"]:
            counts = found["/".join(task["name"].split("/")[:2])]
            counts[0] += task["questions"]
            counts[1] += task["tokens"]
    merged: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for name, counts in found.items():
        # ADMET's endpoints stand right below their family: one line for all.
        key = "admet" if name.startswith("admet/") else name
        merged[key] = [a + b for a, b in zip(merged[key], counts, strict=True)]
    return {name: (questions, tokens) for name, (questions, tokens) in sorted(merged.items())}


def _tasks(card: Mapping[str, Any]) -> list[str]:
    """Names of the tasks that were trained on and that this gym knows."""
    names = dict.fromkeys(task["name"] for manifest in _corpora(card) for task in manifest["tasks"])
    return [name for name in names if name in set(tasks.names())]


def _data(card: Mapping[str, Any]) -> list[tuple[str, str, str, str]]:
    sources = dict.fromkeys(source for name in _tasks(card) for source in tasks.get(name).sources)
    rows = []
    for source in sorted(sources):
        if source in list_datasets():
            told = dataset(source).describe()
            licence = f"{told['licence']}; {told['terms']}" if told["terms"] else str(told["licence"])
            rows.append((source, str(told["title"]), licence, str(told["citation"])))
        elif source == _EMBEDDED[0]:
            rows.append(_EMBEDDED)
    return rows


def _exclusions(card: Mapping[str, Any]) -> str:
    protected: dict[str, None] = {}
    rules: dict[str, None] = {}
    dropped: Counter[str] = Counter()
    for manifest in _corpora(card):
        made_from = manifest["made_from"]
        told = made_from.get("exclusions", {})
        protected |= dict.fromkeys(told.get("tests", ()))
        rules |= dict.fromkeys(told.get("rules", ()))
        for task, left_out in made_from.get("excluded", {}).items():
            for rule, tests in left_out.get("by_rule_and_test", {}).items():
                dropped[f"{'/'.join(task.split('/')[:2])}, rule `{rule}`"] += max(tests.values(), default=0)
    if not protected:
        return "No test set was protected."
    families = Counter(
        "/".join(name.split("/")[:2]) if not name.startswith("admet/") else "admet" for name in protected
    )
    listed = ", ".join(f"`{name}` ({count})" for name, count in sorted(families.items()))
    return (
        f"The test sets of {len(protected)} tasks were protected by the rules "
        f"{', '.join(f'`{rule}`' for rule in rules)}: {listed}. "
        "A training example that a rule names was left out, and counted in `card.json` by rule and test set. "
        f"At least {sum(dropped.values()):,} examples were."
    )


def _teachers(card: Mapping[str, Any]) -> str:
    used: dict[str, None] = {}
    for name in _tasks(card):
        used |= dict.fromkeys(tasks.get(name).teachers)
    if not used:
        return "All labels were measured."
    rows = []
    for name in used:
        try:
            entry = lineage.teacher(name)
        except UsageError:
            continue
        saw = ", ".join(f"`{prefix}`" for prefix in entry.saw) or "none"
        rows.append((name, entry.trained_on, saw, entry.source))
    told = "Labels that no experiment gave, who gave them, and what the teacher had seen itself:"
    return f"{told}\n\n{_table(('teacher', 'made from', 'tests it has seen', 'source'), rows)}"


def _training(card: Mapping[str, Any]) -> str:
    rows = [
        (
            one.get("recipe", {}).get("name", "–"),
            f"{one['steps']:,}",
            f"{one['tokens']:,}",
            f"{one['supervised_tokens']:,}",
            f"{one['wall_seconds'] / 3600:.1f} hours on {one['processes']} × {one['device']}, {one['precision']}",
            f"{one['validation_loss']:.3f}",
        )
        for one in _rounds(card)
    ]
    head = ("recipe", "steps", "tokens", "supervised", "time", "validation loss, nats per supervised token")
    libraries = ", ".join(f"{name} {version}" for name, version in card.get("libraries", {}).items())
    return f"{_table(head, rows)}\n\n{libraries}"


# --------------------------------------------------------------------------------------------------- results


def _results(table: bench.Table) -> str:
    mine = [model for model in table.models if not model.startswith("baseline:")]
    rows = []
    for contest in (contest for summary in table.families for contest in summary.contests):
        found = [table.headline(contest.task, model) for model in mine]
        n = next((row.n for row in found if row), 0)
        trivial = "–"
        if contest.trivial:
            trivial = f"{number(contest.trivial.value)} ({contest.trivial_name.removeprefix('baseline:')})"
        cells = [_cell(row.estimate if row else None) for row in found]
        rows.append((contest.task, contest.metric, f"{n:,}", *cells, trivial))
    split = table.header.config["split"]
    told = f"Suite `{table.suite}`, split {split}: headlines with 95 % intervals, beside the best trivial answer."
    return f"{told}\n\n{_table(('task', 'metric', 'n', *mine, 'trivial'), rows)}"


def _cell(estimate: Estimate | None) -> str:
    if estimate is None:
        return "–"
    unit = f" {estimate.unit}" if estimate.unit else ""
    return f"{number(estimate.value)} [{number(estimate.low)}, {number(estimate.high)}]{unit}"


def _inference(inference: InferenceRecipe, known: Materials | None) -> str:
    copies = ", ".join(f"`{prefix}` in {count}" for prefix, count in inference.copies.items()) or "one everywhere"
    return (
        f"Written forms of a question: {copies}. Calibrated on validation examples: probabilities of "
        f"{len(inference.temperatures)} tasks, intervals of {len(inference.stretches)}."
        + (f" Round trips are made by `{inference.forward}`." if inference.forward else "")
        + (
            f" `{MATERIALS}` knows {len(known.hashes):,} molecules that its training reactions start from."
            if known
            else ""
        )
    )


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [" | ".join(cell.replace("|", "\\|") for cell in row) for row in (head, *rows)]
    return "\n".join([f"| {lines[0]} |", "|" + "---|" * len(head), *(f"| {line} |" for line in lines[1:])])
