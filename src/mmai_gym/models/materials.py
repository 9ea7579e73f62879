"""The molecules that the training reactions of a forward task start from.

A proposal made of them is likelier to be what a chemist did than one that needs a molecule nobody is known to have used.
With the data they are a set of SMILES; beside a checkpoint, which goes without data, a set of hashes: of the size of a
picture, and wrong about one molecule in 10^14.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from mmai_gym import tasks
from mmai_gym.contracts import CheckpointError

MATERIALS = "materials.npy"


@functools.cache
def starting_materials(task: str) -> frozenset[str]:
    """Canonical SMILES of the molecules that the training reactions of a forward task start from.

    Raises:
        DataError: the data of the task are missing.
    """
    shown = (str(example.inputs["smiles"]) for example in tasks.get(task).examples("train"))
    return frozenset(molecule for smiles in shown for molecule in smiles.split("."))


@dataclass(frozen=True)
class Materials:
    """Starting materials by hash: sorted 64-bit numbers, shape (molecules,)."""

    hashes: npt.NDArray[np.uint64]

    @classmethod
    def of(cls, smiles: Iterable[str]) -> Materials:
        """Of canonical SMILES."""
        return cls(np.unique(np.fromiter(map(_hash, smiles), dtype=np.uint64)))

    @classmethod
    def read(cls, folder: Path) -> Materials | None:
        """Those beside the checkpoint in `folder`; None where there are none.

        Raises:
            CheckpointError: the file is damaged.
        """
        path = folder / MATERIALS
        if not path.is_file():
            return None
        try:
            found = np.load(path, allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise CheckpointError(f"{path} is damaged ({error}); make it again or delete it") from error
        if found.dtype != np.uint64 or found.ndim != 1:
            raise CheckpointError(f"{path} holds no hashes of molecules; make it again or delete it")
        return cls(found)

    def write(self, folder: Path) -> Path:
        """Store them beside the weights in `folder`."""
        partial = folder / f".{MATERIALS}.partial"
        with partial.open("wb") as file:
            np.save(file, self.hashes)
        return partial.replace(folder / MATERIALS)

    def __contains__(self, smiles: str) -> bool:
        wanted = np.uint64(_hash(smiles))
        place = int(np.searchsorted(self.hashes, wanted))
        return place < len(self.hashes) and bool(self.hashes[place] == wanted)


def _hash(smiles: str) -> int:
    return int.from_bytes(hashlib.blake2b(smiles.encode(), digest_size=8).digest(), "little")
