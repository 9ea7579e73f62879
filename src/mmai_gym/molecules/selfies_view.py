"""SELFIES (Krenn et al., 2020): a text in which every sequence of symbols decodes to some molecule.

That guarantee holds within the package's valence table; iodine with three bonds, dative bonds and dummy atoms lie
outside it. Encoding is therefore checked by decoding again, and a molecule that SELFIES cannot carry unchanged is
an error, not a slightly different molecule. Decoding refuses text around the symbols, which the package skips.
"""

from __future__ import annotations

import re

import selfies

from mmai_gym.contracts import InvalidMolecule
from mmai_gym.molecules.fidelity import require_same
from mmai_gym.molecules.smiles import write
from mmai_gym.molecules.toolkit import Mol, as_mol, check_text, parse, shown

_SYMBOLS = re.compile(r"(?:\.?\[[^\[\].\s]+\])+")


def to_selfies(molecule: str | Mol) -> str:
    """SELFIES of the canonical SMILES (kekulized).

    Raises:
        InvalidMolecule: the SMILES cannot be read, or SELFIES cannot represent the molecule exactly.
    """
    text = write(as_mol(molecule))
    try:
        encoded = selfies.encoder(text)
        decoded = selfies.decoder(encoded)
    except (selfies.EncoderError, selfies.DecoderError) as error:
        raise InvalidMolecule(f"SELFIES cannot represent {shown(text)}: {_reason(error)}") from error
    require_same(text, parse(decoded), "SELFIES")
    return encoded


def read_selfies(text: str) -> Mol:
    """The molecule of a SELFIES.

    Raises:
        InvalidMolecule: text that is not a row of SELFIES symbols, an unknown symbol, or symbols without atoms.
    """
    check_text(text, "SELFIES")
    if not _SYMBOLS.fullmatch(text):
        raise InvalidMolecule(f"{shown(text)} is not a row of bracketed SELFIES symbols")
    try:
        decoded = selfies.decoder(text)
    except selfies.DecoderError as error:
        raise InvalidMolecule(f"cannot read the SELFIES {shown(text)}: {_reason(error)}") from error
    if not decoded:
        raise InvalidMolecule(f"the SELFIES {shown(text)} holds no atoms")
    return parse(decoded)


def from_selfies(text: str) -> str:
    """Canonical SMILES of a SELFIES.

    Raises:
        InvalidMolecule: as `read_selfies`.
    """
    return write(read_selfies(text))


def _reason(error: Exception) -> str:
    return str(error).split("\n", 1)[0]
