"""What one long document takes, and whether a reduce ends for long replies, beside LangChain and LlamaIndex.

    python benchmarks/chains.py [--tokens 60000]

All get the same document in chunks of 2,000 tokens and the same scripted model. *Tokens*: every reply has 120 tokens;
counted are input and output tokens by o200k_base, calls, and the depth: the longest row of calls of which each needs
the one before. *With LangChain's words* is our plan with the prompt of LangChain's chain in place of our longer
templates, which fence the text and set a length. *Termination*: every reply has so many tokens whatever the limit; our
window and LlamaIndex's are 4,000, LangChain's token_max is its default of 3,000, and a peer is stopped after 500 calls.
*Bound* is what the estimate says before the run.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import promptops as po
from promptops.api import job
from promptops.backends.scripted import Scripted
from promptops.chunking import split
from promptops.client import Client
from promptops.drivers.estimate import estimate
from promptops.drivers.run import run
from promptops.tokens import counter, truncate
from promptops.types import Call, Source

COUNTER = counter(tokenizer="o200k_base")
CHUNK, REPLY, WINDOW, MOST = 2_000, 120, 4_000, 500
_MARK = re.compile(r"R(\d+)R")
LENGTHS = (10, 100, 500, 1_000, 2_000, 4_000)


class TooManyError(BaseException):
    """A peer has made its last call; not an Exception, so that it handles none of it."""


@dataclass
class Count:
    """A model that answers in ``length`` tokens, each answer its own, and counts."""

    length: int
    calls: int = 0
    given: int = 0
    taken: int = 0
    depths: dict[int, int] = field(default_factory=dict)

    @property
    def depth(self) -> int:
        return max(self.depths.values())

    def say(self, prompt: str) -> str:
        if self.calls == MOST:
            raise TooManyError
        self.calls += 1
        below = [self.depths[int(number)] for number in _MARK.findall(prompt)]
        self.depths[self.calls] = 1 + max(below, default=0)
        mark = f"R{self.calls}R"
        text = mark + " flood" * (self.length - COUNTER.count(mark))
        self.given += COUNTER.count(prompt)
        self.taken += COUNTER.count(text)
        return text


def document(tokens: int) -> str:
    """A document of about so many tokens, no two sentences of it alike."""
    days = "".join(
        f"On day {day} the river rose {day * 7 % 31} inches before noon and nobody had moved the sheep.\n\n"
        for day in range(tokens // 15)
    )
    return truncate(days, tokens, counter=COUNTER)


def ours(text: str, model: Count, chain: str = "summarize", **settings: Any) -> int:
    """Run it; returns the estimate's bound in calls."""

    def answer(call: Call) -> po.Reply:
        said = model.say("".join(message.content for message in call.messages))
        return po.Reply(said, po.Usage(call.input_tokens or 0, 0, model.length))

    backend = Scripted(answer=answer, counter=COUNTER, window=settings.pop("window", 128_000))
    planned = job(chain, [Source("d", text=text)], backend, {"chunk_tokens": CHUNK, **settings})
    bound = asyncio.run(estimate(planned)).most.calls
    asyncio.run(run(planned, Client(backend)))
    return bound


def langchain(kind: str, text: str, model: Count, **options: Any) -> None:
    from langchain_classic.chains.summarize import load_summarize_chain
    from langchain_core.documents import Document
    from langchain_core.language_models.llms import LLM

    class Counting(LLM):
        @property
        def _llm_type(self) -> str:
            return "counting"

        def _call(self, prompt: str, stop: Any = None, run_manager: Any = None, **_: Any) -> str:  # noqa: ARG002
            return model.say(prompt)

        def get_num_tokens(self, text: str) -> int:
            return COUNTER.count(text)

    chain = load_summarize_chain(Counting(), kind, **options)
    chunks = [Document(page_content=chunk.text) for chunk in split(text, CHUNK, COUNTER)]
    chain.invoke({"input_documents": chunks})


def llama_index(text: str, model: Count) -> None:
    """Chunks as its helper repacks them."""
    from llama_index.core.indices.prompt_helper import PromptHelper
    from llama_index.core.llms import CompletionResponse, CustomLLM, LLMMetadata
    from llama_index.core.response_synthesizers import TreeSummarize

    class Counting(CustomLLM):
        @property
        def metadata(self) -> LLMMetadata:
            return LLMMetadata(context_window=WINDOW, num_output=REPLY)

        def complete(self, prompt: str, formatted: bool = False, **_: Any) -> CompletionResponse:  # noqa: ARG002
            return CompletionResponse(text=model.say(prompt))

        def stream_complete(self, prompt: str, formatted: bool = False, **_: Any) -> Any:
            raise NotImplementedError

    helper = PromptHelper(
        WINDOW, REPLY, chunk_overlap_ratio=0.0, chunk_size_limit=CHUNK, tokenizer=lambda text: [0] * COUNTER.count(text)
    )
    tree = TreeSummarize(llm=Counting(), prompt_helper=helper)
    tree.get_response("Summarize the document.", [chunk.text for chunk in split(text, CHUNK, COUNTER)])


PEERS: dict[str, Callable[[str, Count], None]] = {
    "LangChain map_reduce": lambda text, model: langchain("map_reduce", text, model),
    "LangChain refine": lambda text, model: langchain("refine", text, model),
    "LlamaIndex TreeSummarize": llama_index,
}


def tokens(text: str) -> None:
    chunks = len(split(text, CHUNK, COUNTER))
    print(f"{COUNTER.count(text):,} tokens in {chunks} chunks of {CHUNK:,}; replies of {REPLY}\n")
    print("| | calls | tokens in | tokens out | depth | in + out, ours = 1 |\n|---|---|---|---|---|---|")
    base = 0
    with TemporaryDirectory() as folder:
        plain = in_langchains_words(Path(folder))
        own = {
            "**promptops**": lambda text, model: ours(text, model, words=REPLY),
            "**promptops**, with LangChain's words": lambda text, model: ours(text, model, plain, words=REPLY),
        }
        for name, way in {**own, **PEERS}.items():
            model = Count(REPLY)
            way(text, model)
            base = base or model.given + model.taken
            share = (model.given + model.taken) / base
            print(f"| {name} | {model.calls} | {model.given:,} | {model.taken:,} | {model.depth} | {share:.3f} |")


def in_langchains_words(folder: Path) -> str:
    """A chain file whose templates are the prompt of LangChain's own chain."""
    from langchain_classic.chains.summarize.map_reduce_prompt import PROMPT

    for step, body in (("map", "{{ text }}"), ("join", "{{ texts | join('\n\n') }}")):
        kind = "text: {type: string, document: true}" if step == "map" else "texts: {type: list}"
        said = PROMPT.template.replace("{text}", body)
        (folder / f"{step}.j2").write_text(f"---\nname: {step}\nversion: 1\ninputs:\n  {kind}\n---\n{said}")
    steps = "{map: {template: map}, reduce: {template: join}, corpus: {template: join}}"
    (folder / "plain.yaml").write_text(f"name: plain\nplan: map_reduce\nsteps: {steps}\n")
    return str(folder / "plain.yaml")


def termination(text: str) -> None:
    print("\n| tokens per reply | promptops, bound | " + " | ".join(PEERS) + " |\n|---|---|" + "---|" * len(PEERS))
    for length in LENGTHS:
        model = Count(length)
        bound = ours(text, model, words=REPLY, window=WINDOW, reduce_tokens=WINDOW)
        cells = [f"{model.calls} of {bound}", *(ended(peer, text, length) for peer in PEERS.values())]
        print(f"| {length:,} | " + " | ".join(cells) + " |", flush=True)


def ended(peer: Callable[..., Any], text: str, length: int) -> str:
    model = Count(length)
    try:
        peer(text, model)
    except TooManyError:
        return f"no end in {MOST}"
    except (ValueError, RecursionError) as failure:
        return f"{type(failure).__name__} after {model.calls} paid"
    return str(model.calls)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tokens", type=int, default=60_000)
    text = document(parser.parse_args().tokens)
    warnings.simplefilter("ignore")
    tokens(text)
    termination(text)


if __name__ == "__main__":
    main()
