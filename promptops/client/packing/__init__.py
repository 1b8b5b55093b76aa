"""Prompt packing: several small calls of one step in one prompt, each answered by its id."""

from __future__ import annotations

from promptops.client.packing.packed import Packed, may_be_packed
from promptops.client.packing.prompt import PER_ANSWER, asked_ids, ids_of, joined, written
from promptops.client.packing.sharing import split_among

__all__ = ["PER_ANSWER", "Packed", "asked_ids", "ids_of", "joined", "may_be_packed", "split_among", "written"]
