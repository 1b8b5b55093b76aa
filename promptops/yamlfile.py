"""YAML that people write by hand: read strictly, every complaint with its file and line.

Anchors and aliases are refused, which also disarms entity-expansion bombs, and so are tags and a key that stands twice.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, TypeVar

import yaml

from promptops.errors import UsageError

if TYPE_CHECKING:
    from pydantic import BaseModel, ValidationError

    ModelT = TypeVar("ModelT", bound=BaseModel)

_LIMIT = 256 * 1024
_DEPTH = 32

Place = tuple[str | int, ...]


class _ComplaintError(Exception):
    def __init__(self, line: int, text: str) -> None:
        super().__init__(text)
        self.line = line


def validated(model: type[ModelT], text: str, where: str, error: type[UsageError], *, first_line: int = 1) -> ModelT:
    """``text`` as one ``model``; raises ``error`` with ``where:line: what is wrong``.

    ``first_line`` is the line of the file that ``text`` begins on.
    """
    from pydantic import ValidationError

    lines: dict[Place, int] = {}
    try:
        data = _read(text, lines)
    except _ComplaintError as complaint:
        raise error(f"{where}:{complaint.line + first_line}: {complaint}") from None
    try:
        return model.model_validate(data)
    except ValidationError as failure:
        line, what = _first(failure, lines)
        raise error(f"{where}:{line + first_line}: {what}") from None


def line_of(text: str, *place: str | int) -> int:
    """The line, from 1, on which ``place`` (keys and indexes, outermost first) stands in ``text``, which is valid."""
    node = yaml.compose(text, Loader=yaml.SafeLoader)
    return _nearest(dict(_places(node, ())) if node else {}, place) + 1


def _read(text: str, lines: dict[Place, int]) -> object:
    if len(text) > _LIMIT:
        raise _ComplaintError(0, f"over {_LIMIT // 1024} KiB of YAML; this should be a few lines")
    try:
        depth = 0
        for event in yaml.parse(text, Loader=yaml.SafeLoader):
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            _check(event, depth)
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        if node is not None:
            lines.update(_places(node, ()))
        return {} if node is None else yaml.safe_load(text)
    except yaml.MarkedYAMLError as failure:
        mark = failure.problem_mark or failure.context_mark
        raise _ComplaintError(
            mark.line if mark else 0, f"not valid YAML: {failure.problem or failure.context}"
        ) from None
    except yaml.reader.ReaderError as failure:
        line = text.count("\n", 0, failure.position)
        raise _ComplaintError(line, f"not valid YAML: the character U+{failure.character:04X} is not allowed") from None
    except ValueError as failure:
        raise _ComplaintError(0, f"not valid YAML: a date or number is none: {failure}") from None


def _check(event: yaml.Event, depth: int) -> None:
    line = event.start_mark.line if event.start_mark else 0
    if depth > _DEPTH:
        raise _ComplaintError(line, f"nested over {_DEPTH} deep; two or three should do")
    if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
        raise _ComplaintError(line, "anchors and aliases (& and *) are not allowed here")
    if getattr(event, "tag", None):
        raise _ComplaintError(line, "tags (!) are not allowed here; quote the text")


def _places(node: yaml.Node, place: Place) -> Iterator[tuple[Place, int]]:
    yield place, node.start_mark.line
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            name = str(key.value)
            if name in seen:
                raise _ComplaintError(key.start_mark.line, f"the key {name!r} stands twice")
            seen.add(name)
            yield (*place, name), key.start_mark.line
            yield from (found for found in _places(value, (*place, name)) if found[0] != (*place, name))
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            yield from _places(value, (*place, index))


def _first(failure: ValidationError, lines: dict[Place, int]) -> tuple[int, str]:
    """Unknown keys before all else: a key that is wanted may only be misspelt."""
    found: list[Any] = sorted(failure.errors(include_url=False), key=lambda one: one["type"] != "extra_forbidden")
    details = found[0]
    place: Place = tuple(details["loc"])
    name = ".".join(str(part) for part in place)
    what = _what(details["type"], details["msg"])
    return _nearest(lines, place), f"{name}: {what}" if name else what


def _what(kind: str, message: str) -> str:
    if kind == "extra_forbidden":
        return "unknown key"
    if kind in ("model_type", "dict_type"):
        return "should be keys with values (key: value)"
    message = message.removeprefix("Value error, ")
    return message[:1].lower() + message[1:]


def _nearest(lines: dict[Place, int], place: Place) -> int:
    """The line of ``place``, or of the nearest thing around it."""
    while place not in lines and place:
        place = place[:-1]
    return lines.get(place, 0)
