"""``python -m promptops``."""

from __future__ import annotations

from promptops.cli import main

main()
