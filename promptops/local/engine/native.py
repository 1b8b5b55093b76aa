"""The one place that computes with llama.cpp: a model and its context, without any policy.

What the library aborts the process on is checked by the callers or here, and never sent: an empty batch or one over
``n_batch``, a token or sequence that is not there, a part of a sequence copied, a row sampled that has no logits.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import llama_cpp as library
import numpy as np

from promptops.errors import EngineError
from promptops.local.engine import log
from promptops.local.engine.vocabulary import Vocabulary
from promptops.local.engine.waiting import Key
from promptops.local.settings import EngineSettings

_TYPES = {"f32": 0, "f16": 1, "q4_0": 2, "q4_1": 3, "q5_0": 6, "q5_1": 7, "q8_0": 8, "iq4_nl": 20, "bf16": 30}
_FULL, _ABORTED = 1, 2


class Part(NamedTuple):
    """Tokens of one sequence in a batch, from position ``start``; ``rows`` is how many of the last get logits."""

    sequence: int
    start: int
    tokens: Sequence[int]
    rows: int


class Native:
    """A loaded model and its context. Not thread-safe, but for ``abort``. Raises ``EngineError``."""

    def __init__(self, settings: EngineSettings) -> None:
        self._context: Any = None
        self._model: Any = None
        self._adapters: dict[str, Any] = {}
        self._worn: Key = ()
        self.path = settings.path
        log.listen()
        library.llama_backend_init()
        self._model = self._load(settings)
        try:
            self.vocabulary = Vocabulary(self._model)
            self._load_adapters(settings)
            self._context = self._open(settings)
            self._prepare(settings)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Free everything; nothing may be called afterwards."""
        if self._context is not None:
            library.llama_free(self._context)
        if self._model is not None:
            library.llama_model_free(self._model)  # and its adapters
        self._context = self._model = None

    def _load(self, settings: EngineSettings) -> Any:
        parameters = library.llama_model_default_params()
        parameters.n_gpu_layers = settings.gpu_layers
        parameters.load_mode = (1 if settings.mmap else 0) + (2 if settings.mlock else 0)
        parameters.use_extra_bufts = settings.repack
        model = library.llama_model_load_from_file(settings.path.encode(), parameters)
        if not model:
            raise EngineError(f"{settings.path}: cannot be loaded: {log.reason()}")
        return model

    def _load_adapters(self, settings: EngineSettings) -> None:
        for lora in settings.loras:
            adapter = library.llama_adapter_lora_init(self._model, lora.path.encode())
            if not adapter:
                raise EngineError(f"{settings.path}: the adapter {lora.path} cannot be laid over it: {log.reason()}")
            self._adapters[lora.path] = adapter

    def _open(self, settings: EngineSettings) -> Any:
        parameters = library.llama_context_default_params()
        rows = settings.sequences * (1 + settings.lookup)
        self.batch = max(settings.batch, settings.context if settings.embeddings else rows)
        if settings.embeddings:  # pooling aborts the process where the batch is no multiple of the sequences
            self.batch = -(-self.batch // settings.sequences) * settings.sequences
        parameters.n_ctx = settings.context * settings.sequences
        parameters.n_seq_max = settings.sequences
        parameters.kv_unified = False
        parameters.n_batch = self.batch
        parameters.n_ubatch = self.batch if settings.embeddings else min(settings.micro_batch, self.batch)
        parameters.n_threads = parameters.n_threads_batch = settings.threads
        parameters.flash_attn_type = 1 if settings.flash_attention else 0
        parameters.type_k, parameters.type_v = _kind(settings.key_type), _kind(settings.value_type)
        parameters.embeddings = settings.embeddings
        parameters.no_perf = True
        context = library.llama_init_from_model(self._model, parameters)
        if not context:
            raise EngineError(f"{settings.path}: cannot be run with these settings: {log.reason()}")
        return context

    def _prepare(self, settings: EngineSettings) -> None:
        self._memory = library.llama_get_memory(self._context)
        pooled = library.llama_pooling_type(self._context) > 0
        if settings.embeddings and not pooled:
            raise EngineError(f"{settings.path}: gives text, not vectors; embeddings need an embedding model")
        if not settings.embeddings and not self._memory:
            raise EngineError(f"{settings.path}: an embedding model, which gives vectors and no text")
        self.window = min(settings.context, library.llama_n_ctx_seq(self._context))
        self.parameters = int(library.llama_model_n_params(self._model))
        self.width = library.llama_model_n_embd_out(self._model)
        recurrent = library.llama_model_is_recurrent(self._model) or library.llama_model_is_hybrid(self._model)
        self.can_cut = not recurrent
        """Whether the end of a sequence can be taken back."""
        self.can_shift = bool(self._memory) and self.can_cut and bool(library.llama_memory_can_shift(self._memory))
        self._arrays(settings.sequences)
        self._abort = (ctypes.c_char * 2)()
        self._watch()

    def _arrays(self, sequences: int) -> None:
        """One batch for always, whose arrays are NumPy's."""
        most = self.batch
        self._tokens, self._positions = np.zeros(most, np.int32), np.zeros(most, np.int32)
        self._counts, self._logits = np.ones(most, np.int32), np.zeros(most, np.int8)
        self._numbers = np.arange(sequences, dtype=np.int32)
        self._owners = np.zeros(most, np.uintp)
        self._owner = self._numbers.ctypes.data + 4 * np.arange(sequences, dtype=np.uintp)
        sequence_pointer = ctypes.POINTER(library.llama_seq_id)
        self._batch = library.llama_batch(
            0,
            self._tokens.ctypes.data_as(ctypes.POINTER(library.llama_token)),
            None,
            self._positions.ctypes.data_as(ctypes.POINTER(library.llama_pos)),
            self._counts.ctypes.data_as(ctypes.POINTER(ctypes.c_int32)),
            self._owners.ctypes.data_as(ctypes.POINTER(sequence_pointer)),
            self._logits.ctypes.data_as(ctypes.POINTER(ctypes.c_int8)),
        )

    def _watch(self) -> None:
        """Have decoding end as soon as a byte is set.

        The library asks between any two operations, a thousand times per decode, so what it asks is C: ``strlen`` of
        two bytes, which is 0 until the first is set.
        """
        strlen = ctypes.cast(ctypes.CDLL("msvcrt" if os.name == "nt" else None).strlen, ctypes.c_void_p).value
        self._asked = library.ggml_abort_callback(strlen)
        library.llama_set_abort_callback(self._context, self._asked, ctypes.cast(self._abort, ctypes.c_void_p))

    def abort(self, wanted: bool) -> None:
        """Make the decode that is running return at once, or let the next ones run; from any thread."""
        self._abort[0] = b"\1" if wanted else b"\0"

    def decode(self, parts: Iterable[Part]) -> str:
        """Compute: *done*, *full* (no room in the cache), *aborted* or *failed*. Rows come as ``parts`` do."""
        count = 0
        for part in parts:
            end = count + len(part.tokens)
            self._tokens[count:end] = part.tokens
            self._positions[count:end] = np.arange(part.start, part.start + len(part.tokens))
            self._owners[count:end] = self._owner[part.sequence]
            self._logits[count:end] = 0
            self._logits[end - part.rows : end] = 1
            count = end
        self._batch.n_tokens = count
        code = library.llama_decode(self._context, self._batch)
        return {0: "done", _FULL: "full", _ABORTED: "aborted"}.get(code, "failed")

    def rows(self, count: int) -> Any:
        """The logits of the last decode, ``count`` rows of the whole vocabulary; valid until the next one."""
        pointer = library.llama_get_logits(self._context)
        address = ctypes.cast(pointer, ctypes.c_void_p).value
        if not count or address is None:
            return np.empty((0, self.vocabulary.size), np.float32)
        numbers: Any = (ctypes.c_float * (count * self.vocabulary.size)).from_address(address)
        return np.frombuffer(numbers, np.float32).reshape(count, self.vocabulary.size)

    def vectors(self, parts: Sequence[Part]) -> list[list[float]]:
        """The pooled vectors of whole texts, each of length one; ``parts`` fit one batch, a sequence each."""
        if self._memory:
            library.llama_memory_clear(self._memory, False)
        if (state := self.decode(parts)) != "done":
            raise EngineError(f"{self.path}: the vectors could not be computed ({state}): {log.reason()}")
        return [self._vector(part.sequence) for part in parts]

    def _vector(self, sequence: int) -> list[float]:
        pointer = library.llama_get_embeddings_seq(self._context, sequence)
        vector = np.ctypeslib.as_array(pointer, (self.width,)).astype(np.float64)
        return list(map(float, vector / (np.linalg.norm(vector) or 1.0)))

    # The cache

    def copy(self, source: int, target: int) -> None:
        """Give ``target`` all that ``source`` has; with a cache per sequence only whole ones can be copied."""
        library.llama_memory_seq_cp(self._memory, source, target, -1, -1)

    def cut(self, sequence: int, start: int) -> bool:
        """Forget positions from ``start`` on; False where this kind of cache cannot, except for all of them."""
        return bool(library.llama_memory_seq_rm(self._memory, sequence, start, -1))

    def shift(self, sequence: int, keep: int, gone: int) -> None:
        """Forget ``gone`` positions after the first ``keep``, and move the rest up to them."""
        library.llama_memory_seq_rm(self._memory, sequence, keep, keep + gone)
        library.llama_memory_seq_add(self._memory, sequence, keep + gone, -1, -gone)

    def reach(self, sequence: int) -> int:
        """How many positions the cache holds of a sequence."""
        return int(library.llama_memory_seq_pos_max(self._memory, sequence)) + 1

    def state_size(self, sequence: int) -> int:
        """Bytes of a sequence's state."""
        return int(library.llama_state_seq_get_size(self._context, sequence))

    def state(self, sequence: int) -> bytes:
        """A sequence's part of the cache as bytes; empty where the library cannot."""
        size = self.state_size(sequence)
        space = np.empty(size, np.uint8)
        pointer = space.ctypes.data_as(ctypes.POINTER(ctypes.c_uint8))
        return space[: library.llama_state_seq_get_data(self._context, pointer, size, sequence)].tobytes()

    def restore(self, sequence: int, state: bytes) -> bool:
        """Put such bytes back; False where they are not of this model and these settings."""
        space = np.frombuffer(state, np.uint8).copy()
        pointer = space.ctypes.data_as(ctypes.POINTER(ctypes.c_uint8))
        return bool(library.llama_state_seq_set_data(self._context, pointer, len(state), sequence))

    def wear(self, adapters: Key) -> None:
        """Compute with these of the loaded adapters from now on."""
        if adapters == self._worn:
            return
        pointers = (library.llama_adapter_lora_p_ctypes * len(adapters))(
            *(self._adapters[path] for path, _ in adapters)
        )
        scales = (ctypes.c_float * len(adapters))(*(scale for _, scale in adapters))
        library.llama_set_adapters_lora(self._context, pointers, len(adapters), scales)
        self._worn = adapters


def fingerprint(settings: EngineSettings) -> bytes:
    """What a saved state depends on: the model's file, the library, and the shape of the cache."""
    file = Path(settings.path)
    digest = hashlib.sha256()
    with file.open("rb") as stream:
        digest.update(stream.read(2**20))
    facts = file.stat()
    shape = settings.sequences, settings.key_type, settings.value_type, settings.flash_attention, settings.gpu_layers
    digest.update(repr((facts.st_size, facts.st_mtime_ns, library.__version__, *shape)).encode())
    return digest.digest()


def _kind(name: str) -> int:
    if name not in _TYPES:
        raise EngineError(f"cache type {name!r} is not known; there are {', '.join(_TYPES)}")
    return _TYPES[name]
