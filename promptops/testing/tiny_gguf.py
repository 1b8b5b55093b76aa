"""Model files with random weights: small enough to be written in a test, real enough for the real library.

    path = tiny_gguf("tiny.gguf")                       # chat, ChatML template, 4,096 tokens of context
    path = tiny_gguf("sure.gguf", kind="separated")     # greedy replies decided by wide margins
    path = tiny_gguf("bench.gguf", shape=SMALL, weights="Q4_0")

Needs the extra ``local`` (the ``gguf`` package), and nothing of llama.cpp.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from promptops.errors import UsageError
from promptops.testing.tiny_vocabulary import BEGIN, END, STOP, Tokens, tokens

if TYPE_CHECKING:
    import gguf
    import numpy as np

Kind = Literal["chat", "separated", "embedding", "vocabulary"]
Weights = Literal["F32", "F16", "Q8_0", "Q4_0"]

CHATML = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
BROKEN_TEMPLATE = "{% for message in messages %}{{ message.content }"
"""A chat template that no engine can parse."""

_BLOCK = 32
_EPSILON = 1e-5


@dataclass(frozen=True, slots=True)
class Shape:
    """A model's measures; ``shared`` is its key-value heads, ``vocabulary`` 0 as many tokens as were learned.

    ``tied`` models read the output from the token embeddings.
    """

    width: int = 64
    layers: int = 2
    heads: int = 2
    shared: int = 1
    feed_forward: int = 128
    vocabulary: int = 0
    tied: bool = False

    @property
    def head(self) -> int:
        """Numbers per head."""
        return self.width // self.heads


TINY = Shape()
SMALL = Shape(width=576, layers=30, heads=9, shared=3, feed_forward=1536, vocabulary=49152, tied=True)
"""About 135 million parameters, as small chat models have them: for benchmarks."""


def tiny_gguf(
    path: str | os.PathLike[str],
    *,
    kind: Kind = "chat",
    shape: Shape = TINY,
    weights: Weights = "F32",
    context: int = 4096,
    seed: int = 0,
    template: str | None = CHATML,
    add_begin: bool = False,
    architecture: str = "",
) -> Path:
    """Write a model file of random weights and return its path; the same arguments give the same bytes.

    ``kind`` is *chat* (a llama that says anything), *separated* (a llama of its own shape whose next token is decided
    by the last one and by those 1, 7, 40 and 150 before, by margins of about 5 in the logits, so that neither the order
    of additions nor a cache in half precision can change a greedy reply; it never ends a reply by itself), *embedding*
    (a BERT with mean pooling) or *vocabulary* (a header without weights). ``context`` is the trained length in tokens,
    ``template`` the chat template (``None``: none), ``add_begin`` puts the begin token before every prompt, and
    ``architecture`` another name under which the same tensors are written. Raises ``UsageError`` without the extra
    ``local``.
    """
    import numpy as np

    from promptops.testing.tiny_separated import separated, shape_of  # which needs this module's Shape

    gguf = writing()
    known = tokens(shape.vocabulary)
    shape = shape_of(len(known)) if kind == "separated" else shape
    name = architecture or ("bert" if kind == "embedding" else "llama")
    chance = np.random.default_rng(seed)
    writer = gguf.GGUFWriter(Path(path), name)
    _describe(writer, kind, shape, context)
    _speak(writer, known, template, add_begin=add_begin)
    match kind:
        case "separated":
            tensors = separated(shape, known, chance)
        case "embedding":
            tensors = _encoder(shape, len(known), context, chance)
        case "chat":
            tensors = _decoder(shape, len(known))
        case _:
            tensors = iter(())
    for tensor, value in tensors:
        _add(writer, tensor, value, weights, chance)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return Path(path)


def writing() -> Any:
    """The package that writes model files; raises ``UsageError`` where the extra is missing."""
    try:
        import gguf
    except ImportError:
        raise UsageError("writing model files needs an extra: pip install 'promptops[local]'") from None
    return gguf


def _describe(writer: gguf.GGUFWriter, kind: Kind, shape: Shape, context: int) -> None:
    writer.add_name("Tiny")
    writer.add_context_length(context)
    writer.add_embedding_length(shape.width)
    writer.add_block_count(shape.layers)
    writer.add_feed_forward_length(shape.feed_forward)
    writer.add_head_count(shape.heads)
    if kind == "embedding":
        from gguf import PoolingType

        writer.add_layer_norm_eps(_EPSILON)
        writer.add_causal_attention(value=False)
        writer.add_pooling_type(PoolingType.MEAN)
        return
    writer.add_head_count_kv(shape.shared)
    writer.add_key_length(_head(kind, shape))
    writer.add_value_length(_head(kind, shape))
    writer.add_rope_dimension_count(_head(kind, shape))
    writer.add_layer_norm_rms_eps(_EPSILON)


def _head(kind: Kind, shape: Shape) -> int:
    from promptops.testing.tiny_separated import HEAD

    return HEAD if kind == "separated" else shape.head


def _speak(writer: gguf.GGUFWriter, known: Tokens, template: str | None, *, add_begin: bool) -> None:
    writer.add_vocab_size(len(known))
    writer.add_token_type_count(1)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("qwen2")
    writer.add_token_list(list(known.texts))
    writer.add_token_types(list(known.kinds))
    writer.add_token_merges(list(known.merges))
    writer.add_bos_token_id(known.id(BEGIN))
    writer.add_eos_token_id(known.id(STOP))
    writer.add_eot_token_id(known.id(END))
    writer.add_add_bos_token(add_begin)
    if template is not None:
        writer.add_chat_template(template)


Tensors = Iterator[tuple[str, Any]]
"""Names with an array, or with the shape of a random one."""


def _decoder(shape: Shape, vocabulary: int) -> Tensors:
    yield "token_embd.weight", (vocabulary, shape.width)
    yield from _ones("output_norm.weight", shape.width)
    if not shape.tied:
        yield "output.weight", (vocabulary, shape.width)
    for layer in range(shape.layers):
        block = f"blk.{layer}."
        yield from _ones(f"{block}attn_norm.weight", shape.width)
        yield from _ones(f"{block}ffn_norm.weight", shape.width)
        yield from _attention(block, shape, shape.shared)
        yield f"{block}ffn_gate.weight", (shape.feed_forward, shape.width)
        yield from _feed_forward(block, shape)


def _encoder(shape: Shape, vocabulary: int, context: int, chance: np.random.Generator) -> Tensors:
    import numpy as np

    yield "token_embd.weight", (vocabulary, shape.width)
    yield "position_embd.weight", chance.normal(0, 0.1, (context, shape.width)).astype(np.float32)
    yield from _norm("token_embd_norm", shape.width)
    for layer in range(shape.layers):
        block = f"blk.{layer}."
        yield from _attention(block, shape, shape.heads)
        yield from _norm(f"{block}attn_output_norm", shape.width)
        yield from _feed_forward(block, shape)
        yield from _norm(f"{block}layer_output_norm", shape.width)


def _attention(block: str, shape: Shape, shared: int) -> Tensors:
    inside = shape.heads * shape.head
    yield f"{block}attn_q.weight", (inside, shape.width)
    yield f"{block}attn_k.weight", (shared * shape.head, shape.width)
    yield f"{block}attn_v.weight", (shared * shape.head, shape.width)
    yield f"{block}attn_output.weight", (shape.width, inside)


def _feed_forward(block: str, shape: Shape) -> Tensors:
    yield f"{block}ffn_up.weight", (shape.feed_forward, shape.width)
    yield f"{block}ffn_down.weight", (shape.width, shape.feed_forward)


def _norm(name: str, width: int) -> Tensors:
    import numpy as np

    yield from _ones(f"{name}.weight", width)
    yield f"{name}.bias", np.zeros(width, np.float32)


def _ones(name: str, width: int) -> Tensors:
    import numpy as np

    yield name, np.ones(width, np.float32)


def _add(writer: gguf.GGUFWriter, name: str, value: Any, weights: Weights, chance: np.random.Generator) -> None:
    import gguf
    import numpy as np

    if isinstance(value, np.ndarray):
        whole = value.ndim == 1 or weights == "F32" or name.startswith("position")
        writer.add_tensor(name, value if whole else value.astype(np.float16))
    elif weights in {"F32", "F16"}:
        kind = np.float32 if weights == "F32" else np.float16
        writer.add_tensor(name, (chance.standard_normal(value, np.float32) / np.sqrt(value[1])).astype(kind))
    else:
        writer.add_tensor(name, _quantized(value, weights, chance), raw_dtype=gguf.GGMLQuantizationType[weights])


def _quantized(shape: tuple[int, int], weights: Weights, chance: np.random.Generator) -> Any:
    """Random blocks as ggml lays them out, a half-precision scale before 32 small integers: no floats in between."""
    import numpy as np

    rows, columns = shape
    per_block, spread = (_BLOCK // 2, 4.6) if weights == "Q4_0" else (_BLOCK, 73.9)
    data = np.empty((rows, columns // _BLOCK, 2 + per_block), np.uint8)
    scale = np.array([1 / (spread * columns**0.5)], np.float16)
    data[..., :2] = scale.view(np.uint8)
    data[..., 2:] = np.frombuffer(chance.bytes(rows * (columns // _BLOCK) * per_block), np.uint8).reshape(
        rows, columns // _BLOCK, per_block
    )
    return data.reshape(rows, -1)
