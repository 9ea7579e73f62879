"""What may be written next in a SMILES: the notation's grammar as a mask over tokens.

A small network knows far more chemistry than bookkeeping: most of the invalid molecules it writes have a ring
bond that never closes, a parenthesis too many, or no end. That part of the notation (Weininger 1988; OpenSMILES
1.0) is a context-free language with a memory for open ring bonds, so a program can keep it while the network
decides on everything else. A mask from here leaves the network the tokens that some molecule's SMILES goes on
with, and near the end of its room only those that still leave room to close what is open.

Valences are kept too, since they are as easy to count: a bond is open only to an atom that can still take it, and a
text that could not be completed any more is not begun. Whether aromatic rings have a Kekulé structure is left to the
network and can still be wrong. The language is the one that RDKit writes: ring bonds right behind their atom and ahead
of its branches, no empty branch, no dot inside a branch or an open ring, tetrahedral chirality marks only.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Sequence
from enum import Enum, auto
from functools import cache, lru_cache
from typing import TYPE_CHECKING, NamedTuple

from mmai_gym.contracts import UsageError
from mmai_gym.extras import require
from mmai_gym.lfm.tokenizer import ATOM_TOKENS, BOND_TOKENS, CHARACTER_TOKENS, FIXED_TOKENS
from mmai_gym.tasks.answers import ANSWER_CLOSE

require("torch")  # ahead of the import, so that the message names the fix

import torch  # noqa: E402

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

_ORDERS = {"-": 1, "=": 2, "#": 3, ":": 1, "/": 1, "\\": 1}
_DIGITS = frozenset("0123456789")
_ATOMS = (*ATOM_TOKENS, "*")
_ATOM = frozenset(_ATOMS)
_SPELLING = tuple(
    token
    for token in (*ATOM_TOKENS, *BOND_TOKENS, *CHARACTER_TOKENS)
    if re.fullmatch(r"[A-Za-z0-9@+:*-]{1,2}", token)
)
"""Tokens that may stand inside a bracket atom which has no token of its own."""
_ELEMENTS = tuple(
    """
    H He Li Be B C N O F Ne Na Mg Al Si P S Cl Ar K Ca Sc Ti V Cr Mn Fe Co Ni Cu Zn Ga Ge As Se Br Kr Rb Sr Y Zr Nb
    Mo Tc Ru Rh Pd Ag Cd In Sn Sb Te I Xe Cs Ba La Ce Pr Nd Pm Sm Eu Gd Tb Dy Ho Er Tm Yb Lu Hf Ta W Re Os Ir Pt Au
    Hg Tl Pb Bi Po At Rn Fr Ra Ac Th Pa U Np Pu Am Cm Bk Cf Es Fm Md No Lr Rf Db Sg Bh Hs Mt Ds Rg Cn Nh Fl Mc Lv
    Ts Og b c n o p s se as te si
    """.split()  # noqa: SIM905 (a table, not a list)
)
"""By atomic number, from 1; then the aromatic ones."""
_SYMBOL = "(?:" + "|".join([*sorted(_ELEMENTS[1:], key=len, reverse=True), "H", r"\*"]) + ")"
_ISOTOPE = r"(?:[1-9]\d{0,2})?"
_CHARGE = r"(?:\+\+|--|[+-](?:[1-9]\d?)?)?"
_ATOM_OF = rf"(?:H(?![a-z@H\d])|(?!H(?![a-z])){_SYMBOL}@{{0,2}}(?:H[1-9]?)?){_CHARGE}"  # a hydrogen has neither
_MAP = r"(?::(?:0|[1-9]\d{0,3})%s)?"
_INSIDE = re.compile(_ISOTOPE + _ATOM_OF + _MAP % "")
_INSIDE_BEGUN = re.compile(f"{_ISOTOPE}(?:[{''.join({e[0] for e in _ELEMENTS})}]|{_ATOM_OF}{_MAP % '?'})?")
_PARTS = re.compile(rf"\[\d*({_SYMBOL})@*(?:H(\d?))?([+-]*)(\d*)(?::\d+)?\]")
_VALENCES = {
    "H": 1, "B": 3, "C": 4, "N": 3, "O": 2, "F": 1, "Si": 4, "P": 5, "S": 6, "Cl": 1, "Br": 1, "I": 5,
    "b": 3, "c": 3, "n": 3, "o": 2, "p": 3, "s": 2,
}  # fmt: skip
"""The highest valence of a neutral atom; of an aromatic one, the most neighbours it can have."""
_UNKNOWN = 99
_NEVER = 2**15 - 1
_KEPT = 2**14
"""States whose ways to completion are kept; a few kilobytes each."""


class Place(Enum):
    """Where in the notation a text has got to."""

    START = auto()  # nothing yet, or behind a dot: an atom must follow
    ATOM = auto()  # behind an atom, its ring bonds or its branches
    OPENED = auto()  # behind an opening parenthesis
    BOND = auto()
    BRACKET = auto()  # inside a bracket atom
    LABEL = auto()  # inside a ring label of two digits
    DEAD = auto()  # behind a token that the grammar does not allow


class Atom(NamedTuple):
    """An atom that has been written: its number, the valence it has left, and whether its bonds count one each."""

    number: int = -1
    free: int = 0
    aromatic: bool = False

    def order(self, bond: str) -> int:
        """What a bond takes of the valence."""
        return 1 if self.aromatic else _ORDERS.get(bond, 1)

    def bonded(self, bond: str) -> Atom:
        """The atom with one bond more."""
        return self._replace(free=self.free - self.order(bond))


class State(NamedTuple):
    """A text's place and all that its grammatical continuations depend on."""

    place: Place = Place.START
    atom: Atom = Atom()
    """The atom that the next bond starts from."""
    atoms: int = 0
    fresh: bool = False
    """Whether that atom still takes ring bonds: they are written ahead of its branches."""
    near: tuple[int, ...] = ()
    """While it is fresh, the atoms it cannot close a ring with: itself and its neighbours so far."""
    bond: str = ""
    """The bond just written."""
    text: str = ""
    """What a bracket or a label of two digits holds so far."""
    branches: tuple[Atom, ...] = ()
    """For each open parenthesis, the atom to go back to."""
    rings: tuple[tuple[str, int, str], ...] = ()
    """Label, atom and bond of each open ring bond, by label."""


_DEAD = State(Place.DEAD)


def advance(state: State, token: str) -> State:
    """The state behind `token`: in `Place.DEAD`, for good, if the grammar does not allow it here."""
    match state.place:
        case Place.DEAD:
            return _DEAD
        case Place.BRACKET:
            return _in_bracket(state, token)
        case Place.LABEL:
            return _in_label(state, token)
    if token in _ATOM:
        return _with_atom(state, token)
    if token == "[":
        return state._replace(place=Place.BRACKET)
    if token in _DIGITS:
        return _with_ring(state, token)
    if token == "%" and state.fresh:
        return state._replace(place=Place.LABEL)
    if (
        token in _ORDERS
        and state.place in (Place.ATOM, Place.OPENED)
        and state.atom.order(token) <= state.atom.free
    ):
        return state._replace(place=Place.BOND, bond=token)
    if token == "(" and state.place is Place.ATOM and state.atom.free:
        return state._replace(place=Place.OPENED, fresh=False, branches=(*state.branches, state.atom))
    if token == ")" and state.place is Place.ATOM and state.branches:
        return state._replace(atom=state.branches[-1], fresh=False, branches=state.branches[:-1])
    if token == "." and is_complete(state):
        return State()
    return _DEAD


def is_complete(state: State) -> bool:
    """Whether the text may end here."""
    return state.place is Place.ATOM and not state.branches and not state.rings


def closing(state: State) -> list[str] | None:
    """Tokens that complete the text, None if it cannot be completed.

    Not the best molecule and not always the shortest way, but one of bounded length.
    """
    tokens: list[str] = []
    while not is_complete(state):
        if state.place is Place.BRACKET:
            rest = _bracket_closing(state)
            return None if rest is None else tokens + rest
        token = None if state.place is Place.DEAD else _closing_token(state)
        if token is None:
            return None
        tokens.append(token)
        state = advance(state, token)
    return tokens


def closing_length(state: State) -> int | None:
    """How many tokens `closing` gives, None if the text cannot be completed."""
    return None if state.place is Place.DEAD else _closing_length(_canonical(state))


@lru_cache(maxsize=2**16)
def _closing_length(state: State) -> int | None:
    # The ways to completion soon run into each other, so that most of a way is known already.
    if is_complete(state):
        return 0
    if state.place is Place.BRACKET:
        rest = _bracket_closing(state)
        return None if rest is None else len(rest)
    token = _closing_token(state)
    length = None if token is None else closing_length(advance(state, token))
    return None if length is None else length + 1


def _canonical(state: State) -> State:
    """The same state with its atoms numbered by their first mention: which is which matters, not when it was written."""
    numbers: dict[int, int] = {-1: -1}

    def renumbered(atom: Atom) -> Atom:
        return Atom(numbers.setdefault(atom.number, len(numbers) - 1), atom.free, atom.aromatic)

    atom = renumbered(state.atom)
    near = tuple(numbers.setdefault(number, len(numbers) - 1) for number in state.near)
    branches = tuple(map(renumbered, state.branches))
    rings = tuple(
        (label, numbers.setdefault(number, len(numbers) - 1), bond) for label, number, bond in state.rings
    )
    return state._replace(atom=atom, atoms=len(numbers) - 1, near=near, branches=branches, rings=rings)


def _with_atom(state: State, token: str) -> State:
    old, new = state.atom, Atom(state.atoms, *_valence(token))
    branches = state.branches
    if old.number >= 0:
        if max(old.order(state.bond) - old.free, new.order(state.bond) - new.free) > 0:
            return _DEAD
        old, new = old.bonded(state.bond), new.bonded(state.bond)
        if branches and branches[-1].number == old.number:  # the first atom behind a parenthesis
            branches = (*branches[:-1], old)
    return State(
        Place.ATOM, new, state.atoms + 1, True, (new.number, old.number), branches=branches, rings=state.rings
    )


@cache
def _valence(token: str) -> tuple[int, bool]:
    """How many bonds an atom can have by valence, and whether it is aromatic, where each counts one.

    A charged atom has the valence of its isoelectronic neutral neighbour (B- like C, N+ like C, O- like F). Where that is
    not in the table, as for metals, nothing is known and any number of bonds passes.
    """
    if token in _VALENCES or token == "*":
        return _VALENCES.get(token, _UNKNOWN), token.islower()
    parts = _PARTS.fullmatch(token)
    if parts is None:
        raise ValueError(f"{token!r} is not an atom of SMILES")
    symbol, hydrogens, sign, number = parts.groups()
    taken = 0 if hydrogens is None else int(hydrogens or 1)
    if symbol.islower():
        return max(3 - taken, 0), True
    charge = int(number or len(sign)) * (-1 if "-" in sign else 1) if sign else 0
    place = _ELEMENTS.index(symbol) - charge if symbol in _ELEMENTS else -1
    alike = _ELEMENTS[place] if 0 <= place < len(_ELEMENTS) else ""
    return max(_VALENCES.get(alike, _UNKNOWN) - taken, 0), False


def _with_ring(state: State, label: str) -> State:
    """Behind a ring label: the bond it closes, or the one it opens."""
    ring = next((ring for ring in state.rings if ring[0] == label), None)
    bond = state.bond or (ring[2] if ring else "")
    if not state.fresh or (ring and not _closes(state, ring)) or state.atom.order(bond) > state.atom.free:
        return _DEAD
    if bond == "#":  # a new carbon could not take it and go on, so that a text might never be completed
        return _DEAD
    rings, near = tuple(other for other in state.rings if other != ring), state.near
    if ring:
        near = (*near, ring[1])
    else:
        rings = tuple(sorted((*rings, (label, state.atom.number, bond))))
    return state._replace(place=Place.ATOM, atom=state.atom.bonded(bond), near=near, bond="", text="", rings=rings)


def _closes(state: State, ring: tuple[str, int, str]) -> bool:
    """Whether the present atom can be the other end of `ring`: no bond to itself, no second bond to a neighbour."""
    _, atom, bond = ring
    alike = not bond or not state.bond or bond == state.bond or {bond, state.bond} <= {"/", "\\", "-"}
    fits = state.atom.order(state.bond or bond) <= state.atom.free
    return state.fresh and alike and fits and atom not in state.near


def _in_bracket(state: State, token: str) -> State:
    if token == "]":
        return _with_atom(state, f"[{state.text}]") if _INSIDE.fullmatch(state.text) else _DEAD
    text = state.text + token
    if token in _SPELLING and _INSIDE_BEGUN.fullmatch(text):
        return state._replace(text=text)
    return _DEAD


def _in_label(state: State, token: str) -> State:
    if token not in _DIGITS:
        return _DEAD
    state = state._replace(text=state.text + token)
    if len(state.text) == 2:
        return _with_ring(state, state.text)
    return state if _labels(state) else _DEAD


def _closable(state: State) -> list[tuple[int, str]]:
    """What closing each ring bond that can end here takes of the atom's valence, and its label; cheapest first."""
    return sorted((state.atom.order(ring[2]), ring[0]) for ring in state.rings if _closes(state, ring))


def _labels(state: State) -> list[str]:
    """The labels of two digits that begin with `state.text` and mean something here: rings to close, then new ones."""
    taken = {ring[0] for ring in state.rings}
    two_digits = [label for _, label in _closable(state)] + [str(i) for i in range(10, 100) if str(i) not in taken]
    return [label for label in two_digits if len(label) == 2 and label.startswith(state.text)]


def _closing_token(state: State) -> str | None:
    """The first token of `closing`."""
    match state.place:
        case Place.LABEL:
            return _labels(state)[0][len(state.text)]
        case Place.ATOM if state.rings:
            cost, label = min(_closable(state), default=(_UNKNOWN, ""))
            if cost < state.atom.free or (cost == state.atom.free and len(state.rings) == 1):
                return label if len(label) == 1 else "%"
            # A new carbon is a neighbour of none but the last atom, and has a bond left behind any ring that it closes.
            return "C" if state.atom.free else ")" if state.branches else None
        case Place.ATOM:
            return ")"
    return "C"


def _bracket_closing(state: State) -> list[str] | None:
    """`closing` from inside a bracket atom: by as few characters as make it an atom that the text can go on from."""
    for character in ("", "C", *_SPELLING):
        if _INSIDE.fullmatch(state.text + character):
            rest = closing(_with_atom(state, f"[{state.text}{character}]"))
            if rest is not None:
                return [character, "]", *rest] if character else ["]", *rest]
    return None


def _alike() -> tuple[tuple[str, ...], ...]:
    """What can be written outside of brackets, tokens together that the grammar does not tell apart."""
    atoms: dict[tuple[int, bool], list[str]] = {}
    for token in _ATOMS:
        atoms.setdefault(_valence(token), []).append(token)
    return (*map(tuple, atoms.values()), *((token,) for token in (*_ORDERS, *sorted(_DIGITS), *"%().[")))


_OUTSIDE = _alike()
_IN_BRACKET = tuple((token,) for token in (*_SPELLING, "]"))


class SmilesGrammar:
    """The grammar over a tokenizer's ids, as `Decoder` takes it: `start`, `advance`, `mask`.

    Args:
        tokenizer: one made by `build_tokenizer`.
        stop: the text that ends an answer, one token.

    Raises:
        UsageError: the tokenizer is not the gym's, or `stop` is not one token.
    """

    start = State()

    def __init__(self, tokenizer: PreTrainedTokenizerFast, stop: str = ANSWER_CLOSE) -> None:
        self._tokens: list[str] = tokenizer.convert_ids_to_tokens(range(len(tokenizer)))
        if tuple(self._tokens[: len(FIXED_TOKENS)]) != FIXED_TOKENS or stop not in self._tokens:
            raise UsageError(
                f"the SMILES grammar needs the gym's own tokenizer, with {stop!r} as one token; this one has other "
                "tokens. Decode without a grammar, or build the tokenizer with mmai_gym.lfm.tokenizer"
            )
        self._ids = {token: i for i, token in enumerate(self._tokens)}
        self._stop = self._ids[stop]
        self._outside, self._in_bracket = (
            [(tokens, torch.tensor([self._ids[token] for token in tokens])) for tokens in classes]
            for classes in (_OUTSIDE, _IN_BRACKET)
        )
        self._masks: dict[tuple[Hashable, ...], torch.Tensor] = {}
        self._lengths: dict[State, torch.Tensor] = {}

    def advance(self, state: State, token: int) -> State:
        """The state behind a token id."""
        return advance(state, self._tokens[token])

    def mask(self, states: Sequence[State], rooms: Sequence[int]) -> torch.Tensor:
        """Which ids may follow each state, bool (states, vocabulary).

        Args:
            rooms: for each state, how many tokens may still be written, the stop text included. While a text fits in
                its room, so it does behind every allowed token; where it does not fit, room is not looked at.
        """
        return torch.stack([self._row(state, room) for state, room in zip(states, rooms, strict=True)])

    def _row(self, state: State, room: int) -> torch.Tensor:
        # No closing is longer than this, and one token more makes it longer by five at the most.
        tight = room < 4 * len(state.rings) + len(state.branches) + 12
        # What the grammar says depends on no more than this; few enough of them to keep their masks.
        top = state.branches[-1] if state.branches else None
        key = (
            state.place, state.atom[1:], state.fresh, state.bond, state.text,
            top and (top.free, top.number == state.atom.number), any(atom.free for atom in state.branches[:-1]),
            tuple((ring[0], ring[2], _closes(state, ring)) for ring in state.rings),
        )  # fmt: skip
        if tight:
            return self._tight(state, room)
        row = self._masks.get(key)
        if row is None:
            row = self._masks[key] = self._closings(state) < _NEVER
        return row

    def _tight(self, state: State, room: int) -> torch.Tensor:
        """The mask where little room is left; where nothing fits in it, as if there were room."""
        state = _canonical(state)
        lengths = self._lengths.get(state)
        if lengths is None:
            if len(self._lengths) >= _KEPT:
                self._lengths.clear()
            lengths = self._lengths[state] = self._closings(state)
        row = lengths < room
        return row if bool(row.any()) else lengths < _NEVER

    def _closings(self, state: State) -> torch.Tensor:
        """By how many tokens a text can be completed behind each id, the stop text included; `_NEVER` if it cannot be."""
        row = torch.full((len(self._tokens),), _NEVER, dtype=torch.int16)
        if is_complete(state):
            row[self._stop] = 0
        for tokens, ids in self._in_bracket if state.place is Place.BRACKET else self._outside:
            length = closing_length(advance(state, tokens[0]))
            if length is not None:
                row[ids] = length + 1
        return row
