"""One vocabulary: counts and encodes text as plain text, whatever stands in it.

The engine is splintr. Its fast ``encode_flat`` reads special tokens such as ``<|endoftext|>`` out of the text, and its
``encode_ordinary`` does not. A text that spells no special token means the same to both, so the fast one is used
exactly then, and nothing can be injected.
"""

from __future__ import annotations

from promptops.tokens.pieces import pieces

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Protocol

    import numpy as np
    from numpy.typing import NDArray

    from promptops.tokens.spellings import Spellings

    class Engine(Protocol):
        """The part of splintr's tokenizers that a vocabulary needs."""

        def encode_ordinary(self, text: str) -> list[int]:
            """Ids of the text; specials in it are plain text."""
            ...

        def encode_flat(self, text: str) -> bytes:
            """Ids as little-endian 32-bit integers; specials in the text become their ids."""
            ...

        def decode_token_bytes(self, id: int) -> bytes:
            """What one id stands for."""
            ...

    class Lister(Protocol):
        """A tokenizer of splintr's that only gives lists."""

        def encode_ordinary(self, text: str) -> list[int]:
            """Ids of the text; specials in it are plain text."""
            ...

        def decode_token_bytes(self, id: int) -> bytes:
            """What one id stands for."""
            ...


_ID_BYTES = 4
_PREFIX = 2
_FEW = 4
_LOW_BLOCK = "▁".encode()
"""What SentencePiece vocabularies write for a space."""


class Listed:
    """Such a tokenizer as an engine."""

    def __init__(self, inner: Lister) -> None:
        self.encode_ordinary = inner.encode_ordinary
        self.decode_token_bytes = inner.decode_token_bytes

    def encode_flat(self, text: str) -> bytes:
        """Ids in the machine's order."""
        return _flat(self.encode_ordinary(text))


class Vocabulary:
    """An exact counter over one vocabulary. Immutable and safe to share between threads.

    ``additive`` says that its pre-tokenizer splits by one of the published patterns, which look at most one character
    ahead and never back, so that the tokens between two of its splits are the same alone and in any text;
    ``line_split`` that one of these splits follows the last line break of any white space; ``composed`` that the text
    is brought to Unicode's form NFC first.
    """

    exact = True

    def __init__(
        self,
        name: str,
        engine: Engine,
        size: int,
        specials: Iterable[str] = (),
        *,
        additive: bool = False,
        line_split: bool = False,
        composed: bool = False,
    ) -> None:
        self.name = name
        self.size = size
        self._engine = engine
        self._spellings: Spellings | None = None
        self._markers = _markers(specials)
        self._wrapping = _wrapping(engine)
        self._blocks = any(_LOW_BLOCK in bytes(engine.decode_token_bytes(i)) for i in engine.encode_ordinary("a b"))
        self.additive = additive and not any(self._wrapping)
        self.composed = composed
        self.line_split = self.additive and line_split

    def __repr__(self) -> str:
        return f"Vocabulary({self.name!r})"

    def count(self, text: str) -> int:
        """Tokens of ``text`` as plain text; never raises."""
        return sum(map(len, self._encode(text))) // _ID_BYTES

    def encode_flat(self, text: str) -> NDArray[np.uint32]:
        """Ids of ``text`` as plain text; never raises."""
        import numpy as np

        return np.frombuffer(b"".join(self._encode(text)), np.uint32)

    def token_bytes(self, token: int) -> bytes:
        """The UTF-8 bytes of the text that a token stands for; ``b""`` for one that stands for none."""
        try:
            spelling = bytes(self._engine.decode_token_bytes(token))
        except (ValueError, IndexError, OverflowError):
            return b""
        return spelling.replace(_LOW_BLOCK, b" ") if self._blocks else spelling

    @property
    def spellings(self) -> Spellings:
        """The table of what each token spells."""
        if self._spellings is None:
            from promptops.tokens.spellings import Spellings

            self._spellings = Spellings(self.size, self.token_bytes)
        return self._spellings

    def _encode(self, text: str) -> list[bytes]:
        """Ids of ``text`` as 32-bit integers in the machine's order, without those of the vocabulary's own template."""
        if self.composed:
            import unicodedata

            text = unicodedata.normalize("NFC", text)
        parts = pieces(text) if self.additive else (text,)
        try:
            return [self._flat(part) for part in parts]
        except UnicodeEncodeError:
            return self._encode(well_formed(text))

    def _flat(self, text: str) -> bytes:
        if self._spells_special(text):
            flat = _flat(self._engine.encode_ordinary(text))
        else:
            flat = self._engine.encode_flat(text)
        before, after = self._wrapping
        return flat[before * _ID_BYTES : len(flat) - after * _ID_BYTES] if before or after else flat

    def _spells_special(self, text: str) -> bool:
        return any(
            first in text and any(special[1:2] in text and special in text for special in specials)
            for first, specials in self._markers
        )


def _flat(ids: list[int]) -> bytes:
    from array import array

    return array("I", ids).tobytes()


def well_formed(text: str) -> str:
    """``text`` with every lone surrogate as U+FFFD and every pair of them as its character, as tiktoken reads it."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def _markers(specials: Iterable[str]) -> list[tuple[str, tuple[str, ...]]]:
    """Strings without which a text spells no special token, by their first character, which is fast to look for.

    Where many specials begin alike, what they have in common stands for them.
    """
    groups: dict[str, list[str]] = {}
    for special in specials:
        if special.strip():
            groups.setdefault(special[:_PREFIX], []).append(special)
    markers: dict[str, list[str]] = {}
    for prefix, group in groups.items():
        markers.setdefault(prefix[0], []).extend([prefix] if len(group) > _FEW else group)
    return [(first, tuple(found)) for first, found in markers.items()]


def _wrapping(engine: Engine) -> tuple[int, int]:
    """How many ids the vocabulary's own template puts before and after any text, such as ``[CLS]`` and ``[SEP]``."""
    empty = engine.encode_ordinary("")
    if not empty:
        return 0, 0
    letter = engine.encode_ordinary("a")
    before = next((i for i, (x, y) in enumerate(zip(empty, letter, strict=False)) if x != y), len(empty))
    return before, len(empty) - before
