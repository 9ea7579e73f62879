from __future__ import annotations

import random
import re
from collections.abc import Iterator

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from rdkit import Chem
from transformers import Lfm2ForCausalLM, PreTrainedTokenizerFast

from mmai_gym.contracts import UsageError
from mmai_gym.lfm.decode import Decoder, Sampled
from mmai_gym.lfm.grammar import _VALENCES, Place, SmilesGrammar, State, advance, closing, is_complete
from mmai_gym.lfm.tokenizer import BOND_TOKENS, FIXED_TOKENS
from mmai_gym.molecules import parse
from mmai_gym.sources import embedded

STOP = "</answer>"
PROMPTS = ["<|bos|>CCO<answer>", "<|bos|>c1ccccc1<answer>", "<|bos|>C[C@@H](N)C(=O)O<answer>"]
KNOWN = frozenset(FIXED_TOKENS)


def tokens(smiles: str) -> Iterator[str]:
    for piece in re.findall(r"\[[^\[\]]+\]|Cl|Br|.", smiles):
        yield from [piece] if piece in KNOWN else piece


def behind(text: str) -> State:
    state = State()
    for token in tokens(text):
        state = advance(state, token)
    return state


def is_syntax(smiles: str) -> bool:
    return bool(smiles) and Chem.MolFromSmiles(smiles, sanitize=False) is not None


@pytest.fixture(scope="module")
def grammar(tokenizer: PreTrainedTokenizerFast) -> SmilesGrammar:
    return SmilesGrammar(tokenizer)


@pytest.fixture(scope="module")
def decoder(model: Lfm2ForCausalLM, tokenizer: PreTrainedTokenizerFast) -> Decoder:
    return Decoder(model, tokenizer)


def test_what_rdkit_writes_is_in_the_language() -> None:
    for row in embedded.molecules():
        mol = parse(row.smiles)
        for smiles in (row.smiles, Chem.MolToSmiles(mol, doRandom=True), Chem.MolToSmiles(mol, kekuleSmiles=True)):
            state = State()
            for token in tokens(smiles):
                state = advance(state, token)
                assert closing(state) is not None, (smiles, token)
            assert is_complete(state), smiles


@pytest.mark.parametrize(
    "smiles",
    [
        "C", "[13CH2-:12]C", "[35Cl-].[Na+]", "C%12CC%12", "C1CC=C1", "F/C=C\\F", "C=1CC=1", "C1C2CC1C2", "c1cc[nH]c1",
        "[Zn+2]", "[2H]C", "*C", "[*:1]C", "O=S(=O)(O)O", "CC(C)", "F[P-](F)(F)(F)(F)F", "[NH4+].[Cl-]", "O=c1cc[nH]cc1",
        "[Cu@]C", "CI(Cl)Cl", "[NaH]",
    ],
)  # fmt: skip
def test_accepts(smiles: str) -> None:
    assert is_complete(behind(smiles))
    assert is_syntax(smiles)


@pytest.mark.parametrize(
    ("smiles", "why"),
    [
        ("C11", "a ring bond of an atom with itself"),
        ("C1C1", "a second bond between neighbours"),
        ("C12CC12", "a second ring bond between the same atoms"),
        ("C=1CCC#1", "two orders for one bond"),
        ("C()C", "an empty branch"),
        ("C((C))C", "a branch of a branch's beginning"),
        ("C)C", "a parenthesis too many"),
        ("CC==C", "two bonds in a row"),
        ("=C", "a bond from nowhere"),
        ("C..C", "an empty part"),
        ("C1.C1", "a dot inside a ring"),
        ("CC(C)(C)(C)C", "a carbon with five bonds"),
        ("CFC", "a fluorine with two bonds"),
        ("C[NH3+]C", "a nitrogen with five bonds"),
        ("[C@@@H](F)C", "a chirality mark that does not exist"),
        ("[Xx]", "an element that does not exist"),
    ],
)
def test_rejects(smiles: str, why: str) -> None:
    assert behind(smiles).place is Place.DEAD, why


@pytest.mark.parametrize("smiles", ["", "C1CC", "C(C", "C=", "C(", "CC.", "[CH", "C%1", "C12CC2"])
def test_is_not_complete_yet(smiles: str) -> None:
    state = behind(smiles)
    assert not is_complete(state)
    rest = closing(state)
    assert rest is not None
    assert is_syntax(smiles + "".join(rest))


def test_the_valences_are_those_of_rdkit() -> None:
    table = Chem.GetPeriodicTable()
    for symbol, valence in _VALENCES.items():
        if not symbol.islower():
            assert valence == max(table.GetValenceList(symbol)), symbol


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_any_way_through_the_masks_ends_in_a_molecule(
    grammar: SmilesGrammar, tokenizer: PreTrainedTokenizerFast, data: st.DataObject
) -> None:
    room = data.draw(st.integers(2, 60))
    seed = data.draw(st.integers(0, 2**32))
    choose, fresh = random.Random(seed), SmilesGrammar(tokenizer)
    state, written = grammar.start, ""
    for left in range(room, 0, -1):
        mask = grammar.mask([state], [left])[0]
        # Masks are kept by what they depend on: one kept from another text must be the one computed for this.
        assert torch.equal(mask, fresh.mask([state], [left])[0]), written
        allowed = mask.nonzero()[:, 0].tolist()
        # Structure is drawn more often than its share of the vocabulary, or nothing would branch.
        marks = [i for i in allowed if FIXED_TOKENS[i] in BOND_TOKENS] if choose.random() < 0.6 else []
        token = FIXED_TOKENS[choose.choice(marks or allowed)]
        if token == STOP:
            break
        state, written = advance(state, token), written + token
    else:
        pytest.fail(f"no end within {room} tokens: {written}")
    mol = Chem.MolFromSmiles(written, sanitize=False)
    assert mol is not None, written
    kinds = {problem.GetType() for problem in Chem.DetectChemistryProblems(mol)}
    assert kinds <= {"KekulizeException", "AtomKekulizeException", "AtomValenceException"}, written


def contents(sampled: list[list[Sampled]]) -> list[str]:
    return [one.text.removesuffix(STOP) for row in sampled for one in row if one.text.endswith(STOP)]


def test_an_untrained_model_writes_smiles(decoder: Decoder, grammar: SmilesGrammar) -> None:
    drawn = decoder.sample(PROMPTS, 8, max_new_tokens=40, seeds=[1, 2, 3], constraint=grammar)
    assert all(one.finished for row in drawn for one in row)
    assert [text for text in contents(drawn) if not is_syntax(text)] == []
    free = decoder.sample(PROMPTS, 8, max_new_tokens=40, seeds=[1, 2, 3])
    assert any(not is_syntax(one.text.removesuffix(STOP)) for row in free for one in row)


def test_beams_are_smiles_and_keep_their_order(decoder: Decoder, grammar: SmilesGrammar) -> None:
    found = decoder.beam(PROMPTS, 4, max_new_tokens=12, constraint=grammar)
    for row in found:
        assert len(row) == 4
        assert all(one.finished and is_syntax(one.text.removesuffix(STOP)) for one in row)
        assert [one.logprob for one in row] == sorted((one.logprob for one in row), reverse=True)
        assert len({one.token_ids for one in row}) == 4


def test_log_probabilities_stay_the_models_own(
    decoder: Decoder, grammar: SmilesGrammar, model: Lfm2ForCausalLM, tokenizer: PreTrainedTokenizerFast
) -> None:
    sampled = decoder.sample(PROMPTS, 2, max_new_tokens=10, seeds=[1, 2, 3], constraint=grammar)
    beams = decoder.beam(PROMPTS, 2, max_new_tokens=10, constraint=grammar)
    for prompt, *rows in zip(PROMPTS, sampled, beams, strict=True):
        for one in [one for row in rows for one in row]:
            head = tokenizer.encode(prompt)
            with torch.inference_mode():
                logprobs = model(torch.tensor([[*head, *one.token_ids]])).logits[0].log_softmax(-1)
            own = [float(logprobs[len(head) - 1 + i, token]) for i, token in enumerate(one.token_ids)]
            assert one.token_logprobs == pytest.approx(own, abs=1e-3)


def test_a_constrained_sample_does_not_depend_on_its_batch(decoder: Decoder, grammar: SmilesGrammar) -> None:
    together = decoder.sample(PROMPTS, 3, max_new_tokens=24, seeds=[5, 6, 7], constraint=grammar)
    alone = decoder.sample(PROMPTS[1:2], 3, max_new_tokens=24, seeds=[6], constraint=grammar)
    assert [one.token_ids for one in together[1]] == [one.token_ids for one in alone[0]]


def test_a_mask_where_nothing_fits_ignores_the_room(grammar: SmilesGrammar) -> None:
    assert bool(grammar.mask([grammar.start], [1]).any())


def test_a_tokenizer_of_another_kind_is_refused(tokenizer: PreTrainedTokenizerFast) -> None:
    with pytest.raises(UsageError, match="one token"):
        SmilesGrammar(tokenizer, stop="not a token")
