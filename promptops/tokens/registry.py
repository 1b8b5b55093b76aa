"""From the name of a model or a vocabulary to its counter; each is built once per process, on first use."""

from __future__ import annotations

import os
from _thread import allocate_lock

from promptops.errors import TokenizerError
from promptops.tokens.estimate import Estimate
from promptops.tokens.models import encoding_name
from promptops.tokens.vocabulary import Vocabulary

TYPE_CHECKING = False
if TYPE_CHECKING:
    from promptops.types import Counter

NAMES = (
    "o200k_base", "o200k_harmony", "cl100k_base", "p50k_base", "p50k_edit", "r50k_base", "gpt2",
    "llama2", "codellama", "llama3", "mistral_v1", "mistral_v2", "mistral_v3", "gemma2", "gemma3", "gemma4",
    "qwen3", "deepseek_v3", "glm4", "kimi_k2", "kimi_k3", "phi4", "olmo2", "modernbert", "whisper_v2", "whisper_v3",
)  # fmt: skip
"""The vocabularies that need no file; splintr knows more spellings of them."""

_GATEWAYS = frozenset({"openai", "azure", "azure_openai", "openrouter", "litellm"})
_UNSPLIT = ("gemma", "modernbert", "modern-bert")
"""Byte-pair vocabularies that merge across words, or normalize the text first."""
_COMPOSED = ("qwen", "baichuan")
"""Vocabularies whose own tokenizer first composes the text to Unicode's form NFC; splintr leaves that to its caller."""
_ESTIMATE_BASE = "o200k_base"
_ADVICE = "pass --tokenizer NAME: o200k_base, cl100k_base, llama3, qwen3, gemma3 …, a tokenizer.json or a .gguf file"

_built: dict[str, Vocabulary] = {}
_lock = allocate_lock()  # what threading calls Lock, without importing all of it before the first count


def counter(model: str | None = None, *, tokenizer: str | None = None, estimate: bool = False) -> Counter:
    """The counter of a model, or of the vocabulary called ``tokenizer``, which wins over the model.

    ``tokenizer`` is a name of ``NAMES``, any other that splintr knows, or the path of a Hugging Face ``tokenizer.json``
    or of a ``.gguf`` file. ``model`` is a name that tiktoken maps, with or without a provider before it
    (``openai:gpt-5-mini``, ``openai/gpt-5-mini``). A model with no known vocabulary raises ``TokenizerError``; with
    ``estimate`` it gets an ``Estimate`` instead, whose ``exact`` is False.
    """
    if tokenizer is not None:
        return vocabulary(tokenizer)
    name = encoding_of(model) if model else None
    if name is not None:
        return vocabulary(name)
    if estimate:
        return Estimate(vocabulary(_ESTIMATE_BASE), model or "")
    subject = f"no tokenizer is known for the model {model!r}" if model else "no model and no tokenizer were named"
    raise TokenizerError(f"{subject}; {_ADVICE}")


def encoding_of(model: str) -> str | None:
    """The vocabulary of a model by tiktoken's own table, or ``None`` where it has none."""
    if model.startswith("llama:"):
        from promptops.modelfile import model_file

        return model_file(model)
    while True:
        try:
            return encoding_name(model)
        except KeyError:
            provider, _, rest = model.replace("/", ":", 1).partition(":")
            if not rest or provider.lower() not in _GATEWAYS:
                return None
            model = rest


def vocabulary(name: str) -> Vocabulary:
    """The vocabulary of that name or in that file, built once per process; ``TokenizerError`` where there is none."""
    found = _built.get(name)
    if found is None:
        with _lock:
            found = _built.get(name)
            if found is None:
                found = _built[name] = _build(name)
    return found


def _build(name: str) -> Vocabulary:
    if name.lower().endswith((".json", ".gguf")) or os.path.isfile(name):  # noqa: PTH113 - without pathlib
        from pathlib import Path

        from promptops.tokens.files import from_file

        return from_file(Path(name))
    if name in {"gpt2", "r50k_base", "p50k_base", "p50k_edit"}:
        return _rebuilt(name)
    return _bundled(name)


def _bundled(name: str) -> Vocabulary:
    import splintr

    try:
        engine = splintr.Tokenizer.from_pretrained(name)
    except ValueError:
        raise TokenizerError(f"no tokenizer is called {name!r}; {_ADVICE}") from None
    additive = engine.family == "BPE" and not name.startswith(_UNSPLIT)
    return Vocabulary(
        name, engine, engine.vocab_size, engine.special_tokens(),
        additive=additive, line_split=not name.startswith("whisper"), composed=name.startswith(_COMPOSED),
    )  # fmt: skip


def _rebuilt(name: str) -> Vocabulary:
    """GPT-2's family, which splintr does not carry, from the ranks that ship with promptops."""
    import splintr

    from promptops.tokens.gpt2 import ranks_file

    data = ranks_file(name)
    return Vocabulary(
        name, splintr.Tokenizer.from_bytes(data, splintr.GPT2_PATTERN, {}), data.count(b"\n") + 1, additive=True
    )
