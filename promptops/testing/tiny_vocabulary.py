"""A byte-level BPE vocabulary learned on the spot from a few sentences, for models that were never trained.

Byte-level BPE as in GPT-2 (Radford et al. 2019, section 2.2): every byte has a printable character to stand for it,
and merges are learned inside words, the most frequent pair first (Sennrich et al. 2016, algorithm 1).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

MERGES = 320
START, END, BEGIN, STOP = "<|im_start|>", "<|im_end|>", "<|begin|>", "<|stop|>"
SPECIAL = (BEGIN, STOP, START, END)
NORMAL, CONTROL, UNUSED = 1, 3, 5
"""Token types as GGUF numbers them."""

_TEXT = """
The committee that met in the spring read every report that had come in over the winter, and found that most of them
said the same thing in other words. It is not the length of a document that makes it hard to read but the order of what
it says. There are three rivers in the valley; they meet below the old mill, where the market used to be held on the
first day of the month. Nobody knows when the first house was built, or by whom. What we do know is that the people who
lived there traded wool, salt and iron with the towns on the coast, and that they wrote down what they had sold. Answer
the question in one sentence. Write a short summary of the text for the user. You are an assistant that gives the
shortest true answer, and says so when the text does not give one. system user assistant
봄에 모인 위원회는 겨울 동안 들어온 모든 보고서를 읽었고, 대부분이 같은 말을 다른 말로 하고 있다는 것을 알았다. 문서를
읽기 어렵게 하는 것은 길이가 아니라 말의 순서이다. 골짜기에는 세 개의 강이 있다. 강은 오래된 방앗간 아래에서 만난다.
"""


@dataclass(frozen=True, slots=True)
class Tokens:
    """The tokens by id, the kind of each, and the merges in the order they were learned."""

    texts: tuple[str, ...]
    kinds: tuple[int, ...]
    merges: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.texts)

    def id(self, text: str) -> int:
        """The id of a special token."""
        return self.texts.index(text)

    def readable(self) -> tuple[int, ...]:
        """Ids of the tokens that are whole UTF-8 text by themselves."""
        back = {letter: value for value, letter in enumerate(letters())}
        return tuple(
            rank
            for rank, (text, kind) in enumerate(zip(self.texts, self.kinds, strict=True))
            if kind == NORMAL and _is_text(bytes(back[letter] for letter in text))
        )


@lru_cache(maxsize=8)
def tokens(size: int = 0, merges: int = MERGES) -> Tokens:
    """Every byte, the merges, the special tokens, and as many unused ones as make ``size`` (0: none)."""
    learned = _learned(merges)
    normal = list(dict.fromkeys([*letters(), *(left + right for left, right in learned)]))
    spare = [f"<|unused{rank}|>" for rank in range(size - len(normal) - len(SPECIAL))]
    return Tokens(
        (*normal, *SPECIAL, *spare),
        (*[NORMAL] * len(normal), *[CONTROL] * len(SPECIAL), *[UNUSED] * len(spare)),
        tuple(f"{left} {right}" for left, right in learned),
    )


@lru_cache(maxsize=1)
def letters() -> tuple[str, ...]:
    """The character that stands for each byte: itself where it prints, else one from U+0100 on."""
    prints = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    others = iter(range(0x100, 0x200))
    return tuple(chr(value if value in prints else next(others)) for value in range(0x100))


def _learned(count: int) -> list[tuple[str, str]]:
    words = Counter(tuple(_words()))
    known = [(list(word), number) for word, number in words.items()]
    found: list[tuple[str, str]] = []
    while len(found) < count:
        pairs: Counter[tuple[str, str]] = Counter()
        for pieces, number in known:
            for pair in pairwise(pieces):
                pairs[pair] += number
        best = max(pairs, key=lambda pair: (pairs[pair], pair))
        found.append(best)
        known = [(_merged(pieces, best), number) for pieces, number in known]
    return found


def _words() -> Iterator[str]:
    """Words with the space before them, each byte as its character; punctuation keeps to itself."""
    import regex

    table = letters()
    for word in regex.findall(r"[^\r\n\p{L}\p{N}]?\p{L}+", _TEXT):
        yield "".join(table[value] for value in word.encode())


def _merged(pieces: Sequence[str], pair: tuple[str, str]) -> list[str]:
    found: list[str] = []
    for piece in pieces:
        if found and (found[-1], piece) == pair:
            found[-1] += piece
        else:
            found.append(piece)
    return found


def _is_text(data: bytes) -> bool:
    try:
        return data.decode().isprintable()
    except UnicodeDecodeError:
        return False
