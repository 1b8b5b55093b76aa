"""What the fake provider has seen: a record of every request, with what it billed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

_UNLOGGED = ("body", "headers")


@dataclass(frozen=True, slots=True)
class Seen:
    """One request as the server saw it. Tokens are 0 where nothing was billed, ``fault`` is ``""`` without one."""

    number: int
    model: str
    status: int
    fault: str
    input_tokens: int
    cached_tokens: int
    output_tokens: int
    reasoning_tokens: int
    body: Mapping[str, Any]
    headers: Mapping[str, str]
    batch: str = ""
    """The id of the batch that it was a part of."""

    @property
    def billed(self) -> bool:
        """Whether it cost anything."""
        return self.input_tokens > 0

    @property
    def line(self) -> str:
        """It as a line of JSON, without what the request held."""
        return json.dumps({name: value for name, value in asdict(self).items() if name not in _UNLOGGED}) + "\n"
