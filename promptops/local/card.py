"""A model file as a chat or embedding model: its window, template and special tokens, and what tells it apart."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from promptops.errors import UsageError
from promptops.local.model import model
from promptops.tokens.header import Header, read

_UNKNOWN, _CONTROL, _DEFINED = 2, 3, 4
"""Types of tokens that are no text: ggml's numbers for them."""
_ENDS = ("bos", "eos", "eot", "eom")
_SAMPLES, _SAMPLE = 64, 4096
"""So many stretches of so many bytes of the weights tell a model from another with the same header."""


@dataclass(frozen=True, slots=True)
class Markers:
    """Special tokens by their spelling; ``defined`` are those that llama.cpp finds in any text, told to or not."""

    ids: Mapping[str, int]
    defined: frozenset[str]
    begin: str = ""
    end: str = ""


@dataclass(frozen=True, slots=True)
class Card:
    """What a GGUF file's header says of how to talk to the model in it.

    ``context`` is the tokens it was trained on, 0 where that is not said.
    """

    path: Path
    context: int
    template: str | None
    markers: Markers
    embeds: bool
    """It gives vectors, and no text."""
    begins: bool
    """A prompt of its begins with a token for that, which its template may leave out."""
    wrap: tuple[int | None, int | None]
    """The tokens that a text to be embedded begins and ends with, where it does."""
    digest: str


def card(path: str | Path) -> Card:
    """The model in the file ``path``, by its header and a sample of its weights.

    Raises ``NotFoundError`` or ``UsageError`` in one line for what is no model.
    """
    found = Path(path).expanduser().absolute()  # a link keeps its name, by which further parts are found
    try:
        stat = found.stat()
    except OSError:
        stat = None
    return _card(found, (stat.st_size, stat.st_mtime_ns) if stat else None)


@lru_cache(maxsize=8)
def _card(path: Path, _state: tuple[int, int] | None) -> Card:
    found, header = model(path), read(path)
    values = header.values
    if not found.weights:
        raise UsageError(f"{path} holds a vocabulary and no weights; it can count, and answer nothing")
    template = values.get("tokenizer.chat_template")
    text = template if isinstance(template, str) and template.strip() else None
    return Card(
        path=path,
        context=found.context,
        template=text,
        markers=_markers(values, text or ""),
        embeds=not found.causal or bool(_number(values, f"{found.architecture}.pooling_type")),
        begins=bool(values.get("tokenizer.ggml.add_bos_token", values.get("tokenizer.ggml.model") == "llama")),
        wrap=_wrap(values),
        digest=_digest(path, header, found.file),
    )


def _wrap(values: Mapping[str, Any]) -> tuple[int | None, int | None]:
    """By what llama.cpp takes for granted of each kind of vocabulary, unless the header says otherwise."""
    kind = values.get("tokenizer.ggml.model")
    both = kind in {"bert", "t5"}
    begins = values.get("tokenizer.ggml.add_bos_token", both or kind == "llama")
    ends = values.get("tokenizer.ggml.add_eos_token", both)
    begin = _number(values, "tokenizer.ggml.cls_token_id", _number(values, "tokenizer.ggml.bos_token_id", -1))
    end = _number(values, "tokenizer.ggml.seperator_token_id", _number(values, "tokenizer.ggml.eos_token_id", -1))
    return begin if begins and begin >= 0 else None, end if ends and end >= 0 else None


def _markers(values: Mapping[str, Any], template: str) -> Markers:
    """Control tokens, those that a chat begins and ends with, and those of a user's that the template writes."""
    tokens = values.get("tokenizer.ggml.tokens")
    tokens = tokens if isinstance(tokens, list) else []
    kinds = values.get("tokenizer.ggml.token_type")
    kinds = kinds if isinstance(kinds, list) else []
    ids = {text: number for number, (text, kind) in enumerate(zip(tokens, kinds, strict=False)) if kind == _CONTROL}
    for number, (text, kind) in enumerate(zip(tokens, kinds, strict=False)):
        if kind in {_UNKNOWN, _DEFINED} and text in template:
            ids[text] = number
    ends = [_number(values, f"tokenizer.ggml.{name}_token_id", -1) for name in _ENDS]
    spelt = [tokens[number] if 0 <= number < len(tokens) else "" for number in ends]
    ids |= {text: number for text, number in zip(spelt, ends, strict=True) if text}
    ids = {text: number for text, number in ids.items() if len(text) > 1}
    defined = frozenset(text for text, number in ids.items() if number < len(kinds) and kinds[number] == _DEFINED)
    return Markers(ids, defined, spelt[0], spelt[1])


def _number(values: Mapping[str, Any], key: str, default: int = 0) -> int:
    value = values.get(key, default)
    return value if isinstance(value, int) else default


def digest(path: str | Path) -> str:
    """What tells the content of a GGUF file (a model, an adapter) from any other's; raises as ``card`` does."""
    header = read(Path(path))
    return _digest(Path(path), header, header.size)


def _digest(path: Path, header: Header, size: int) -> str:
    """By content: the same file is the same model wherever it lies, and two fine-tunes with one header are two."""
    found = hashlib.sha256(size.to_bytes(8, "little"))
    with path.open("rb") as file:
        found.update(file.read(header.data))
        weights = max(header.size - header.data - _SAMPLE, 0)
        for number in range(_SAMPLES):
            file.seek(header.data + weights * number // (_SAMPLES - 1), os.SEEK_SET)
            found.update(file.read(_SAMPLE))
    return found.hexdigest()[:16]
