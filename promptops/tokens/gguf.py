"""The vocabulary inside a GGUF model file, read from its header; the weights are never touched.

The header is a list of keys with typed values (the GGUF specification, version 2 and 3, in the ggml repository).
"""

from __future__ import annotations

import json
import mmap
import struct
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

from promptops.errors import TokenizerError
from promptops.tokens.splits import SPLITS, Split
from promptops.tokens.vocabulary import Listed, Vocabulary

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_MAGIC = b"GGUF"
_VERSIONS = (2, 3)
_NUMBERS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_STRING, _ARRAY = 8, 9
_LIMIT = 1 << 24
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
    """The header's keys that describe the vocabulary."""
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return _Header(data).values()
    except OSError as error:
        raise TokenizerError(f"cannot read the tokenizer {path}: {error.strerror or error}") from None
    except (ValueError, struct.error, IndexError, UnicodeDecodeError) as error:
        raise TokenizerError(f"{path} is not a GGUF file: {_line(error)}") from None


def _line(error: Exception) -> str:
    return " ".join(str(error).split())


class _Header:
    """Reads values one after another."""

    def __init__(self, data: mmap.mmap) -> None:
        self._data = data
        self._at = 0

    def values(self) -> dict[str, Any]:
        """All values under ``tokenizer.``."""
        if self._data[:4] != _MAGIC:
            raise ValueError("it does not begin with GGUF")
        self._at = 4
        version = self._number("I")
        if version not in _VERSIONS:
            raise ValueError(f"its version {version} is not 2 or 3")
        self._number("Q")
        found = {}
        for _ in range(self._size()):
            key = self._string()
            value = self._value(self._number("I"))
            if key.startswith("tokenizer."):
                found[key] = value
        return found

    def _value(self, kind: int) -> Any:
        if kind == _STRING:
            return self._string()
        if kind == _ARRAY:
            inner, count = self._number("I"), self._size()
            if inner in _NUMBERS:
                return self._numbers(_NUMBERS[inner], count)
            return [self._value(inner) for _ in range(count)]
        if kind not in _NUMBERS:
            raise ValueError(f"a value has the unknown type {kind}")
        return self._number(_NUMBERS[kind])

    def _number(self, code: str) -> Any:
        return self._numbers(code, 1)[0]

    def _numbers(self, code: str, count: int) -> list[Any]:
        layout = struct.Struct(f"<{count}{code}")
        found = layout.unpack_from(self._data, self._at)
        self._at += layout.size
        return list(found)

    def _size(self) -> int:
        size = int(self._number("Q"))
        if size > _LIMIT:
            raise ValueError(f"it claims {size} values")
        return size

    def _string(self) -> str:
        size = int(self._number("Q"))
        start, self._at = self._at, self._at + size
        if self._at > len(self._data):
            raise ValueError("it ends inside its header")
        return self._data[start : self._at].decode("utf-8", "replace")
