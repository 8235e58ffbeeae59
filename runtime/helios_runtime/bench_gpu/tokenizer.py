"""A tokenizer for random weights: every character is a token, so that nothing has to be downloaded."""

from __future__ import annotations

from typing import Any

from helios_world.official.dependencies import borrow

CHARACTERS = "".join(map(chr, range(0x20, 0x7F)))
SPECIAL = ("<pad>", "</s>", "<unk>")
"""With the numbers that UMT5 gives them: 0, 1 and 2."""


def make_tokenizer() -> Any:
    """A fast tokenizer of transformers that ends every text with </s>.

    Raises:
        DependencyError: tokenizers or transformers is missing.
    """
    numbers = {piece: number for number, piece in enumerate((*SPECIAL, *CHARACTERS))}
    models, splits = borrow("tokenizers", "models"), borrow("tokenizers", "pre_tokenizers")
    raw = borrow("tokenizers", "Tokenizer")(models.WordLevel(numbers, unk_token=SPECIAL[2]))
    raw.pre_tokenizer = splits.Split(borrow("tokenizers", "Regex")("[\\s\\S]"), "isolated")
    end = (SPECIAL[1], numbers[SPECIAL[1]])
    template = borrow("tokenizers", "processors").TemplateProcessing
    raw.post_processor = template(single="$A </s>", pair="$A </s> $B </s>", special_tokens=[end])
    build = borrow("transformers", "PreTrainedTokenizerFast")
    return build(tokenizer_object=raw, pad_token=SPECIAL[0], eos_token=SPECIAL[1], unk_token=SPECIAL[2])
