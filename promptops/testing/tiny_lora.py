"""LoRA adapters with random weights, for the models that ``tiny_gguf`` writes (Hu et al. 2021, section 4.1)."""

from __future__ import annotations

import os
from pathlib import Path

from promptops.testing.tiny_gguf import TINY, Shape, writing


def tiny_lora(
    path: str | os.PathLike[str], *, shape: Shape = TINY, rank: int = 2, alpha: float = 32.0, seed: int = 0
) -> Path:
    """Write an adapter over the queries and outputs of attention and return its path; the same seed, the same bytes.

    ``shape`` is the model's; ``alpha`` ÷ ``rank`` is what its product is scaled by. Raises ``UsageError`` without the
    extra ``local``.
    """
    import numpy as np

    chance = np.random.default_rng(seed)
    inside = shape.heads * shape.head
    writer = writing().GGUFWriter(Path(path), "llama")
    writer.add_type("adapter")
    writer.add_string("adapter.type", "lora")
    writer.add_float32("adapter.lora.alpha", alpha)
    for layer in range(shape.layers):
        for name, given, made in (("attn_q", shape.width, inside), ("attn_output", inside, shape.width)):
            for side, sides in (("a", (rank, given)), ("b", (made, rank))):
                values = chance.standard_normal(sides, np.float32)
                writer.add_tensor(f"blk.{layer}.{name}.weight.lora_{side}", values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return Path(path)
