from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmai_gym.contracts import InvalidMolecule
from mmai_gym.molecules import (
    EDGE_COLUMNS,
    NODE_COLUMNS,
    canonical,
    from_graph_arrays,
    from_graph_text,
    randomized,
    to_graph_arrays,
    to_graph_text,
)


def test_text_and_arrays_read_back_exactly_from_any_atom_order(varied: list[str]) -> None:
    for seed, smiles in enumerate(varied):
        for spelling in (smiles, randomized(smiles, seed)):
            assert from_graph_text(to_graph_text(spelling)) == canonical(smiles)
            assert from_graph_arrays(to_graph_arrays(spelling)) == canonical(smiles)


@pytest.mark.parametrize(
    ("smiles", "text"),
    [
        ("CO", "0:CH3 1:OH | 0-1"),
        ("C", "0:CH4 |"),
        ("C[C@H](O)C(=O)O", "0:CH3 1:CH@ 2:OH 3:C 4:O 5:OH | 0-1 1-2 1-3 3=4 3-5"),
        ("C/C=C/[O-]", "0:CH3 1:CH 2:CH 3:O- | 0-1 1=2t 2-3"),
        ("[13CH3][n+]1ccccc1", "0:13CH3 1:n+ 2:cH 3:cH 4:cH 5:cH 6:cH | 0-1 1:2 1:6 2:3 3:4 4:5 5:6"),
    ],
)
def test_text_form_is_as_documented(smiles: str, text: str) -> None:
    assert to_graph_text(smiles) == text


def test_bonds_may_be_listed_in_any_order_and_direction() -> None:
    assert from_graph_text("0:CH3 1:CH@ 2:OH 3:C 4:O 5:OH | 5-3 3-1 4=3 1-0 2-1") == canonical("C[C@H](O)C(=O)O")


def test_the_hand_of_a_centre_matters() -> None:
    left = from_graph_text("0:CH3 1:CH@ 2:OH 3:F | 0-1 1-2 1-3")
    right = from_graph_text("0:CH3 1:CH@@ 2:OH 3:F | 0-1 1-2 1-3")
    assert left != right
    assert {left, right} == {canonical("C[C@H](O)F"), canonical("C[C@@H](O)F")}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "|",
        "0:CH3 1:OH",
        "0:CH3 2:OH | 0-1",
        "0:CH3 1:OH | 0-2",
        "0:CH3 1:OH | 0-0",
        "0:CH3 1:OH | 0-1 1-0",
        "0:CH4 1:OH | 0-1",
        "0:Xx | ",
        "0:cl | ",
        "0:c 1:c | 0:1",
        "0:CH3 1:OH | 0-1t",
        "0:CH2 1:CH2 | 0=1t",
        None,
        "0:C " * 30_000,
    ],
)
def test_a_graph_that_is_no_molecule_is_refused(text: str) -> None:
    with pytest.raises(InvalidMolecule):
        from_graph_text(text)


@settings(derandomize=True, deadline=None)
@given(st.text(max_size=40) | st.text(alphabet="0123:CHNcn+-@=#|t ", max_size=40))
def test_any_text_is_a_graph_or_invalid(text: str) -> None:
    try:
        smiles = from_graph_text(text)
    except InvalidMolecule:
        return
    assert canonical(smiles) == smiles


def test_arrays_have_the_documented_shapes_and_both_directions() -> None:
    arrays = to_graph_arrays("C/C=C/O")
    assert arrays.node_features.shape == (4, len(NODE_COLUMNS))
    assert arrays.edge_index.shape == (2, 6)
    assert arrays.edge_features.shape == (6, len(EDGE_COLUMNS))
    assert {array.dtype for array in (arrays.node_features, arrays.edge_index, arrays.edge_features)} == {
        np.dtype(np.int64)
    }
    edges = {tuple(edge) for edge in arrays.edge_index.T.tolist()}
    assert edges == {(end, begin) for begin, end in edges}
    assert arrays.node_features[:, NODE_COLUMNS.index("atomic_number")].tolist() == [6, 6, 6, 8]
    assert arrays.node_features[:, NODE_COLUMNS.index("hydrogens")].tolist() == [3, 1, 1, 1]


def test_a_molecule_without_bonds_has_empty_edges_of_the_right_shape() -> None:
    arrays = to_graph_arrays("C")
    assert arrays.edge_index.shape == (2, 0)
    assert arrays.edge_features.shape == (0, 2)


def test_arrays_out_of_range_are_refused() -> None:
    good = to_graph_arrays("CCO")
    broken_nodes = good.node_features.copy()
    broken_nodes[0, 0] = 200
    broken_edges = good.edge_index + 2
    for broken in (
        replace(good, node_features=broken_nodes),
        replace(good, edge_index=broken_edges),
        replace(good, edge_features=good.edge_features + 50),
        replace(good, node_features=good.node_features[:, :3]),
        replace(good, edge_index=good.edge_index[:, :1]),
        replace(good, node_features=good.node_features[:0]),
    ):
        with pytest.raises(InvalidMolecule):
            from_graph_arrays(broken)


def test_other_stereo_than_the_view_knows_is_refused_not_dropped() -> None:
    with pytest.raises(InvalidMolecule, match="tetrahedral"):
        to_graph_text("[Pt@SP1](F)(Cl)(Br)I")
