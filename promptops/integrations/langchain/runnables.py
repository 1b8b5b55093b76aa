"""Chains and templates of promptops as LangChain runnables."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import replace
from os import PathLike
from typing import Any

from langchain_core.documents import Document
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage
from langchain_core.prompt_values import ChatPromptValue
from langchain_core.runnables import Runnable, RunnableConfig, RunnableSerializable
from typing_extensions import override

from promptops import api
from promptops.chains import Chain
from promptops.client import Client
from promptops.drivers import run as running
from promptops.drivers.result import Result
from promptops.errors import UsageError
from promptops.integrations.langchain import loop
from promptops.integrations.langchain.chat import ChatPromptops, response_format
from promptops.plans.results import DocumentResult
from promptops.prompts.template import Template
from promptops.types import Source

Path = str | PathLike[str]
Given = Path | Source | Document | Sequence[Path | Source | Document]
_MESSAGES = {"system": SystemMessage, "user": HumanMessage, "assistant": AIMessage}


class ChainRunnable(Runnable[Given, Result]):
    """A chain over documents: a path, a ``Source``, a LangChain ``Document``, or several of them, to a ``Result``.

    ``settings`` are the chain's own (``words=80``). ``stream`` gives each document's ``DocumentResult`` as soon as it
    and all before it are done, and the ``Result`` last. Raises what ``promptops.run`` raises.
    """

    def __init__(self, chain: str | Chain, client: Client, **settings: Any) -> None:
        self.chain = chain
        self.client = client
        self.settings = settings

    @override
    def invoke(self, input: Given, config: RunnableConfig | None = None, **kwargs: Any) -> Result:
        return loop.run(self.ainvoke(input, config, **kwargs))

    @override
    async def ainvoke(self, input: Given, config: RunnableConfig | None = None, **kwargs: Any) -> Result:
        return await self._acall_with_config(self._result, input, config, run_type="chain", **kwargs)

    @override
    def stream(  # type: ignore[override]
        self, input: Given, config: RunnableConfig | None = None, **kwargs: Any
    ) -> Iterator[DocumentResult | Result]:
        yield from loop.each(self.astream(input, config, **kwargs))

    @override
    async def astream(  # type: ignore[override]
        self, input: Given, config: RunnableConfig | None = None, **kwargs: Any
    ) -> AsyncIterator[DocumentResult | Result]:
        done: asyncio.Queue[DocumentResult | None] = asyncio.Queue()
        task = asyncio.ensure_future(
            self._acall_with_config(self._result, input, config, run_type="chain", sink=done.put_nowait, **kwargs)
        )
        task.add_done_callback(lambda _: done.put_nowait(None))
        try:
            while (result := await done.get()) is not None:
                yield result
            yield await task
        finally:
            task.cancel()
            await asyncio.wait([task])

    async def _result(self, given: Given, *, sink: Any = None, **settings: Any) -> Result:
        kept: list[DocumentResult] = []

        def take(result: DocumentResult) -> None:
            kept.append(result)
            if sink is not None:
                sink(result)

        async with self.client.in_use():
            job = api.job(self.chain, _sources(given), self.client.backend, {**self.settings, **settings})
            result = await running.run(job, self.client, sink=take)
        return replace(result, documents=tuple(kept))


def _sources(given: Given) -> list[Path | Source]:
    one = isinstance(given, (str, PathLike, Source, Document))
    several: Sequence[Any] = [given] if one else given  # type: ignore[assignment]
    return [_source(part, number) for number, part in enumerate(several, 1)]


def _source(given: Path | Source | Document, number: int) -> Path | Source:
    if not isinstance(given, Document):
        return given
    name = given.metadata.get("source") or given.id or f"document {number}"
    return Source(str(name), text=given.page_content)


class TemplateRunnable(RunnableSerializable[Mapping[str, Any], ChatPromptValue]):
    """A template: its inputs by name to the messages of a prompt.

    Before a ``ChatPromptops`` (``TemplateRunnable(...) | chat``) it also hands on the schema and the limit in tokens
    that the template asks of an answer. Raises ``TemplateError`` for wrong inputs.
    """

    template: Any

    def __init__(self, template: str | Template) -> None:
        loaded = api.template(template) if isinstance(template, str) else template
        super().__init__(template=loaded)  # type: ignore[call-arg]

    @override
    def invoke(self, input: Mapping[str, Any], config: RunnableConfig | None = None, **kwargs: Any) -> ChatPromptValue:
        return self._call_with_config(self._rendered, input, config, run_type="prompt", **kwargs)

    def _rendered(self, inputs: Mapping[str, Any]) -> ChatPromptValue:
        if not isinstance(inputs, Mapping):
            raise UsageError(f"{self.template.label} takes its inputs by name, not a {type(inputs).__name__}")
        prompt = self.template.render(**inputs)
        messages: list[BaseMessage] = [_MESSAGES[message.role](message.content) for message in prompt.messages]
        return ChatPromptValue(messages=messages)

    @override
    def __or__(self, other: Any) -> Any:
        if not isinstance(other, ChatPromptops):
            return super().__or__(other)
        output = self.template.head.output
        asked: dict[str, Any] = {}
        if output.json_schema is not None:
            asked["response_format"] = response_format({"title": "answer", **output.json_schema})
        if output.max_tokens is not None:
            asked["max_tokens"] = output.max_tokens + output.reasoning_tokens
        return super().__or__(other.bind(**asked) if asked else other)
