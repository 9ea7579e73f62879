"""The shared, deduplicated forward pass is that of the plain network, atom by atom."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from mmai_gym.molecules import Mol, parse, randomized
from mmai_gym.oracles import dmpnn
from mmai_gym.oracles.dmpnn import ATOM_FEATURES, BOND_FEATURES, Ensemble, graphs
from mmai_gym.sources import embedded

WIDTH, NETWORKS = 12, 2
MOLECULES = [
    parse(smiles)
    for smiles in (
        "C", "CC", "CCO", "[Na+].[Cl-]", "CC(=O)Oc1ccccc1C(=O)O", "c1ccccc1", "C1CC1", "C12C3C4C1C5C2C3C45", "N#N", "[2H]C",
        "C[C@H](N)C(=O)O", "C/C=C/C", "F[P-](F)(F)(F)(F)F.[Na+]", "CCO", "[Pt]", "C*", "CN->[Pd]<-N", "C" * 40,
        *(molecule.smiles for molecule in embedded.molecules()[:40]),
    )
]  # fmt: skip


def random_ensemble(seed: int = 0) -> Ensemble:
    generator = np.random.default_rng(seed)

    def drawn(rows: int, columns: int) -> npt.NDArray[np.float32]:
        return generator.normal(0.0, rows**-0.5, (NETWORKS, rows, columns)).astype(np.float32)

    return Ensemble(
        drawn(ATOM_FEATURES, WIDTH),
        drawn(BOND_FEATURES, WIDTH),
        drawn(WIDTH, WIDTH),
        drawn(ATOM_FEATURES, WIDTH),
        drawn(WIDTH, WIDTH),
        drawn(1, WIDTH),
        ((drawn(WIDTH, WIDTH), drawn(1, WIDTH)), (drawn(WIDTH, 3), drawn(1, 3))),
        steps=2,
        norm=10.0,
    )


def plain(network: Ensemble, number: int, mol: Mol) -> npt.NDArray[np.float64]:
    """One molecule through one network as the publication writes it: every bond in both directions, nothing shared."""
    atoms = np.array([dmpnn._atom_features(kind) for kind in kinds_of_atoms(mol)])
    edges, bonds = [], []
    for bond in mol.GetBonds():
        one, other = bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()
        features = dmpnn._bond_features(
            (bond.GetBondType(), bond.GetIsConjugated(), bond.IsInRing(), bond.GetStereo())
        )
        edges += [(one, other), (other, one)]
        bonds += [features, features]
    start = {
        edge: atoms[edge[0]] @ network.atom_input[number] + np.array(bond) @ network.bond_input[number]
        for edge, bond in zip(edges, bonds, strict=True)
    }
    states = {edge: np.maximum(value, 0.0) for edge, value in start.items()}
    nothing = np.zeros(WIDTH)
    for _ in range(network.steps):
        messages = {(v, w): sum((states[x, y] for x, y in edges if y == v and x != w), nothing) for v, w in edges}
        states = {edge: np.maximum(start[edge] + messages[edge] @ network.hidden[number], 0.0) for edge in edges}
    vectors = [
        np.maximum(
            features @ network.atom_output[number]
            + sum((states[x, y] for x, y in edges if y == atom), nothing) @ network.message_output[number]
            + network.output_bias[number, 0],
            0.0,
        )
        for atom, features in enumerate(atoms)
    ]
    found = np.sum(vectors, axis=0) / network.norm
    (first, first_bias), (last, last_bias) = network.readout
    hidden = found @ first[number] + first_bias[number, 0]
    return np.maximum(hidden, 0.0) @ last[number] + last_bias[number, 0]


def kinds_of_atoms(mol: Mol) -> list[tuple[object, ...]]:
    return [
        (
            atom.GetAtomicNum(),
            atom.GetTotalDegree(),
            atom.GetFormalCharge(),
            int(atom.GetChiralTag()),
            atom.GetTotalNumHs(),
            atom.GetHybridization(),
            atom.GetIsAromatic(),
            atom.GetMass(),
        )
        for atom in mol.GetAtoms()
    ]


@pytest.fixture(scope="module")
def outputs() -> npt.NDArray[np.float64]:
    return random_ensemble().outputs(MOLECULES)


def test_every_network_gives_what_the_plain_one_gives(outputs: npt.NDArray[np.float64]) -> None:
    assert outputs.shape == (NETWORKS, len(MOLECULES), 3)
    ensemble = random_ensemble()
    for number in range(NETWORKS):
        expected = np.array([plain(ensemble, number, mol) for mol in MOLECULES])
        np.testing.assert_allclose(outputs[number], expected, atol=1e-5)


def test_company_changes_nothing(outputs: npt.NDArray[np.float64], monkeypatch: pytest.MonkeyPatch) -> None:
    ensemble = random_ensemble()
    alone = np.concatenate([ensemble.outputs([mol]) for mol in MOLECULES], axis=1)
    np.testing.assert_allclose(alone, outputs, atol=1e-6)
    monkeypatch.setattr(dmpnn, "BATCH_ATOMS", 50)
    np.testing.assert_allclose(ensemble.outputs(MOLECULES), outputs, atol=1e-6)


def test_the_order_of_the_atoms_changes_nothing() -> None:
    smiles = [molecule.smiles for molecule in embedded.molecules()[40:60]]
    ensemble = random_ensemble()
    written = ensemble.outputs([parse(text) for text in smiles])
    rewritten = ensemble.outputs([parse(randomized(text, 3)) for text in smiles])
    np.testing.assert_allclose(rewritten, written, atol=1e-5)


def test_features_have_one_place_for_each_kind_and_one_for_the_unknown() -> None:
    carbon, platinum = (np.array(dmpnn._atom_features(kinds_of_atoms(parse(text))[0])) for text in ("C", "[Pt]"))
    assert len(carbon) == ATOM_FEATURES and carbon[5] == 1 and platinum[37] == 1
    assert carbon[-1] == pytest.approx(0.12011) and carbon[:-1].sum() == 6
    assert (
        len(dmpnn._bond_features((parse("CC").GetBondWithIdx(0).GetBondType(), True, False, 0))) == BOND_FEATURES
    )


def test_the_edges_of_a_bond_stand_beside_each_other() -> None:
    batch = graphs([parse("CC(C)O"), parse("[Na+].[Cl-]"), parse("C=C")])
    np.testing.assert_array_equal(batch.source[0::2], batch.target[1::2])
    np.testing.assert_array_equal(batch.target[0::2], batch.source[1::2])
    assert batch.starts.tolist() == [0, 4, 6, 8]


def test_sums_of_random_numbers_tell_what_arrives_apart() -> None:
    """With a mixing function two states of one kind passed for one of another, and a value was off by 0.07."""
    numbers = dmpnn._random(np.arange(1_500))
    one, other = np.triu_indices(len(numbers))
    sums = np.concatenate([numbers, numbers[one] + numbers[other], 3 * numbers, np.zeros(1, np.uint64)])
    assert len(np.unique(sums)) == len(sums)
    np.testing.assert_array_equal(dmpnn._random(np.arange(5)), numbers[:5])


def test_equal_keys_mean_equal_surroundings() -> None:
    """Over all embedded molecules at once, each step's classes against the multisets themselves."""
    batch = graphs([parse(molecule.smiles) for molecule in embedded.molecules()[::4]])
    inflow = dmpnn._Inflow(batch)
    arriving: list[list[int]] = [[] for _ in batch.atoms]
    for edge, atom in enumerate(batch.target.tolist()):
        arriving[atom].append(edge)
    kinds, _ = dmpnn._distinct(batch.bonds * 1_000 + batch.atoms[batch.source])
    numbers = kinds
    for _ in range(2):
        messages, _ = dmpnn._distinct(inflow.of_edges(numbers))
        exact = [
            tuple(sorted(int(numbers[other]) for other in arriving[atom] if other != edge ^ 1))
            for edge, atom in enumerate(batch.source.tolist())
        ]
        pairs = set(zip(messages.tolist(), exact, strict=True))
        assert len(pairs) == len(set(exact)) == len(set(messages.tolist()))
        numbers, _ = dmpnn._distinct(messages * (int(kinds.max()) + 1) + kinds)
