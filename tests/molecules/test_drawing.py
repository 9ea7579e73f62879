from __future__ import annotations

import xml.etree.ElementTree as ElementTree

import pytest

from mmai_gym.contracts import InvalidMolecule, MissingExtra
from mmai_gym.molecules import MappedReaction, grid_svg, matched_pairs, molecule_svg, pair_svg, reaction_svg
from mmai_gym.molecules.drawing import missing_library

HOSTILE = "</svg><script>alert(1)</script> & \x00 ü"


@pytest.fixture(autouse=True)
def _needs_system_libraries() -> None:
    try:
        molecule_svg("C")
    except MissingExtra as error:
        pytest.skip(str(error))


def svg_size(text: str) -> tuple[str | None, str | None]:
    root = ElementTree.fromstring(text)
    assert root.tag.endswith("svg")
    return root.get("width"), root.get("height")


def test_pictures_are_well_formed_and_of_the_size_asked_for() -> None:
    assert svg_size(molecule_svg("CCO", size=(120, 90))) == ("120px", "90px")
    assert svg_size(grid_svg(["CCO"] * 5, columns=2, size=(100, 80))) == ("200px", "240px")
    assert svg_size(reaction_svg("[CH3:1]O.N", "[CH3:1]N", size=(400, 100))) == ("400px", "100px")


def test_a_legend_cannot_carry_markup() -> None:
    for text in (molecule_svg("CCO", legend=HOSTILE), grid_svg(["CCO"], [HOSTILE])):
        svg_size(text)
        assert "script" not in text
        assert text.isascii()


def test_a_legend_and_a_highlight_change_the_picture() -> None:
    plain = molecule_svg("CCO")
    assert molecule_svg("CCO", legend="a") != plain
    assert molecule_svg("CCO", highlight_atoms=[2]) != plain


def test_map_numbers_are_not_drawn() -> None:
    assert reaction_svg("[CH3:1]O", "[CH3:1]N") == reaction_svg("CO", "CN")


def test_bad_input_is_refused() -> None:
    with pytest.raises(InvalidMolecule):
        molecule_svg("C1C")
    with pytest.raises(IndexError, match="atoms 0 to 2"):
        molecule_svg("CCO", highlight_atoms=[3])
    with pytest.raises(ValueError, match="2 molecules and 1 legends"):
        grid_svg(["C", "C"], ["one"])


@pytest.mark.parametrize(
    ("message", "package"),
    [
        ("libXrender.so.1: cannot open shared object file: No such file or directory", "libxrender1"),
        ("libXext.so.6: cannot open shared object file: No such file or directory", "libxext6"),
        ("libexpat.so.1: cannot open shared object file: No such file or directory", "libexpat1"),
    ],
)
def test_a_missing_library_is_named_with_its_package(message: str, package: str) -> None:
    assert f"apt-get install {package}" in str(missing_library(ImportError(message)))


def test_an_unknown_library_is_still_named() -> None:
    assert "libstrange.so.3" in str(missing_library(ImportError("libstrange.so.3: cannot open")))
    assert "no such module" in str(missing_library(ImportError("no such module")))


def test_a_matched_pair_and_a_reaction_show_themselves() -> None:
    (pair,) = matched_pairs(["COc1ccc(C(=O)NC2CCCCC2)cc1", "CCCc1ccc(C(=O)NC2CCCCC2)cc1"])
    assert svg_size(pair._repr_svg_()) == ("600px", "220px")
    assert pair_svg(pair.source, pair.target) != pair_svg(pair.source, pair.source)
    assert svg_size(MappedReaction("amide", "[CH3:1]O.N", "[CH3:1]N")._repr_svg_()) == ("700px", "220px")
    assert molecule_svg("CCO")._repr_svg_() == molecule_svg("CCO")


def test_molecules_that_share_nothing_are_a_pair_all_the_same() -> None:
    assert svg_size(pair_svg("CCO", "c1ccccc1")) == ("600px", "220px")
