"""A look at a grammar before native code sees it, which ends the process on one that it cannot run.

GBNF is llama.cpp's notation: a rule a line, literals, character classes, names, groups, alternatives and repetitions.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter

_MOST = 400_000
"""Characters."""
_DEEPEST = 1_000
"""Groups within groups, each of which native code reads by calling itself."""

_ESCAPE = r"\\(?:x[0-9A-Fa-f]{2}|u[0-9A-Fa-f]{4}|U[0-9A-Fa-f]{8}|[tnr\"\\\[\]])"
_TOKEN = re.compile(
    rf"""\s*(?:(?P<literal>"(?:[^"\\\n]|{_ESCAPE})*")|(?P<class>\[\^?(?:[^\]\\\n]|{_ESCAPE})+\])|(?P<name>[A-Za-z0-9-]+)"""
    r"|(?P<mark>[()|*+?]))"
)

Token = tuple[str, str]


def fault(grammar: str, root: str = "root") -> str | None:
    """What native code would not bear in ``grammar``, in a few words; ``None`` where there is nothing."""
    if len(grammar) > _MOST:
        return f"its grammar would have {len(grammar):,} characters"
    rules: dict[str, list[Token]] = {}
    for line in grammar.splitlines():
        name, _, body = line.partition(" ::= ")
        tokens = _tokens(body)
        if tokens is None:
            return f"{name} cannot be read"
        rules[name] = tokens
    undefined = {text for tokens in rules.values() for kind, text in tokens if kind == "name"} - rules.keys()
    if undefined or root not in rules:
        return f"there is no {min(undefined or {root})}"
    return _endless(rules)


def _tokens(body: str) -> list[Token] | None:
    found: list[Token] = []
    at = deep = 0
    body = body.rstrip()
    while at < len(body):
        token = _TOKEN.match(body, at)
        if token is None or token.lastgroup is None:
            return None
        at = token.end()
        text = token[token.lastgroup]
        deep += (text == "(" and token.lastgroup == "mark") - (text == ")" and token.lastgroup == "mark")
        if not 0 <= deep <= _DEEPEST:
            return None
        found.append((token.lastgroup, text))
    return found if deep == 0 else None


def _endless(rules: Mapping[str, list[Token]]) -> str | None:
    """Where a rule would have to be begun before its first character is read, or nothing repeated without end."""
    empty: set[str] = set()
    while True:
        seen = {name: _first(tokens, empty) for name, tokens in rules.items()}
        more = {name for name, (can_be_empty, _, _) in seen.items() if can_be_empty}
        if more == empty:
            break
        empty = more
    for name, (_, _, loops) in seen.items():
        if loops:
            return f"{name} repeats what may be empty"
    try:
        TopologicalSorter({name: first for name, (_, first, _) in seen.items()}).prepare()
    except CycleError as failure:
        return f"{failure.args[1][0]} begins with itself"
    return None


@dataclass(slots=True)
class _Group:
    """What is known of a group so far: whether one of its alternatives, or the present one, may be empty."""

    any_empty: bool = False
    empty: bool = True
    first: set[str] = field(default_factory=set)

    def add(self, empty: bool, first: set[str]) -> None:
        if self.empty:
            self.first |= first
        self.empty = self.empty and empty

    def next(self) -> None:
        self.any_empty, self.empty = self.any_empty or self.empty, True


def _first(tokens: list[Token], empty: set[str]) -> tuple[bool, set[str], bool]:
    """Whether a body may be empty, the rules that it may begin with, and whether it repeats what may be empty."""
    groups = [_Group()]
    loops = False
    for place, (kind, text) in enumerate(tokens):
        if kind == "mark" and text == "(":
            groups.append(_Group())
            continue
        if kind == "mark" and text == "|":
            groups[-1].next()
            continue
        if kind == "mark" and text != ")":
            continue
        item, first = text in empty if kind == "name" else text == '""', {text} if kind == "name" else set()
        if kind == "mark":
            group = groups.pop()
            group.next()
            item, first = group.any_empty, group.first
        after = tokens[place + 1][1] if place + 1 < len(tokens) and tokens[place + 1][0] == "mark" else ""
        loops = loops or (item and after in {"*", "+"})
        groups[-1].add(item or after in {"*", "?"}, first)
    groups[0].next()
    return groups[0].any_empty, groups[0].first, loops
