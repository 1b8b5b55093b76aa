"""What the engine does not take, said before anything is computed: much of it would end the process in the library."""

from __future__ import annotations

import math
from collections.abc import Sequence

from promptops.errors import EngineError
from promptops.local.engine.native import Native
from promptops.local.engine.values import Failed, Request
from promptops.local.settings import EngineSettings


def check(settings: EngineSettings) -> None:
    """Raises ``EngineError`` where the settings cannot go together."""
    sizes = settings.context, settings.sequences, settings.threads, settings.batch, settings.micro_batch
    if min(sizes) < 1 or settings.lookup < 0:
        raise EngineError("context, sequences, threads, batch and micro_batch are at least 1, lookup at least 0")
    if settings.value_type not in {"f16", "bf16", "f32"} and not settings.flash_attention:
        raise EngineError(f"values kept as {settings.value_type} need flash_attention=True")


def refusal(native: Native, settings: EngineSettings, request: Request) -> Failed | None:
    """Why a call cannot be computed, ``None`` where it can."""
    problem = _problem(native, settings, request)
    if problem is not None:
        return Failed(request.id, "rejected", problem)
    if len(request.tokens) >= native.window:
        said = (
            f"the prompt has {len(request.tokens)} tokens, and together with an answer {native.window} fit the window"
        )
        return Failed(request.id, "window", said)
    return None


def check_text(native: Native, settings: EngineSettings, tokens: Sequence[int]) -> None:
    """Raises ``EngineError`` where a text cannot be embedded."""
    if not tokens or len(tokens) > native.window or not _known(native, tokens):
        raise EngineError(
            f"{settings.path}: a text to embed has {len(tokens)} tokens, and needs 1 to {native.window} of the model's"
        )


def _problem(native: Native, settings: EngineSettings, request: Request) -> str | None:
    if settings.embeddings:
        return f"{settings.path} was loaded for embeddings, which are vectors and no text"
    if not request.tokens or request.most < 1:
        return "a prompt and an answer have at least one token each"
    if not _known(native, request.tokens):
        return f"the prompt has tokens that are not among the model's {native.vocabulary.size}"
    if not _sensible(request):
        return "temperature, top_p, top_k, min_p, penalties, logprobs or an adapter's scale are out of range"
    if request.shift and not native.can_shift:
        return "this model's cache cannot be shifted past its window"
    unknown = {lora.path for lora in request.loras or ()} - {lora.path for lora in settings.loras}
    return f"adapter {min(unknown)} was not loaded with the model" if unknown else None


def _known(native: Native, tokens: Sequence[int]) -> bool:
    return min(tokens) >= 0 and max(tokens) < native.vocabulary.size


def _sensible(request: Request) -> bool:
    numbers = request.temperature, request.repeat_penalty, request.frequency_penalty, request.presence_penalty
    return (
        all(map(math.isfinite, (*numbers, *(lora.scale for lora in request.loras or ()))))
        and request.temperature >= 0
        and request.repeat_penalty > 0
        and 0 < request.top_p <= 1
        and 0 <= request.min_p <= 1
        and request.top_k >= 0
        and 0 <= (request.logprobs or 0) <= 100
    )
