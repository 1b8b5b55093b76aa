"""Choosing a call's next token: the library's own samplers, one chain per call."""

from __future__ import annotations

import ctypes
import secrets
from typing import Any

import llama_cpp as library
import numpy as np

from promptops.errors import EngineError
from promptops.local.engine.native import Native
from promptops.local.engine.values import Request
from promptops.types import Logprob

_LAST = 64
"""Tokens of the answer that penalties look at."""
_CANDIDATE = np.dtype([("id", np.int32), ("logit", np.float32), ("p", np.float32)])
_POINTER = library.llama_token_data_p


class GrammarError(EngineError):
    """A grammar cannot be read, or leaves no token to choose."""

    code = "grammar"


class Sampler:
    """One call's sampling. ``pick`` takes a token in; a token that the grammar forbids is never taken."""

    def __init__(self, native: Native, request: Request) -> None:
        self._native = native
        self._greedy = request.temperature <= 0
        self._chain: Any = None
        self._grammar: Any = None
        self._candidates: Any = None
        penalized = (request.repeat_penalty, request.frequency_penalty, request.presence_penalty) != (1.0, 0.0, 0.0)
        if not self._greedy or penalized:
            self._chain = self._build(request, penalized)
        if request.grammar is not None:
            self._grammar = self._constrain(request.grammar)
        if self._chain is not None or self._grammar is not None:
            self._candidates = np.empty(native.vocabulary.size, _CANDIDATE)

    def close(self) -> None:
        """Free the native samplers."""
        for sampler in (self._chain, self._grammar):
            if sampler is not None:
                library.llama_sampler_free(sampler)
        self._chain = self._grammar = None

    def pick(self, logits: Any) -> int:
        """The next token after ``logits``, taken in. Raises ``GrammarError`` where the grammar leaves none."""
        token = self._choose(logits)
        if self._grammar is not None:
            if not self._allowed(token):
                token = self._choose(logits, constrained=True)
            library.llama_sampler_accept(self._grammar, token)
        if self._chain is not None:
            library.llama_sampler_accept(self._chain, token)
        return token

    def _build(self, request: Request, penalized: bool) -> Any:
        parameters = library.llama_sampler_chain_default_params()
        parameters.no_perf = True
        chain = library.llama_sampler_chain_init(parameters)
        seed = secrets.randbits(32) if request.seed is None else request.seed & 0xFFFFFFFF
        steps = []
        if penalized:
            values = request.repeat_penalty, request.frequency_penalty, request.presence_penalty
            steps.append(library.llama_sampler_init_penalties(self._native.vocabulary.size, _LAST, *values))
        if not self._greedy:
            if request.top_k > 0:
                steps.append(library.llama_sampler_init_top_k(request.top_k))
            if request.top_p < 1:
                steps.append(library.llama_sampler_init_top_p(request.top_p, 1))
            if request.min_p > 0:
                steps.append(library.llama_sampler_init_min_p(request.min_p, 1))
            steps.append(library.llama_sampler_init_temp(request.temperature))
        steps.append(library.llama_sampler_init_greedy() if self._greedy else library.llama_sampler_init_dist(seed))
        for step in steps:
            library.llama_sampler_chain_add(chain, step)
        return chain

    def _constrain(self, grammar: str) -> Any:
        rules = grammar.encode("utf-8", "replace")
        made = library.llama_sampler_init_grammar(self._native.vocabulary.pointer, rules, b"root")
        if not made or "\0" in grammar or not grammar.strip():
            self.close()
            raise GrammarError("the grammar cannot be read; it needs a rule 'root' and every rule that it names")
        return made

    def _choose(self, logits: Any, *, constrained: bool = False) -> int:
        """The chain's choice; among what the grammar allows where ``constrained``.

        Sampling first and constraining only where that fails has the same distribution as constraining at once, and
        asks the grammar about one token instead of the whole vocabulary.
        """
        if self._chain is None and not constrained:
            return int(logits.argmax())
        candidates = self._candidates
        candidates["id"] = np.arange(len(candidates), dtype=np.int32)
        candidates["logit"] = logits
        candidates["p"] = 0
        array = _array(candidates)
        if constrained:
            library.llama_sampler_apply(self._grammar, ctypes.byref(array))
            if not np.isfinite(candidates["logit"][: array.size]).any():
                raise GrammarError("the grammar allows none of the model's tokens at this place")
        if self._chain is None:
            return int(candidates["id"][candidates["logit"].argmax()])
        library.llama_sampler_apply(self._chain, ctypes.byref(array))
        return int(array.data[array.selected].id)

    def _allowed(self, token: int) -> bool:
        one = np.array([(token, 0.0, 0.0)], _CANDIDATE)
        array = _array(one)
        library.llama_sampler_apply(self._grammar, ctypes.byref(array))
        return bool(np.isfinite(one["logit"][0]))


def _array(candidates: Any) -> Any:
    pointer = ctypes.cast(candidates.ctypes.data, _POINTER)
    return library.llama_token_data_array(pointer, len(candidates), -1, False)


def logprob(native: Native, logits: Any, token: int, number: int) -> Logprob:
    """The natural log-probabilities of ``token`` and the ``number`` likeliest ones, before sampling."""
    exact = logits.astype(np.float64)
    exact -= exact.max()
    exact -= np.log(np.exp(exact).sum())
    number = min(number, len(exact))
    likeliest = np.argpartition(-exact, max(number - 1, 0))[:number]
    ordered = likeliest[np.argsort(-exact[likeliest], kind="stable")]
    return Logprob(
        _text(native, token),
        float(exact[token]),
        tuple((_text(native, int(other)), float(exact[other])) for other in ordered),
    )


def _text(native: Native, token: int) -> str:
    return native.vocabulary.piece(token)[0].decode("utf-8", "replace")
