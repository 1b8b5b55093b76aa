"""The prompt library beside LangChain's: rendering and counting, fitting a long document, and the pytest plugin.

python benchmarks/prompts.py [--documents FOLDER]

Prints ratios of medians over interleaved rounds. Needs langchain-core and tiktoken with o200k_base in its cache
(``promptops tokens export o200k_base``).
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import promptops as po
from promptops.tokens import counter

ROUNDS = 15
COUNTER = counter("gpt-5-mini")
BODY = "You are given minutes. Say who promised what, and by when, in at most {words} words, in plain prose.\n"


def timed(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def ratio(ours: Callable[[], object], theirs: Callable[[], object], times: int = 1) -> float:
    """Median of ours ÷ median of theirs, in turn."""
    mine, other = [], []
    for _ in range(ROUNDS):
        mine.append(timed(lambda: [ours() for _ in range(times)]))
        other.append(timed(lambda: [theirs() for _ in range(times)]))
    return median(mine) / median(other)


def rendering(text: str) -> float:
    """A prompt of about 2,000 tokens, rendered and counted, by us and by LangChain's template and tiktoken."""
    import tiktoken
    from langchain_core.prompts import ChatPromptTemplate

    ours = po.template(
        "---\nname: bench\nversion: 1\ninputs:\n  text: {type: string, document: true}\n  words: integer\n---\n"
        "{% system %}"
        + BODY.replace("{words}", "{{ words }}") * 5
        + "{% endsystem %}{% user %}{{ text | fence }}{% enduser %}"
    )
    theirs = ChatPromptTemplate.from_messages([("system", BODY * 5), ("user", "<document>\n{text}\n</document>")])
    encoding = tiktoken.get_encoding("o200k_base")

    def by_langchain() -> int:
        messages = theirs.format_messages(text=text, words=80)
        return sum(len(encoding.encode(str(message.content), disallowed_special=())) for message in messages)

    def by_us() -> int:
        return ours.render(text=text, words=80).tokens(COUNTER)

    assert by_us() - by_langchain() in range(-2, 3)
    print(f"  {by_us():,} tokens")
    return ratio(by_us, by_langchain, times=20)


def fitting(text: str) -> float:
    """A document of 100,000 tokens fitted into half, ÷ one count of the whole prompt."""
    prompt = po.template(
        "---\nname: bench\nversion: 1\ninputs:\n  text: {type: string, document: true}\n---\n"
        "{% user %}\n{% section 'document', shorten=true %}\n{{ text | fence }}\n{% endsection %}\n"
        "Sum it up.\n{% enduser %}"
    ).render(text=text)
    whole = prompt.tokens(COUNTER)
    fitted = prompt.fit(whole // 2, model=COUNTER)
    print(f"  {whole:,} tokens, fitted to {fitted.tokens(COUNTER):,} of {whole // 2:,}")
    return ratio(lambda: prompt.fit(whole // 2, model=COUNTER), lambda: prompt.tokens(COUNTER))


def plugin() -> float:
    """Milliseconds of processor time that the plugin adds to a run of 200 empty tests."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "test_empty.py"
        path.write_text("\n".join(f"def test_{number}(): pass" for number in range(200)))

        def run(*words: str) -> float:
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            subprocess.run(
                [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *words, str(path)],
                check=True, capture_output=True, cwd=folder,
            )  # fmt: skip

            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime

        run()
        with_it, without = [], []
        for _ in range(ROUNDS):
            with_it.append(run())
            without.append(run("-p", "no:promptops"))
    return (median(with_it) - median(without)) * 1000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--documents", type=Path, default=Path(__file__).parent.parent / "examples" / "documents")
    folder = parser.parse_args().documents
    text = "\n\n".join(path.read_text(encoding="utf-8") for path in sorted(folder.iterdir()) if path.suffix != ".html")
    while COUNTER.count(text) < 100_000:
        text += "\n\n" + text
    short = po.truncate(text, 1_850, model="gpt-5-mini")
    long = po.truncate(text, 100_000, model="gpt-5-mini")
    print(f"render and count ÷ LangChain ChatPromptTemplate and tiktoken: {rendering(short):.2f}")
    print(f"fit ÷ one count: {fitting(long):.2f}")
    print(f"the plugin adds to 200 empty tests: {plugin():.0f} ms")


if __name__ == "__main__":
    main()
