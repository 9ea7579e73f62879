"""How fast is a corpus built, and does memory stay flat as it grows?

    python benchmarks/corpus.py --out docs/results/corpus.json
    python benchmarks/corpus.py --mixture "retrosynthesis/uspto-50k" --views 1 4

Each size is built twice in a process of its own: the first time, with a few rows, reads data and fills caches; the
second is measured. Prints one JSON object. `peak_mb` is the largest size of the process, data and libraries included.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from mmai_gym.records import library_versions
from mmai_gym.training import Corpus, build_corpora, parse_recipe

_RECIPE = """
name = "corpus-benchmark"
preset = "nano"
exclude = false
[batch]
max_length = 512
[[stage]]
name = "only"
[stage.mixture]
"""


def build(mixture: str, portion: str, folder: Path) -> list[Corpus]:
    recipe = parse_recipe(f'{_RECIPE}"{mixture}" = {{ {portion} }}\n', "the benchmark")
    return [Corpus.open(path) for path in build_corpora(recipe, folder, lambda *_: None)]


def measure(mixture: str, views: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        build(mixture, "limit = 50", Path(folder) / "warm")
        cpu, wall = time.process_time(), time.perf_counter()
        corpora = build(mixture, f"views = {views}", Path(folder) / "measured")
        cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
        tokens = sum(len(corpus.tokens) for corpus in corpora)
    return {
        "mixture": mixture,
        "views": views,
        "rows": sum(map(len, corpora)),
        "tokens": tokens,
        "cpu_seconds": round(cpu, 2),
        "wall_seconds": round(wall, 2),
        "tokens_per_cpu_second": round(tokens / cpu),
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mixture", nargs="+", default=["properties/embedded", "functional-groups/embedded"])
    parser.add_argument("--views", nargs="+", type=int, default=[2, 16], help="written forms of each example")
    parser.add_argument("--out", type=Path, help="store the result in this file, too")
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(measure(options.one[0], int(options.one[1]))))
        return
    cases = []
    for mixture in options.mixture:
        for views in options.views:
            command = [sys.executable, __file__, "--one", mixture, str(views)]
            cases.append(json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout))
    names = ["mmai-gym", "numpy", "rdkit", "tokenizers", "transformers"]
    text = json.dumps({"cases": cases, "libraries": library_versions(names)}, indent=1)
    print(text)
    if options.out:
        options.out.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
