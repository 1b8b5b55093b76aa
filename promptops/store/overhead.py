"""What a provider adds around the messages of a prompt, learned from its own usage and kept beside the ledger."""

from __future__ import annotations

import re
from dataclasses import dataclass

from promptops.store.database import Database

_SNAPSHOT = re.compile(r"-(\d{4}-\d{2}-\d{2}|\d{8}|\d{4})$")


@dataclass(frozen=True, slots=True)
class Around:
    """Tokens around the messages; ``replies`` is how many told us so, 0 where it is assumed."""

    tokens: int
    replies: int


class Overhead:
    """One model family's, by number of messages. ``assumed`` is tokens per message, and once per prompt, until known.

    A number of messages not seen yet is judged from the nearest one that was.
    """

    def __init__(self, database: Database, model: str, assumed: int) -> None:
        self._database = database
        self._model = database.name(family(model))
        self._assumed = assumed
        rows = database.query("SELECT messages, tokens, replies FROM overheads WHERE model = ?", (self._model,))
        self._known = {messages: Around(tokens, replies) for messages, tokens, replies in rows}

    def around(self, messages: int) -> Around:
        """Tokens around a prompt of so many messages."""
        if messages in self._known:
            return self._known[messages]
        if not self._known:
            return Around(self._assumed * (messages + 1), 0)
        nearest = min(self._known, key=lambda seen: abs(seen - messages))
        return Around(max(self._known[nearest].tokens + self._assumed * (messages - nearest), 0), 0)

    def learn(self, messages: int, tokens: int) -> None:
        """A reply has shown ``tokens`` around that many messages. The most ever seen counts: a cap must hold."""
        known = self._known.get(messages)
        most = tokens if known is None else max(tokens, known.tokens)
        replies = 1 if known is None else known.replies + 1
        self._known[messages] = Around(most, replies)
        if known is None or most > known.tokens or replies & (replies - 1) == 0:
            statement = "INSERT OR REPLACE INTO overheads VALUES (?, ?, ?, ?)"
            self._database.execute(statement, (self._model, messages, most, replies))


def family(model: str) -> str:
    """A model's name without the date of its snapshot."""
    return _SNAPSHOT.sub("", model)
