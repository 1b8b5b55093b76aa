"""The exact-match store: a reply that was paid for once is never paid for again."""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import asdict, replace

from promptops.errors import StoreError
from promptops.store.database import Database
from promptops.types import Call, Reply, Usage


def key(call: Call, identity: str) -> bytes:
    """What tells this call's reply from any other's: model, messages, limit, sampling, schema and the taking.

    Names, paths, versions and tags are no part of it, since they cannot change the reply.
    """
    sampling = call.sampling
    how = [sampling.temperature, sampling.top_p, sampling.seed, sampling.stop]
    frame = [identity, call.max_output_tokens, how, call.schema, call.take]
    digest = hashlib.sha256(json.dumps(frame, sort_keys=True, ensure_ascii=False).encode("utf-8", "surrogatepass"))
    for message in call.messages:
        content = message.content.encode("utf-8", "surrogatepass")
        digest.update(f"\0{message.role}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.digest()


class Replies:
    """Replies by key.

    A cut or blank reply is kept as *provisional*: a killed run finds it again and pays nothing twice, and ``settle``
    forgets it when a run has ended, so that it is never anyone's answer for good.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, key: bytes) -> Reply | None:
        """The stored reply, marked ``stored``, or ``None``."""
        rows = self._database.query("SELECT body FROM replies WHERE key = ?", (key,))
        return _read(rows[0][0]) if rows else None

    def put(self, key: bytes, reply: Reply) -> None:
        """Keep ``reply``."""
        final = reply.finish == "stop" and bool(reply.text.strip())
        body = json.dumps(asdict(replace(reply, stored=True)), ensure_ascii=False)
        try:
            statement = "INSERT OR REPLACE INTO replies VALUES (?, ?, ?, ?)"
            self._database.execute(statement, (key, body, time.time(), final))
        except UnicodeEncodeError as failure:
            raise StoreError(f"a reply holds text that is no Unicode: {failure.reason}") from None

    def settle(self) -> None:
        """Forget provisional replies; call when a run has ended."""
        self._database.execute("DELETE FROM replies WHERE NOT final")


def _read(body: str) -> Reply:
    fields = json.loads(body)
    return Reply(**{**fields, "usage": Usage(**fields["usage"])})
