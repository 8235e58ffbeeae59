"""Prompts to what the model reads: UMT5, computed by transformers.

Shapes: L text tokens, D the width of their embeddings.
"""

from __future__ import annotations

import html
from collections import OrderedDict
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from helios_world.errors import CheckpointError, DependencyError, PromptError
from helios_world.official.borrowed import StoredModule
from helios_world.official.dependencies import INSTALL, borrow
from helios_world.official.settings import read_object

REMEMBERED = 64
"""Embedded prompts that are kept, on the device where they are used; 4 MB each with 512 tokens of 4096 in bfloat16."""
MODEL_TYPE = "umt5"
VOCABULARIES = ("tokenizer.json", "spiece.model")
"""The files that a tokenizer's vocabulary may be in."""

Place = Callable[[nn.Module], None]


class PromptEncoder:
    """Embeds prompts and remembers the last of them.

    Args:
        read: reads the encoder's weights; called whenever they are needed and not there.
        tokenizer: of transformers.
        text_dim: D.
        device: where the encoder computes and the embeddings stay.
        tokens: L.
        keep: False drops the weights after use.
    """

    def __init__(
        self,
        read: Callable[[], nn.Module],
        tokenizer: Any,
        text_dim: int,
        device: torch.device | str,
        *,
        tokens: int = 512,
        keep: bool = True,
    ) -> None:
        self.text_dim = text_dim
        self.tokens = tokens
        self.device = torch.device(device)
        self.keep = keep
        self._read = read
        self._tokenizer = tokenizer
        self._module = read() if keep else None
        self._known: OrderedDict[str, Tensor] = OrderedDict()

    @classmethod
    def load(
        cls,
        text_encoder_path: Path,
        tokenizer_path: Path,
        device: torch.device | str,
        dtype: torch.dtype,
        *,
        tokens: int = 512,
        keep: bool = True,
        place: Place | None = None,
    ) -> PromptEncoder:
        """Read the folders of a UMT5EncoderModel and of its tokenizer.

        Args:
            tokens: how many tokens every prompt is filled up to, and no prompt may exceed.
            keep: False drops the weights once a prompt is embedded, and reads them again for a new one. The files
                are checked at once either way.
            place: prepares the encoder for offloading each time it was read; it is then on the host. None reads
                the weights straight to `device`.

        Raises:
            CheckpointError: names the file and the key that is wrong or missing.
            DependencyError: transformers is missing.
        """
        config = _read_config(text_encoder_path / "config.json")
        build = borrow("transformers", "UMT5EncoderModel")
        stored = StoredModule.find(text_encoder_path, "model", lambda: build(config))
        tokenizer = _read_tokenizer(tokenizer_path)
        if len(tokenizer) > config.vocab_size:
            sizes = f"{len(tokenizer)} tokens, {str(text_encoder_path)!r} embeds {config.vocab_size}"
            raise CheckpointError(f"{str(tokenizer_path)!r} does not belong to the text encoder: it has {sizes}")

        def read() -> nn.Module:
            # Also in the middle of a step: weights made under inference_mode could not be exchanged by an offloader.
            with torch.inference_mode(False):
                module = stored.read(device if place is None else "cpu", dtype)
                if place is not None:
                    place(module)
            return module

        return cls(read, tokenizer, int(config.d_model), device, tokens=tokens, keep=keep)

    @property
    def module(self) -> nn.Module | None:
        """The encoder; None while its weights are dropped."""
        return self._module

    def __call__(self, text: str) -> Tensor:
        """The embedding of a prompt, [1, L, D], zero after its own tokens. It is shared: not to be changed.

        Raises:
            PromptError: the prompt has more than L tokens.
        """
        words = clean(text)
        if words not in self._known:
            self._embed([words])
        self._known.move_to_end(words)
        return self._known[words]

    def prepare(self, texts: Iterable[str]) -> None:
        """Embed several prompts, with the weights read once at most.

        Raises:
            PromptError: one of them has more than L tokens; then none was embedded.
        """
        unseen = [words for words in dict.fromkeys(map(clean, texts)) if words not in self._known]
        if unseen:
            self._embed(unseen)

    def count(self, text: str) -> int:
        """How many of the L tokens a prompt takes, the end mark included."""
        return len(self._ids(clean(text)))

    def release(self) -> None:
        """Drop the weights; the next prompt that is not remembered reads them again."""
        self._module = None

    @torch.no_grad()
    def _embed(self, texts: list[str]) -> None:
        rows = [self._fitting(text) for text in texts]
        self._module = self._module or self._read()
        try:
            for text, ids in zip(texts, rows, strict=True):
                self._known[text] = self._run(self._module, ids)
        finally:
            if not self.keep:
                self.release()
        while len(self._known) > REMEMBERED:
            self._known.popitem(last=False)

    def _run(self, module: nn.Module, ids: list[int]) -> Tensor:
        # Filled up although the rest is masked: the sums then round as they did when the model was trained.
        padded = torch.full((1, self.tokens), int(self._tokenizer.pad_token_id))
        padded[0, : len(ids)] = torch.tensor(ids)
        mask = (torch.arange(self.tokens) < len(ids)).long()[None]
        states: Tensor = module(padded.to(self.device), mask.to(self.device)).last_hidden_state
        states[:, len(ids) :] = 0
        return states

    def _fitting(self, text: str) -> list[int]:
        ids = self._ids(text)
        if len(ids) > self.tokens:
            start = text if len(text) <= 60 else text[:60] + "…"
            raise PromptError(f"the prompt has {len(ids)} tokens; allowed are {self.tokens}, shorten it: {start!r}")
        return ids

    def _ids(self, text: str) -> list[int]:
        ids: list[int] = self._tokenizer(text, truncation=False, verbose=False)["input_ids"]
        return ids


def clean(text: str) -> str:
    """Repair wrongly decoded characters and HTML entities, and make every run of white space one space.

    Raises:
        DependencyError: ftfy is missing.
    """
    repaired = borrow("ftfy", "fix_text")(text)
    return " ".join(html.unescape(html.unescape(repaired)).split())


def _read_config(path: Path) -> Any:
    data = read_object(path)
    if data.get("model_type") != MODEL_TYPE:
        raise CheckpointError(
            f"{str(path)!r}: model_type is {data.get('model_type')!r}; here it has to be {MODEL_TYPE}"
        )
    config = borrow("transformers", "UMT5Config")
    try:
        return config(**{name: value for name, value in data.items() if name != "model_type"})
    # What the class raises for a wrong value differs between its versions.
    except Exception as error:
        raise CheckpointError(f"{str(path)!r} is not valid: {error}") from error


def _read_tokenizer(path: Path) -> Any:
    tokenizer = borrow("transformers", "AutoTokenizer")
    # Without them transformers makes up a tokenizer that knows no word.
    if not any((path / name).is_file() for name in VOCABULARIES):
        raise CheckpointError(f"{str(path)!r} holds no tokenizer: it has neither {' nor '.join(VOCABULARIES)}")
    try:
        return tokenizer.from_pretrained(path, local_files_only=True)
    except ImportError as error:
        raise DependencyError(f"the tokenizer in {str(path)!r} cannot be read: {error}; {INSTALL}") from error
    # The readers of the many formats raise whatever occurs to them, bare Exception included.
    except Exception as error:
        hint = "" if (path / VOCABULARIES[0]).is_file() else f" (without {VOCABULARIES[0]} it takes sentencepiece)"
        raise CheckpointError(f"{str(path)!r} holds no tokenizer that can be read{hint}: {error}") from error
