"""The exact-match store: a reply that was paid for once is never paid for again."""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from functools import lru_cache

from promptops.store.database import Database
from promptops.types import Call, Logprob, Message, Reply, ToolCall, Usage

_KEPT = ("text", "finish", "model", "request_id")
"""What is kept of a reply as it is, beside its usage and its tool calls."""


def key(call: Call, identity: str) -> bytes:
    """What tells this call's reply from any other's: model, messages, limit, sampling, form, tools and the taking.

    Names, paths, versions and tags are no part of it, since they cannot change the reply.
    """
    sampling = call.sampling
    how: list[object] = [sampling.temperature, sampling.top_p, sampling.seed, sampling.stop]
    rarer = {"logprobs": sampling.logprobs, "loras": sampling.loras, "choices": call.choices or None}
    how += [{name: value} for name, value in rarer.items() if value is not None]
    frame = [identity, call.max_output_tokens, how, call.schema, call.take]
    said = json.dumps(frame, sort_keys=True, ensure_ascii=False).encode("utf-8", "surrogatepass")
    tools = _part("#tools", [call.tool_choice, *map(asdict, call.tools)]) if call.tools else b""
    return hashlib.sha256(said + tools + _read_by_model(call.messages)).digest()


@lru_cache(maxsize=1)  # a call asks for several keys in a row
def _read_by_model(messages: tuple[Message, ...]) -> bytes:
    """A digest of the prompt, in which the borders of its messages count."""
    digest = hashlib.sha256()
    for message in messages:
        content = message.content.encode("utf-8", "surrogatepass")
        digest.update(f"\0{message.role}\0{len(content)}\0".encode())
        digest.update(content)
        if about := _about(message):
            digest.update(_part("#about", about))
    return digest.digest()


def _about(message: Message) -> list[object]:
    """What a message holds beside its content, ``[]`` where that is nothing."""
    if not message.tool_calls and not message.tool_call_id:
        return []
    return [message.tool_call_id, *map(asdict, message.tool_calls)]


def _part(name: str, value: object) -> bytes:
    """A named part of what is hashed; no role has such a name."""
    body = json.dumps(value, sort_keys=True, ensure_ascii=False).encode("utf-8", "surrogatepass")
    return f"\0{name}\0{len(body)}\0".encode() + body


def questions(call: Call, identity: str) -> tuple[bytes, ...]:
    """The question that ``call`` asks, and the one about the whole where it asks about a half.

    It is what all takings have in common: a taking differs in its number, its limit and its wording.
    """
    asked = (call.reworded or call.messages, *([call.half_of] if call.half_of else []))
    return tuple(key(replace(call, messages=one, take=0, max_output_tokens=0), identity) for one in asked)


class Replies:
    """Replies by key.

    A cut or blank reply is kept as *provisional*: a killed run finds it again and pays nothing twice, and ``settle``
    forgets it when its run has ended, so that it is never anyone's answer for good. One whose question has been
    answered in another taking, or for a half, stays: it leads to that answer, and the way there is not paid for again.

    One that is older than the database's ``max_age`` is not given; a newer one takes its place.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._provisional: dict[str, dict[bytes, set[bytes]]] = {}
        """Keys by question, for each run under way."""
        self._lock = threading.Lock()

    def get(self, key: bytes, asked: Sequence[bytes] = (), run: str = "") -> Reply | None:
        """The stored reply, marked ``stored``, or ``None``."""
        values = (key, self._database.oldest)
        rows = self._database.query("SELECT body, final FROM replies WHERE key = ? AND created >= ?", values)
        if not rows:
            return None
        self._note(key, asked or (key,), run, final=rows[0][1])
        return _read(rows[0][0])

    def put(self, key: bytes, reply: Reply, asked: Sequence[bytes] = (), run: str = "") -> None:
        """Keep ``reply``."""
        final = reply.finish == "stop" and bool(reply.text.strip() or reply.tool_calls)
        body = json.dumps(_written(reply), ensure_ascii=False, default=str)
        self._database.execute("INSERT OR REPLACE INTO replies VALUES (?, ?, ?, ?)", (key, body, time.time(), final))
        self._note(key, asked or (key,), run, final=final)

    def settle(self, run: str = "", *, ended: bool = True) -> None:
        """Forget the provisional replies that ``run`` put or got here and that led to no answer; call when it is over.

        Those that another run under way has put or got too stay until that one is over. Where it was stopped before its
        end (``ended``), all stay for the run that goes on.
        """
        with self._lock:
            mine = self._provisional.pop(run, {})
            others = {key for known in self._provisional.values() for keys in known.values() for key in keys}
        for key in set().union(*mine.values()) - others if ended else ():
            self._database.execute("DELETE FROM replies WHERE key = ? AND NOT final", (key,))

    def _note(self, key: bytes, asked: Sequence[bytes], run: str, *, final: bool) -> None:
        with self._lock:
            if not final:
                self._provisional.setdefault(run, {}).setdefault(asked[0], set()).add(key)
                return
            for known in self._provisional.values():
                for question in asked:
                    known.pop(question, None)


def _written(reply: Reply) -> dict[str, object]:
    """What ``_read`` reads; ``asdict`` would take ten times as long, copying strings."""
    usage = {name: getattr(reply.usage, name) for name in Usage.__slots__}
    fields = {name: getattr(reply, name) for name in _KEPT}
    asked: dict[str, object] = {}
    if reply.tool_calls:
        asked["tool_calls"] = [asdict(one) for one in reply.tool_calls]
    if reply.logprobs is not None:
        asked["logprobs"] = [[one.token, one.logprob, one.top] for one in reply.logprobs]
    return fields | {"usage": usage, "stored": True} | asked


def _read(body: str) -> Reply:
    fields = json.loads(body)
    asked = tuple(ToolCall(**one) for one in fields.pop("tool_calls", ()))
    said = fields.pop("logprobs", None)
    logprobs = None if said is None else tuple(Logprob(token, p, tuple(map(tuple, top))) for token, p, top in said)
    return Reply(**{**fields, "usage": Usage(**fields["usage"]), "tool_calls": asked, "logprobs": logprobs})
