"""A plan that chain files can name: what runs it, the steps it needs, and what they and the file may say."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from promptops.plans.plan import Plan
from promptops.plans.results import CorpusResult
from promptops.plans.spec import Spec
from promptops.types import Source


@dataclass(frozen=True, slots=True)
class Kind:
    """``steps`` are those a chain must name, each with what it gets beside the settings, the text itself first.

    ``optional`` are steps that it may leave out; of ``needs``, each is of use only beside another; ``lists`` names the
    list that a step's JSON must have. ``settings`` are those that every chain of this plan knows; further
    ones are those that its templates take. Parts of documents are cut for the steps in ``cutting``; those in
    ``joining`` join texts, as many as ``fan_in`` allows.
    """

    name: str
    folder: Callable[[Iterable[Source], Spec], Plan[CorpusResult | None]]
    steps: Mapping[str, tuple[str, ...]]
    settings: tuple[str, ...]
    cutting: tuple[str, ...] = ("map",)
    joining: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()
    needs: Mapping[str, str] = field(default_factory=dict)
    lists: Mapping[str, str] = field(default_factory=dict)
    stands_for: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """By step, those whose answers its own replace, so that it must give JSON where they do."""
    joins: bool = False
    """Whether a chain file may say how answers are joined (``join: text`` or ``list``)."""
