"""The public calls that need a vocabulary and nothing else, so that a first count waits for nothing else."""

from __future__ import annotations

from promptops import tokens

TYPE_CHECKING = False
if TYPE_CHECKING:
    from promptops.tokens.truncate import Keep


def count(text: str, model: str | None = None, *, tokenizer: str | None = None, estimate: bool = False) -> int:
    """Tokens of ``text`` for ``model``, or for the vocabulary ``tokenizer``; special tokens in it are plain text.

    Raises ``TokenizerError`` where none is known, unless ``estimate`` allows a count that errs high.
    """
    return tokens.counter(model, tokenizer=tokenizer, estimate=estimate).count(text)


def truncate(
    text: str,
    n: int,
    model: str | None = None,
    *,
    keep: Keep = "head",
    tokenizer: str | None = None,
    estimate: bool = False,
) -> str:
    """``text`` cut to at most ``n`` tokens, as much of it as fits, never inside a character as people see it.

    ``keep`` says what stays: ``head``, ``tail``, or ``both`` with a line ``…`` between them. Raises ``TokenizerError``
    where the model's tokenizer is not known, ``UsageError`` for a negative ``n``.
    """
    return tokens.truncate(text, n, counter=tokens.counter(model, tokenizer=tokenizer, estimate=estimate), keep=keep)
