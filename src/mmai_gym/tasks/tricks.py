"""What disqualifies a molecule that was asked for as an improvement of another one, whatever its properties.

Each rule shuts a door that a property predictor or a fingerprint leaves open. Similarity of bit fingerprints does not
see how often a pattern repeats, so that a chain of a thousand carbons passes for similar to a short one; a second
molecule, an isotope or a radical moves a predicted value without any chemistry behind it.
"""

from __future__ import annotations

from mmai_gym.molecules import heavy_atoms, parse

SIMILARITY_FLOOR = 0.4
"""Least Tanimoto similarity of a success to its input (Morgan radius 2, 2,048 bits), in tasks that are free to set it."""

SIMILARITY_HIGH = 0.6
"""The stricter similarity that stands beside it."""

LARGEST_VALUED = 250
"""Heavy atoms up to which a trick still gets property values, for the protocols that know no tricks. A larger one would
only keep the oracles busy until the verdict times out, and what has no verdict counts for nobody."""


def worthless(found: str, target: str) -> bool:
    """Whether the trick `found` in an answer leaves nothing to value."""
    return bool(found) and heavy_atoms(target) > LARGEST_VALUED


def trick(source: str, target: str) -> str:
    """What disqualifies `target` as an answer for `source`, or ''. Both are canonical SMILES.

    Asked is one molecule of at most twice the input's heavy atoms, with the input's net charge and without isotopes,
    radicals, atom maps and wildcard atoms.
    """
    if "." in target:
        return "more than one molecule"
    mol, origin = parse(target), parse(source)
    if any(atom.GetIsotope() for atom in mol.GetAtoms()):
        return "isotopes"
    if any(atom.GetNumRadicalElectrons() for atom in mol.GetAtoms()):
        return "radicals"
    if any(atom.GetAtomMapNum() or atom.GetAtomicNum() == 0 for atom in mol.GetAtoms()):
        return "atom maps or wildcard atoms"
    if mol.GetNumHeavyAtoms() > 2 * origin.GetNumHeavyAtoms():
        return "more than twice the size of the input"
    if sum(a.GetFormalCharge() for a in mol.GetAtoms()) != sum(a.GetFormalCharge() for a in origin.GetAtoms()):
        return "another net charge than the input"
    return ""
