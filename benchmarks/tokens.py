"""How many tokens of the gym's tokenizer a molecule takes in each view: what a context of a given length can hold.

    MMAI_GYM_MIRROR=... python benchmarks/tokens.py > docs/results/tokens.json

Counted are the tokens of the text and the one that opens its span. Views of the graph are written for every molecule
of ZINC250k (`--limit` for fewer, spread over the list; all take about an hour), views in space, which must be embedded
first, for `--embed` of them. Molecules that a view refuses are counted apart. Prints JSON.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from contextlib import suppress
from importlib.metadata import version
from itertools import islice
from typing import Any

import numpy as np

from mmai_gym.contracts import InvalidMolecule
from mmai_gym.lfm.tokenizer import FIXED_TOKENS, build_tokenizer
from mmai_gym.molecules import VIEWS, View, convert
from mmai_gym.sources import checksums, molecule_lists
from mmai_gym.tasks.rendering import view_token

_BATCH = 1_000


def measure(view: View, smiles: Sequence[str]) -> dict[str, Any]:
    """The row of one view."""
    opening, texts = view_token(view.name), written(view, smiles)
    tokenizer = build_tokenizer().backend_tokenizer
    counts: list[int] = []
    while batch := [opening + text for text in islice(texts, _BATCH)]:
        counts += [len(one.ids) for one in tokenizer.encode_batch(batch, add_special_tokens=False)]
    middle, high = np.percentile(counts, [50, 99])
    return {
        "span": opening,
        "molecules": len(smiles),
        "refused": len(smiles) - len(counts),
        "median": int(middle),
        "p99": int(high),
        "longest": max(counts),
    }


def written(view: View, smiles: Sequence[str]) -> Iterator[str]:
    """Each molecule in the view, those left out that it refuses."""
    for one in smiles:
        with suppress(InvalidMolecule):
            yield str(convert(one, view.name))


def spread(rows: Sequence[Any], count: int) -> list[str]:
    """`count` molecules at even distances over the list; all of them for 0."""
    step = max(1, len(rows) // count) if count else 1
    return [row.smiles for row in rows[::step]][: count or None]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--limit", type=int, default=0, help="molecules for views of the graph; 0 for all")
    parser.add_argument("--embed", type=int, default=1_000, help="molecules for views in space")
    options = parser.parse_args()
    rows = molecule_lists.zinc()
    flat, space = spread(rows, options.limit), spread(rows, options.embed)
    views = {
        view.name: measure(view, flat if view.dimensions == 2 else space)
        for view in VIEWS.values()
        if view.form is str
    }
    print(
        json.dumps(
            {
                "data": checksums("zinc"),
                "rdkit": version("rdkit"),
                "vocabulary": len(FIXED_TOKENS),
                "views": views,
            },
            indent=1,
        )
    )


if __name__ == "__main__":
    main()
