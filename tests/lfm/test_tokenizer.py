from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

pytest.importorskip("transformers")

from mmai_gym.contracts import UsageError
from mmai_gym.lfm.tokenizer import (
    BYTE_TOKENS,
    FIRST_BIN_ID,
    FIXED_TOKENS,
    build_tokenizer,
)
from mmai_gym.molecules import VIEWS, convert
from mmai_gym.tasks.rendering import BIN_TOKENS, CONTROL_TOKENS, view_token

TOKENIZER = build_tokenizer(["<|p:logp|>", "<|p:caco2_wang|>"])


def pieces(text: str) -> list[str]:
    return TOKENIZER.convert_ids_to_tokens(TOKENIZER.encode(text))


fragments = st.sampled_from(
    [*CONTROL_TOKENS[:12], "<|bin_007|>", "<0x41>", "<0xC3>", "[nH]", "[13CH3]", "Cl", "<|p:logp|>", "<|p:", "|>",
     "<", " ", "  ", "\n", "\t", "\x00", "é", "▁", "Ġ", "<unk>", "[", "]", "12", "<|<|bos|>|>"]
)  # fmt: skip


@settings(derandomize=True, deadline=None, max_examples=400)
@given(st.one_of(st.text(), st.lists(st.one_of(fragments, st.text(max_size=3)), max_size=12).map("".join)))
@example("")
@example("<0x41>")
@example("<|eos|")
@example(" \r\n\t ,.'s n't ")
@example("\U0001f600a\u0301\ufeff\u2028")
def test_any_text_survives_encoding_and_decoding(text: str) -> None:
    assert TOKENIZER.decode(TOKENIZER.encode(text)) == text


def test_the_frozen_ids_follow_the_published_layout() -> None:
    vocabulary = TOKENIZER.get_vocab()
    assert [vocabulary[token] for token in CONTROL_TOKENS] == list(range(256))
    assert [vocabulary[token] for token in BIN_TOKENS] == list(range(256, 384))
    assert [vocabulary[token] for token in BYTE_TOKENS] == list(range(384, 640))
    assert FIRST_BIN_ID == 256
    # Checkpoints depend on the rest too: a digest that changes means that an id has moved.
    assert len(FIXED_TOKENS) == len(set(FIXED_TOKENS)) == 894
    assert hashlib.sha256("\n".join(FIXED_TOKENS[384:]).encode()).hexdigest().startswith("b12693baa1f81fd1")
    assert [vocabulary[token] for token in FIXED_TOKENS] == list(range(len(FIXED_TOKENS)))
    assert vocabulary["<|p:logp|>"] == len(FIXED_TOKENS)
    assert len(TOKENIZER) == len(FIXED_TOKENS) + 2


def test_adding_words_moves_no_id() -> None:
    before, after = build_tokenizer(), build_tokenizer(["<|p:logp|>", "<|p:qed|>"])
    assert len(after) == len(before) + 2
    assert after.get_vocab().items() >= before.get_vocab().items()
    assert TOKENIZER.encode("<|p:logp|>") == after.encode("<|p:logp|>") == [len(FIXED_TOKENS)]


def test_molecules_are_cut_at_atoms_and_digits_stay_apart() -> None:
    smiles = "C[C@@H](Cl)c1ccc2[nH]cc(Br)c2c1%12.[Na+]"
    assert pieces(smiles) == re.findall(r"\[[^\]]+\]|Cl|Br|.", smiles)
    assert pieces("2026") == list("2026")
    assert pieces("[Xe+7]") == list("[Xe+7]")


def test_every_named_token_is_one_id_also_inside_text() -> None:
    for token in (*CONTROL_TOKENS, *BIN_TOKENS, "<|p:caco2_wang|>"):
        assert pieces(f"C{token}l") == ["C", token, "l"]


@pytest.mark.parametrize("view", [view.name for view in VIEWS.values() if view.form is str])
def test_every_view_has_a_typed_span_that_comes_back_whole(view: str) -> None:
    opening = view_token(view)
    for smiles in ("C[C@H](N)C(=O)O", "[Na+].[O-]c1ccccc1Cl", "C/C=C/Br"):
        text = str(convert(smiles, view))
        ids = TOKENIZER.encode(opening + text)
        assert ids[0] == CONTROL_TOKENS.index(opening)
        assert set(ids[1:]).isdisjoint(range(256)), "no control token inside"
        assert TOKENIZER.decode(ids) == opening + text


def test_a_view_without_a_token_is_refused() -> None:
    with pytest.raises(ValueError, match="not a control token"):
        view_token("graph_arrays")


def test_nothing_is_added_in_front_or_behind_and_special_ids_are_set() -> None:
    assert TOKENIZER("CO")["input_ids"] == TOKENIZER.encode("CO", add_special_tokens=False)
    assert (TOKENIZER.pad_token_id, TOKENIZER.bos_token_id, TOKENIZER.eos_token_id) == (0, 1, 2)
    assert TOKENIZER.unk_token is None


@pytest.mark.parametrize("word", ["logp", "<|two words|>", "<||>", "<|pad|>", "<|a|><|b|>"])
def test_a_bad_vocabulary_word_is_named(word: str) -> None:
    with pytest.raises(UsageError, match=re.escape(repr(word))):
        build_tokenizer([word])


def test_a_repeated_vocabulary_word_is_named() -> None:
    with pytest.raises(UsageError, match="there already"):
        build_tokenizer(["<|x|>", "<|x|>"])


def test_plain_transformers_loads_an_identical_tokenizer(tmp_path: Path) -> None:
    from transformers import AutoTokenizer

    TOKENIZER.save_pretrained(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "lfm2"}))
    loaded = AutoTokenizer.from_pretrained(tmp_path)
    text = "<|bos|><|p:logp|>C[C@@H](Cl)é <0x41>  <answer><|bin_003|></answer>"
    assert loaded.encode(text) == TOKENIZER.encode(text)
    assert loaded.decode(loaded.encode(text)) == text
    assert loaded.get_vocab() == TOKENIZER.get_vocab()
    assert (loaded.pad_token_id, loaded.bos_token_id, loaded.eos_token_id) == (0, 1, 2)


def test_a_megabyte_of_brackets_is_encoded_whole() -> None:
    assert len(TOKENIZER.encode("[" * 1_000_000)) == 1_000_000
