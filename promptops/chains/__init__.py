"""Chains: named plans with their settings, one YAML file each."""

from __future__ import annotations

from promptops.chains.chain import Chain
from promptops.chains.file import SUFFIXES, load, names, parse

__all__ = ["SUFFIXES", "Chain", "load", "names", "parse"]
