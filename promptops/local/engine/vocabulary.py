"""A model's tokens and what they say."""

from __future__ import annotations

import ctypes
from typing import Any

import llama_cpp as library


class Vocabulary:
    """The vocabulary of a loaded model, and what its file says of prompts."""

    def __init__(self, model: Any) -> None:
        self._model = model
        self.pointer = library.llama_model_get_vocab(model)
        self.size = int(library.llama_vocab_n_tokens(self.pointer))
        self._pieces: dict[int, tuple[bytes, bool]] = {}

    def tokenize(self, text: str, special: bool) -> list[int]:
        """The tokens of ``text``; ``special`` reads special tokens out of it."""
        data = text.encode("utf-8", "replace")
        room = len(data) + 8
        while True:
            tokens = (library.llama_token * room)()
            count = library.llama_tokenize(self.pointer, data, len(data), tokens, room, False, special)
            if count >= 0:
                return list(tokens[:count])
            room = -count

    def piece(self, token: int) -> tuple[bytes, bool]:
        """A token's bytes (none for special and unknown ones), and whether it ends a text."""
        if not 0 <= token < self.size:
            return b"", False
        known = self._pieces.get(token)
        if known is None:
            known = self._pieces[token] = self._spell(token), bool(library.llama_vocab_is_eog(self.pointer, token))
        return known

    def special(self) -> tuple[int, int, bool]:
        """The token that begins a text, the one that ends it, and whether prompts want the first."""
        begin, end = library.llama_vocab_bos(self.pointer), library.llama_vocab_eos(self.pointer)
        return int(begin), int(end), bool(library.llama_vocab_get_add_bos(self.pointer))

    def template(self) -> str | None:
        """The model's chat template."""
        text = library.llama_model_chat_template(self._model, None)
        return text.decode("utf-8", "replace") if text else None

    def _spell(self, token: int) -> bytes:
        room = 64
        while True:
            space = ctypes.create_string_buffer(room)
            count = library.llama_token_to_piece(self.pointer, token, space, room, 0, False)
            if count >= 0:
                return space.raw[:count]
            room = -count
