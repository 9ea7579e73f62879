"""The predictions of ADMET-AI 2 (Swanson et al. 2024) by an own path over its weights: its numbers, many times as fast.

Two ensembles of five D-MPNNs each, 31 probabilities and 10 values in their own units, fitted to whole TDC tables: their
test molecules are among them, which `lineage` knows. The weights are read out of the installed wheel; its own code, with
lightning and chemprop behind it, is never imported, and nothing in its files is run (see `checkpoint`).
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mmai_gym.contracts import DataError
from mmai_gym.extras import require
from mmai_gym.molecules import Mol
from mmai_gym.oracles import checkpoint
from mmai_gym.oracles.base import RDKIT, PropertyModel, PropertyOracle
from mmai_gym.oracles.cache import Disk, Memory
from mmai_gym.oracles.dmpnn import ATOM_FEATURES, Ensemble

TEACHER = "admet-ai"
RELEASE = "2.0.1"
"""The release whose weights are known here."""

_PATH = "2"
"""Part of the version: raised when the gym's own path to the numbers changes."""
_NETWORKS = 5
_SOURCE = "Swanson et al. 2024"


@dataclass(frozen=True)
class Part:
    """One of the two ensembles.

    Attributes:
        folder: its folder of weights within the package.
        sha256: of its files, one after the other.
        units: by ADMET-AI's name of each output, in the order of the outputs.
    """

    folder: str
    sha256: str
    units: Mapping[str, str]


PROBABILITIES = Part(
    "admet_classification",
    "fa06aa621d801c150cc2e3821497cc3d5b51d2e1e3bf0f1030cef02534f42ed2",
    dict.fromkeys(
        (
            "AMES",
            "BBB_Martins",
            "Bioavailability_Ma",
            "CYP1A2_Veith",
            "CYP2C19_Veith",
            "CYP2C9_Substrate_CarbonMangels",
            "CYP2C9_Veith",
            "CYP2D6_Substrate_CarbonMangels",
            "CYP2D6_Veith",
            "CYP3A4_Substrate_CarbonMangels",
            "CYP3A4_Veith",
            "Carcinogens_Lagunin",
            "ClinTox",
            "DILI",
            "HIA_Hou",
            "NR-AR-LBD",
            "NR-AR",
            "NR-AhR",
            "NR-Aromatase",
            "NR-ER-LBD",
            "NR-ER",
            "NR-PPAR-gamma",
            "PAMPA_NCATS",
            "Pgp_Broccatelli",
            "SR-ARE",
            "SR-ATAD5",
            "SR-HSE",
            "SR-MMP",
            "SR-p53",
            "Skin_Reaction",
            "hERG",
        ),
        "",
    ),
)
VALUES = Part(
    "admet_regression",
    "a94ac2213c76342b50c8c29d934d348aa68c4d23b5e04e0f41cd87eb008db8be",
    {
        "Caco2_Wang": "log10(1e-6 cm/s)",
        "Clearance_Hepatocyte_AZ": "µL/min/10^6 cells",
        "Clearance_Microsome_AZ": "µL/min/mg",
        "Half_Life_Obach": "h",
        "HydrationFreeEnergy_FreeSolv": "kcal/mol",
        "LD50_Zhu": "log10(kg/mol)",
        "Lipophilicity_AstraZeneca": "",
        "PPBR_AZ": "%",
        "Solubility_AqSolDB": "log10(mol/L)",
        "VDss_Lombardo": "L/kg",
    },
)


def installed() -> bool:
    """Whether the package with the weights is there."""
    return find_spec("admet_ai") is not None


class AdmetModel(PropertyModel):
    """One ensemble: the mean of its five networks."""

    name = TEACHER
    version = f"admet-ai-{RELEASE}-{_PATH}-{RDKIT}"

    def __init__(self, part: Part) -> None:
        self.checksum = part.sha256[:12]
        self.properties = tuple(part.units)
        super().__init__(Memory(), Disk(f"{self.version}-{self.checksum}", len(self.properties)))
        self._part = part

    def compute(self, mols: Sequence[Mol]) -> npt.NDArray[np.float32]:
        ensemble, finish = _loaded(self._part.folder)
        return finish(ensemble.outputs(mols)).mean(axis=0)


@dataclass(frozen=True)
class _Finish:
    """From the last layer to the value: the logistic function, or mean and scale of the training labels."""

    mean: npt.NDArray[np.float32] | None
    scale: npt.NDArray[np.float32] | None

    def __call__(self, outputs: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        if self.mean is None or self.scale is None:
            with np.errstate(over="ignore"):  # of an infinity the quotient is 0, as it should be
                return np.asarray(1.0 / (1.0 + np.exp(-outputs)), dtype=outputs.dtype)
        return outputs * self.scale + self.mean


@functools.cache
def _loaded(folder: str) -> tuple[Ensemble, _Finish]:
    (part,) = (part for part in (PROBABILITIES, VALUES) if part.folder == folder)
    files = _checkpoints(part)
    if any(found["output_columns"] != list(part.units) for found in files):
        raise DataError(f"the outputs of {folder} are not those of ADMET-AI {RELEASE}")
    weights = {key: np.stack([found["state_dict"][key] for found in files]) for key in files[0]["state_dict"]}
    matrices = {
        key.removesuffix(".weight"): np.ascontiguousarray(value.transpose(0, 2, 1))
        for key, value in weights.items()
        if key.endswith(".weight")
    }

    def layer(key: str) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        return matrices[key], weights[f"{key}.bias"][:, np.newaxis]

    entering, (leaving, bias) = matrices["message_passing.W_i"], layer("message_passing.W_o")
    ensemble = Ensemble(
        entering[:, :ATOM_FEATURES],
        entering[:, ATOM_FEATURES:],
        matrices["message_passing.W_h"],
        leaving[:, :ATOM_FEATURES],
        leaving[:, ATOM_FEATURES:],
        bias,
        (layer("predictor.ffn.0.0"), layer("predictor.ffn.1.2")),
        steps=2,
        norm=100.0,
    )
    transform = "predictor.output_transform"
    return ensemble, _Finish(weights.get(f"{transform}.mean"), weights.get(f"{transform}.scale"))


def _checkpoints(part: Part) -> list[dict[Any, Any]]:
    """The files of an ensemble, compared with their checksum."""
    require("admet_ai", extra="oracles")
    spec = find_spec("admet_ai")
    assert spec is not None and spec.submodule_search_locations is not None
    folder = Path(spec.submodule_search_locations[0]) / "resources" / "models" / part.folder
    paths = [folder / f"model_{number}.pt" for number in range(_NETWORKS)]
    try:
        contents = [path.read_bytes() for path in paths]
    except OSError as error:
        raise DataError(f"cannot read {error.filename}: {error.strerror}; {_fix()}") from error
    if hashlib.sha256(b"".join(contents)).hexdigest() != part.sha256:
        raise DataError(f"the files in {folder} are not the weights of ADMET-AI {RELEASE}; {_fix()}")
    return [checkpoint.read(content, str(path)) for content, path in zip(contents, paths, strict=True)]


def _fix() -> str:
    return f"run: pip install --force-reinstall --no-deps admet-ai=={RELEASE}"


def _oracles(part: Part) -> list[PropertyOracle]:
    model = AdmetModel(part)
    return [
        PropertyOracle(name.lower().replace("-", "_"), units, _SOURCE, model, column)
        for column, (name, units) in enumerate(part.units.items())
    ]


ADMET: dict[str, PropertyOracle] = {
    oracle.name: oracle for part in (PROBABILITIES, VALUES) for oracle in _oracles(part)
}
"""All 41 outputs, by ADMET-AI's name in lower case (bbb_martins, nr_ahr); the weights are read at the first question."""
