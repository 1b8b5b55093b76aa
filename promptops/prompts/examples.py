"""Few-shot examples from a JSONL file: all, some by chance, or those nearest to the input, within a token budget."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from promptops.errors import NotFoundError, UsageError
from promptops.tokens import counter
from promptops.types import Counter

Example = Mapping[str, Any]
Choice = Literal["fixed", "random", "nearest"]
Embed = Callable[[Sequence[str]], Sequence[Sequence[float]]]

_TINY = 1e-12
_AROUND = 16
"""Tokens that an example's fences take in a prompt."""


@dataclass(frozen=True, slots=True)
class Examples:
    """Examples in the order of their file; each is a mapping with an ``input`` and an ``output``."""

    all: tuple[Example, ...]

    @classmethod
    def load(cls, path: str | Path) -> Examples:
        """Read a JSONL file; raises ``NotFoundError`` or ``UsageError`` with file and line."""
        try:
            text = Path(path).read_text(encoding="utf-8-sig")
        except FileNotFoundError:
            raise NotFoundError(f"examples file {str(path)!r} is not there; check the path") from None
        except (OSError, UnicodeDecodeError) as failure:
            raise UsageError(f"{path}: cannot be read as UTF-8 text: {failure}") from None
        return cls(tuple(_read(text, str(path))))

    def pick(
        self,
        most: int | None = None,
        *,
        how: Choice = "fixed",
        to: str = "",
        seed: int = 0,
        tokens: int | None = None,
        model: str | Counter = "gpt-5-mini",
        embed: Embed | None = None,
    ) -> list[Example]:
        """At most ``most`` examples of at most ``tokens`` tokens together, by the tokenizer of ``model``.

        ``fixed`` takes the first, ``random`` draws by ``seed``, and ``nearest`` takes those whose input is most like
        the text ``to``, by TF-IDF or by the vectors that ``embed`` gives. What does not fit is passed over for the
        next. The same arguments give the same examples, in the order of the file; of the nearest, the nearest comes
        last, beside the question. Raises ``UsageError`` for another ``how``, or ``nearest`` without a text.
        """
        ranked = self._ranked(how, to, seed, embed)
        by = counter(model) if isinstance(model, str) else model
        chosen: list[int] = []
        room = tokens
        for index in ranked:
            if most is not None and len(chosen) >= most:
                break
            size = by.count(_text(self.all[index])) + _AROUND if room is not None else 0
            if room is None or size <= room:
                chosen.append(index)
                room = None if room is None else room - size
        order = chosen[::-1] if how == "nearest" else sorted(chosen)
        return [self.all[index] for index in order]

    def _ranked(self, how: Choice, to: str, seed: int, embed: Embed | None) -> list[int]:
        places = list(range(len(self.all)))
        if how == "fixed":
            return places
        if how == "random":
            random.Random(seed).shuffle(places)  # noqa: S311 - chance, not secrets
            return places
        if how != "nearest" or not to.strip():
            raise UsageError(
                f"examples are picked fixed, random, or nearest to a text (to=…), not {how!r} to {to[:20]!r}"
            )
        near = _likeness([str(example["input"]) for example in self.all], to, embed)
        return sorted(places, key=lambda index: -near[index])


def _likeness(inputs: list[str], to: str, embed: Embed | None) -> list[float]:
    """The cosine of each input with ``to``."""
    if embed is not None:
        import numpy as np

        dense = np.asarray(embed([to, *inputs]), dtype=float)
        lengths = np.maximum(np.linalg.norm(dense, axis=1), _TINY)
        return [float(value) for value in dense[1:] @ dense[0] / (lengths[1:] * lengths[0])]
    from promptops.extract.terms import Vectors

    vectors = Vectors(inputs)
    return [float(value) for value in vectors.times(vectors.vector(to))]


def _read(text: str, path: str) -> Iterator[Example]:
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except (ValueError, RecursionError) as failure:
            raise UsageError(f"{path}:{number}: not valid JSON: {failure}") from None
        if not isinstance(value, dict) or not {"input", "output"} <= value.keys():
            raise UsageError(f'{path}:{number}: an example is an object with "input" and "output"')
        yield value


def _text(example: Example) -> str:
    return f"{_plain(example['input'])}\n{_plain(example['output'])}"


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
