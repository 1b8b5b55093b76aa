"""The plan of ``decompose``: a document is a request, split into parts that are answered side by side, and joined.

A part that needs other parts' answers waits for them. A split that cannot be used is asked for once more, with what was
wrong; then it is mended as far as it goes, and where it does not go the request is answered as one part.

What a part may take is fixed by how many there may be, and not by how many there are: their requests together, each
answer, and so the prompt of a part that needs all others. The bound of an estimate is that of such parts.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

from promptops.errors import EmptyError, MisfitError, PromptopsError, RefusedError, WindowError
from promptops.plans import summing
from promptops.plans.ask import STOPPING, Partial, ask
from promptops.plans.filling import filler
from promptops.plans.kind import Kind
from promptops.plans.pieces import COMPLAINTS, CUT, EMPTY, Listed, Piece, complaint, listed, mended, order, pieces
from promptops.plans.plan import Plan, Start, Started
from promptops.plans.question import Question
from promptops.plans.reading import each, excess
from promptops.plans.results import CorpusResult, DocumentResult, Node, Span
from promptops.plans.spec import Spec
from promptops.plans.tree import Tree
from promptops.types import Document, Source, SpanStatus

_PER_PART = 48
"""Tokens of JSON around a part, at the most."""
_BORDERS = 16
_USUAL = 6
"""How many parts there may be, where neither settings nor template say."""

_Answer = Partial | PromptopsError


def folder(sources: Iterable[Source], spec: Spec) -> Plan[CorpusResult | None]:
    """Every request by itself."""
    yield from each(sources, spec, over)
    return None


def over(source: Source, read: Document, spec: Spec) -> Plan[DocumentResult]:
    """The answer to one request; whatever goes wrong with it is in the result. A plan of yours may be around this."""
    asked = _Request(spec, source.name, read.text)
    if lacking := asked.lacking():
        window = min(model.window for model in spec.models.values())
        what = f"the request, {asked.most} parts and their answers pass the window of {window:,} tokens by {lacking:,}"
        how = "allow fewer parts (--set most=N), fewer words, or use a model with a larger window"
        return asked.failure(WindowError(f"{what}: {how}"))
    try:
        split, parts = yield from asked.split()
    except PromptopsError as failure:
        return asked.failure(failure)
    answers = yield from asked.answers(parts)
    nodes = asked.nodes(split, answers)
    stopping = next((answer for answer in answers if isinstance(answer, STOPPING)), None)
    answered = [answer for answer in answers if isinstance(answer, Partial)]
    if stopping is not None or not answered:
        return asked.failure(stopping or next(one for one in answers if isinstance(one, PromptopsError)), nodes)
    try:
        whole = yield from asked.joined(answered)
    except PromptopsError as failure:
        return asked.failure(failure, nodes)
    return asked.result(split, answers, whole)


class _Request:
    """One request, and what its parts may take of the window. Sizes in tokens."""

    def __init__(self, spec: Spec, source: str, text: str) -> None:
        self.most = _most(spec)
        self._unusable: PromptopsError = MisfitError("no parts")
        self._spec = spec
        self._source = source
        self._text = text
        self._ratio = spec.ratio(text)
        size = spec.count(text)
        self._like = size + _PER_PART * self.most
        self._allowed = 2 * self._like
        self._join_room = spec.room("join", request="") - size - _BORDERS
        each = (spec.room("answer") - self._allowed - _BORDERS) // self.most - spec.wrapping("answer")
        self._room = min(4 * each, self._join_room)

    def lacking(self) -> int:
        """By how many tokens it does not fit, 0 where it does."""
        spec = self._spec
        answer = 8 * spec.words("answer")
        join = max(8 * spec.words("join"), 8 * spec.wrapping("join"), answer)
        each = (answer // 4 + spec.wrapping("answer")) * self.most + self._allowed + _BORDERS - spec.room("answer")
        return max(each, join - self._join_room, excess(spec, self._splitting(max(COMPLAINTS, key=spec.count))), 0)

    def split(self) -> Plan[tuple[Partial | None, list[Piece]]]:
        """The answer that lists the parts, and the parts. Raises what is wrong where it is no JSON that fits."""
        spec = self._spec
        first, found, wrong = yield from self._listed("", 0)
        if not wrong:
            return first, pieces(found)
        try:
            again, other, wrong = yield from self._listed(wrong, 1)
        except STOPPING:
            raise
        except PromptopsError:
            if not found:
                raise
            again, other = None, []
        if spec.cautious and (again is None or not again.stored):
            return again, self._dearest()
        if again is None and first is None:
            raise self._unusable
        if again is not None and not wrong:
            return again, pieces(other)
        usable = mended(other or found, self.most, spec.count, self._allowed)
        return again or first, usable or [Piece(self._text)]

    def answers(self, parts: Sequence[Piece]) -> Plan[list[_Answer]]:
        """What became of each part, in order; all that need not wait go on side by side."""
        going: dict[int, Started] = {}
        for number in order(parts):
            needed = [going[need] for need in parts[number].needs]
            going[number] = yield Start(self._answer(parts[number], needed, final=len(parts) == 1))
        found = []
        for number in range(len(parts)):
            answer: _Answer = yield going[number]
            found.append(answer)
        return found

    def joined(self, answered: Sequence[Partial]) -> Plan[Partial]:
        """One answer of all; a single one is it."""
        tree = Tree(self._spec, "join", self._source, room=self._join_room, inputs={"request": self._text})
        try:
            for answer in answered:
                yield from tree.add(answer)
            whole = yield from tree.finish()
        except PromptopsError:
            yield from tree.abandon()
            raise
        return whole or answered[0]

    def result(self, split: Partial | None, answers: Sequence[_Answer], whole: Partial) -> DocumentResult:
        """The document's result; a part without an answer is a failed node beside the others."""
        lost = [answer for answer in answers if isinstance(answer, PromptopsError)]
        error = f"{len(lost)} of {len(answers)} parts failed: {lost[0]}" if lost else None
        partials = [whole, *(answer for answer in answers if isinstance(answer, Partial))]
        cut = bool(lost) or any(partial.status == "truncated" for partial in partials)
        return DocumentResult(
            self._source,
            "truncated" if cut else "ok",
            whole.text,
            chunks=1,
            coverage=(Span(0, len(self._text), "truncated" if cut else "ok", error),),
            tree=self.nodes(whole, (*lost, *([split] if split else []))),
            error=error,
            notes=whole.notes,
        )

    def failure(self, why: PromptopsError, tree: tuple[Node, ...] = ()) -> DocumentResult:
        """The document's result where there is no answer."""
        span = Span(0, len(self._text), _status(why), str(why))
        stopped = summing.stopped(why)
        return DocumentResult(
            self._source, "failed", chunks=1, coverage=(span,), tree=tree, error=str(why), stopped=stopped
        )

    def nodes(self, first: Partial | None, others: Sequence[_Answer]) -> tuple[Node, ...]:
        """``first`` and the others as nodes, those without an answer too."""
        return tuple(filter(None, map(self._node, (first, *others))))

    def _node(self, answer: _Answer | None) -> Node | None:
        if isinstance(answer, PromptopsError):
            step = self._spec.steps["answer"].name
            return Node(step, 1, 0, len(self._text), _status(answer), reason=str(answer))
        return answer.node if answer else None

    def _splitting(self, wrong: str) -> Question:
        inputs = {"request": self._text, "most": self.most, "wrong": wrong}
        about = (self._source, self._join_room, self._ratio)
        expected = self._evenly()
        return Question("split", inputs, *about, like=self._like, whole=True, end=len(self._text), expected=expected)

    def _listed(self, wrong: str, take: int) -> Plan[tuple[Partial | None, list[Listed], str | None]]:
        """The answer to one asking, the parts in it, and what is wrong with them."""
        try:
            answer = yield from ask(self._spec, self._splitting(wrong), (take,))
            found = listed(answer.text)
        except (MisfitError, EmptyError, ValueError) as failure:
            self._unusable = failure if isinstance(failure, PromptopsError) else MisfitError(f"no parts: {failure}")
            return None, [], self._worst(EMPTY if isinstance(failure, EmptyError) else CUT)
        return answer, found, complaint(found, self.most, self._spec.count, self._allowed)

    def _worst(self, wrong: str) -> str:
        """For the bound of an estimate, the longest complaint that there may be."""
        return max(COMPLAINTS, key=self._spec.count) if self._spec.cautious else wrong

    def _answer(self, part: Piece, needed: Sequence[Started], *, final: bool) -> Plan[_Answer]:
        texts = []
        for going in needed:
            answer: _Answer = yield going
            if isinstance(answer, PromptopsError):
                return answer if isinstance(answer, STOPPING) else MisfitError(f"a part that it needs failed: {answer}")
            texts.append(answer.text)
        inputs = {"request": part.request, "texts": texts}
        about = (self._source, self._room, self._ratio, 1)
        whole = self._spec.steps["answer"].template.checked
        question = Question("answer", inputs, *about, whole=whole, final=final, end=len(self._text))
        try:
            return (yield from ask(self._spec, question))
        except PromptopsError as failure:
            return failure

    def _evenly(self) -> str:
        """A split as it was asked for, into as many parts as there may be."""
        size = -(-len(self._text) // self.most)
        cuts = [self._text[start : start + size].strip() or "x" for start in range(0, self.most * size, size)]
        parts = [{"id": str(number), "request": cut, "needs": []} for number, cut in enumerate(cuts, 1)]
        return json.dumps({"parts": parts}, ensure_ascii=False)

    def _dearest(self) -> list[Piece]:
        """As many parts as there may be, as long as they may be, each of which needs all before it."""
        counters = {model.counter.name: model.counter for model in self._spec.models.values()}.values()
        text = max((filler(self._allowed // self.most + 1, counter) for counter in counters), key=len)
        return [Piece(text, tuple(range(number))) for number in range(self.most)]


def _most(spec: Spec) -> int:
    """How many parts there may be: the chain file's word, else the setting, else the template's default."""
    step = spec.steps["split"]
    declared = step.template.inputs.get("most")
    usual = declared.default if declared is not None and not declared.required else _USUAL
    return max(int(step.inputs.get("most") or spec.settings.most or usual), 1)


def _status(failure: PromptopsError) -> SpanStatus:
    return "refused" if isinstance(failure, RefusedError) else "failed"


KIND = Kind(
    "decompose",
    folder,
    {"split": ("request", "wrong"), "answer": ("request", "texts"), "join": ("texts", "request")},
    ("words", "reduce_tokens"),
    cutting=(),
    joining=("join",),
)
