"""What a section is for, by its heading, and what a sentence says of itself, by its cue words.

Both after Edmundson, "New Methods in Automatic Extracting" (1969): headings and cue words tell more about a sentence
than its frequent words do. The lists are short, mostly English and Korean, with the commonest of Japanese, Chinese,
Spanish, French and German. The entries are parts of regular expressions.
"""

from __future__ import annotations

import re

TELLING, MIDDLING, PLAIN, ASIDE, APPARATUS = 1.0, 0.5, 0.3, 0.1, -1.0


def _any(spaced: str, unspaced: str) -> re.Pattern[str]:
    """Any of the entries, which stand between commas: ``spaced`` as whole words, ``unspaced`` anywhere."""
    words = "|".join(entry.strip() for entry in spaced.split(","))
    parts = "|".join(entry.strip() for entry in unspaced.split(","))
    return re.compile(rf"\b(?:{words})\b|{parts}", re.IGNORECASE)


_TELLING = _any(
    r"abstract, introduc\w+, overview, summar\w+, conclusions?, motivation, purpose, goals?, aims?, objectives?,"
    r"proposal, tl;?dr, at a glance, key (?:points|findings|results), what is, about, r[ée]sum[ée]n?, introducci[oó]n,"
    r"conclusi[oó]n(?:es)?, einleitung, zusammenfassung, fazit, überblick",
    "소개, 개요, 서론, 머리말, 들어가며, 요약, 결론, 맺음말, 마치며, 목적, 목표, 핵심, 이란, 무엇인가,"
    "はじめに, 概要, 要約, 序論, 序章, まとめ, 結論, おわりに, 引言, 简介, 介绍, 概述, 摘要, 总结, 结论, 前言, 小结",
)
_MIDDLING = _any(
    r"background, rationale, specification, results?, discussion, approach, findings, recommendations?, scope, design,"
    r"method\w*",
    "배경, 동기, 이유, 설계, 방법, 결과, 논의, 범위, 背景, 結果, 方法, 考察, 结果, 讨论, 范围",
)
_ASIDE = _any(
    r"rejected, alternatives?, open (?:issues|questions), examples?, faq, questions, deferred, future, limitations,"
    r"caveats, backwards?[- ]compat\w*, reference implementation, security, how to teach, related work, history,"
    r"unresolved, prior art, discussions?, test(?:ing|s)?, installation, usage, see also, notes?, acceptance,"
    r"performance",
    "예시, 예제, 질문, 대안, 향후, 한계, 관련 연구, 보안, 설치, 사용법, 참고, 例, よくある質問, 示例, 常见问题",
)
_APPARATUS = _any(
    r"references?, bibliography, works cited, copyright, licen[cs]e, licensing, acknowledge?ments?, thanks, credits,"
    r"change ?log, change history, revision history, footnotes?, endnotes?, further reading, contents, index, authors?,"
    r"contributors?, appendi(?:x|ces), release notes, contact, links, sponsors?, colophon, trademarks?, disclaimer,"
    r"bibliograf[ií]a, literatur",
    r"참고\s?문헌, 참고\s?자료, 저작권, 라이선스, 감사의, 변경\s?이력, 변경\s?사항, 각주, 목차, 부록, 색인, 저자,"
    "기여자, 더 읽을거리, 연락처, 参考文献, 謝辞, 付録, 目次, 脚注, 著作権, 变更, 致谢, 附录, 目录, 版权, 许可",
)
# "Reference implementation", "reference counting" and "the index type" are subjects, not apparatus.
_SUBJECT = _any(r"implementation, manual, counting, objects?, modules?, apis?, types?, cycles?, counts?", "$^")

_ANNOUNCING = (
    r"propos\w+|describ\w+|defin\w+|introduc\w+|explain\w*|present\w*|discuss\w*|specif\w+|suggest\w*|seeks?|aims?|"
    r"outlin\w+|provid\w+|adds?|covers?|shows?|recommend\w*|advocat\w*|argues?|is about|summari[sz]es?|extends?|"
    r"allow\w*|changes?|intend\w*|attempt\w*|deals?|sets? out|lays? out|establish\w*|documents?|address\w*|"
    r"contains?|lets?|enables?"
)
_WORK = (
    "pep|paper|document|proposal|article|report|guide|book|study|work|post|tutorial|essay|memo|policy|agreement|act|plan|"
    "project|library|package|tool|specification|rfc|standard|manual"
)
_ANNOUNCES = re.compile(
    rf".{{0,40}}?\b(?:this|the present|our)\s+(?:\w+\s+)?(?:{_WORK})\b"
    rf"(?![^.]{{0,30}}\b(?:not|never|no longer)\b)[^.]{{0,20}}?\b(?:{_ANNOUNCING})\b"
    r"|.{0,20}?\b(?:we|i) (?:propose|describe|present|introduce|suggest|recommend|conclude)\b"
    r"|it is (?:proposed|suggested|recommended)|the (?:purpose|goal|aim|objective|main \w+) (?:of|is)\b"
    r"|.{0,20}?(?:이|본)\s?(?:문서|글|논문|보고서|가이드|기사|제안|책|안내서|규정|연구|튜토리얼)[는은에의]"
    r"|.{0,30}?(?:목적|목표|핵심|요점)[은는이]"
    r"|.{0,10}?(?:本(?:書|稿|論文|文書|规范|报告)|この(?:文書|記事|論文)|本文|我们(?:提出|介绍))",
    re.IGNORECASE,
)
_LEANS = re.compile(
    r"(?:for (?:example|instance)|e\.g\.|however|but|and|also|or|so|then|moreover|furthermore|in addition|additionally|"
    r"on the other hand|otherwise|instead|similarly|likewise|note that|here|consider|suppose|see|that is|"
    r"in (?:this|that) case|in particular|again|another|these|those|that|it|he|she|they|such|yes|no|finally|first|"
    r"second|third|next|still|yet|nevertheless|nonetheless|though|even|i\.e\.|now|there(?:fore)?|thus|hence|"
    r"because of this|the (?:above|former|latter|following))\b"
    r"|(?:예를 들어|하지만|그러나|그런데|그리고|또한|또는|반면|반대로|마찬가지로|이때|이 경우|이는|이것|그것|"
    r"이렇게|이러한|이런|그래서|다음은|다음과|아래|위)"
    r"|(?:例えば|しかし|また|そして|なお|ただし|これ|それ|例如|但是|但|而且|此外|然而|这|那|它)",
    re.IGNORECASE,
)
_POINTS = _any(
    r"above, below, following, figure, table, section, listing, example",
    r"아래, 다음, 위의, 위에서, 그림, 표 \d, 예제, 下記, 上記, 如下, 下面",
)


def section_role(heading: str) -> float:
    """How much a section tells of the whole, from 1 for an introduction to -1 for references; 0.3 for any other."""
    if _APPARATUS.search(heading) and not _SUBJECT.search(heading):
        return APPARATUS
    if _TELLING.search(heading):
        return TELLING
    if _ASIDE.search(heading):
        return ASIDE
    return MIDDLING if _MIDDLING.search(heading) else PLAIN


def cues(sentence: str) -> tuple[float, float, float]:
    """Whether it announces what the document is for, leans on what stood before it, and points elsewhere."""
    return (
        float(_ANNOUNCES.match(sentence) is not None),
        float(_LEANS.match(sentence) is not None),
        float(_POINTS.search(sentence) is not None),
    )
