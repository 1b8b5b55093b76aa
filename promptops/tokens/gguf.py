"""The vocabulary inside a GGUF model file, read from its header; the weights are never touched."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from promptops.errors import NotFoundError, TokenizerError, UsageError
from promptops.tokens.header import read
from promptops.tokens.vocabulary import Listed, Vocabulary

if TYPE_CHECKING:
    from pathlib import Path

_OTHERWISE = "pass its tokenizer.json as --tokenizer, or a name such as gemma3"
_CONTROL = (2, 3, 4)
"""Token types that are no text: unknown, control, added by a user."""

_SPLITS = {
    "GPT2_PATTERN": ("gpt-2", "phi-2", "mpt", "olmo", "jina-es", "jina-de", "jina-v2-es", "jina-v2-de", "roberta-bpe"),
    "LLAMA3_PATTERN": (
        "llama3", "llama-v3", "llama-bpe", "falcon3", "falcon-h1", "pixtral", "midm-2.0", "lfm2", "dbrx", "smaug-bpe",
        "glm4", "chatglm-bpe",
    ),
    "QWEN2_PATTERN": ("qwen2", "deepseek-r1-qwen", "stablelm2", "megrez"),
    "QWEN35_PATTERN": ("qwen35",),
    "O200K_BASE_PATTERN": ("gpt-4o", "llama4"),
    "MISTRAL_V3_PATTERN": ("tekken",),
    "KIMI_PATTERN": ("kimi-k2",),
}  # fmt: skip
"""Which of splintr's split patterns each of llama.cpp's ``tokenizer.ggml.pre`` names stands for."""


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

    pre = values.get("tokenizer.ggml.pre", "gpt-2")
    pattern = next((pattern for pattern, names in _SPLITS.items() if pre in names), None)
    if pattern is None:
        raise TokenizerError(f"{path} splits words in a way called {pre!r}; {_OTHERWISE}")
    split = {"type": "Split", "pattern": {"Regex": getattr(splintr, pattern)}, "behavior": "Isolated", "invert": False}
    letters = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}
    document = {
        "version": "1.0",
        "added_tokens": _added(tokens, values),
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [split, letters]},
        "decoder": letters,
        "model": {
            "type": "BPE",
            "vocab": {token: rank for rank, token in enumerate(tokens)},
            "merges": values.get("tokenizer.ggml.merges", []),
        },
    }
    try:
        engine = splintr.from_json_bytes(json.dumps(document).encode())
    except ValueError as error:
        raise TokenizerError(f"the vocabulary in {path} cannot be run: {_line(error)}") from None
    return Vocabulary(
        str(path), engine, len(tokens), engine.special_tokens(), additive=True, line_split=pattern != "GPT2_PATTERN"
    )


def _added(tokens: list[str], values: dict[str, Any]) -> list[dict[str, object]]:
    kinds = values.get("tokenizer.ggml.token_type") or [1] * len(tokens)
    return [
        {
            "id": rank, "content": token, "special": True,
            "single_word": False, "lstrip": False, "rstrip": False, "normalized": False,
        }
        for rank, (token, kind) in enumerate(zip(tokens, kinds, strict=False))
        if kind in _CONTROL
    ]  # fmt: skip


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
