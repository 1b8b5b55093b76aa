"""Splitting texts into chunks, one window of text after another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from promptops.chunking.costs import TORN
from promptops.chunking.exact import exact_counts
from promptops.chunking.greedy import greedy
from promptops.chunking.limits import Limits
from promptops.chunking.overlap import extend_back
from promptops.chunking.source import Source
from promptops.errors import UsageError
from promptops.types import Chunk

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from promptops.chunking.borders import Borders
    from promptops.types import Counter

Span = tuple[int, int, int]
"""Start, end and tokens of one chunk."""

_WINDOW = 1 << 19
_WINDOW_PER_TOKEN = 512
_WAITING = 2
_CHARACTERS_PER_TOKEN = 8
_TRIES = 4
_LEAST_FOR_BLOCKS = 8


@dataclass(frozen=True, slots=True)
class Options:
    """What chunks are wanted: see ``split``."""

    counter: Counter
    whole: int
    """Tokens up to which a text stays in one piece."""
    limits: Limits
    overlap: int
    style: str

    @classmethod
    def of(cls, budget: int, counter: Counter, overlap: int, preferred: int | None, style: str) -> Options:
        """Checked options; ``UsageError`` where they contradict each other."""
        if budget < 1:
            raise UsageError(f"a chunk needs a budget of at least 1 token, not {budget}")
        if not 0 <= overlap <= budget // 2:
            raise UsageError(f"an overlap of {overlap} tokens is not from 0 to half of the budget of {budget}")
        core = budget - overlap
        if preferred is not None and not 1 <= preferred <= core:
            raise UsageError(f"a preferred size of {preferred} tokens is not from 1 to the {core} that chunks may take")
        return cls(counter, preferred or budget, Limits.of(core, preferred), overlap, style)


def split(
    text: str,
    budget: int,
    counter: Counter,
    *,
    overlap: int = 0,
    format: str = "text",
    preferred: int | None = None,
) -> list[Chunk]:
    """Spans of ``text`` of at most ``budget`` tokens each that tile it; ``[]`` for an empty text.

    ``counter`` counts the tokens, each chunk alone. ``format`` is a document's (``markdown``, ``rst``, ``html``,
    ``text``, ``code``). With ``overlap``, every chunk but the first also starts with up to that many tokens of whole
    sentences from before its core; ``cores`` gives the spans without them. ``preferred`` is a size in tokens that a
    chunk only passes, up to the budget, to end at a better place. A budget smaller than one grapheme raises
    ``UsageError``.
    """
    return list(stream((text,), budget, counter, overlap=overlap, format=format, preferred=preferred))


def stream(
    pieces: Iterable[str],
    budget: int,
    counter: Counter,
    *,
    overlap: int = 0,
    format: str = "text",
    preferred: int | None = None,
) -> Iterator[Chunk]:
    """The chunks of the text that ``pieces`` make up, as ``split`` gives them, in memory that its size does not move.

    Offsets count from the start of the first piece; how it is cut into pieces changes nothing.
    """
    options = Options.of(budget, counter, overlap, preferred, format)
    window = max(_WINDOW, _WINDOW_PER_TOKEN * budget)
    return _windows(iter(pieces), window, options)


def cores(chunks: Sequence[Chunk]) -> list[tuple[int, int]]:
    """The spans of all chunks of a text without what each repeats of the one before: these tile the text."""
    return [(chunk.start if i == 0 else chunks[i - 1].end, chunk.end) for i, chunk in enumerate(chunks)]


def _windows(pieces: Iterator[str], window: int, options: Options) -> Iterator[Chunk]:
    """Chunks of one window at a time; the last two of a window wait for the text that follows."""
    source = Source(pieces, kept=_CHARACTERS_PER_TOKEN * options.overlap)
    fenced, size = False, window
    while True:
        text, complete = source.ahead(size)
        if not text:
            return
        if complete and source.position == 0 and (whole := _whole(text, options)) is not None:
            yield whole
            return
        spans, found = _cut(text, options, source.position, fenced=fenced)
        if not complete:
            if len(spans) < 2 * _WAITING:
                size *= 2
                continue
            spans = spans[:-_WAITING]
        yield from _chunks(source, text, spans, options)
        end = spans[-1][1]
        fenced = not complete and found.in_fence(end)
        source.advance(end)
        size = window


def _whole(text: str, options: Options) -> Chunk | None:
    """The text as one chunk where it fits: most documents of a folder do, and need no borders."""
    if len(text) > _CHARACTERS_PER_TOKEN * options.whole:
        return None
    tokens = options.counter.count(text)
    return Chunk(0, len(text), text, tokens) if tokens <= options.whole else None


def _chunks(source: Source, text: str, spans: list[Span], options: Options) -> Iterator[Chunk]:
    """The chunks at the spans of one window, each with its overlap."""
    at = source.position
    if not options.overlap:
        for start, end, tokens in spans:
            yield Chunk(at + start, at + end, text[start:end], tokens)
        return
    behind = source.behind()
    context, moved = behind + text, len(behind)
    budget = options.limits.budget + options.overlap
    for start, end, core in spans:
        span = (moved + start, moved + end, core)
        begin, tokens = extend_back(context, span, options.overlap, budget, options.counter)
        yield Chunk(at + begin - moved, at + end, context[begin : moved + end], tokens)


def _cut(text: str, options: Options, position: int, *, fenced: bool) -> tuple[list[Span], Borders]:
    """The chunks of one window of text, which begins at ``position``, and all its borders."""
    from promptops.chunking.borders import borders

    limits, counter = options.limits, options.counter
    found = borders(text, counter, limits.budget, options.style, fenced=fenced)
    spans: list[Span] = [(0, len(text), options.limits.budget + 1)]
    for _ in range(_TRIES):
        cuts = _planned(found, limits)
        if cuts is None:
            break
        counts = exact_counts(found, cuts, counter)
        spans = _spans(found, cuts, counts)
        excess = max(counts) - options.limits.budget
        if excess <= 0:
            return spans, found
        limits = limits.shrunk(excess)
    return list(_mended(text, spans, options, position)), found


def _planned(found: Borders, limits: Limits) -> list[int] | None:
    """The best cuts; smaller chunks are allowed where the limits leave no cuts, or tear a block that would fit."""
    from promptops.chunking.plan import plan

    cuts = plan(found.cost, limits)
    if cuts is None and not found.passable(limits.budget):
        return None
    while limits.least > 1 and (cuts is None or (limits.least > _LEAST_FOR_BLOCKS and found.cost[cuts].max() >= TORN)):
        limits = limits.loosened()
        cuts = plan(found.cost, limits) or cuts
    return cuts


def _spans(found: Borders, cuts: list[int], counts: list[int]) -> list[Span]:
    ends = found.ends[cuts].tolist()
    return list(zip([0, *ends[:-1]], ends, counts, strict=True))


def _mended(text: str, spans: list[Span], options: Options, position: int) -> Iterator[Span]:
    """The spans, with those over the budget split again grapheme by grapheme."""
    budget = options.limits.budget
    for start, end, tokens in spans:
        if tokens <= budget:
            yield start, end, tokens
        else:
            yield from greedy(text, start, end, budget, options.counter, position=position)
