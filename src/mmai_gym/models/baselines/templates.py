"""Retrosynthesis by precedent (Coley, Rogers, Green and Jensen, ACS Central Science 3, 1237, 2017).

The product is compared with all training products. Each of the hundred most similar ones gives the template of its own
reaction, which is cut out of the mapped reaction and applied by rdchiral; a set of reactants that comes out is ranked by how
similar the products are, times how similar it is to the reactants of the precedent. Nothing is trained.

Patent reactions come without atom maps, so they are mapped here first. Templates are kept on disk.
"""

from __future__ import annotations

import contextlib
import functools
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from rdkit import DataStructs
from rdkit.Chem import rdFingerprintGenerator

from mmai_gym.contracts import AnswerForm, InvalidMolecule, Question, Structure, Words
from mmai_gym.extras import require
from mmai_gym.models.baselines.base import Baseline, Fitted, Reply, TrainingSet, TrainingSets
from mmai_gym.models.baselines.features import molecules_of
from mmai_gym.molecules import MAPPER_VERSION, canonical_set, map_reaction, parse
from mmai_gym.sources.computed import Computed
from mmai_gym.workers import WorkerPool, cores

NEIGHBOURS = 100
_SECONDS_PER_PRODUCT = 120.0
_EXTRACTION = "1"

_FEATURES = rdFingerprintGenerator.GetMorganGenerator(
    radius=2, atomInvariantsGenerator=rdFingerprintGenerator.GetMorganFeatureAtomInvGen()
)


class TemplateBaseline(Baseline):
    """Reactants by the templates of the most similar reactions that are known.

    Raises:
        MissingExtra: rdchiral is not installed.
    """

    name = "baseline:templates"
    most = 1_000_000

    def __init__(self, training: TrainingSets | None = None) -> None:
        require("rdchiral", extra="bench")
        super().__init__(training)

    def supports(self, form: AnswerForm) -> bool:
        return isinstance(form, Structure) and form.role == "reactants"

    def suits(self, question: Question) -> bool:
        """Besides the form, a question must ask for the reactants of one product."""
        asked = any(isinstance(span, Words) and span.control == "retrosynthesis" for span in question)
        return asked and len(molecules_of(question)) == 1 and super().suits(question)

    def fit(self, training: TrainingSet) -> Fitted:
        return _Precedents(training)


@dataclass(frozen=True, slots=True)
class Precedent:
    """A known reaction that is like the one asked about.

    Attributes:
        similarity: of its product to the product asked about.
        reactants: canonical, dot-separated.
        template: retrosynthetic reaction SMARTS.
    """

    similarity: float
    reactants: str
    template: str


class _Precedents:
    def __init__(self, training: TrainingSet) -> None:
        known = list(_canonical(training))
        templates = RETRO_TEMPLATES.of([f"{reactants}>>{product}" for product, reactants in known])
        self.known: list[tuple[str, str]] = []
        self.prints: list[Any] = []
        for product, reactants in known:
            template = templates[f"{reactants}>>{product}"]
            if template is not None:
                self.known.append((reactants, template.decode()))
                self.prints.append(_print(product))
        self.pool = WorkerPool(precursors, workers=cores(), seconds=_SECONDS_PER_PRODUCT)

    def reply(self, questions: Sequence[Question], n: int) -> list[Reply]:
        items = [(product, self._nearest(product)) for product in (molecules_of(q)[0] for q in questions)]
        # A product whose templates match in more ways than there is time for is left without an answer.
        found = [outcome.value or [] for outcome in self.pool.map(items)]
        return [Reply(tuple(reactants[:n])) for reactants in found]

    def _nearest(self, product: str) -> list[Precedent]:
        """The most similar precedents, nearest first; none for text that is no molecule."""
        try:
            similarity = np.array(DataStructs.BulkTanimotoSimilarity(_print(product), self.prints))
        except InvalidMolecule:
            return []
        nearest = np.argsort(-similarity, kind="stable")[:NEIGHBOURS]
        return [Precedent(float(similarity[i]), *self.known[i]) for i in nearest]


def _canonical(training: TrainingSet) -> Iterator[tuple[str, str]]:
    """(product, reactants) of each training reaction, canonical; a task may show and want them in another order."""
    for question, answer in zip(training.questions, training.answers, strict=True):
        with contextlib.suppress(InvalidMolecule):
            yield canonical_set(molecules_of(question)[0]), canonical_set(answer)


def _print(smiles: str) -> Any:
    """Counts of circular fragments, whose atoms are told apart by their pharmacophoric features."""
    return _FEATURES.GetSparseCountFingerprint(parse(smiles))


# --------------------------------------------------------------------------------------------------- for workers


def retro_template(reaction: str) -> bytes | None:
    """The retrosynthetic template of `reactants>>product`, with the changed atoms' neighbours on the reactants' side; None
    where the reaction has no map, or nothing changes in it."""
    from rdchiral.template_extractor import extract_from_reaction

    reactants, product = reaction.split(">>")
    mapped = map_reaction(reactants, product).reaction
    if mapped is None:
        return None
    sides = {"reactants": mapped.reactants, "products": mapped.product, "_id": 0}
    with contextlib.redirect_stdout(io.StringIO()):  # it prints what it cannot do
        try:
            found = extract_from_reaction(sides)
        except (ValueError, RuntimeError, KeyError, IndexError, AttributeError):  # and fails on some
            return None
    template = (found or {}).get("reaction_smarts")
    return template.encode() if template else None


RETRO_TEMPLATES = Computed("retro-templates", f"{_EXTRACTION}-{MAPPER_VERSION}", retro_template)


def precursors(item: tuple[str, list[Precedent]]) -> list[str]:
    """Canonical sets of reactants that the precedents' templates make of a product, best first."""
    product, precedents = item
    made: dict[str, list[str]] = {}
    scores: dict[str, float] = {}
    prints: dict[str, Any] = {}
    for precedent in precedents:
        if precedent.template not in made:
            made[precedent.template] = _applied(precedent.template, product)
        if not made[precedent.template]:
            continue
        known = _print(precedent.reactants)
        for reactants in made[precedent.template]:
            if reactants not in prints:
                prints[reactants] = _print(reactants)
            alike = DataStructs.TanimotoSimilarity(prints[reactants], known)
            scores[reactants] = max(scores.get(reactants, 0.0), precedent.similarity * alike)
    return sorted(scores, key=lambda reactants: (-scores[reactants], reactants))


def _applied(template: str, product: str) -> list[str]:
    """Canonical sets of reactants, in the order in which rdchiral finds them."""
    from rdchiral.main import rdchiralReactants, rdchiralRun

    reaction = _reaction(template)
    if reaction is None:
        return []
    try:
        outcomes = rdchiralRun(reaction, rdchiralReactants(product), combine_enantiomers=False)
    except (ValueError, RuntimeError, KeyError, IndexError, AttributeError):
        return []
    found: dict[str, None] = {}
    for outcome in outcomes:
        with contextlib.suppress(InvalidMolecule):
            found[canonical_set(outcome)] = None
    return list(found)


@functools.lru_cache(maxsize=4096)
def _reaction(template: str) -> Any | None:
    """The template ready to be applied, or None where rdchiral cannot read it."""
    from rdchiral.main import rdchiralReaction

    try:
        return rdchiralReaction(template)
    except (ValueError, RuntimeError, KeyError, IndexError, AttributeError):
        return None
