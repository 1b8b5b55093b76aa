"""What a GGUF file is and what memory it takes, from its header: the weights are never read."""

from __future__ import annotations

import math
from collections import Counter as Tally
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from promptops.errors import NotFoundError, UsageError

if TYPE_CHECKING:
    from gguf import GGUFReader

_MAGIC = b"GGUF"
_KV_BYTES = 2
"""Keys and values are kept in half precision."""


@dataclass(frozen=True, slots=True)
class Inspected:
    """A model file's measures; sizes in bytes, ``context`` in tokens.

    ``kv_cache`` is for ``parallel`` sequences of ``planned_context`` tokens each. What computing needs on top depends
    on the engine's batch and is not part of the header.
    """

    path: str
    name: str
    architecture: str
    parameters: int
    quantization: dict[str, int]
    context: int
    planned_context: int
    parallel: int
    layers: int
    vocabulary: int
    chat_template: bool
    weights: int
    kv_cache: int

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)

    def lines(self) -> Iterator[tuple[str, str]]:
        """For people."""
        kinds = ", ".join(f"{kind} × {number}" for kind, number in self.quantization.items())
        yield "model", self.name or Path(self.path).name
        yield "architecture", f"{self.architecture}, {self.layers} layers, {self.vocabulary:,} tokens in its vocabulary"
        yield "parameters", f"{self.parameters:,}"
        yield "tensors", kinds
        yield "context", f"{self.context:,} tokens" if self.context else "not said"
        yield "chat template", "yes" if self.chat_template else "no"
        yield "weights", _size(self.weights)
        yield "KV cache", f"{_size(self.kv_cache)} for {self.parallel} × {self.planned_context:,} tokens in f16"
        yield "together", f"{_size(self.weights + self.kv_cache)}, and what computing needs on top"


def inspect(path: str, *, context: int | None = None, parallel: int = 1) -> Inspected:
    """Read the header of ``path``; ``context`` is tokens per sequence (default: the model's own).

    Raises ``NotFoundError`` where there is no file, ``UsageError`` where it is no GGUF file or the extra is missing.
    """
    if parallel < 1 or (context is not None and context < 1):
        raise UsageError("--context and --parallel must be at least 1")
    reader = _reader(path)
    architecture = str(_field(reader, "general.architecture", ""))
    trained = int(_field(reader, f"{architecture}.context_length", 0))
    planned = context or trained
    return Inspected(
        path=path,
        name=str(_field(reader, "general.name", "")),
        architecture=architecture,
        parameters=sum(math.prod(int(side) for side in tensor.shape) for tensor in reader.tensors),
        quantization=dict(Tally(tensor.tensor_type.name for tensor in reader.tensors).most_common()),
        context=trained,
        planned_context=planned,
        parallel=parallel,
        layers=int(_field(reader, f"{architecture}.block_count", 0)),
        vocabulary=len(_field(reader, "tokenizer.ggml.tokens", ())),
        chat_template=reader.get_field("tokenizer.chat_template") is not None,
        weights=sum(int(tensor.n_bytes) for tensor in reader.tensors),
        kv_cache=_kv_cache(reader, architecture) * planned * parallel,
    )


def _kv_cache(reader: GGUFReader, architecture: str) -> int:
    """Bytes of keys and values per token, all layers together."""
    heads = _field(reader, f"{architecture}.attention.head_count", 0)
    width = int(_field(reader, f"{architecture}.embedding_length", 0))
    shared = _field(reader, f"{architecture}.attention.head_count_kv", heads)
    layers = int(_field(reader, f"{architecture}.block_count", 0))
    per_layer = [int(number) for number in shared] if isinstance(shared, list) else [int(shared)] * layers
    most = max(heads, default=0) if isinstance(heads, list) else int(heads)
    head = width // most if most else 0
    key = int(_field(reader, f"{architecture}.attention.key_length", head))
    value = int(_field(reader, f"{architecture}.attention.value_length", head))
    return sum(per_layer) * (key + value) * _KV_BYTES


def _reader(path: str) -> GGUFReader:
    file = Path(path)
    if not file.is_file():
        raise NotFoundError(f"model file {path!r} is not there")
    try:
        with file.open("rb") as stream:
            head = stream.read(4)
    except OSError as failure:
        raise UsageError(f"{path}: cannot be read: {failure.strerror}") from None
    if head != _MAGIC:
        raise UsageError(f"{path}: not a GGUF file (it begins with {head!r}); a git-lfs pointer or a web page, perhaps")
    try:
        from gguf import GGUFReader
    except ImportError:
        raise UsageError("reading GGUF files needs an extra: pip install 'promptops[local]'") from None
    try:
        return GGUFReader(file)
    except Exception as failure:  # noqa: BLE001 - a broken file makes the reader raise anything
        raise UsageError(f"{path}: its header cannot be read ({failure}); is the file complete?") from None


def _field(reader: GGUFReader, name: str, default: Any) -> Any:
    field = reader.get_field(name)
    return default if field is None else field.contents()


def _size(number: int) -> str:
    return f"{number / 2**30:,.2f} GiB" if number >= 2**30 else f"{number / 2**20:,.1f} MiB"
