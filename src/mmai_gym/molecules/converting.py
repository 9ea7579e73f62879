"""From any view of a molecule to any other: one by one, or many at a time on all cores.

A batch is a stream. Molecules go to the workers in chunks that take about a fiftieth of a second, as texts where
the caller has texts, and the results come back in order while later ones are still being made, so that memory does not
grow with the length of the stream. A chunk whose worker died or ran out of time is taken apart: its molecules are done
again one by one, and the failure stays with the one that causes it.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Generator, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from rdkit import Chem

from mmai_gym.contracts import InvalidMolecule, UsageError
from mmai_gym.molecules.conformer import Conformer, embed, from_mol
from mmai_gym.molecules.fidelity import plain
from mmai_gym.molecules.graph import GraphArrays
from mmai_gym.molecules.internal import InternalCoordinates
from mmai_gym.molecules.toolkit import Mol, parse, shown
from mmai_gym.molecules.views import VIEWS, View
from mmai_gym.workers import WorkerPool, cores

AnyView: TypeAlias = str | Mol | GraphArrays | Conformer | InternalCoordinates
"""What `convert` takes: a text in some view, RDKit's molecule, or the arrays of a view."""

ITEM_SECONDS = 30.0
"""Longer than both tries of `embed`."""

_CHUNK_SECONDS = 0.02
_MAX_CHUNK = 256

_VIEW_OF_FORM: dict[type, str] = {view.form: name for name, view in VIEWS.items() if view.form is not str}


def convert(molecule: AnyView, to: str, source: str = "smiles", **options: Any) -> Any:
    """The molecule in another view.

    A molecule in space keeps its coordinates on the way to another view in space, and loses them on the way to a flat
    one; a flat molecule is embedded where coordinates are asked for.

    Args:
        molecule: a text, RDKit's molecule (with its 3D conformer if it has one), or the arrays of a view.
        to: a name of VIEWS.
        source: the view that a text is written in. Other values tell themselves.
        options: of the view that is written, such as `seed` of "smiles-randomized" and of every view in space.

    Raises:
        UsageError: there is no such view, it cannot be read, or it has no such option.
        InvalidMolecule: the molecule cannot be read, the view cannot express it, or no conformer was found.
    """
    view = _view(to)
    return _write(view, _read(molecule, source), _checked_options(view, options))


def _view(name: str) -> View:
    if name not in VIEWS:
        raise UsageError(f"there is no view {name!r}; the views are {', '.join(VIEWS)}")
    return VIEWS[name]


def _checked_options(view: View, options: Mapping[str, Any]) -> Mapping[str, Any]:
    known = ("seed",) if view.dimensions == 3 else view.options
    unknown = [name for name in options if name not in known]
    if unknown:
        raise UsageError(f"the view {view.name} has no option {unknown[0]!r}; it has {', '.join(known) or 'none'}")
    return options


def _read(molecule: AnyView, source: str) -> Mol | Conformer:
    if isinstance(molecule, Chem.Mol):
        in_space = molecule.GetNumConformers() > 0 and molecule.GetConformer().Is3D()
        return from_mol(molecule) if in_space else plain(molecule)
    name = source if isinstance(molecule, str) else _VIEW_OF_FORM.get(type(molecule))
    if name is None:
        raise InvalidMolecule(f"{shown(molecule)} is a {type(molecule).__name__}, which no view is made of")
    view = _view(name)
    if view.read is None or not isinstance(molecule, view.form):
        raise UsageError(f"no molecule is read from a {type(molecule).__name__} as the view {name}: {view.limits}")
    return view.read(molecule)


def _write(view: View, molecule: Mol | Conformer, options: Mapping[str, Any]) -> Any:
    if view.dimensions == 2:
        return view.write(parse(molecule.smiles) if isinstance(molecule, Conformer) else molecule, **options)
    return view.write(molecule if isinstance(molecule, Conformer) else embed(molecule, **options))


# ---------------------------------------------------------------------------------------------------------- batches


@dataclass(frozen=True, slots=True)
class Conversion:
    """What became of one molecule of a batch: its value, or the kind of failure and the reason in words."""

    value: Any = None
    failure: Literal["invalid", "timeout", "memory", "crash", "error"] | None = None
    reason: str = ""


class Conversions(Iterator[Conversion]):
    """The results of a batch, in the order of its molecules. `close` ends it early.

    Attributes:
        done: how many have been handed out.
        failures: of those, how many failed, by kind.
    """

    def __init__(self, results: Generator[Conversion, None, None]) -> None:
        self._results = results
        self.done = 0
        self.failures: Counter[str] = Counter()

    def __next__(self) -> Conversion:
        result = next(self._results)
        self.done += 1
        if result.failure is not None:
            self.failures[result.failure] += 1
        return result

    def close(self) -> None:
        """Stop the workers; what is left of the batch is not made."""
        self._results.close()

    def __str__(self) -> str:
        kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(self.failures.items()))
        return f"{self.done:,} molecules, {self.failures.total():,} failed{f' ({kinds})' if kinds else ''}"


def convert_all(
    molecules: Iterable[AnyView],
    to: str,
    source: str = "smiles",
    workers: int | None = None,
    seconds: float = ITEM_SECONDS,
    **options: Any,
) -> Conversions:
    """`convert` of each molecule, on all cores: one Conversion per molecule, in order, lazily.

    Args:
        workers: number of processes; as many as there are cores unless given.
        seconds: wall-clock limit for one molecule.

    Raises:
        UsageError: as `convert`, at once.
    """
    _checked_options(_view(to), options)
    if _view(source).read is None:
        raise UsageError(f"no molecule is read from the view {source}: {_view(source).limits}")
    batch = _Batch(iter(molecules), (to, source, options), workers or cores(), seconds)
    return Conversions(batch.results())


_Work: TypeAlias = tuple[str, str, Mapping[str, Any], list[Any]]
_Packed: TypeAlias = tuple[Any, str | None, str]


class _Batch:
    """The stream of molecules, cut into chunks whose length follows from the time that recent ones took."""

    def __init__(
        self,
        molecules: Iterator[AnyView],
        how: tuple[str, str, Mapping[str, Any]],
        workers: int,
        seconds: float,
    ) -> None:
        self.molecules = molecules
        self.how = how
        self.workers = workers
        self.seconds = seconds
        self.chunk = 1

    def results(self) -> Generator[Conversion, None, None]:
        sent: list[list[AnyView]] = []
        with (
            WorkerPool(_convert_chunk, workers=self.workers, seconds=self.seconds) as pool,
            WorkerPool(_convert_chunk, workers=1, seconds=self.seconds) as alone,
        ):
            for outcome in pool.map(self.chunks(sent)):
                chunk = sent.pop(0)
                if outcome.error is None:
                    self.learn(outcome.seconds / len(chunk))
                    yield from itertools.starmap(Conversion, outcome.value)
                    continue
                for single in alone.map((*self.how, [molecule]) for molecule in chunk):
                    if single.error is None:
                        yield from itertools.starmap(Conversion, single.value)
                    else:
                        yield Conversion(None, single.error, single.detail)

    def chunks(self, sent: list[list[AnyView]]) -> Iterator[_Work]:
        while chunk := list(itertools.islice(self.molecules, self.chunk)):
            sent.append(chunk)
            yield (*self.how, chunk)

    def learn(self, seconds: float) -> None:
        """Chunks at most double, so that one lucky molecule does not fill the next with slow ones."""
        self.chunk = max(1, min(2 * self.chunk, _MAX_CHUNK, int(_CHUNK_SECONDS / max(seconds, 1e-6))))


def _convert_chunk(work: _Work) -> list[_Packed]:
    """In a worker: the chunk's results as bare tuples, which travel faster than objects."""
    to, source, options, molecules = work
    view = _view(to)
    return [_convert_one(molecule, view, source, options) for molecule in molecules]


def _convert_one(molecule: AnyView, view: View, source: str, options: Mapping[str, Any]) -> _Packed:
    try:
        return _write(view, _read(molecule, source), options), None, ""
    except InvalidMolecule as error:
        return None, "invalid", str(error)
    except MemoryError:
        raise  # the worker is spent; the pool starts another
    except Exception as error:
        return None, "error", f"{type(error).__name__}: {error}"
