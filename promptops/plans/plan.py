"""What a plan is: a generator that asks and is answered, and never does anything itself.

A plan yields one of these requests and is sent what stands behind it:

====================  =====================================================================
``Call``              the ``Reply``
a list of plans       their results in order, all gone on with side by side
``Start(plan)``       a ``Started``, at once, while the plan goes on by itself
a ``Started``         that plan's result, once it is there
``Read(source)``      the ``Document``
``Split(…)``          the document's chunks, which the driver may keep where they were before an edit
``Report(…)``         ``None``; the driver hands the result to whoever waits for it
====================  =====================================================================

Whatever goes wrong with a request is raised inside the plan, at its ``yield``. (The idea of a generator without I/O
under thin drivers is httpx's ``auth_flow``.)
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from promptops.plans.results import DocumentResult
from promptops.types import Call, Counter, Document, Source

T = TypeVar("T")


class Started:
    """A plan that goes on by itself; yield it to wait for its result. Drivers make these."""

    __slots__ = ("task",)

    def __init__(self, task: Any) -> None:
        self.task = task


@dataclass(frozen=True, slots=True)
class Start:
    """Go on with ``plan`` side by side."""

    plan: Generator[Any, Any, Any]


@dataclass(frozen=True, slots=True)
class Read:
    """Open and decode one document."""

    source: Source


@dataclass(frozen=True, slots=True)
class Split:
    """Cut a document into chunks of ``budget`` tokens at most by ``counter``, ``overlap`` of them repeated."""

    source: Source
    document: Document
    counter: Counter
    budget: int
    overlap: int = 0


@dataclass(frozen=True, slots=True)
class Report:
    """The document with this number in the folder's order is done; documents end in any order."""

    number: int
    result: DocumentResult


Request = Call | Sequence[Generator[Any, Any, Any]] | Start | Started | Read | Split | Report
Plan = Generator[Request, Any, T]
