"""Weights that decide every next token by wide margins, yet by the whole way there.

The residual stream holds the last token as one of many, and a bit from each of four attention heads. A head looks a
fixed distance back: its query is its key turned by that many positions (rotary embeddings, Su et al. 2021, section
3.2), at a scale that leaves nothing for other positions. Each token has sixteen followers, one for each pattern of the
four bits; the one whose pattern is seen wins by a step in the logits over those that differ in one bit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np

    from promptops.testing.tiny_gguf import Shape
    from promptops.testing.tiny_vocabulary import Tokens

HEAD = 64
DISTANCES = (1, 7, 40, 150)
_BITS = len(DISTANCES)
_SHARP = 40.0
"""How much a position's score falls for the rotation that one step makes in the fastest pair."""
_STEP = 10.0
"""Of the logits: a follower has three for the token and one for the bits."""
_BASE = 10_000.0


def shape_of(vocabulary: int) -> Shape:
    """The measures of a separated model: as wide as its vocabulary."""
    from promptops.testing.tiny_gguf import Shape

    width = -(-(vocabulary + _BITS) // HEAD) * HEAD
    return Shape(width=width, layers=1, heads=_BITS, shared=1, feed_forward=32)


def separated(shape: Shape, known: Tokens, chance: np.random.Generator) -> Iterator[tuple[str, Any]]:
    """Every tensor with its name."""
    import numpy as np

    size, width = len(known), shape.width
    to_one = np.full(width, width**-0.5, np.float32)
    yield "token_embd.weight", np.eye(size, width, dtype=np.float32)
    yield "output_norm.weight", to_one * (1 + _BITS) ** 0.5
    yield "output.weight", _followers(size, width, known.readable(), chance)
    yield "blk.0.attn_norm.weight", to_one
    yield "blk.0.ffn_norm.weight", to_one
    for part, value in zip(("q", "k", "v", "output"), _attention(size, width, chance), strict=True):
        yield f"blk.0.attn_{part}.weight", value
    for part in ("gate", "up"):
        yield f"blk.0.ffn_{part}.weight", np.zeros((shape.feed_forward, width), np.float32)
    yield "blk.0.ffn_down.weight", np.zeros((width, shape.feed_forward), np.float32)


def _attention(size: int, width: int, chance: np.random.Generator) -> Iterator[np.ndarray]:
    """Queries, keys, values and the way back into the stream."""
    import numpy as np

    turns = _BASE ** -(np.arange(0, HEAD, 2) / HEAD)
    long = (_SHARP * HEAD**0.5) ** 0.5
    query = np.zeros((_BITS, HEAD))
    for row, distance in zip(query, DISTANCES, strict=True):
        row[0::2], row[1::2] = long * np.cos(distance * turns), -long * np.sin(distance * turns)
    key = np.zeros(HEAD)
    key[0::2] = long
    values = np.zeros((HEAD, width))
    values[:_BITS, :size] = chance.choice((-1, 1), (_BITS, size))
    back = np.zeros((width, _BITS * HEAD))
    for head in range(_BITS):
        back[size + head, head * HEAD + head] = 1
    same = np.ones(width)
    for value in (np.outer(query.ravel(), same), np.outer(key, same), values, back):
        yield value.astype(np.float32)


def _followers(size: int, width: int, readable: tuple[int, ...], chance: np.random.Generator) -> np.ndarray:
    import numpy as np

    patterns = 2**_BITS
    order = chance.permutation(np.array(readable))
    groups = [order[pattern::patterns] for pattern in range(patterns)]
    weights = np.zeros((size, width), np.float32)
    for pattern, group in enumerate(groups):
        weights[chance.choice(group, size), np.arange(size)] = 3 * _STEP
        for bit in range(_BITS):
            weights[group, size + bit] = _STEP / _BITS * (1 if pattern >> bit & 1 else -1)
    return weights
