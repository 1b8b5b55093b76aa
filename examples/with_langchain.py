"""LangChain both ways, without a key: one of its chat models under promptops, and promptops in one of its pipelines.

``stand_in`` answers from a list; a ``ChatAnthropic`` or any other chat model stands in the same place:

    promptops summarize examples/documents --model langchain:examples.with_langchain:stand_in \
        --tokenizer o200k_base --window 8000
"""

from __future__ import annotations

from langchain_core.documents import Document
from langchain_core.language_models import FakeListChatModel
from langchain_core.runnables import RunnableLambda

import promptops as po
from promptops.integrations.langchain import ChainRunnable

stand_in = FakeListChatModel(responses=["A stand-in was asked."])


def main() -> None:
    """Summarize once with a model of LangChain's, and once inside of LangChain."""
    spec = "langchain:examples.with_langchain:stand_in"
    with po.connect(spec, tokenizer="o200k_base", window=8_000, estimate_tokens=True) as client:
        result = po.run("summarize", "examples/documents/interview.txt", client)
        print(result.text, result.usage.input_tokens, "tokens in")

    with po.connect("extractive") as client:
        chain = ChainRunnable("summarize", client, words=40, corpus=False)
        headlines = chain | RunnableLambda(lambda result: [document.text for document in result.documents])
        pages = [
            Document("The river is long. It ends in the sea.", metadata={"source": "river"}),
            Document("회의는 세 시에 끝났다. 다음 회의는 월요일이다.", metadata={"source": "회의"}),
        ]
        print(*headlines.invoke(pages), sep="\n")


if __name__ == "__main__":
    main()
