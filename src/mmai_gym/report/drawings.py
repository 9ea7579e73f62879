"""Molecules on the page: drawn where they can be drawn, text and a reason where they cannot.

The string to draw may come from a model. It reaches the drawing library only if it is short enough and parses as a
molecule; in every other case, and always beside the drawing, it stands on the page as escaped text. A missing
system library costs the drawings, not the report: what to install is collected in `notes` and said once.
"""

from __future__ import annotations

from collections.abc import Sequence

from mmai_gym.contracts import DataError, InvalidMolecule, MissingExtra
from mmai_gym.molecules import molecule_svg
from mmai_gym.report.markup import Markup, clip, element, inline_svg

MAX_DRAWN = 300
"""Characters of SMILES; a longer one would be a picture nobody can read."""
_SIZE = (260, 180)

_PAGE_COLOURS = {
    "#ffffff": "none",  # RDKit's white background
    "#000000": "var(--ink)",
    "#0000ff": "var(--atom-n)",
    "#ff0000": "var(--atom-o)",
    "#cccc00": "var(--atom-s)",
    "#33cccc": "var(--atom-f)",
    "#00cc00": "var(--atom-cl)",
    "#7f4c19": "var(--atom-br)",
    "#a01eef": "var(--atom-i)",
    "#ff7f00": "var(--atom-p)",
    "#ff7f7f": "var(--mark)",  # highlighted atoms
}


class Pencil:
    """Draws molecules for one page; ids stay apart, and complaints about the machine are collected once."""

    def __init__(self) -> None:
        self._drawn = 0
        self.notes: dict[str, None] = {}

    def molecule(self, smiles: str, role: str, highlight: Sequence[int] = ()) -> Markup:
        """A figure: what the molecule is (`role`), its drawing, and its SMILES as text."""
        return element(
            "figure",
            element("span", role, class_="role"),
            self._drawing(smiles, role, highlight),
            element("figcaption", clip(smiles, MAX_DRAWN), class_="smiles"),
            class_="molecule",
        )

    def _drawing(self, smiles: str, role: str, highlight: Sequence[int]) -> Markup | None:
        if len(smiles) > MAX_DRAWN:
            return _undrawn(f"Too long to draw ({len(smiles):,} characters).")
        try:
            svg = molecule_svg(smiles, highlight, _SIZE)
            self._drawn += 1
            return inline_svg(svg, f"m{self._drawn}", f"{role}: {smiles}", _PAGE_COLOURS)
        except InvalidMolecule:
            return _undrawn("Not a molecule, so there is nothing to draw.")
        except IndexError:
            return _undrawn("A position named does not exist in this molecule.")
        except (MissingExtra, DataError) as error:
            self.notes[str(error)] = None
            return None


def _undrawn(why: str) -> Markup:
    return element("p", why, class_="undrawn")
