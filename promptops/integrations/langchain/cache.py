"""The store file as LangChain's cache of models' answers."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from langchain_core.caches import BaseCache
from langchain_core.messages import AIMessage, messages_from_dict, messages_to_dict
from langchain_core.outputs import ChatGeneration, Generation
from typing_extensions import override

from promptops.client import Client
from promptops.store import Database

_CUT = frozenset({"length", "max_tokens", "MAX_TOKENS", "model_length", "content_filter", "SAFETY", "refusal"})


class StoreCache(BaseCache):
    """Answers by prompt and model, beside promptops' own replies and ledger in one SQLite file.

    ``store`` is the file, or the client whose store it is. Rows are plain JSON of messages: reading one makes no other
    objects, whatever the file holds. What JSON cannot hold is not kept, nor is an empty answer or one that was cut
    short, which would be the answer for good. Raises ``StoreError`` where the file cannot be used.
    """

    def __init__(self, store: str | Path | Client) -> None:
        self._database = store.database if isinstance(store, Client) else Database(store)

    @override
    def lookup(self, prompt: str, llm_string: str) -> Sequence[Generation] | None:
        rows = self._database.query("SELECT body FROM generations WHERE key = ?", (_key(prompt, llm_string),))
        return [_read(one) for one in json.loads(rows[0][0])] if rows else None

    @override
    def update(self, prompt: str, llm_string: str, return_val: Sequence[Generation]) -> None:
        if not return_val or not all(map(_whole, return_val)):
            return
        try:
            body = json.dumps([_written(one) for one in return_val], ensure_ascii=False)
        except (TypeError, ValueError):
            return
        values = (_key(prompt, llm_string), body, time.time())
        self._database.execute("INSERT OR REPLACE INTO generations VALUES (?, ?, ?)", values)

    @override
    def clear(self, **kwargs: Any) -> None:
        """Forget all that LangChain's models answered; promptops' own replies stay."""
        self._database.execute("DELETE FROM generations")


def _key(prompt: str, model: str) -> bytes:
    return hashlib.sha256(json.dumps([prompt, model]).encode()).digest()


def _whole(generation: Generation) -> bool:
    """Whether an answer is one to give again."""
    message = generation.message if isinstance(generation, ChatGeneration) else None
    about = {**(generation.generation_info or {}), **(message.response_metadata if message else {})}
    reason = about.get("finish_reason") or about.get("stop_reason") or about.get("done_reason")
    asked = isinstance(message, AIMessage) and bool(message.tool_calls)
    return reason not in _CUT and (asked or bool(generation.text.strip()))


def _written(generation: Generation) -> dict[str, Any]:
    about = generation.generation_info
    if isinstance(generation, ChatGeneration):
        return {"message": messages_to_dict([generation.message])[0], "info": about}
    return {"text": generation.text, "info": about}


def _read(row: Mapping[str, Any]) -> Generation:
    if "message" in row:
        return ChatGeneration(message=messages_from_dict([row["message"]])[0], generation_info=row["info"])
    return Generation(text=row["text"], generation_info=row["info"])
