"""The vocabulary inside a GGUF model file, read from its header; the weights are never touched."""

from __future__ import annotations

import json
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

from promptops.errors import NotFoundError, TokenizerError, UsageError
from promptops.tokens.header import read
from promptops.tokens.splits import SPLITS, Split
from promptops.tokens.vocabulary import Listed, Vocabulary

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_OTHERWISE = "pass its tokenizer.json as --tokenizer, or a name such as gemma3"
_CONTROL, _ADDED = (2, 3), 4
"""Types of tokens that stand for no text (unknown, control), and of those that are found in a text before it is split
into words."""
_NO_SPLIT = "default"
"""What llama.cpp goes by where a file does not name its split."""


def from_gguf(path: Path) -> Vocabulary:
    """The vocabulary of a GGUF file; ``TokenizerError`` where there is none that promptops can run."""
    values = _read(path)
    kind = values.get("tokenizer.ggml.model")
    tokens = values.get("tokenizer.ggml.tokens")
    if not isinstance(tokens, list) or not tokens:
        raise TokenizerError(f"{path} holds no vocabulary; pass --tokenizer with a name or a tokenizer.json")
    if kind == "gpt2":
        return _byte_pairs(path, tokens, values)
    if kind == "llama":
        return _pieces(path, tokens, values)
    raise TokenizerError(f"{path} has a vocabulary of the kind {kind!r}; {_OTHERWISE}")


def _byte_pairs(path: Path, tokens: list[str], values: dict[str, Any]) -> Vocabulary:
    import splintr

    pre = values.get("tokenizer.ggml.pre", _NO_SPLIT)
    split = SPLITS.get(pre)
    if split is None:
        raise TokenizerError(f"{path} splits words in a way called {pre!r}; {_OTHERWISE}")
    added = {token: rank for rank, token, kind in _typed(tokens, values) if kind == _ADDED and token}
    try:
        engine = splintr.from_json_bytes(json.dumps(_document(tokens, values, split, added)).encode())
    except ValueError as error:
        raise TokenizerError(f"the vocabulary in {path} cannot be run: {_line(error)}") from None
    return Vocabulary(
        str(path), engine, len(tokens),
        additive=split.additive and not any(map(_has_space, added)), line_split=split.line_split,
    )  # fmt: skip


def _document(tokens: list[str], values: dict[str, Any], split: Split, added: dict[str, int]) -> dict[str, object]:
    """The vocabulary as a Hugging Face ``tokenizer.json`` would hold it, without the tokens that no text is read as."""
    letters = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}
    words = [
        {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False}
        for pattern in split.patterns
    ]
    return {
        "version": "1.0",
        "added_tokens": [
            {
                "id": rank, "content": token, "special": True,
                "single_word": False, "lstrip": False, "rstrip": False, "normalized": False,
            }
            for token, rank in added.items()
        ],
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [*words, letters]},
        "decoder": letters,
        "model": {
            "type": "BPE",
            "ignore_merges": split.whole,
            "vocab": {token: rank for rank, token, kind in _typed(tokens, values) if kind not in _CONTROL},
            "merges": values.get("tokenizer.ggml.merges", []),
        },
    }  # fmt: skip


def _typed(tokens: list[str], values: dict[str, Any]) -> Iterator[tuple[int, str, int]]:
    """Each token with its id and its type; those beyond the list of types are plain."""
    for rank, (token, kind) in enumerate(zip_longest(tokens, values.get("tokenizer.ggml.token_type") or [])):
        if token is not None:
            yield rank, token, kind


def _has_space(token: str) -> bool:
    return any(map(str.isspace, token))


def _pieces(path: Path, tokens: list[str], values: dict[str, Any]) -> Vocabulary:
    import splintr

    if values.get("tokenizer.ggml.add_space_prefix") is False:
        raise TokenizerError(f"{path} adds no space before a text, which promptops cannot do; {_OTHERWISE}")
    scores = values.get("tokenizer.ggml.scores")
    if not isinstance(scores, list) or len(scores) != len(tokens):
        raise TokenizerError(f"{path} has {len(tokens)} tokens without a score for each; {_OTHERWISE}")
    try:
        engine = splintr.SpmTokenizer(tokens, scores)
    except ValueError as error:
        raise TokenizerError(f"the vocabulary in {path} cannot be run: {_line(error)}") from None
    return Vocabulary(str(path), Listed(engine), len(tokens))


def _read(path: Path) -> dict[str, Any]:
    """The header's keys."""
    try:
        return read(path).values
    except NotFoundError:
        raise TokenizerError(f"cannot read the tokenizer {path}: it is not there") from None
    except UsageError as error:
        raise TokenizerError(str(error)) from None


def _line(error: Exception) -> str:
    return " ".join(str(error).split())
