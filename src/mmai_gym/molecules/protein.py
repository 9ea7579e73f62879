"""Proteins as sequences: FASTA, residue numbers, composition, and an antibody's two chains as one record.

A residue's number is its name in a paper and rarely its position in the sequence: crystal structures begin at the
first residue that is seen, skip gaps, and insert letters (52A). So a sequence carries its numbers with it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from mmai_gym.contracts import InvalidMolecule
from mmai_gym.molecules.toolkit import shown

AMINO_ACIDS = "ACDEFGHIKLMNPQRSTVWY"
"""One-letter codes of the twenty in alphabetical order: the order of `composition`."""

MAX_RESIDUES = 40_000
"""Titin has 34,350."""

_CODES = frozenset(AMINO_ACIDS + "UOBZJX")
_NUMBER = re.compile(r"-?\d{1,5}[A-Z]?", re.ASCII)
_LINE = 60
_CHAIN_BREAK = ":"


@dataclass(frozen=True, slots=True)
class Protein:
    """One chain.

    Attributes:
        name: of the record; one line, may be empty.
        sequence: one-letter codes; besides the twenty, U selenocysteine, O pyrrolysine, B, Z, J and X (ambiguous or
            unknown).
        numbers: name of each residue's place, such as '52' or '52A'; 1, 2, 3, ... unless given.

    Raises:
        InvalidMolecule: no residues, too many, another letter, or numbers that do not fit.
    """

    name: str
    sequence: str
    numbers: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_sequence(self.sequence)
        if not self.numbers:
            object.__setattr__(self, "numbers", tuple(map(str, range(1, len(self.sequence) + 1))))
        if len(self.numbers) != len(self.sequence):
            raise InvalidMolecule(
                f"{len(self.sequence)} residues of {shown(self.name)} have {len(self.numbers)} numbers"
            )
        if wrong := [number for number in self.numbers if not _NUMBER.fullmatch(number)]:
            raise InvalidMolecule(f"{shown(wrong[0])} is not a residue number such as '52' or '52A'")

    def residue(self, number: str | int) -> str:
        """One-letter code of the residue with this number.

        Raises:
            KeyError: there is none.
        """
        try:
            return self.sequence[self.numbers.index(str(number))]
        except ValueError:
            raise KeyError(f"{self.name or 'the protein'} has no residue {number}") from None

    def numbered(self) -> str:
        """Every residue with its number, `M1 K2 T3`."""
        return " ".join(map("".join, zip(self.sequence, self.numbers, strict=True)))


@dataclass(frozen=True, slots=True)
class Antibody:
    """The variable (or whole) heavy and light chains of one antibody, each a sequence of one-letter codes.

    Raises:
        InvalidMolecule: a chain is not a protein sequence.
    """

    name: str
    heavy: str
    light: str

    def __post_init__(self) -> None:
        check_sequence(self.heavy)
        check_sequence(self.light)


def check_sequence(sequence: object) -> str:
    """The sequence itself.

    Raises:
        InvalidMolecule: not a string of 1 to MAX_RESIDUES one-letter codes in capitals.
    """
    if not isinstance(sequence, str) or not sequence:
        raise InvalidMolecule(
            "the protein sequence is empty" if sequence == "" else f"{shown(sequence)} is no sequence"
        )
    if len(sequence) > MAX_RESIDUES:
        raise InvalidMolecule(f"the sequence has {len(sequence):,} residues, more than {MAX_RESIDUES:,} allowed")
    for place, letter in enumerate(sequence, start=1):
        if letter not in _CODES:
            raise InvalidMolecule(f"{letter!a} at position {place} of {shown(sequence)} is not an amino acid")
    return sequence


def composition(sequence: str) -> dict[str, int]:
    """How many of each of the twenty amino acids, in the order of AMINO_ACIDS; others follow where they occur.

    Raises:
        InvalidMolecule: not a protein sequence.
    """
    counts = Counter(check_sequence(sequence))
    return {code: counts.pop(code, 0) for code in AMINO_ACIDS} | dict(sorted(counts.items()))


# ------------------------------------------------------------------------------------------------------------ FASTA


def from_fasta(text: str) -> tuple[Protein, ...]:
    """The records of a FASTA text, numbered from 1. Blank lines and one closing `*` are passed over, lower case is read.

    Raises:
        InvalidMolecule: no record, a sequence before the first `>`, an empty record, or a letter that is no amino
            acid; the message names the record.
    """
    if not isinstance(text, str) or not text.strip():
        raise InvalidMolecule("the FASTA text is empty")
    head, *records = ("\n" + text.replace("\r", "\n")).split("\n>")
    if head.strip() or not records:
        raise InvalidMolecule(f"{shown(text)} is not FASTA: a record begins with a line '>NAME'")
    return tuple(_record(record) for record in records)


def _record(record: str) -> Protein:
    name, _, body = record.partition("\n")
    try:
        return Protein(name.strip(), "".join(body.split()).upper().removesuffix("*"))
    except InvalidMolecule as error:
        raise InvalidMolecule(f"FASTA record {shown(name.strip())}: {error}") from error


def to_fasta(proteins: Iterable[Protein]) -> str:
    """FASTA text, 60 residues on a line. Residue numbers are not part of it."""
    return "".join(_fasta_record(protein.name, protein.sequence) for protein in proteins)


def _fasta_record(name: str, sequence: str) -> str:
    lines = (sequence[start : start + _LINE] for start in range(0, len(sequence), _LINE))
    return "\n".join((f">{' '.join(name.split())}", *lines)) + "\n"


# -------------------------------------------------------------------------------------------------------- antibodies


def to_antibody_text(antibody: Antibody) -> str:
    """Both chains on one line, `HEAVY:LIGHT`; the view `antibody`."""
    return f"{antibody.heavy}{_CHAIN_BREAK}{antibody.light}"


def from_antibody_text(text: str, name: str = "") -> Antibody:
    """The antibody of such a line.

    Raises:
        InvalidMolecule: not two protein sequences with one colon between them.
    """
    chains = text.split(_CHAIN_BREAK) if isinstance(text, str) else []
    if len(chains) != 2:
        raise InvalidMolecule(f"{shown(text)} is not of the form 'HEAVY:LIGHT'")
    return Antibody(name, *chains)


def antibody_to_fasta(antibody: Antibody) -> str:
    """Two FASTA records, `NAME heavy` and `NAME light`."""
    name = f"{antibody.name} ".lstrip()
    return _fasta_record(f"{name}heavy", antibody.heavy) + _fasta_record(f"{name}light", antibody.light)


def antibody_from_fasta(text: str) -> Antibody:
    """The antibody of two FASTA records whose names end in `heavy` and `light`, in either order.

    Raises:
        InvalidMolecule: not FASTA, or other records than these two.
    """
    records = from_fasta(text)
    chains = {protein.name.rsplit(maxsplit=1)[-1].lower() if protein.name else "": protein for protein in records}
    if len(records) != 2 or set(chains) != {"heavy", "light"}:
        raise InvalidMolecule(f"an antibody is one record '... heavy' and one '... light', not {sorted(chains)}")
    heavy, light = chains["heavy"], chains["light"]
    return Antibody(heavy.name[: -len("heavy")].strip(), heavy.sequence, light.sequence)
