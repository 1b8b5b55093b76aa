"""How a model file is loaded and run, as one value that every room of the local engine reads."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

CACHE_TYPES = ("f16", "bf16", "q8_0", "q5_1", "q5_0", "q4_1", "q4_0", "iq4_nl", "f32")
"""What keys and values may be kept as; those that begin with q or iq want flash attention for the values."""


@dataclass(frozen=True, slots=True)
class Lora:
    """An adapter file that is laid over the weights, at a scale of 1 unless said otherwise."""

    path: str
    scale: float = 1.0


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """Everything that decides what the engine computes with and how much memory it takes.

    ``context`` is tokens *per sequence* (the cache holds ``context × sequences``), ``sequences`` how many calls are
    decoded together, ``threads`` for decoding and for prompts alike, ``batch`` the most tokens of one decode and
    ``micro_batch`` the most that are computed at once. ``key_type`` and ``value_type`` are of ``CACHE_TYPES``.
    ``prefix_folder`` keeps computed prefixes across runs, nowhere where ``None``. ``lookup`` is the most tokens that
    prompt-lookup guesses ahead (0: none). ``embeddings`` asks for vectors instead of text. ``repack`` lets the library
    lay weights out for this processor (``use_extra_bufts``), where it is faster; it has to be off where the library
    was compiled for AMX tiles and dies of them, as some compilers make it.

    ``promptops.local.memory.defaults`` fills these from the machine and the model's header.
    """

    path: str
    context: int = 4096
    sequences: int = 8
    threads: int = 2
    batch: int = 512
    micro_batch: int = 128
    key_type: str = "f16"
    value_type: str = "f16"
    flash_attention: bool = False
    mmap: bool = True
    mlock: bool = False
    repack: bool = True
    gpu_layers: int = 0
    loras: tuple[Lora, ...] = ()
    prefix_folder: Path | None = None
    lookup: int = 0
    embeddings: bool = False
