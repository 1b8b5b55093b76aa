"""Which encoding a text is taken to be in, and what is taken for no text at all."""

from __future__ import annotations

import codecs
import os
import re

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from promptops.documents.decode import decode
from promptops.errors import DocumentError

KOREAN = (
    "안녕하세요",
    "서울",
    "오늘은 날씨가 좋습니다.",
    "이 문서는 프롬프트 최적화 도구의 사용법을 설명한다.",
    "회의록\n- 참석자: 김철수, 이영희\n- 안건: 예산",
    "토큰 token 비용 cost API 호출",
    "제1장 총칙 제1조(목적) 이 법은 국민의 기본적 권리를 보장함을 목적으로 한다.",
)
JAPANESE = ("こんにちは世界", "東京は日本の首都である。", "カタカナとひらがな", "吾輩は猫である。名前はまだ無い。")
CHINESE = ("你好，世界", "今天天气很好。", "中华人民共和国位于亚洲东部。", "本文档介绍如何使用该工具。")
TRADITIONAL = ("你好，世界", "今天天氣很好。", "本文件介紹如何使用該工具。")
WESTERN = (
    "café",
    "Größe",
    "Le résumé du document.",
    "El niño comió jalapeños en la mañana.",
    "The naïve approach is a cliché in most of the English texts that we read.",
    "São Paulo é a maior cidade do Brasil.",
    "price: 5 £ each",
    "Übermut tut selten gut; das weiß jeder.",
)
RUSSIAN = ("Привет, мир", "Москва является столицей России.")
POLISH = ("Zażółć gęślą jaźń", "Książka leży na stole i czeka na czytelnika.")
CZECH = ("Příliš žluťoučký kůň úpěl ďábelské ódy.",)

LEGACY = [
    *((text, "cp949") for text in KOREAN),
    *((text, encoding) for text in JAPANESE for encoding in ("cp932", "euc_jp", "iso2022_jp")),
    *((text, "gb18030") for text in CHINESE),
    *((text, "big5") for text in TRADITIONAL),
    *((text, "cp1252") for text in WESTERN),
    *((text, encoding) for text in RUSSIAN for encoding in ("cp1251", "koi8_r", "cp866")),
    *((text, encoding) for text in POLISH for encoding in ("cp1250", "iso8859_2")),
    *((text, "cp1250") for text in CZECH),
    ("“smart” quotes – and dashes… €5", "cp1252"),
    ("Güneş doğdu", "cp1254"),
    ("이 문서는 오래된 전자우편이다.", "iso2022_kr"),
]


@pytest.mark.parametrize("times", [1, 50])
@pytest.mark.parametrize(("text", "encoding"), LEGACY)
def test_legacy_encodings_are_told_from_a_few_words(text: str, encoding: str, times: int) -> None:
    """A line is enough, and more of it changes nothing."""
    assert decode(("\n".join([text] * times)).encode(encoding))[0] == "\n".join([text] * times)


@pytest.mark.parametrize("text", [*KOREAN, *JAPANESE, *CHINESE, *WESTERN, *RUSSIAN])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32", "utf-16-le", "utf-16-be", "utf-32-be"])
def test_unicode_encodings_with_and_without_a_mark(text: str, encoding: str) -> None:
    """Short texts without a single space too."""
    assert decode(text.encode(encoding))[0] == text


def test_the_mark_of_the_other_byte_order() -> None:
    """Both byte orders of both widths."""
    for mark, encoding in (codecs.BOM_UTF16_BE, "utf-16-be"), (codecs.BOM_UTF32_BE, "utf-32-be"):
        assert decode(mark + "가나 다".encode(encoding))[0] == "가나 다"


def test_the_encoding_is_named_as_python_calls_it() -> None:
    """And is enough to encode the text again."""
    assert decode("한글로 쓴 문서입니다".encode("euc-kr"))[1] == "cp949"
    for text, encoding in LEGACY:
        decoded, name = decode(text.encode(encoding))
        assert decoded.encode(name)


def test_one_foreign_line_in_a_long_ascii_file() -> None:
    """The first megabyte says nothing about the encoding of the last line."""
    text = (
        "plain ascii line\n" * 60_000 + "이 문서는 프롬프트 최적화 도구의 사용법을 설명한다.\n" + "more ascii " * 9_000
    )
    assert decode(text.encode("cp949")) == (text, "cp949")


def test_a_declared_encoding_is_believed_where_the_bytes_agree() -> None:
    """It settles what the bytes leave open, and does not outweigh what they prove."""
    assert decode("Příliš použití".encode("iso8859_2"), "iso-8859-2") == ("Příliš použití", "iso8859-2")
    assert decode("한글".encode(), "euc-kr") == ("한글", "utf-8")
    assert decode("한글 문서".encode("cp949"), "utf-8") == ("한글 문서", "cp949")
    assert decode("한글 문서".encode("cp949"), "no-such-encoding") == ("한글 문서", "cp949")
    assert decode("똠방각하 뷁".encode("cp949"), "EUC-KR") == ("똠방각하 뷁", "cp949")


@pytest.mark.parametrize(
    "data",
    [
        b"\0",
        b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 4,
        b"\x7fELF" + bytes(200),
        b"PK\x03\x04" + bytes(range(256)) * 4,
        b"text\0with\0nulls\0in\0it\0",
        bytes(range(32)) * 10,
    ],
)
def test_binary_data_is_no_text(data: bytes) -> None:
    """Control characters give it away."""
    with pytest.raises(DocumentError, match="binary"):
        decode(data)


def test_random_bytes_are_no_text() -> None:
    """Not by chance either."""
    for _ in range(50):
        with pytest.raises(DocumentError):
            decode(os.urandom(1000))


def test_a_stray_control_character_is_kept() -> None:
    """One null in a long text is not a binary file."""
    text = "line of text\n" * 20 + "\0\x0c\x1b[0m"
    assert decode(text.encode()) == (text, "utf-8")


def test_damaged_utf8_is_an_error_and_not_another_encoding() -> None:
    """It says where, instead of turning a document into nonsense or losing characters silently."""
    data = "안녕하세요 여러분\n".encode() * 30
    with pytest.raises(DocumentError, match="UTF-8 but for 1 damaged place in line 31"):
        decode(data + b"\xff" + data)
    with pytest.raises(DocumentError, match="UTF-8 but for 2 damaged places, the first in line 31"):
        decode(data + b"\xff\n" + data + b"\xfe")


def test_broken_utf16_is_an_error() -> None:
    """Half a character at the end, or half a surrogate pair."""
    for data in codecs.BOM_UTF16_LE + b"a", codecs.BOM_UTF16_LE + b"\x00\xd8a\x00":
        with pytest.raises(DocumentError, match="begins as UTF-16 but breaks at byte"):
            decode(data)


@given(st.binary(max_size=200))
@example(b"")
@example(b"\xff\xfe\0\0")
@example(b"\x80")
def test_any_bytes_give_a_text_or_one_error(data: bytes) -> None:
    """Nothing else is raised, and the text can be encoded."""
    try:
        text, encoding = decode(data)
    except DocumentError as error:
        assert str(error).isprintable()  # noqa: PT017 -- either outcome is right
    else:
        text.encode()
        codecs.lookup(encoding)


TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cn", "Co"], exclude_characters="\ufeff"))


@given(TEXT)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_what_proves_its_encoding_comes_back_whatever_the_text(encoding: str, text: str) -> None:
    """Any text in UTF-8, and any with a byte order mark."""
    assume(encoding != "utf-8" or not text.isascii() or not re.search(r"\x1b", text))
    assert decode(text.encode(encoding))[0] == text


def _sentences(words: str) -> st.SearchStrategy[str]:
    return st.lists(st.sampled_from(words.split()), min_size=12, max_size=80).map(" ".join)


@given(
    _sentences(
        "문서는 문서를 요약하고 비용을 계산합니다. 사용자가 모델에 보내는 토큰의 수를 미리 알려 줍니다. "
        "회의에서 논의한 예산과 일정은 다음과 같다. API server 2024년 (서울) 그리고 하지만 있습니다. 없다. "
        "결과가 나왔다. 도시의 기후 변화에 대한 연구"
    ),
)
@pytest.mark.parametrize("encoding", ["cp949", "utf-16-le", "utf-16-be"])
def test_korean_sentences_come_back(encoding: str, text: str) -> None:
    """Any order of ordinary words, with Latin ones among them."""
    assume(not text.isascii())
    assert decode(text.encode(encoding))[0] == text


@given(
    st.lists(st.sampled_from([*JAPANESE, "データを使います。", "これは長い文書の説明です。", "API 2024"]), min_size=4)
)
@pytest.mark.parametrize("encoding", ["cp932", "euc_jp", "utf-16-le"])
def test_japanese_sentences_come_back(encoding: str, parts: list[str]) -> None:
    """Any order of ordinary sentences."""
    text = "\n".join(parts)
    assert decode(text.encode(encoding))[0] == text


@given(
    _sentences(
        "The café résumé naïve cliché of déjà vu Größe für über straße niño mañana São é à la façon près où "
        "forêt très and with plain English words most times as they are found in text £5 “quoted” it’s"
    )
)
def test_western_sentences_come_back(text: str) -> None:
    """Few accents or many, of several languages in one text."""
    accents = {letter for letter in text if letter.isalpha() and not letter.isascii()}
    assume(accents != {"ñ", "ê"})  # Spanish and French in one, or as good as Polish: no letter tells
    assert decode(text.encode("cp1252"))[0] == text
