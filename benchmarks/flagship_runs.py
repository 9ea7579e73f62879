"""What the flagship and its kin are asked, and where their answers are stored."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from mmai_gym import bench, tasks
from mmai_gym.contracts import Model
from mmai_gym.models import load_model

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "docs" / "results"
SHIPPED = ROOT / "checkpoints"
CHECKPOINT = SHIPPED / "flagship"
TRUNK = "flagship"
AUGMENTED = f"{TRUNK} x20"
COLD, FORMS = "flagship-cold-drug", 5
"""The fork that learned molecules in many written forms, and in how many it is asked in a second row."""
COLD_REWRITTEN = f"{COLD} x{FORMS}"
FORKS = {
    "flagship-davis-random": ("activity/davis/random",),
    "flagship-kiba-random": ("activity/kiba/random",),
    COLD: ("activity/davis/cold-drug", "activity/kiba/cold-drug"),
}
"""What each is asked. A drug lies on the same side of the cold split in both sets; the random ones would tell each other."""
MAKER, FORWARD = "flagship-forward", "forward/uspto-50k"
"""The fork that reads reactions forwards, for round trips, and what it is asked."""
FIRST, TWIN = "flagship-first", "flagship-twin"
"""The trunk after its first round, and the transformer that was shown the same tokens in the same order."""
RETRO, BDQ = "retrosynthesis/uspto-50k", "optimization/mumo/bdq"


def suites_of(model: str) -> dict[str, bench.Suite]:
    """What a run is asked, by the name of the record: one family, or one task of a fork, in each."""
    if model in FORKS:
        families, found = bench.load_suite("activity").families, {}
        for task in FORKS[model]:
            name = model if len(FORKS[model]) == 1 else f"{model}-{task.split('/')[1]}"
            family = next(one for one in families if task in one.tasks)
            update = {"tasks": (task,), "seeds": 1, "augmented": FORMS if model == COLD else 0}
            alone = family.model_copy(update=update)
            found[name] = bench.Suite(name=name, baselines=family.trivial, family=(alone,))
        return found
    if model == MAKER:
        family = bench.Family(name="forward", tasks=(FORWARD,), n=5, limit=500, trivial=("baseline:copy",))
        return {MAKER: bench.Suite(name=MAKER, baselines=family.trivial, family=(family,))}
    whole = bench.load_suite("flagship")
    named = {f"{model}-{family.name.replace('/', '-')}": family for family in whole.families}
    found = {
        name: whole.model_copy(update={"name": name, "families": (family,)}) for name, family in named.items()
    }
    return found if model == TRUNK else {name: once(suite) for name, suite in found.items()}


def measure(
    suites: Mapping[str, bench.Suite], model: Model, folder: Path, wanted: Sequence[str], limit: int | None
) -> list[Path]:
    """The records of one run, finished; of some of its families only, where `wanted` names any."""
    return [
        bench.run(
            model,
            suite,
            folder / f"bench-{record}.jsonl",
            limit=limit,
            progress=tell,
            forward=load_model(str(SHIPPED / MAKER)) if suite.families[0].forward else None,
        )
        for record, suite in suites.items()
        if not wanted or suite.families[0].name in wanted
    ]


def tell(done: int, total: int, what: str) -> None:
    """How far a run is, on stderr."""
    print(f"{what}: {done}/{total}", file=sys.stderr, flush=True)


def once(suite: bench.Suite) -> bench.Suite:
    """The suite without baselines, round trips and further written forms: what its headlines need."""
    families = tuple(family.model_copy(update={"augmented": 0, "forward": ""}) for family in suite.families)
    return suite.model_copy(update={"baselines": (), "families": families})


def records(model: str) -> list[Path]:
    """Where the answers of a run are stored."""
    return [RESULTS / f"{name}.jsonl.gz" for name in suites_of(model)]


def clean_booleans() -> list[str]:
    """The yes-or-no tasks of FGBench, split by molecule."""
    return [name for name in tasks.match("functional-groups/fgbench-clean") if name.endswith("/bool")]
