"""What a model needs in memory under given settings, reckoned from its header; and settings that fit this machine.

The figures follow llama.cpp's own allocations for a processor: weights mapped from the file or read, the copy of those
that it lays out anew for the processor (which a mapped file then holds a second time), the cache of keys and values in
cells of 256 tokens per sequence, the buffers that one micro-batch is computed in, and what the vocabulary and the
graph take.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from promptops.errors import UsageError
from promptops.local.machine import Machine, this
from promptops.local.model import Layer, Model, Weight, model
from promptops.local.settings import CACHE_TYPES, EngineSettings
from promptops.text.sizes import size

_CELLS = 256
_RESERVE = 1 / 16
"""The part of free memory that is left to everything else."""
_CONTEXT = 8192
_SEQUENCES, _MANY = 8, 16
"""Calls decoded together; more where they take no more than half of what is free."""
_BATCH, _MICRO_BATCH = 512, 128
_TOKEN = 200
"""Bytes that a token of the vocabulary takes in the library's tables."""
_LIBRARY = 5 << 20
_GRAPH = 96 << 10
"""Bytes per layer that the graph's nodes take."""
_SAMPLED = 12
"""Bytes per token of the vocabulary that sampling one sequence takes beside the logits."""

_BLOCKS = {
    "f32": (1, 4), "f16": (1, 2), "bf16": (1, 2), "q8_0": (32, 34), "q5_1": (32, 24), "q5_0": (32, 22),
    "q4_1": (32, 20), "q4_0": (32, 18), "iq4_nl": (32, 18),
}  # fmt: skip
_REPACKED = {
    "avx2": {"Q4_0", "Q4_K", "IQ4_NL", "MXFP4"},
    "avx512f": {"Q2_K"},
    "asimddp": {"Q4_0", "Q4_K", "Q5_K", "Q6_K", "Q8_0", "IQ4_NL", "MXFP4"},
}
"""Types that llama.cpp lays out anew, by the feature of the processor that it takes."""
_TILED = {"Q4_0", "Q4_1", "Q8_0", "Q4_K", "Q5_K", "Q6_K", "IQ4_XS", "F16"}
"""The same for AMX tiles, of 32 rows."""


@dataclass(frozen=True, slots=True)
class Need:
    """Bytes by what they are for.

    ``mapped`` is the part of ``weights`` that the system may drop from memory without loss, since a copy in another
    layout is what is read.
    """

    weights: int
    cache: int
    compute: int
    rest: int
    mapped: int = 0

    @property
    def total(self) -> int:
        """What the process holds when it is at work."""
        return self.weights + self.cache + self.compute + self.rest

    @property
    def least(self) -> int:
        """What has to be free for it."""
        return self.total - self.mapped


def predict(found: Model, settings: EngineSettings, machine: Machine) -> Need:
    """What ``found`` needs under ``settings``, the part that stays on the processor's side of ``gpu_layers``."""
    host = 1 - min(settings.gpu_layers, found.blocks + 1) / (found.blocks + 1)
    weights, twice = _weights(found, settings, machine)
    adapters = sum(Path(lora.path).stat().st_size for lora in settings.loras if Path(lora.path).is_file())
    outputs = settings.sequences * (1 + settings.lookup)
    logits = outputs * found.vocabulary
    return Need(
        weights=int(host * (weights + twice)) + adapters,
        cache=int(host * _cache(found, settings)),
        compute=_compute(found, settings, outputs),
        rest=_LIBRARY + found.vocabulary * _TOKEN + found.blocks * _GRAPH + logits * (4 + _SAMPLED),
        mapped=int(host * twice) if settings.mmap and not settings.mlock else 0,
    )


def _weights(found: Model, settings: EngineSettings, machine: Machine) -> tuple[int, int]:
    """Bytes of the weights once, and of those that are held a second time."""
    anew = [weight for weight in found.weights if settings.repack and _repacked(weight, machine)]
    copies = sum(weight.size for weight in anew if not weight.name.startswith("token_embd"))
    tied = sum(weight.size for weight in anew if weight.name == "token_embd.weight")
    if any(weight.name == "output.weight" for weight in found.weights):
        tied = 0
    return found.size, tied + (copies if settings.mmap else 0)


def _repacked(weight: Weight, machine: Machine) -> bool:
    if len(weight.shape) < 2 or not weight.name.endswith(".weight"):
        return False
    if machine.amx and weight.kind in _TILED and weight.shape[1] % 32 == 0:
        return True
    kinds = set().union(*(kinds for feature, kinds in _REPACKED.items() if feature in machine.features))
    return weight.kind in kinds and weight.shape[1] % 8 == 0


def _cache(found: Model, settings: EngineSettings) -> int:
    each = sum(_layer(layer, settings) for layer in found.layers)
    return settings.sequences * (each + found.state)


def _layer(layer: Layer, settings: EngineSettings) -> int:
    """Bytes of one layer's keys and values for one sequence.

    A layer with a sliding window keeps everything too: the engine goes on from the beginnings that prompts share, and
    what has left a window could not be had again.
    """
    return _padded(settings.context) * (_row(layer.keys, settings.key_type) + _row(layer.values, settings.value_type))


def _row(numbers: int, kind: str) -> int:
    count, size = _BLOCKS[kind]
    return numbers // count * size


def _padded(tokens: int) -> int:
    return -(-tokens // _CELLS) * _CELLS


def _compute(found: Model, settings: EngineSettings, outputs: int) -> int:
    """The most that is alive at once while one micro-batch passes: in attention, between a layer's two feed-forward
    matrices, or at the logits; and the mask, which is there throughout.
    """
    batch = min(settings.micro_batch, settings.batch, settings.context * settings.sequences)
    if settings.embeddings:  # texts are computed whole
        batch = max(settings.batch, settings.context)
    cells = _padded(settings.context) if found.layers else batch
    flash = settings.flash_attention and found.causal
    mask = cells * batch * (2 if flash else 4) if found.heads else 0
    keys = max((layer.keys for layer in found.layers), default=found.width)
    scores = 0 if flash else cells * batch * 4 * found.heads
    attention = scores + batch * (20 * found.width + 8 * keys)
    forward = batch * 4 * (3 * found.feed_forward + 4 * found.width)
    logits = outputs * 4 * (found.vocabulary + found.width)
    scratch = batch * 2 * max(found.feed_forward, found.width)
    return mask + max(attention, forward, logits) + scratch


def room(machine: Machine) -> int:
    """Bytes that a model may take: what is free, less a sixteenth."""
    return int(machine.free * (1 - _RESERVE))


def check(settings: EngineSettings, machine: Machine | None = None) -> Need:
    """What a load under ``settings`` needs; ``UsageError`` in one line where it would not fit, with what would."""
    machine = machine or this()
    found = model(settings.path)
    validate(settings)
    if problem := unkept(found, settings):
        raise UsageError(f"{settings.path}: {problem}; keep them as f16 (kv=f16)")
    need = predict(found, settings, machine)
    if need.least <= room(machine):
        return need
    shown = f"{settings.path} needs {size(need.least)} and {size(room(machine))} are free"
    others = [(less, predict(found, less, machine).least) for less in _smaller(settings) if not unkept(found, less)]
    fitting = next((less for less, least in others if least <= room(machine)), None)
    if fitting is None:
        least = min(least for _, least in others)
        raise UsageError(f"{shown}; its least is {size(least)}: free some memory, or take a smaller quantization")
    raise UsageError(f"{shown}; this fits: {said(fitting)}")


def validate(settings: EngineSettings) -> None:
    """Raise ``UsageError`` for settings that no model could be loaded with."""
    for name in ("context", "sequences", "threads", "batch", "micro_batch"):
        if getattr(settings, name) < 1:
            raise UsageError(f"{name.replace('_', ' ')} must be at least 1, not {getattr(settings, name)}")
    for kind in (settings.key_type, settings.value_type):
        if kind not in CACHE_TYPES:
            raise UsageError(f"keys and values cannot be kept as {kind!r}; choose one of {', '.join(CACHE_TYPES)}")
    if settings.value_type not in {"f16", "bf16", "f32"} and not settings.flash_attention:
        raise UsageError(f"values kept as {settings.value_type} need flash attention; turn it on, or keep them as f16")


def unkept(found: Model, settings: EngineSettings) -> str | None:
    """Why keys and values of this model cannot be kept as ``settings`` say, ``None`` where they can.

    Flash attention reads a head at a time, and a quantized cache comes in blocks that no head may end inside of.
    """
    if not settings.flash_attention:
        return None
    for layer in found.layers:
        for what, kind, head in (
            ("keys", settings.key_type, layer.key_head),
            ("values", settings.value_type, layer.value_head),
        ):
            if head % _BLOCKS[kind][0]:
                return f"{what} kept as {kind} come in blocks of {_BLOCKS[kind][0]}, and its heads have {head} numbers"
    return None


def _smaller(settings: EngineSettings) -> Iterator[EngineSettings]:
    """Settings that need less, the least painful first: fewer sequences, half-size cache, then less context."""
    lean = replace(settings, repack=settings.repack and settings.mmap)
    context = settings.context
    while context >= min(_CELLS, settings.context):
        sequences = settings.sequences
        while sequences >= 1:
            yield replace(lean, sequences=sequences, context=context)
            sequences //= 2
        for sequences in {min(2, settings.sequences), 1}:
            yield replace(quantized(lean), sequences=sequences, context=context)
        context //= 2


def quantized(settings: EngineSettings) -> EngineSettings:
    """The same with keys and values in 8 bits, which takes flash attention."""
    return replace(settings, key_type="q8_0", value_type="q8_0", flash_attention=True)


def usual_sequences(found: Model, settings: EngineSettings, machine: Machine) -> int:
    """How many calls to decode together, where nobody says and memory holds them."""
    need = predict(found, replace(settings, sequences=_MANY), machine).least
    return _MANY if found.causal and 2 * need <= room(machine) else _SEQUENCES


def defaults(found: Model, machine: Machine | None = None) -> EngineSettings:
    """Good settings for this machine: physical cores as threads, up to sixteen sequences of up to 8,192 tokens in half
    precision without flash attention, which is slower on processors, as far as memory goes.

    A model that fits under none of them gets the smallest; ``check`` then refuses it.
    """
    machine = machine or this()
    context = min(found.context or _CONTEXT, _CONTEXT)
    wished = EngineSettings(
        path=str(found.path), context=context, sequences=_SEQUENCES, threads=machine.cores, batch=_BATCH,
        micro_batch=_MICRO_BATCH, repack=not machine.faulty, embeddings=not found.causal,
    )  # fmt: skip
    last = wished = replace(wished, sequences=usual_sequences(found, wished, machine))
    for last in (less for less in _smaller(wished) if not unkept(found, less)):
        if predict(found, last, machine).least <= room(machine):
            break
    return last


def said(settings: EngineSettings) -> str:
    """The settings that decide over memory, in words."""
    plural = "" if settings.sequences == 1 else "s"
    kinds = "/".join(sorted({settings.key_type, settings.value_type}))
    flash = ", flash attention" if settings.flash_attention else ""
    return f"{settings.sequences} sequence{plural} of {settings.context:,} tokens, cache in {kinds}{flash}"
