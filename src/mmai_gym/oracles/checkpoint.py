"""Arrays out of a file that `torch.save` wrote, without torch and without running anything in it.

Such a file is a zip archive of raw numbers and of one pickle that says which of them are which tensor. A pickle can call
any function that it names; here every name is answered with a container that does nothing, but for the two that build a
tensor and an ordered dictionary, whose stand-ins are below. So the classes of the training library need not be there.
"""

from __future__ import annotations

import io
import pickle
import zipfile
from collections import OrderedDict
from typing import Any

import numpy as np
import numpy.typing as npt

from mmai_gym.contracts import DataError

_DTYPES = {"FloatStorage": "<f4", "DoubleStorage": "<f8", "LongStorage": "<i8"}


class _Inert(dict[Any, Any]):
    """Stands for an object of a class that is not needed: takes all that a pickle gives it, and does nothing with it."""

    def __init__(self, *args: object) -> None:
        super().__init__()

    def __setstate__(self, state: object) -> None:
        return None

    def __call__(self, *args: object) -> _Inert:
        return self


class _Storage:
    """A type of numbers, by the name of torch's class for it."""

    def __init__(self, name: str) -> None:
        self.name = name


class _Reader(pickle.Unpickler):
    """Imports nothing."""

    def __init__(self, archive: zipfile.ZipFile, folder: str) -> None:
        super().__init__(io.BytesIO(archive.read(f"{folder}/data.pkl")))
        self._archive = archive
        self._folder = folder

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _tensor
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        return _Storage(name) if module == "torch" and name.endswith("Storage") else _Inert

    def persistent_load(self, pid: Any) -> npt.NDArray[Any]:
        """The numbers of ("storage", type, key, device, count)."""
        _, kind, key, _, _ = pid
        if kind.name not in _DTYPES:
            raise DataError(f"{self._archive.filename} holds a {kind.name}, which is not known here")
        return np.frombuffer(self._archive.read(f"{self._folder}/data/{key}"), _DTYPES[kind.name])


def _tensor(
    numbers: npt.NDArray[Any], offset: int, shape: tuple[int, ...], strides: tuple[int, ...], *_: object
) -> npt.NDArray[Any]:
    if offset < 0 or offset + sum((n - 1) * step for n, step in zip(shape, strides, strict=True)) >= len(numbers):
        raise DataError(f"a tensor of shape {shape} does not fit into its {len(numbers)} numbers")
    bytes_each = numbers.itemsize
    return np.lib.stride_tricks.as_strided(
        numbers[offset:], shape, [step * bytes_each for step in strides], writeable=False
    ).copy()


def read(content: bytes, name: str) -> dict[Any, Any]:
    """What the file holds: containers, texts, numbers and arrays; empty containers in the place of anything else.

    Args:
        content: the file's bytes, which the caller has compared with the checksum that they should have.
        name: the file, for messages.

    Raises:
        DataError: it is no such file.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            (pickled,) = [entry for entry in archive.namelist() if entry.endswith("/data.pkl")]
            found = _Reader(archive, pickled.removesuffix("/data.pkl")).load()
    except (zipfile.BadZipFile, pickle.UnpicklingError, KeyError, ValueError, TypeError, EOFError) as error:
        raise DataError(f"{name} is not a checkpoint that can be read: {error}") from error
    if not isinstance(found, dict):
        raise DataError(f"{name} holds a {type(found).__name__} instead of a dictionary")
    return found
