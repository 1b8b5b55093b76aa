"""Vocabularies that come as files: Hugging Face ``tokenizer.json`` and the vocabulary inside a GGUF model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from promptops.errors import TokenizerError
from promptops.tokens.vocabulary import Vocabulary

if TYPE_CHECKING:
    from pathlib import Path


def from_file(path: Path) -> Vocabulary:
    """The vocabulary in a file; ``TokenizerError`` where it cannot be read."""
    if path.suffix.lower() == ".gguf":
        from promptops.tokens.gguf import from_gguf

        return from_gguf(path)
    return _from_json(path)


def _from_json(path: Path) -> Vocabulary:
    import splintr

    try:
        engine = splintr.from_json_bytes(path.read_bytes())
    except OSError as error:
        raise TokenizerError(f"cannot read the tokenizer {path}: {error.strerror}") from None
    except ValueError as error:
        reason = " ".join(str(error).split())
        raise TokenizerError(f"{path} is not a Hugging Face tokenizer.json: {reason}") from None
    return Vocabulary(str(path), engine, engine.vocab_size, engine.special_tokens())
