"""GPT-2's byte-pair ranks, from which the vocabularies of OpenAI's older models are made.

``r50k_base`` and ``gpt2`` have these 50,256 ranks; ``p50k_base`` and ``p50k_edit`` add the runs of 2 to 25 spaces.
"""

from __future__ import annotations

import base64
import hashlib
import lzma
from importlib.resources import files

from promptops.errors import TokenizerError

R50K_SHA256 = "306cd27f03c1a714eca7108e03d66b7dc042abe8c258b44c199a7ed9838dd930"
_SPACES = range(2, 26)
_FIRST_SPACES = 50257


def ranks_file(name: str) -> bytes:
    """The content of the ``.tiktoken`` file of ``r50k_base``, ``gpt2``, ``p50k_base`` or ``p50k_edit``."""
    packed = files("promptops.tokens").joinpath("data/gpt2.tiktoken.xz").read_bytes()
    try:
        data = lzma.decompress(packed)
    except lzma.LZMAError:
        data = b""
    if hashlib.sha256(data).hexdigest() != R50K_SHA256:
        raise TokenizerError("promptops/tokens/data/gpt2.tiktoken.xz is damaged; install promptops again")
    return data + _space_lines() if name.startswith("p50k") else data


def _space_lines() -> bytes:
    lines = (
        b"%s %d\n" % (base64.b64encode(b" " * width), rank) for rank, width in enumerate(_SPACES, start=_FIRST_SPACES)
    )
    return b"".join(lines)
