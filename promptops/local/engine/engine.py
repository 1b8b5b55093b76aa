"""The engine: calls go in, ``step`` computes a little for all of them at once, events come out.

One thread calls it; only ``cancel`` may come from another. One process has at most one that computes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from promptops.errors import EngineError
from promptops.local.engine.answer import Answer, Slot
from promptops.local.engine.lookup import Lookup
from promptops.local.engine.native import Native, Part, fingerprint
from promptops.local.engine.output import Writer
from promptops.local.engine.planning import plan
from promptops.local.engine.refusal import check, check_text, refusal
from promptops.local.engine.sampler import GrammarError, Sampler, logprob
from promptops.local.engine.seating import Seating
from promptops.local.engine.shelf import Shelf
from promptops.local.engine.values import Done, Event, Failed, Finish, Piece, Request
from promptops.local.engine.waiting import Key, Waiting
from promptops.local.settings import EngineSettings, Lora

SINK = 4
"""Tokens that a shift keeps at the beginning (StreamingLLM, Xiao et al. 2023, table 2)."""


class Engine:
    """A model that answers many calls together. Raises ``EngineError`` where it cannot be loaded as asked."""

    def __init__(self, settings: EngineSettings) -> None:
        check(settings)
        self._settings = settings
        self._native = Native(settings)
        self._slots = [Slot(number) for number in range(settings.sequences)]
        self._shelf = Shelf(fingerprint(settings), settings.prefix_folder)
        self._seating = Seating(
            self._native,
            self._shelf,
            self._slots,
            parameters=self._native.parameters,
            threads=settings.threads,
        )
        self._waiting = Waiting(patience=2 * settings.sequences)
        self._cancelled: set[int] = set()
        self._running: frozenset[int] = frozenset()
        self._early: list[Event] = []
        self._budget = self._native.batch
        self._clock = 0
        self._shifting = False
        """Whether the next decode moves a part of the cache, which must not be left half done."""
        self.evaluated = 0
        """Prompt tokens that were computed, since the beginning."""
        self.decodes = 0
        """Calls of the library's decode, since the beginning."""
        self.window = self._native.window
        """Tokens that a prompt and its answer can have together."""
        self.vocabulary = self._native.vocabulary.size
        self.chat_template = self._native.vocabulary.template()
        self.begin, self.end, self.add_begin = self._native.vocabulary.special()

    def close(self) -> None:
        """Free the model; may be called twice."""
        for slot in self._slots:
            if slot.answer is not None:
                slot.answer.sampler.close()
                slot.answer = None
        self._native.close()

    # Text and tokens

    def tokenize(self, text: str, special: bool = False) -> list[int]:
        """The tokens of ``text``; special tokens are read out of it only where ``special``."""
        return self._native.vocabulary.tokenize(text, special)

    def detokenize(self, tokens: Sequence[int]) -> str:
        """The text of ``tokens``, without special ones."""
        return b"".join(self._native.vocabulary.piece(token)[0] for token in tokens).decode("utf-8", "replace")

    # Calls

    @property
    def busy(self) -> bool:
        """Whether ``step`` has anything to do."""
        return bool(self._early or self._waiting or any(slot.answer is not None for slot in self._slots))

    def submit(self, request: Request) -> None:
        """Take a call; what is wrong with it comes out of ``step`` as ``Failed``."""
        failure = refusal(self._native, self._settings, request)
        if failure is None and (request.id in self._waiting or request.id in self._running):
            failure = Failed(request.id, "rejected", f"call {request.id} is in the engine already")
        if failure is not None:
            self._early.append(failure)
        else:
            self._waiting.add(request, self._adapters(request))

    def cancel(self, number: int) -> None:
        """End a call, wherever it stands; from any thread, also while ``step`` computes."""
        self._cancelled.add(number)
        if number in self._running and not self._shifting:
            self._native.abort(True)

    def step(self) -> list[Event]:
        """Compute one batch, with at most one decode, and return what came of it."""
        self._native.abort(False)
        events, self._early = self._early, []
        events += self._drop_cancelled()
        events += self._admit()
        parts = plan(self._slots, self._budget, self.window)
        if parts:
            events += self._compute(parts)
        return events

    def embed(self, texts: Iterable[Sequence[int]]) -> list[list[float]]:
        """The vectors of tokenized texts, each of length one. Raises ``EngineError``."""
        if not self._settings.embeddings:
            raise EngineError(f"{self._settings.path}: loaded for text; vectors need embeddings=True")
        self._native.wear(_key(self._settings.loras))
        vectors: list[list[float]] = []
        batch: list[Part] = []
        room = self._native.batch
        for text in texts:
            check_text(self._native, self._settings, text)
            if len(batch) == self._settings.sequences or sum(len(part.tokens) for part in batch) + len(text) > room:
                vectors += self._native.vectors(batch)
                batch = []
            batch.append(Part(len(batch), 0, text, len(text)))
        return vectors + (self._native.vectors(batch) if batch else [])

    def _adapters(self, request: Request) -> Key:
        return _key(self._settings.loras if request.loras is None else request.loras)

    # From waiting to a sequence

    def _drop_cancelled(self) -> list[Event]:
        gone, self._cancelled = self._cancelled, set()
        events: list[Event] = []
        for number in gone:
            request = self._waiting.remove(number)
            if request is not None:
                events.append(Done(number, "", "cancelled", len(request.tokens), 0, 0))
        ended = [slot for slot in self._slots if slot.answer is not None and slot.answer.request.id in gone]
        return events + [self._finish(slot, "cancelled") for slot in ended]

    def _admit(self) -> list[Event]:
        """Give free sequences to waiting calls, and begin with those whose beginning is computed or nobody's."""
        events: list[Event] = []
        while any(slot.answer is None for slot in self._slots) and self._waiting:
            running = next((slot.answer.adapters for slot in self._slots if slot.answer is not None), None)
            request = self._waiting.take(running)
            if request is None:
                break
            failure = self._place(request)
            events += [failure] if failure else []
        self._running = frozenset(slot.answer.request.id for slot in self._slots if slot.answer is not None)
        self._seat()
        return events

    def _place(self, request: Request) -> Failed | None:
        key = self._adapters(request)
        tokens = list(request.tokens)
        try:
            sampler = Sampler(self._native, request)
        except GrammarError as failure:
            return Failed(request.id, failure.code, str(failure))
        slot = self._seating.choose(tokens, key)
        if slot is None:
            raise AssertionError("a call was taken without a free sequence")
        guesses = Lookup(self._settings.lookup) if self._settings.lookup and self._native.can_cut else None
        slot.answer = Answer(request, key, sampler, Writer(request.stop), guesses, tokens)
        slot.seated, slot.used = False, self._tick()
        return None

    def _seat(self) -> None:
        standing = [slot for slot in self._slots if slot.answer is not None and not slot.seated]
        if not standing:
            return
        waiting = [request.tokens for request in self._waiting.requests()]
        for slot in standing:
            others = [list(other.answer.tokens) for other in standing if other.answer and other is not slot]
            self._seating.seat(slot, [*map(list, waiting), *others])
        if not any(slot.seated and slot.answer is not None for slot in self._slots):
            self._seating.seat(standing[0], [], force=True)

    # Computing

    def _compute(self, parts: list[Part]) -> list[Event]:
        first = self._slots[parts[0].sequence].answer
        self._native.wear(first.adapters if first is not None else ())
        state = self._native.decode(parts)
        self._shifting = False
        self.decodes += 1
        if state == "done":
            self._budget = min(self._native.batch, self._budget * 2)
            return self._take(parts)
        self._take_back(parts)
        if state == "aborted":
            return []
        return self._full(parts) if state == "full" else self._lose(parts)

    def _take(self, parts: list[Part]) -> list[Event]:
        rows = self._native.rows(sum(part.rows for part in parts))
        events: list[Event] = []
        at = 0
        for part in parts:
            slot = self._slots[part.sequence]
            slot.held.extend(part.tokens)
            if slot.answer is None:
                continue
            if not slot.answer.written:
                self.evaluated += len(part.tokens)
            if part.rows:
                events += self._advance(slot, slot.answer, part, rows[at : at + part.rows])
                at += part.rows
            elif slot.answer.border == len(slot.held):
                self._seating.keep(slot)
        return events

    def _advance(self, slot: Slot, answer: Answer, part: Part, rows: Sequence[object]) -> list[Event]:
        """Sample from each row as long as the guess before it was right."""
        guesses = part.tokens[len(part.tokens) - part.rows + 1 :]
        written = ""
        right = 0
        finish: Finish | None = None
        for place, row in enumerate(rows):
            try:
                token = answer.sampler.pick(row)
            except GrammarError as failure:
                return [self._fail(slot, failure.code, str(failure))]
            text, finish = self._write(answer, token, row)
            written += text
            if finish or place == len(guesses) or token != guesses[place]:
                break
            right += 1
        if answer.lookup is not None:
            answer.lookup.learn(len(guesses), right)
        self._forget(slot, part.start + len(part.tokens) - len(guesses) + right)
        return self._events(slot, answer, written, finish)

    def _write(self, answer: Answer, token: int, row: object) -> tuple[str, Finish | None]:
        data, ends = self._native.vocabulary.piece(token)
        if ends:
            return "", "stop"
        answer.tokens.append(token)
        answer.written += 1
        if answer.request.logprobs is not None:
            answer.logprobs.append(logprob(self._native, row, token, answer.request.logprobs))
        text = answer.writer.add(data)
        if answer.writer.stopped:
            return text, "stop"
        over = len(answer.tokens) > self.window and not answer.request.shift
        return text, "length" if over or answer.written >= answer.request.most else None

    def _events(self, slot: Slot, answer: Answer, written: str, finish: Finish | None) -> list[Event]:
        events: list[Event] = []
        if finish:
            written += answer.writer.end()
        if answer.request.stream and written:
            events.append(Piece(answer.request.id, written))
        if finish:
            events.append(self._finish(slot, finish))
        elif len(answer.tokens) > self.window:
            self._shift(slot, answer)
        return events

    def _shift(self, slot: Slot, answer: Answer) -> None:
        """Go on past the window: the sink stays, the older half of the rest goes."""
        sink = min(SINK, self.window // 4)
        gone = (len(slot.held) - sink) // 2
        self._native.shift(slot.index, sink, gone)
        del slot.held[sink : sink + gone]
        del answer.tokens[sink : sink + gone]
        slot.shifted = sink
        self._shifting = True
        if answer.lookup is not None:
            answer.lookup.forget()

    def _forget(self, slot: Slot, length: int) -> None:
        """Wrong guesses leave the cache."""
        if len(slot.held) > length:
            self._native.cut(slot.index, length)
            del slot.held[length:]

    # What went wrong

    def _take_back(self, parts: list[Part]) -> None:
        """After a decode that did not end: keep the prompt tokens that were computed, undo the rest."""
        for part in parts:
            slot = self._slots[part.sequence]
            sure = min(self._native.reach(part.sequence), part.start + len(part.tokens) - part.rows)
            sure = max(sure, part.start)
            if self._native.cut(part.sequence, sure):
                slot.held.extend(part.tokens[: sure - part.start])
            else:
                self._native.cut(part.sequence, 0)
                slot.held.clear()

    def _full(self, parts: list[Part]) -> list[Event]:
        """No room in the cache: let go of what idle sequences keep, then read less at once, then give up a call."""
        idle = [slot for slot in self._slots if slot.answer is None and slot.held]
        for slot in idle:
            self._native.cut(slot.index, 0)
            slot.held.clear()
        if idle:
            return []
        if self._budget > len(self._slots):
            self._budget = max(len(self._slots), self._budget // 2)
            return []
        slot = self._slots[parts[-1].sequence]
        return [self._fail(slot, "engine", "the cache had no room left for this call beside the others")]

    def _lose(self, parts: list[Part]) -> list[Event]:
        from promptops.local.engine import log

        message = f"the library could not compute this call: {log.reason()}"
        return [self._fail(self._slots[part.sequence], "engine", message) for part in parts]

    def _fail(self, slot: Slot, code: str, message: str) -> Failed:
        number = slot.answer.request.id if slot.answer is not None else -1
        self._free(slot)
        return Failed(number, code, message)

    def _finish(self, slot: Slot, finish: Finish) -> Done:
        if slot.answer is None:
            raise AssertionError("a sequence without a call has nothing to finish")
        done = slot.answer.done(finish)
        self._free(slot)
        return done

    def _free(self, slot: Slot) -> None:
        if slot.answer is not None:
            slot.answer.sampler.close()
            self._running -= {slot.answer.request.id}
        slot.answer = None
        slot.used = self._tick()

    def _tick(self) -> int:
        self._clock += 1
        return self._clock


def _key(loras: Iterable[Lora]) -> Key:
    return tuple((lora.path, lora.scale) for lora in loras)
