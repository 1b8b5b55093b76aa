"""Model specs: from the text that names a model, everywhere one is named, to the backend."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from promptops.errors import NotFoundError, TokenizerError, UsageError
from promptops.modelfile import HUB, model_file
from promptops.tokens import counter
from promptops.types import Backend, Counter

if TYPE_CHECKING:
    from promptops.backends.openai import OpenAI

_DECLARED = ("complete", "aclose", *Backend.__annotations__)

KINDS = ("extractive", "openai:NAME", "llama:PATH.gguf", "langchain:MODULE:ATTR", "scripted:FILE")


@dataclass(frozen=True, slots=True)
class Options:
    """What a caller may say about a model beside its spec; sizes in tokens, ``timeout`` in seconds."""

    tokenizer: str | None = None
    window: int | None = None
    base_url: str | None = None
    timeout: float | None = None
    reasoning_tokens: int | None = None
    estimate_tokens: bool = False


def backend(spec: str, options: Options | None = None) -> Backend:
    """The backend that ``spec`` names.

    Raises ``NotFoundError`` for an unknown kind, ``TokenizerError`` where no tokenizer is known for the model.
    """
    kind, _, name = spec.partition(":")
    make = _MAKERS.get(kind)
    if make is None or bool(name) == (kind == "extractive"):
        likely = "llama" if spec.endswith(".gguf") or spec.startswith(HUB) else "" if name else "openai"
        hint = f"; did you mean {likely}:{spec}?" if likely and kind not in {"", *_MAKERS} else ""
        raise NotFoundError(f"no model is named {spec!r}{hint} (models: {', '.join(KINDS)})")
    if options and options.window is not None and options.window < 1:
        raise UsageError(f"--window must be more than 0 tokens, not {options.window}")
    if options and options.timeout is not None and not options.timeout > 0:
        raise UsageError(f"--timeout must be more than 0 seconds, not {options.timeout}")
    made = make(name, options or Options())
    if options and options.window is not None and kind != "llama":  # whose file knows the most it can hold
        made.window = options.window
    return made


def checked(given: Backend) -> Backend:
    """``given``, where it has all that a backend has; raises ``UsageError`` that names what it lacks."""
    lacking = [name for name in _DECLARED if not hasattr(given, name)]
    if lacking:
        raise UsageError(
            f"{type(given).__name__} is no backend yet: it lacks {', '.join(lacking)} (see promptops.types.Backend)"
        )
    return given


def with_batches(chosen: Backend) -> OpenAI:
    """``chosen``, where it has a Batch API to be asked through; else raises ``UsageError``."""
    from promptops.backends.openai import OpenAI

    if not isinstance(chosen, OpenAI):
        raise UsageError(f"--batch: {chosen.name} has no Batch API; only openai:NAME has, or run it without --batch")
    return chosen


def _extractive(_name: str, _options: Options) -> Backend:
    from promptops.backends.extractive import Extractive

    return Extractive()


def _openai(name: str, options: Options) -> Backend:
    from promptops.backends.openai import OpenAI

    return OpenAI(
        name,
        base_url=options.base_url,
        counter=counter(name, tokenizer=options.tokenizer, estimate=options.estimate_tokens),
        timeout=options.timeout,
        reasoning=options.reasoning_tokens,
    )


def _llama(name: str, options: Options) -> Backend:
    from promptops.backends.llama import Llama
    from promptops.local.card import card
    from promptops.local.options import parsed

    path, said = parsed(name)
    file = model_file(path)
    embeds = card(file).embeds
    return Llama(
        file,
        _own_counter(file, options, embeds=embeds),
        spec=path,
        options=said,
        window=options.window,
        timeout=options.timeout,
        reasoning=options.reasoning_tokens or 0,
    )


def _own_counter(file: str, options: Options, *, embeds: bool) -> Counter:
    """A model file's own vocabulary; an estimate where that cannot be run and nothing hangs on it."""
    try:
        return counter(tokenizer=options.tokenizer or file)
    except TokenizerError:
        if options.tokenizer or not (embeds or options.estimate_tokens):
            raise
        return counter("a local model", estimate=True)


def _langchain(name: str, options: Options) -> Backend:
    from promptops.backends.langchain import LangChain, load

    model = load(name)
    known = str(getattr(model, "model_name", None) or getattr(model, "model", None) or name)
    by = counter(known, tokenizer=options.tokenizer, estimate=options.estimate_tokens)
    return LangChain(name, model, by)


def _scripted(name: str, _options: Options) -> Backend:
    from promptops.backends.scripted import Scripted

    return Scripted.from_file(name)


_MAKERS: dict[str, Callable[[str, Options], Backend]] = {
    "extractive": _extractive,
    "openai": _openai,
    "llama": _llama,
    "langchain": _langchain,
    "scripted": _scripted,
}
