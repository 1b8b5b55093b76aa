"""What a GGUF file is, what it needs in memory, and what of that this machine has room for: from its header alone."""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from promptops.errors import UsageError
from promptops.local.machine import Machine, this
from promptops.local.memory import Need, defaults, predict, room, unkept, validate
from promptops.local.model import Model, model
from promptops.local.options import parsed
from promptops.local.settings import EngineSettings
from promptops.modelfile import model_file
from promptops.text.sizes import size

CACHES = ("f16", "q8_0", "q4_0")
_CONTEXTS = (2048, 8192, 32768, 131072)
_SEQUENCES = (1, 4, 16)


@dataclass(frozen=True, slots=True)
class Fit:
    """What one combination needs, in bytes, whether this machine has room for it, and whether it can be at all."""

    context: int
    sequences: int
    cache: str
    bytes: int
    fits: bool
    possible: bool = True


@dataclass(frozen=True, slots=True)
class Inspected:
    """A model, the settings that were asked for (the machine's defaults for the rest), what they need, whether that
    fits in the ``free`` bytes a model may take, and the same for other combinations.
    """

    model: Model
    settings: EngineSettings
    need: Need
    free: int
    others: tuple[Fit, ...]

    @property
    def fits(self) -> bool:
        """Whether a load under the settings would be let through."""
        return self.need.least <= self.free

    @property
    def types(self) -> dict[str, tuple[int, int]]:
        """Per tensor type how many there are and their bytes, the largest share first."""
        number = Tally(weight.kind for weight in self.model.weights)
        sizes: Tally[str] = Tally()
        for weight in self.model.weights:
            sizes[weight.kind] += weight.size
        return {kind: (number[kind], total) for kind, total in sizes.most_common()}

    def as_dict(self) -> dict[str, Any]:
        """For JSON; sizes in bytes."""
        found = self.model
        return {
            "path": str(found.path),
            "name": found.name,
            "architecture": found.architecture,
            "parameters": found.parameters,
            "quantization": {kind: {"tensors": n, "bytes": total} for kind, (n, total) in self.types.items()},
            "context": found.context,
            "layers": found.blocks,
            "vocabulary": found.vocabulary,
            "sliding_window": max((layer.window for layer in found.layers), default=0),
            "chat_template": found.chat_template,
            "embeddings": not found.causal,
            "settings": {
                "context": self.settings.context,
                "sequences": self.settings.sequences,
                "kv": self.settings.key_type,
                "flash_attention": self.settings.flash_attention,
                "threads": self.settings.threads,
            },
            "memory": {
                "weights": self.need.weights,
                "kv_cache": self.need.cache,
                "compute": self.need.compute,
                "rest": self.need.rest,
                "total": self.need.total,
                "must_be_free": self.need.least,
            },
            "free": self.free,
            "fits": self.fits,
            "combinations": [asdict(fit) for fit in self.others],
        }

    def lines(self) -> Iterator[tuple[str, str]]:
        """For people."""
        found, settings, need = self.model, self.settings, self.need
        yield "model", found.name or found.path.name
        yield (
            "architecture",
            f"{found.architecture}, {found.blocks} layers, {found.vocabulary:,} tokens known",
        )
        yield "parameters", f"{found.parameters:,}"
        yield "tensors", ", ".join(f"{kind} × {n} ({size(total)})" for kind, (n, total) in self.types.items()) or "none"
        asked = f"; {settings.context:,} asked for" if settings.context > found.context > 0 else ""
        yield "context", f"{found.context:,} tokens{asked}" if found.context else "not said"
        if sliding := [layer.window for layer in found.layers if layer.window]:
            yield (
                "window",
                f"{max(sliding):,} tokens in {len(sliding)} of {len(found.layers)} layers, kept whole all the same",
            )
        yield "chat template", "yes" if found.chat_template else "no"
        twice = f", of it {size(need.mapped)} twice while memory lasts" if need.mapped else ""
        yield "weights", f"{size(need.weights)}{twice}"
        kind = f"{settings.key_type}{' with flash attention' if settings.flash_attention else ''}"
        yield "KV cache", f"{size(need.cache)} for {settings.sequences} × {settings.context:,} tokens in {kind}"
        if problem := next(filter(None, (unkept(found, _kept(settings, cache)) for cache in CACHES)), None):
            yield "smaller cache", f"not for this model: {problem}"
        yield "compute", f"{size(need.compute)} for micro-batches of {settings.micro_batch} tokens"
        yield "rest", f"{size(need.rest)} for the vocabulary, the graph and sampling"
        yield "together", size(need.total)
        yield "this machine", f"{size(self.free)} to give: {'it fits' if self.fits else 'it does not fit'}"


def inspect(
    path: str | Path,
    *,
    context: int | None = None,
    sequences: int | None = None,
    cache: str | None = None,
    machine: Machine | None = None,
) -> Inspected:
    """Read the header of a model file, by its path or by what names it as a model (``llama:hf:OWNER/REPO:FILE``).

    ``context`` is tokens per sequence, ``cache`` what keys and values are kept as. What is not given, there or as an
    option behind the name, is as ``promptops.local.memory.defaults`` has it for the machine. Raises ``NotFoundError``
    where there is no file, ``UsageError`` where it is no GGUF file, the extra is missing, a setting makes no sense or
    the cache cannot be kept so.
    """
    machine = machine or this()
    _, said = parsed(str(path))
    path = model_file(str(path))
    found = model(path)
    usual = replace(defaults(found, machine), **said.engine)
    chosen = _kept(
        replace(
            usual,
            context=usual.context if context is None else context,
            sequences=usual.sequences if sequences is None else sequences,
        ),
        cache,
    )
    validate(chosen)
    if problem := unkept(found, chosen):
        raise UsageError(f"{path}: {problem}; keep them as f16")
    others = tuple(_fits(found, chosen, machine)) if found.layers else ()
    return Inspected(found, chosen, predict(found, chosen, machine), room(machine), others)


def _kept(settings: EngineSettings, cache: str | None) -> EngineSettings:
    """The same with its cache in one type, and flash attention where that type needs it."""
    if cache is None:
        return settings
    return replace(settings, key_type=cache, value_type=cache, flash_attention=cache not in {"f16", "bf16", "f32"})


def _fits(found: Model, chosen: EngineSettings, machine: Machine) -> Iterator[Fit]:
    trained = found.context or max(_CONTEXTS)
    contexts = sorted({*(c for c in _CONTEXTS if c < trained), min(trained, 1 << 20), chosen.context})
    for context in contexts:
        for sequences in sorted({*_SEQUENCES, chosen.sequences}):
            for cache in CACHES:
                case = _kept(replace(chosen, context=context, sequences=sequences), cache)
                need, possible = predict(found, case, machine).least, not unkept(found, case)
                yield Fit(context, sequences, cache, need, possible and need <= room(machine), possible)
