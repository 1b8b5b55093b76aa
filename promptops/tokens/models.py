"""tiktoken's own table of models, taken from its file alone: the rest of tiktoken takes longer to import than to count.

``tiktoken.model`` imports its package for one function that is of no use here. So its code is run with imports that
give nothing; where that should fail with another release of tiktoken, it is imported as usual.
"""

from __future__ import annotations

import builtins
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from importlib.machinery import ModuleSpec
    from types import CodeType
    from typing import Any

_MODULE = "tiktoken.model"
_FUNCTION = "encoding_name_for_model"

_known: list[Callable[[str], str]] = []


def encoding_name(model: str) -> str:
    """The encoding of a model as ``tiktoken.encoding_name_for_model`` gives it; ``KeyError`` where it knows none."""
    if not _known:
        _known.append(_alone() or _imported())
    return _known[0](model)


def _imported() -> Callable[[str], str]:
    from tiktoken.model import encoding_name_for_model

    return encoding_name_for_model


def _alone() -> Callable[[str], str] | None:
    try:
        code = _code()
        names: dict[str, Any] = {
            "__name__": _MODULE,
            "__builtins__": {**vars(builtins), "__import__": lambda *_, **__: _Nothing()},
        }
        exec(code, names)  # noqa: S102 - what importing it would run
        found: Callable[[str], str] = names[_FUNCTION]
        found("gpt-4")
    except Exception:  # noqa: BLE001 - whatever it is, the import says it better
        return None
    return found


def _code() -> CodeType:
    package = _spec(_MODULE.partition(".")[0], None)
    loader: Any = _spec(_MODULE, package.submodule_search_locations).loader
    code: CodeType = loader.get_code(_MODULE)
    return code


def _spec(name: str, path: Sequence[str] | None) -> ModuleSpec:
    """Where a module is, without importing what it is part of."""
    specs = (finder.find_spec(name, path) for finder in sys.meta_path)
    return next(spec for spec in specs if spec is not None)


class _Nothing:
    """A module whose every name is None."""

    def __getattr__(self, name: str) -> None:
        return None
