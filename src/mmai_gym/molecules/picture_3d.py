"""Pictures of a conformer: one to turn, for notebooks, and a still one, for reports.

The first is 3Dmol.js (Rego and Koes, 2015) by way of py3Dmol, and fetches that script when a notebook shows it. The
still one is plain SVG and needs nothing: balls and sticks seen along the molecule's thinnest axis, nearer atoms in
front and larger.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from mmai_gym.extras import require
from mmai_gym.molecules.conformer import Conformer, posed, to_mol
from mmai_gym.molecules.drawing import Svg
from mmai_gym.molecules.files_3d import to_sdf

_COLOURS = {
    "H": "#e6e6e6",
    "C": "#5f6368",
    "N": "#3050f8",
    "O": "#e0331f",
    "F": "#6fbf3c",
    "Cl": "#2aa52a",
    "Br": "#a62929",
    "I": "#7a1f9c",
    "S": "#e0b81f",
    "P": "#ff8000",
    "B": "#f0a08a",
}
_OTHER_COLOUR = "#b36fd0"
_BALL = 0.34
_HYDROGEN_BALL = 0.22
_STICK = 0.14
"""Å."""
_PERSPECTIVE = 0.03
"""How much larger an atom is drawn for each Å that it is nearer."""


def view_3d(conformer: Conformer, size: tuple[int, int] = (400, 300)) -> Any:
    """A py3Dmol view of the conformer, to be turned with the mouse; `size` in pixels.

    Raises:
        MissingExtra: py3Dmol is not installed.
        InvalidMolecule: the atoms do not fit the SMILES.
    """
    require("py3Dmol", extra="structures")
    import py3Dmol

    view = py3Dmol.view(width=size[0], height=size[1])
    view.addModel(to_sdf(conformer), "sdf")
    view.setStyle({"stick": {"radius": _STICK}, "sphere": {"scale": 0.22}})
    view.zoomTo()
    return view


def conformer_html(conformer: Conformer) -> str:
    """What a notebook shows of a conformer: the view to turn if py3Dmol is installed, else the still picture."""
    try:
        return view_3d(conformer)._make_html()
    except ImportError:
        return conformer_svg(conformer)


def conformer_svg(conformer: Conformer, size: tuple[int, int] = (400, 300)) -> Svg:
    """A still picture; `size` in pixels.

    Raises:
        InvalidMolecule: the atoms do not fit the SMILES.
    """
    mol = to_mol(conformer)
    points = posed(conformer).coordinates
    width, height = size
    reach = np.abs(points[:, :2]).max(axis=0) + 2 * _BALL
    scale = float(min(width / (2 * reach[0]), height / (2 * reach[1])))
    nearness = 1.0 + _PERSPECTIVE * points[:, 2]
    places = np.column_stack(
        (width / 2 + scale * points[:, 0] * nearness, height / 2 - scale * points[:, 1] * nearness)
    )
    shapes: list[tuple[float, str]] = []
    for bond in mol.GetBonds():
        ends = bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()
        middle = places[list(ends)].mean(axis=0)
        for end in ends:
            depth = float(0.75 * points[end, 2] + 0.25 * points[list(ends), 2].sum() / 2)
            shapes.append((depth, _stick(places[end], middle, scale, conformer.symbols[end])))
    for symbol, point, place, near in zip(conformer.symbols, points, places, nearness, strict=True):
        radius = (_HYDROGEN_BALL if symbol == "H" else _BALL) * scale * near
        shapes.append((float(point[2]) + 0.01, _ball(place, radius, symbol)))
    body = "".join(shape for _, shape in sorted(shapes))
    elements = sorted(set(conformer.symbols))
    return Svg(
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}px" height="{height}px" '
        f'viewBox="0 0 {width} {height}"><defs>{"".join(map(_gradient, elements))}</defs>{body}</svg>\n'
    )


def _colour(symbol: str) -> str:
    return _COLOURS.get(symbol, _OTHER_COLOUR)


def _identifier(symbol: str) -> str:
    return f"ball-{symbol.replace('*', 'any')}"


def _gradient(symbol: str) -> str:
    return (
        f'<radialGradient id="{_identifier(symbol)}" cx="35%" cy="35%" r="75%"><stop offset="0%" stop-color="#fff"/>'
        f'<stop offset="35%" stop-color="{_colour(symbol)}"/><stop offset="100%" stop-color="#222"/></radialGradient>'
    )


def _ball(place: Any, radius: float, symbol: str) -> str:
    return f'<circle cx="{place[0]:.1f}" cy="{place[1]:.1f}" r="{radius:.1f}" fill="url(#{_identifier(symbol)})"/>'


def _stick(start: Any, end: Any, scale: float, symbol: str) -> str:
    return (
        f'<line x1="{start[0]:.1f}" y1="{start[1]:.1f}" x2="{end[0]:.1f}" y2="{end[1]:.1f}" '
        f'stroke="{_colour(symbol)}" stroke-width="{2 * _STICK * scale:.1f}" stroke-linecap="round"/>'
    )
