"""What a GGUF file's header says of the model in it, as the figures that its memory is reckoned from."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from promptops.errors import UsageError
from promptops.tokens.header import Header, read

_SHARD = re.compile(r"-(\d{5})-of-(\d{5})\.gguf$")
_LAYERS = 512
_WINDOWS = {
    "afmoe": 4, "cohere2": 4, "cohere2moe": 4, "exaone-moe": 4, "exaone4": 4, "gemma-embedding": 6, "gemma2": 2,
    "gemma3": 6, "gemma3n": 5, "gpt-oss": 2, "laguna": 4, "llama4": 4, "mellum": 4, "modern-bert": 3, "olmo2": 4,
    "plamo3": 8, "smallthinker": 4,
}  # fmt: skip
"""Architectures with sliding windows, and at which interval a layer sees everything where the header does not say."""


@dataclass(frozen=True, slots=True)
class Weight:
    """One tensor: its name, sides (the row first), type and bytes."""

    name: str
    shape: tuple[int, ...]
    kind: str
    size: int


@dataclass(frozen=True, slots=True)
class Layer:
    """What one layer keeps per token: numbers of its keys and values, and those of one head of each.

    It sees ``window`` tokens back (0: all).
    """

    keys: int
    values: int
    window: int = 0
    key_head: int = 0
    value_head: int = 0


@dataclass(frozen=True, slots=True)
class Model:
    """A model's measures. ``context`` is the trained length in tokens (0: not said), ``heads`` and ``feed_forward`` the
    most of any layer (with experts: of all that are used at once), ``state`` what recurrent layers keep per sequence,
    in bytes whatever its length, ``layers`` what attention keeps, and ``causal`` is false for encoders, which keep
    nothing.
    """

    path: Path
    name: str
    architecture: str
    context: int
    blocks: int
    width: int
    heads: int
    feed_forward: int
    vocabulary: int
    chat_template: bool
    causal: bool
    state: int
    layers: tuple[Layer, ...]
    weights: tuple[Weight, ...]
    file: int

    @property
    def size(self) -> int:
        """Bytes of all weights."""
        return sum(weight.size for weight in self.weights)

    @property
    def parameters(self) -> int:
        """How many numbers the weights are."""
        return sum(math.prod(weight.shape) for weight in self.weights)


def model(path: str | Path) -> Model:
    """Read the header of a model file, and of its other parts where it comes in several.

    Raises ``NotFoundError`` where there is no file, ``UsageError`` where it is no whole GGUF file or the extra
    ``local`` is missing.
    """
    first = Path(path)
    header = read(first)
    parts = [header, *(read(part) for part in _others(first, header))]
    weights = [weight for part in parts for weight in _weights(first, part)]
    try:
        return _model(first, header, tuple(weights), sum(part.size for part in parts))
    except (TypeError, ValueError, OverflowError) as error:
        raise UsageError(f"{first} has a header that makes no sense: {error}") from None


def _model(path: Path, header: Header, weights: tuple[Weight, ...], size: int) -> Model:
    keys = _Keys(header.values)
    if (blocks := keys.number("block_count")) > _LAYERS:
        raise ValueError(f"it claims {blocks:,} layers, and llama.cpp knows {_LAYERS} at most")
    return Model(
        path=path,
        name=str(header.values.get("general.name", "")),
        architecture=keys.architecture,
        context=keys.number("context_length"),
        blocks=blocks,
        width=keys.number("embedding_length"),
        heads=max(keys.each("attention.head_count", blocks), default=0),
        feed_forward=_feed_forward(keys, blocks),
        vocabulary=len(header.values.get("tokenizer.ggml.tokens") or ()) or keys.number("vocab_size"),
        chat_template="tokenizer.chat_template" in header.values,
        causal=keys.get("attention.causal", default=True) is not False,
        state=_state(keys, blocks),
        layers=tuple(_layers(keys, blocks)),
        weights=weights,
        file=size,
    )


class _Keys:
    """The values under the architecture's own name."""

    def __init__(self, values: dict[str, Any]) -> None:
        self._values = values
        self.architecture = str(values.get("general.architecture", ""))

    def get(self, name: str, *, default: Any = None) -> Any:
        return self._values.get(f"{self.architecture}.{name}", default)

    def number(self, name: str, default: int = 0) -> int:
        found = self.get(name, default=default)
        if isinstance(found, list):
            found = max(found, default=default)
        if not isinstance(found, int) or not 0 <= found < 1 << 32:
            raise ValueError(f"{self.architecture}.{name} is {str(found)[:80]}")
        return found

    def each(self, name: str, blocks: int, default: int = 0) -> list[int]:
        """A figure of every layer: one for all, or a list of them."""
        found = self.get(name, default=default)
        each = [int(value) for value in found] if isinstance(found, list) else [int(found)] * blocks
        if len(each) > _LAYERS or not all(0 <= value < 1 << 32 for value in each):
            raise ValueError(f"{self.architecture}.{name} is {str(found)[:80]}")
        return each


def _layers(keys: _Keys, blocks: int) -> list[Layer]:
    if keys.get("attention.causal", default=True) is False:
        return []
    heads = keys.each("attention.head_count", blocks)
    shared = keys.each("attention.head_count_kv", blocks) if keys.get("attention.head_count_kv") is not None else heads
    head = keys.number("embedding_length") // max(heads, default=1) if any(heads) else 0
    key = keys.number("attention.key_length", head)
    value = (
        0 if keys.number("attention.kv_lora_rank") and max(shared) == 1 else keys.number("attention.value_length", head)
    )
    windows = _windows(keys, len(shared))
    every = keys.number("full_attention_interval")
    reused = keys.number("attention.shared_kv_layers")
    return [
        Layer(number * key, number * value, window, key, value)
        for rank, (number, window) in enumerate(zip(shared, windows, strict=True))
        if number and not (every and (rank + 1) % every) and rank < len(shared) - reused
    ]


def _windows(keys: _Keys, blocks: int) -> list[int]:
    """The window of every layer, 0 where it sees all; a window at every ``n``-th layer but the last of each ``n``."""
    window = keys.number("attention.sliding_window")
    pattern = keys.get("attention.sliding_window_pattern", default=_WINDOWS.get(keys.architecture, 0))
    if isinstance(pattern, list):
        return [window if slides else 0 for slides in [*pattern, *[False] * blocks][:blocks]]
    return [window if pattern and (rank + 1) % int(pattern) else 0 for rank in range(blocks)]


def _state(keys: _Keys, blocks: int) -> int:
    """Bytes that recurrent layers (Mamba and its like) keep per sequence, in single precision."""
    inner, state = keys.number("ssm.inner_size"), keys.number("ssm.state_size")
    shift = max(0, keys.number("ssm.conv_kernel") - 1) * (inner + 2 * keys.number("ssm.group_count") * state)
    attending = len(_layers(keys, blocks)) if keys.get("attention.head_count_kv") is not None else 0
    return max(0, blocks - attending) * 4 * (shift + state * inner) if inner else 0


def _feed_forward(keys: _Keys, blocks: int) -> int:
    dense = max(keys.each("feed_forward_length", blocks), default=0)
    expert = keys.number("expert_feed_forward_length", dense) * keys.number("expert_used_count")
    return max(dense, expert)


def _weights(path: Path, header: Header) -> list[Weight]:
    try:
        from gguf import GGML_QUANT_SIZES, GGMLQuantizationType
    except ImportError:
        raise UsageError("reading GGUF files needs an extra: pip install 'promptops[local]'") from None
    found, end = [], 0
    for tensor in header.tensors:
        try:
            kind = GGMLQuantizationType(tensor.kind)
        except ValueError:
            raise UsageError(
                f"{path} has tensors of the unknown type {tensor.kind}; a newer gguf may know it"
            ) from None
        numbers, size = GGML_QUANT_SIZES[kind]
        found.append(Weight(tensor.name, tensor.shape, kind.name, math.prod(tensor.shape) // numbers * size))
        end = max(end, header.data + tensor.offset + found[-1].size)
    if end > header.size:
        raise UsageError(f"{path} is cut: {header.size:,} of {end:,} bytes are there; is the download complete?")
    return found


def _others(first: Path, header: Header) -> list[Path]:
    """The other parts of a model that comes in several files; llama.cpp too finds them by their names."""
    count = int(header.values.get("split.count") or 1)
    if count <= 1:
        return []
    named = _SHARD.search(first.name)
    if not named or int(named[2]) != count or int(named[1]) != 1:
        raise UsageError(f"{first} is one of {count} parts; name the first, …-00001-of-{count:05}.gguf")
    start = first.name[: named.start()]
    return [first.with_name(f"{start}-{part:05}-of-{count:05}.gguf") for part in range(2, count + 1)]
