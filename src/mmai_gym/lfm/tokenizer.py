"""The tokenizer of an LFM trained from scratch: one token per atom, exact for every text.

A chemist reads `[C@@H]` as one atom and `Cl` as one letter; a byte-pair vocabulary learned on prose cuts them
anywhere, and merges digits that mean two different ring bonds. So nothing is learned here. The vocabulary is
a literal, laid out so that no id ever moves: control tokens, grid steps, byte fallback, atoms, single ASCII
characters, and last the names that a recipe adds. A bracket atom outside the list, or a name the recipe did
not add, is spelled by its characters; a character outside ASCII by its UTF-8 bytes. Hence
`decode(encode(text)) == text` holds for any text, and no token stands for "unknown".

The result is an ordinary `tokenizer.json`. A piece of text between two recognised tokens is handed to a BPE
without merges, which looks up its characters one by one.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from mmai_gym.contracts import UsageError
from mmai_gym.extras import require
from mmai_gym.tasks.rendering import BIN_TOKENS, CONTROL_TOKENS

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

BYTE_TOKENS: tuple[str, ...] = tuple(f"<0x{byte:02X}>" for byte in range(256))

# Chosen by frequency in NCI, USPTO-50k, TDC ADMET and ChEMBL molecules. Frozen: a change to one of these three
# lists moves ids and makes every checkpoint unreadable. New tokens come in as words.
ATOM_TOKENS: tuple[str, ...] = tuple(
    """
    B C N O P S F Cl Br I b c n o p s
    [nH] [n+] [nH+] [n-] [o+] [s+] [c-] [cH-] [se] [te]
    [C@H] [C@@H] [C@] [C@@] [CH-] [C-] [C+] [CH2-] [CH3-] [CH+] [C] [CH] [CH2]
    [N+] [N-] [NH+] [NH2+] [NH3+] [NH4+] [NH-] [NH2-] [N@+] [N@@+] [N@H+] [N@@H+] [N] [NH]
    [O-] [O+] [OH+] [OH-] [OH2+] [O] [OH] [O-2]
    [S+] [S-] [S@] [S@@] [S@+] [S@@+] [SH+] [S-2]
    [P+] [P-] [P@] [P@@] [PH] [PH+] [PH2]
    [B-] [BH-] [BH3-] [BH2-] [BH4-] [BH] [BH2]
    [F-] [Cl-] [Br-] [I-] [I+] [Cl+3]
    [Si] [SiH] [SiH2] [SiH3] [Si-] [Se] [SeH] [Te] [As] [As+] [Ge] [Sn] [SnH] [Sb] [Bi] [Pb] [Hg] [Hg+]
    [H] [H+] [H-] [2H] [3H] [11C] [11CH3] [13C] [13CH] [13CH2] [13CH3] [14C] [18F] [125I]
    [Li] [Li+] [Na] [Na+] [K] [K+] [Cs+] [Mg] [Mg+] [Mg+2] [Ca+2] [Ba+2] [Al] [Al+3] [Ag+] [Ti]
    [Zn] [Zn+] [Zn+2] [Cd] [Cd+2] [Cu] [Cu+] [Cu+2] [Co] [Co+2] [Co+3] [Ni] [Ni+2] [Fe] [Fe+2] [Fe+3]
    [Cr] [Cr+3] [Mn] [Mn+2] [Mo] [V] [W] [Pd] [Pd+2] [Pt] [Pt+2] [Ru] [Rh]
    [*] [1*] [2*] [3*] [*:1] [*:2] [*:3]
    """.split()  # noqa: SIM905 (a table, not a list)
)
BOND_TOKENS: tuple[str, ...] = tuple("- = # $ : ~ / \\ ( ) . > * % @ + [ ] 0 1 2 3 4 5 6 7 8 9".split())  # noqa: SIM905
CHARACTER_TOKENS: tuple[str, ...] = tuple(
    character
    for character in map(chr, range(0x20, 0x7F))
    if character not in ATOM_TOKENS and character not in BOND_TOKENS
)
FIXED_TOKENS: tuple[str, ...] = (
    *CONTROL_TOKENS, *BIN_TOKENS, *BYTE_TOKENS, *ATOM_TOKENS, *BOND_TOKENS, *CHARACTER_TOKENS,
)  # fmt: skip
"""Every token whose id is frozen; its index is its id."""

FIRST_BIN_ID = len(CONTROL_TOKENS)

_NAME = r"<\|[^<>|\s]{1,64}\|>"


def build_tokenizer(words: Sequence[str] = ()) -> PreTrainedTokenizerFast:
    """The gym's tokenizer, with `words` appended behind the frozen vocabulary.

    Args:
        words: names written `<|name|>` (no space, no `<`, `>` or `|` inside; at most 64 characters), in the
        order of
            their ids: word `i` gets id `len(FIXED_TOKENS) + i`. A recipe that adds words later appends them.

    Returns:
        A tokenizer that adds nothing of its own (no BOS, no EOS, no stripped spaces) and pads on the right;
        `pad`, `bos` and `eos` are ids 0, 1 and 2.

    Raises:
        UsageError: a word is not written `<|name|>`, is repeated, or is in the vocabulary already.
        MissingExtra: tokenizers or transformers are not installed.
    """
    require("tokenizers", "transformers")
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    _check_words(words)
    vocabulary = {token: i for i, token in enumerate((*FIXED_TOKENS, *words))}
    core = Tokenizer(models.BPE(vocabulary, merges=[], byte_fallback=True, ignore_merges=True))
    core.pre_tokenizer = pre_tokenizers.Split(Regex(_pieces()), "isolated")
    core.decoder = decoders.Sequence([decoders.ByteFallback(), decoders.Fuse()])
    return PreTrainedTokenizerFast(
        tokenizer_object=core,
        pad_token="<|pad|>",
        bos_token="<|bos|>",
        eos_token="<|eos|>",
        padding_side="right",
        clean_up_tokenization_spaces=False,
        model_input_names=["input_ids", "attention_mask"],
    )


def lengthened(tokenizer: PreTrainedTokenizerFast, words: Sequence[str]) -> PreTrainedTokenizerFast:
    """The gym's tokenizer with more words behind those that it has, whose ids stay. Raises as `build_tokenizer`."""
    vocabulary = tokenizer.get_vocab()
    known = sorted(vocabulary, key=vocabulary.__getitem__)[len(FIXED_TOKENS) :]
    return build_tokenizer([*known, *words])


def _check_words(words: Sequence[str]) -> None:
    seen = set(FIXED_TOKENS)
    for word in words:
        if not re.fullmatch(_NAME, word):
            raise UsageError(
                f"vocabulary word {word!r} is not a name; write it like <|name|>, without spaces, at most 64 long"
            )
        if word in seen:
            raise UsageError(f"vocabulary word {word!r} is there already; give each name once")
        seen.add(word)


def _pieces() -> str:
    """The pattern (Oniguruma) of everything that may be one token of several characters.

    It may match more than the vocabulary holds: what is not a token is spelled by characters anyway. The lone
    `<` at the end keeps a text like `<0x41>` from reaching the vocabulary in one piece, where it would become
    a byte.
    """
    tags = [re.escape(token) for token in CONTROL_TOKENS if not re.fullmatch(_NAME, token)]
    return "|".join([_NAME, *tags, r"\[[^\[\]\s]{1,12}\]", "Cl", "Br", "<"])
