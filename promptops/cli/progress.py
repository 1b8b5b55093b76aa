"""What a run shows while it goes on: a live line on a terminal, quiet plain lines otherwise. All of it on stderr."""

from __future__ import annotations

import sys
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from types import TracebackType
from typing import TYPE_CHECKING, Self

from promptops.backends.batch import News
from promptops.cli.printing import note, without_answer
from promptops.drivers.run import Observer
from promptops.plans.results import DocumentResult
from promptops.prices import dollars
from promptops.report.words import duration, plural
from promptops.types import Totals

if TYPE_CHECKING:
    from rich.progress import Progress

_RECENT = 30.0
"""Seconds of work that the time left is judged by: what the store gave at once must not count as speed for long."""


class Plain(Observer):
    """Says nothing but what went wrong, and the same thing once."""

    def __init__(self) -> None:
        self._said: str | None = None
        self._more = 0
        self._batches: dict[str, News] = {}

    def finished(self, result: DocumentResult, size: int) -> None:  # noqa: ARG002 - Live needs it
        """One line for a document without a full answer; what stopped the whole run is said at its end."""
        if not result.error or result.stopped:
            return
        if result.error == self._said:
            self._more += 1
            return
        self._said_again()
        self._said = result.error
        note(without_answer(result))

    def batch(self, news: News) -> None:
        """One line when the waiting for a batch begins, and one when it has ended."""
        if news.ended:
            self._batches.pop(news.batch, None)
            note(f"batch {news.batch}: {news.status}, {news.done:,} of {plural(news.calls, 'call')} done")
        elif news.batch not in self._batches:
            note(f"waiting for batch {news.batch}: {plural(news.calls, 'call')}")
        if not news.ended:
            self._batches[news.batch] = news

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Room on the terminal for what goes to standard output."""
        yield

    def _said_again(self) -> None:
        if self._more:
            note(f"… and the same for {plural(self._more, 'more document')}")
        self._more = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._said_again()


class Live(Plain):
    """Documents, calls, tokens, money of its cap, and time left, on one line that stays at the bottom."""

    def __init__(self, cap: Decimal | None) -> None:
        super().__init__()
        self._cap = cap
        self._sent = Totals()
        self._pace = Pace()
        self._progress = _bar()
        self._task = self._progress.add_task("", total=None, figures="", left="")

    def began(self, sources: int, size: int) -> None:
        """Show the whole."""
        self._pace.total = size
        self._progress.update(self._task, total=sources)

    def sent(self, totals: Totals) -> None:
        """Add what an attempt took."""
        self._sent = self._sent + totals
        self._progress.update(self._task, figures=self._figures())

    def finished(self, result: DocumentResult, size: int) -> None:
        """Move on by one document."""
        super().finished(result, size)
        self._pace.done(size, time.monotonic())
        left = self._pace.left()
        self._progress.update(self._task, advance=1, left=f"{duration(left)} left" if left is not None else "")

    def batch(self, news: News) -> None:
        """Keep the batches that are waited for on the line."""
        super().batch(news)
        self._progress.update(self._task, figures=self._figures())

    @contextmanager
    def aside(self) -> Iterator[None]:
        """The line is taken away meanwhile, where both are the same terminal."""
        if not sys.stdout.isatty():
            yield
            return
        self._progress.stop()
        yield
        self._progress.start()

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()
        super().__exit__(kind, value, trace)

    def _figures(self) -> str:
        sent = self._sent
        money = dollars(sent.usd) + (f" of {dollars(self._cap)}" if self._cap is not None else "")
        tokens = f"{sent.input_tokens:,} in {sent.output_tokens:,} out"
        return f"{plural(sent.calls, 'call')} · {tokens} · {money}{self._wait()}"

    def _wait(self) -> str:
        """How many batches wait, and how far they are."""
        if not self._batches:
            return ""
        waiting = self._batches.values()
        number = f"{len(self._batches):,} batch{'es' if len(self._batches) > 1 else ''}"
        return f" · {number}: {sum(one.done for one in waiting):,} of {sum(one.calls for one in waiting):,}"


class Pace:
    """Time left, from the bytes done in the last half minute."""

    def __init__(self) -> None:
        self.total = 0
        self._bytes = 0
        self._marks: deque[tuple[float, int]] = deque()

    def done(self, size: int, now: float) -> None:
        """So many bytes more are done."""
        self._bytes += size
        self._marks.append((now, self._bytes))
        while len(self._marks) > 2 and now - self._marks[0][0] > _RECENT:
            self._marks.popleft()

    def left(self) -> float | None:
        """Seconds, or ``None`` before there is anything to judge by."""
        if len(self._marks) < 2:
            return None
        (start, before), (end, after) = self._marks[0], self._marks[-1]
        return (self.total - self._bytes) * (end - start) / (after - before) if after > before else None


def observer(cap: Decimal | None) -> Plain:
    """Live where stderr is a terminal that can move its cursor."""
    if sys.stderr.isatty() and _moves():
        return Live(cap)
    return Plain()


def _moves() -> bool:
    from rich.console import Console

    return not Console(stderr=True).is_dumb_terminal


def _bar() -> Progress:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    return Progress(
        MofNCompleteColumn(),
        TextColumn("documents"),
        BarColumn(bar_width=20),
        TextColumn("{task.fields[figures]}"),
        TimeElapsedColumn(),
        TextColumn("{task.fields[left]}"),
        console=Console(stderr=True),
        transient=True,
        redirect_stdout=False,
        redirect_stderr=True,
    )
