"""A backend that answers from a script: for tests of promptops, and of what people build on it.

It counts, limits and fails like a server would; only its answers are given.
"""

from __future__ import annotations

import asyncio
import hashlib
import inspect
import re
import threading
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from promptops.backends.verdicts import Answer, error
from promptops.errors import NotFoundError, RefusedError, RejectedError, UsageError
from promptops.plans.spec import schema_tokens
from promptops.prices import FREE
from promptops.types import Call, Reply, Usage

if TYPE_CHECKING:
    from promptops.backends.script import Rule, Script
    from promptops.types import Counter, Price

WINDOW = 128_000
"""Tokens that a scripted model's window holds, where neither its script nor its model says."""

_TOKENIZER = "o200k_base"
_FENCE = re.compile(r"^<(document[^\s>]*)[^>\n]*>[ \t]*$", re.MULTILINE)

Said = str | Reply | Exception
Answering = Callable[[Call], Said | Awaitable[Said]]


class Scripted:
    """Answers with ``replies`` one after another, or with what ``answer`` returns for each call.

    A reply is a text, a whole ``Reply``, or an exception to raise; ``answer`` may raise one too, and may be a coroutine
    function. A text is counted by ``counter``, without any tokens around the messages, and cut at the call's limit with
    ``finish="length"``; a ``Reply`` passes as it is. A call that nothing answers raises ``RejectedError``.

    ``window`` is in tokens. ``identity`` tells its replies in a store from another script's. ``calls`` holds every call
    that it was asked, in order.
    """

    overhead = 0
    reasoning = 0
    logprobs = loras = True

    def __init__(
        self,
        replies: Iterable[Said] = (),
        *,
        answer: Answering | None = None,
        counter: Counter | None = None,
        window: int | None = WINDOW,
        price: Price | None = FREE,
        name: str = "scripted",
        identity: str | None = None,
    ) -> None:
        self.name = name
        self.identity = identity or name
        self.window = window
        self.counter = counter or _counter(None)
        self.price = price
        self.calls: list[Call] = []
        self._replies = iter(replies)
        self._answer = answer
        self._rules: _Rules | None = None

    @classmethod
    def from_file(cls, path: str | Path) -> Scripted:
        """The backend of the model spec ``scripted:FILE``, a script in YAML or JSON.

        ``model`` names the model whose tokenizer, window and price it has (else o200k_base, 128,000 tokens, free) and
        ``window`` overrides its window; ``replies`` are rules tried in order and ``default`` is the text where none
        applies. A rule has a ``match`` (a regular expression searched in the prompt), one of ``text``, ``lead`` (that
        many words of the fenced document) and ``error`` (``status``, ``code``, ``retry_after`` in seconds and
        ``message``), and optionally ``finish``, ``delay`` (seconds) and ``times`` (how often it applies).

        Raises ``NotFoundError`` or ``UsageError`` with the file and the line. It does not record its calls.
        """
        from promptops.backends.script import read

        raw = _bytes(Path(path))
        script = read(raw, str(path))
        backend = cls(
            counter=_counter(script.model),
            window=_window(script),
            price=_price(script),
            name=f"scripted:{path}",
            identity=f"scripted:{hashlib.sha256(raw).hexdigest()[:16]}",
        )
        backend._rules = _Rules(script)
        return backend

    def __repr__(self) -> str:
        return f"Scripted({self.name!r})"

    async def complete(self, call: Call) -> Reply:
        """Answer one call from the script, or raise what it says."""
        if self._rules is not None:
            return await self._by_rule(call, self._rules)
        self.calls.append(call)
        said = next(self._replies, None) if self._answer is None else self._answer(call)
        if inspect.isawaitable(said):
            said = await said
        if said is None:
            raise RejectedError(self._unanswered(call, "it has no reply left; give it more, or an `answer`"))
        if isinstance(said, Exception):
            raise said
        return said if isinstance(said, Reply) else self._reply(call, said)

    async def aclose(self) -> None:
        """There is nothing to let go of."""

    async def _by_rule(self, call: Call, rules: _Rules) -> Reply:
        prompt = "\n".join(message.content for message in call.messages)
        rule = rules.first(prompt)
        if rule is None:
            if rules.default is None:
                raise RejectedError(self._unanswered(call, "no rule answers it; add one, or a `default`"))
            return self._reply(call, rules.default)
        if rule.delay:
            await asyncio.sleep(rule.delay)
        if rule.error is not None:
            codes = frozenset({rule.error.code}) if rule.error.code else frozenset[str]()
            said = Answer(rule.error.status, rule.error.message, codes, retry_after=rule.error.retry_after)
            raise error(self.name, said)
        text = rule.text if rule.text is not None else lead(prompt, rule.lead or 0)
        return self._reply(call, text, rule.finish)

    def _reply(self, call: Call, text: str, finish: Literal["stop", "length", "content_filter"] = "stop") -> Reply:
        written = self.counter.count(text)
        if written > call.max_output_tokens:
            text, finish = self._cut(text, call.max_output_tokens), "length"
            written = self.counter.count(text)
        read = sum(self.counter.count(message.content) for message in call.messages)
        read += schema_tokens(call.schema, self.counter)
        usage = Usage(read, 0, written, 0, estimated=not self.counter.exact)
        if finish == "content_filter":
            raise RefusedError(
                f"{self.name}: the content filter refused this call", status=200, billed=True, usage=usage
            )
        return Reply(text, usage, finish, model=self.name)

    def _cut(self, text: str, tokens: int) -> str:
        """The longest beginning of ``text``, found by halving, that takes no more than ``tokens``."""
        fits, over = 0, len(text)
        while over - fits > 1:
            middle = (fits + over) // 2
            fits, over = (middle, over) if self.counter.count(text[:middle]) <= tokens else (fits, middle)
        return text[:fits]

    def _unanswered(self, call: Call, why: str) -> str:
        asked = ", ".join(part for part in (call.tags.step, call.tags.template, call.tags.document) if part)
        return f"{self.name}: a call{f' ({asked})' if asked else ''} has no answer: {why}"


class _Rules:
    """The rules of a script, and how often each has applied."""

    def __init__(self, script: Script) -> None:
        self.default = script.default
        self._rules = [(rule, re.compile(rule.match) if rule.match else None) for rule in script.replies]
        self._left = [rule.times for rule in script.replies]
        self._lock = threading.Lock()

    def first(self, prompt: str) -> Rule | None:
        for index, (rule, pattern) in enumerate(self._rules):
            if (pattern is None or pattern.search(prompt)) and self._taken(index):
                return rule
        return None

    def _taken(self, index: int) -> bool:
        with self._lock:
            left = self._left[index]
            if left == 0:
                return False
            if left is not None:
                self._left[index] = left - 1
            return True


def lead(prompt: str, words: int) -> str:
    """The first ``words`` words of the document that a prompt fences, or of the prompt where it fences none.

    The fence is a line that opens ``<document…>`` and the last line after it that closes the same tag.
    """
    opening = _FENCE.search(prompt)
    body = prompt
    if opening:
        end = prompt.rfind(f"\n</{opening[1]}>")
        body = prompt[opening.end() : end if end >= opening.end() else len(prompt)]
    return " ".join(body.split(maxsplit=words)[:words])


def _counter(model: str | None) -> Counter:
    from promptops.tokens import counter

    return counter(model) if model else counter(tokenizer=_TOKENIZER)


def _window(script: Script) -> int | None:
    if script.window is not None or script.model is None:
        return script.window or WINDOW
    from promptops.prices import window

    return window(_bare(script.model))


def _price(script: Script) -> Price | None:
    if script.model is None:
        return FREE
    from promptops.prices import price

    return price(_bare(script.model))


def _bare(model: str) -> str:
    return model.removeprefix("openai:")


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
        raise NotFoundError(f"{path}: no such script; scripted:FILE names a YAML or JSON file") from None
    except (OSError, ValueError) as failure:
        raise UsageError(f"{path}: cannot be read ({type(failure).__name__})") from None
