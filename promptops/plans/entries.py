"""Lists of entries united: what says the same stands once, with every place that says it, and nothing is lost.

Two texts are the same where only case, width and blanks tell them apart. Two objects are where all members are the same
but the quote and the places; or, where a ``key`` is given, where those members are the same and no other contradicts:
blanks are filled from the other. What differs is kept as two entries, in the order in which each came first.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from promptops.citing import locate
from promptops.prompts.choices import folded

PLACES, VERIFIED = "places", "verified"
ADDED = frozenset({PLACES, VERIFIED})
"""The members that a verified entry has beside its own."""


class United:
    """Values of one shape that come in one by one, as one value.

    Lists are united, objects member by member; of single values the first that is not blank is kept, and ``conflicts``
    says which others there were. ``quote`` is the member of an entry that repeats the text, ``key`` those that name it.
    """

    def __init__(self, quote: str = "quote", key: Sequence[str] = ()) -> None:
        self._quote = quote
        self._key = tuple(key)
        self._shape: type | None = None
        self._single: Any = None
        self._members: dict[str, United] = {}
        self._entries: list[Any] = []
        self._known: dict[str, list[int]] = {}
        self._others: dict[str, str] = {}

    def add(self, value: Any) -> None:
        """Take the next value."""
        if self._shape is None or (self._blank() and not _blank(value)):
            self._shape, self._single = type(value), value
        if self._shape is dict and isinstance(value, dict):
            for name, inner in value.items():
                self._members.setdefault(name, United(self._quote, self._key)).add(inner)
        elif self._shape is list and isinstance(value, list):
            for entry in value:
                self._enter(self._once(entry))
        elif not _blank(value) and not _same(value, self._single):
            self._others.setdefault(_form(value), json.dumps(value, ensure_ascii=False))

    @property
    def value(self) -> Any:
        """All that came in."""
        if self._shape is dict:
            return {name: member.value for name, member in self._members.items()}
        return [*self._entries] if self._shape is list else self._single

    @property
    def lists(self) -> Any:
        """Of an object only what lists hold, at any depth; ``None`` where there is none."""
        if self._shape is list:
            return [*self._entries]
        inner = {name: member.lists for name, member in self._members.items()} if self._shape is dict else {}
        return {name: value for name, value in inner.items() if value is not None} or None

    def conflicts(self, name: str = "") -> Iterator[str]:
        """Where single values differ: the one that is kept, and the others."""
        if self._shape is dict:
            for inner, member in self._members.items():
                yield from member.conflicts(f"{name}.{inner}" if name else inner)
        elif self._others:
            kept = json.dumps(self._single, ensure_ascii=False)
            yield f"{name or 'the answer'}: {kept} is kept, and other parts say {', '.join(self._others.values())}"

    def _blank(self) -> bool:
        return self._shape not in (dict, list) and _blank(self._single)

    def _enter(self, entry: Any) -> None:
        """Unite an entry with the first that says the same, or put it last."""
        group = self._known.setdefault(self._group(entry), [])
        for at in group:
            if (joined := self._joined(self._entries[at], entry)) is not None:
                self._entries[at] = joined
                return
        group.append(len(self._entries))
        self._entries.append(entry)

    def _once(self, entry: Any) -> Any:
        """An entry with nothing twice in its own lists, so that uniting it with its like changes nothing."""
        if not isinstance(entry, dict):
            return entry
        return {name: self._each_once(name, value) for name, value in entry.items()}

    def _each_once(self, name: str, value: Any) -> Any:
        if not isinstance(value, list):
            return value
        return _distinct(value) if name == PLACES else united([value], self._quote)

    def _group(self, entry: Any) -> str:
        if self._key and isinstance(entry, dict):
            named = {name: entry.get(name) for name in self._key}
            if not all(map(_blank, named.values())):
                return _form(named)
        return _form(self._own(entry))

    def _own(self, entry: Any) -> Any:
        """What an entry says, without where."""
        if not isinstance(entry, dict):
            return entry
        return {name: value for name, value in entry.items() if name != self._quote and name not in ADDED} or entry

    def _joined(self, one: Any, other: Any) -> Any:
        """Both entries in one, or ``None`` where they contradict each other."""
        if not isinstance(one, dict) or not isinstance(other, dict):
            return one
        joined = {**one}
        for name, value in self._own(other).items():
            if _blank(joined.get(name)):
                joined[name] = value
            elif isinstance(value, list) and isinstance(joined[name], list):
                joined[name] = united([joined[name], value], self._quote)
            elif not _blank(value) and not _same(joined[name], value):
                return None
        return self._with_places(joined, other)

    def _with_places(self, joined: dict[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
        """The words of the first that stands in the text, and the places of both."""
        better = other.get(VERIFIED) and not joined.get(VERIFIED)
        if self._quote in other and (better or _blank(joined.get(self._quote))):
            joined[self._quote] = other[self._quote]
        if ADDED & (joined.keys() | other.keys()):
            joined[VERIFIED] = bool(joined.get(VERIFIED) or other.get(VERIFIED))
            joined[PLACES] = _distinct([*joined.get(PLACES, ()), *other.get(PLACES, ())])
        return joined


def united(values: Iterable[Any], quote: str = "quote", key: Sequence[str] = ()) -> Any:
    """All ``values`` in one."""
    whole = United(quote, key)
    for value in values:
        whole.add(value)
    return whole.value


def verified(value: Any, text: str, place: Callable[[int, int], Mapping[str, Any]], quote: str = "quote") -> Any:
    """``value`` with every entry that quotes ``text`` held against it.

    Such an entry gets ``verified``, whether its quote stands in the text word for word, and ``places``: what ``place``
    makes of the characters in ``text`` where it does.
    """
    if isinstance(value, list):
        return [verified(one, text, place, quote) for one in value]
    if not isinstance(value, dict):
        return value
    inner = {name: verified(one, text, place, quote) for name, one in value.items()}
    if not isinstance(value.get(quote), str):
        return inner
    found = locate(value[quote], text)
    return {**inner, VERIFIED: found is not None, PLACES: [dict(place(found.start, found.end))] if found else []}


def _distinct(places: Iterable[Any]) -> list[Any]:
    return list({_form(place): place for place in places}.values())


def _blank(value: Any) -> bool:
    return value is None or (isinstance(value, str) and not value.strip()) or value in ([], {})


def _same(one: Any, other: Any) -> bool:
    return _form(one) == _form(other)


def _form(value: Any) -> str:
    """The same text for values that say the same."""
    return json.dumps(_folded(value), sort_keys=True)


def _folded(value: Any) -> Any:
    if isinstance(value, str):
        return folded(value)
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, list):
        return [_folded(one) for one in value]
    return {name: _folded(one) for name, one in value.items()} if isinstance(value, dict) else value
