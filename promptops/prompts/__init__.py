"""Prompts: templates with front matter, found by name and rendered in a sandbox."""

from __future__ import annotations

from promptops.prompts.library import Library

__all__ = ["Library"]
