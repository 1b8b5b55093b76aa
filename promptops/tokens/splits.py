r"""How byte-pair vocabularies in GGUF files split a text into words before they merge.

``tokenizer.ggml.pre`` names the way; llama.cpp knows what each name stands for, and what it does is what the model
reads. Where its patterns differ from those that the model was published with, these are llama.cpp's: its ``gpt-4o``
tells upper and lower case apart in ASCII letters only, and no letter takes a mark into its word. Each name here is held
against llama.cpp by a test.
"""

from __future__ import annotations

from dataclasses import dataclass

_ENDINGS = "(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])"
_LETTERS = r"[^\r\n\p{L}\p{N}]?\p{L}+"
_REST = r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
_REST_WITH_SLASHES = _REST.replace(r"[\r\n]*", r"[\r\n/]*")
_GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
_DIGIT = r"\p{N}"
_THREE = "[0-9][0-9][0-9]"
_NOT_STOPS = r" ?[^(\s|.,!?…。，、।۔،)]+"
_KANA_AND_HAN = "[一-龥぀-ゟ゠-ヿ]+"
_PUNCTUATED = (
    r"""[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+"""
    r"| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_HALVING = "|".join(rf"\s{{{width}}}(?!\S)" for width in (512, 256, 128, 64, 32, 16, 8, 4, "1,2"))


def _cased(endings: str, digits: str, letters: str = r"\p{L}") -> str:
    """Words that end before an upper-case letter after a lower-case one."""
    upper, lower = f"[{letters}&&[^a-z]]", f"[{letters}&&[^A-Z]]"
    before = r"[^\r\n\p{L}\p{N}]?"
    words = f"{before}{upper}*{lower}+{endings}|{before}{upper}+{lower}*{endings}"
    return rf"{words}|\p{{N}}{digits}|{_REST_WITH_SLASHES}"


@dataclass(frozen=True, slots=True)
class Split:
    """Patterns that are applied one after another, each to what those before it left between their matches.

    ``additive`` and ``line_split`` are what ``Vocabulary`` says of them; ``whole`` that a word which is a token is
    never taken apart, whether or not merges lead to it.
    """

    patterns: tuple[str, ...]
    additive: bool = False
    line_split: bool = False
    whole: bool = False


def _words(digits: str, *, rest: str = _REST) -> str:
    """Endings of English, words with the one character before them, digits, and the rest."""
    return rf"{_ENDINGS}|{_LETTERS}|\p{{N}}{digits}|{rest}"


def _published(pattern: str, *, whole: bool = False) -> Split:
    """A split by one of the patterns of which all that Vocabulary asks for holds."""
    return Split((pattern,), additive=True, line_split=True, whole=whole)


_HAN_APART = (
    r"\p{Han}+",
    rf"[^\r\n\p{{L}}\p{{N}}]?[\p{{L}}&&[^\p{{Han}}]]+{_ENDINGS}?",
    rf"\p{{N}}{{1,3}}|{_REST}",
)
_MARKED = (
    rf"{_ENDINGS}|[^\r\n\p{{L}}\p{{N}}]?[\p{{L}}\p{{M}}]+|\p{{N}}",
    _REST.replace(r"[^\s\p{L}\p{N}]", r"[^\s\p{L}\p{M}\p{N}]"),
)
_SPACES_HALVED = rf" ?[^\s\p{{L}}\p{{N}}]+[\r\n]*|\s*[\r\n]+|{_HALVING}|\s"
_BREAKS_APART = r" ?[^\s\p{L}\p{N}\r\n]+|\s*[\r\n]+|\s+(?!\S)|\s+"
_ONE_BREAK = _REST.replace(r"[\r\n]+", r"[\r\n]")
_JINA = "jina-es jina-de jina-v2-es jina-v2-de jina-v1-en jina-v2-code roberta-bpe "
_PLAIN = "gpt-2 phi-2 mpt olmo jais trillion granite-docling exaone4 gigachat mellum modern-bert a.x-4.0 "

_FAMILIES = (
    (Split((_GPT2,), additive=True), _PLAIN + _JINA),
    (
        _published(_words("{1,3}"), whole=True),
        "llama3 llama-v3 llama-bpe falcon3 falcon-h1 pixtral midm-2.0 lfm2 jina-v5-nano",
    ),
    (_published(_words("{1,3}")), "dbrx smaug-bpe glm4 chatglm-bpe"),
    (_published(_words("")), "qwen2 deepseek-r1-qwen kormo f2llmv2 stablelm2 megrez hunyuan grok-2 solar-open"),
    (_published("|".join(_MARKED)), "qwen35"),
    (_published(_cased(f"{_ENDINGS}?", "{1,3}")), "gpt-4o llama4 kanana2 minimax-m2"),
    (_published(_cased("", ""), whole=True), "tekken"),
    (_published(_cased(f"{_ENDINGS}?", "{1,3}", r"\p{L}\p{M}"), whole=True), "granite-embed-multi-97m"),
    (_published("|".join(_HAN_APART)), "kimi-k2"),
    (Split((_DIGIT, _GPT2)), "starcoder refact command-r smollm codeshell exaone minerva-7b mellum2"),
    (Split((r"\p{N}{1,3}", _KANA_AND_HAN, _PUNCTUATED)), "deepseek-v3 hunyuan-dense joyai-llm"),
    (Split((r"[\p{P}\$\+<=>\^~\|`]+", _GPT2, _THREE)), "falcon"),
    (Split((r"[\p{P}\$\+<=>\^~\|]+", _GPT2, r"\p{N}+", _THREE)), "default"),
    (Split((_NOT_STOPS,)), "bloom gpt3-finnish poro-chat"),
    (Split((_NOT_STOPS, _DIGIT)), "viking"),
    (Split((_words("", rest=_BREAKS_APART),)), "seed-coder"),
    (Split((_words("", rest=_ONE_BREAK),)), "bailingmoe bailingmoe2 llada-moe"),
    (Split((_words("{1,3}", rest=_SPACES_HALVED),)), "jais-2"),
)
SPLITS = {name: split for split, names in _FAMILIES for name in names.split()}
"""The split that each name stands for."""
