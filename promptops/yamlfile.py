"""YAML that people write by hand: read strictly, every complaint with its file and line.

Anchors and aliases are refused, which also disarms entity-expansion bombs, and so is a key that stands twice.
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

Place = tuple[str | int, ...]


class _Complaint(Exception):
    def __init__(self, line: int, text: str) -> None:
        super().__init__(text)
        self.line = line


def validated(
    model: type[ModelT], text: str, where: str, error: type[UsageError], *, first_line: int = 1
) -> ModelT:
    """``text`` as one ``model``; raises ``error`` with ``where:line: what is wrong``.

    ``first_line`` is the line of the file that ``text`` begins on.
    """
    from pydantic import ValidationError

    lines: dict[Place, int] = {}
    try:
        data = _read(text, lines)
    except _Complaint as complaint:
        raise error(f"{where}:{complaint.line + first_line}: {complaint}") from None
    try:
        return model.model_validate(data)
    except ValidationError as failure:
        line, what = _first(failure, lines)
        raise error(f"{where}:{line + first_line}: {what}") from None


def _read(text: str, lines: dict[Place, int]) -> object:
    if len(text) > _LIMIT:
        raise _Complaint(0, f"over {_LIMIT // 1024} KiB of YAML; this should be a few lines")
    try:
        for event in yaml.parse(text, Loader=yaml.SafeLoader):
            if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
                raise _Complaint(event.start_mark.line, "anchors and aliases (& and *) are not allowed here")
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        if node is not None:
            lines.update(_places(node, ()))
        return {} if node is None else yaml.safe_load(text)
    except yaml.MarkedYAMLError as failure:
        mark = failure.problem_mark or failure.context_mark
        raise _Complaint(mark.line if mark else 0, f"not valid YAML: {failure.problem or failure.context}") from None
    except (yaml.YAMLError, RecursionError, ValueError) as failure:
        raise _Complaint(0, f"not valid YAML: {str(failure).splitlines()[0]}") from None


def _places(node: yaml.Node, place: Place) -> Iterator[tuple[Place, int]]:
    yield place, node.start_mark.line
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            name = str(key.value)
            if name in seen:
                raise _Complaint(key.start_mark.line, f"the key {name!r} stands twice")
            seen.add(name)
            yield (*place, name), key.start_mark.line
            yield from (found for found in _places(value, (*place, name)) if found[0] != (*place, name))
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            yield from _places(value, (*place, index))


def _first(failure: ValidationError, lines: dict[Place, int]) -> tuple[int, str]:
    details: Any = failure.errors(include_url=False)[0]
    place: Place = tuple(details["loc"])
    name = ".".join(str(part) for part in place)
    known = place
    while known not in lines and known:
        known = known[:-1]
    what = "unknown key" if details["type"] == "extra_forbidden" else details["msg"][:1].lower() + details["msg"][1:]
    return lines.get(known, 0), f"{name}: {what}" if name else what
