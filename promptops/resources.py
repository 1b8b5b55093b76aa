"""Where the prompt library and the chain library are: inside the package when installed, beside it in a checkout."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def library(kind: str) -> Path:
    """The folder of the stock ``templates`` or ``chains``, from a wheel, an sdist or an editable install."""
    installed = _PACKAGE / "_library" / kind
    return installed if installed.is_dir() else _PACKAGE.parent / kind
