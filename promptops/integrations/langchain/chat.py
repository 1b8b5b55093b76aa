"""A promptops client as a LangChain chat model."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from operator import itemgetter
from typing import Any, Self

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.language_models.base import LangSmithParams
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.output_parsers import JsonOutputParser, PydanticOutputParser
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable, RunnableConfig, RunnableMap, RunnablePassthrough
from langchain_core.tools import BaseTool
from langchain_core.utils.function_calling import convert_to_openai_function, convert_to_openai_tool
from langchain_core.utils.pydantic import is_basemodel_subclass
from pydantic import ConfigDict, Field, PrivateAttr, model_validator
from typing_extensions import override

from promptops.api import connect
from promptops.client import Client
from promptops.errors import UsageError
from promptops.integrations.langchain import loop
from promptops.integrations.langchain.messages import answer, choice, last, ours, tools
from promptops.types import Call, Sampling, Tags

_DEFAULT_TOKENS = 4_096
_KNOWN = frozenset({
    "model", "temperature", "top_p", "seed", "max_tokens", "tools", "tool_choice", "response_format", "stream",
})  # fmt: skip


class ChatPromptops(BaseChatModel):
    """A client as a chat model: store, budget, ledger and retries stand behind LangChain's ``invoke``.

    Give a ``client``, or a ``model`` spec for a client without a store file. ``max_tokens`` limits the visible answer,
    by default to 4,096 tokens or half of the model's window. A reply from the store has ``stored`` in its
    ``response_metadata``, and a usage of 0. All synchronous calls share one event loop, whatever their threads.

    Raises promptops' own errors (``promptops.errors``); ``UsageError`` for images, audio and files in a message.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True, protected_namespaces=())

    client: Client = Field(default=None, exclude=True, repr=False)  # type: ignore[assignment]
    model: str = ""
    """The model spec; from the client where one is given."""
    temperature: float | None = None
    top_p: float | None = None
    seed: int | None = None
    max_tokens: int | None = None
    stop: list[str] | None = None

    _others: dict[str, Client] = PrivateAttr(default_factory=dict)

    @model_validator(mode="after")
    def _connected(self) -> Self:
        if self.client is None:
            self.client = connect(self.model or "extractive")
        self.model = self.client.backend.name
        loop.let_go_with(self.client)
        return self

    @property
    def _llm_type(self) -> str:
        return "promptops"

    @property
    @override
    def _identifying_params(self) -> Mapping[str, Any]:
        names = ("temperature", "top_p", "seed", "max_tokens", "stop")
        return {"model": self.client.backend.identity} | {name: getattr(self, name) for name in names}

    @override
    def _get_ls_params(self, stop: list[str] | None = None, **kwargs: Any) -> LangSmithParams:
        params = super()._get_ls_params(stop=stop or self.stop, **kwargs)
        params["ls_provider"] = "promptops"
        return params

    @override
    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        return loop.run(self._agenerate(messages, stop, None, **kwargs))

    @override
    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        client = self._client(kwargs.get("model"))
        reply = await client.complete(self._call(client, messages, stop, kwargs))
        return ChatResult(generations=[ChatGeneration(message=answer(reply, client.backend.name))])

    @override
    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        return loop.each(self._astream(messages, stop, None, **kwargs))

    @override
    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        client = self._client(kwargs.get("model"))
        stream = client.stream(self._call(client, messages, stop, kwargs))
        async for piece in stream:
            yield ChatGenerationChunk(message=AIMessageChunk(content=piece))
        if stream.reply is not None:
            yield ChatGenerationChunk(message=last(stream.reply, client.backend.name))

    @override
    def batch(
        self,
        inputs: list[LanguageModelInput],
        config: RunnableConfig | list[RunnableConfig] | None = None,
        *,
        return_exceptions: bool = False,
        **kwargs: Any,
    ) -> list[AIMessage]:
        """All at once in the shared loop: as many in flight as the client allows, not as there are threads."""
        return loop.run(self.abatch(inputs, config, return_exceptions=return_exceptions, **kwargs))

    @override
    def bind_tools(
        self,
        tools: Sequence[dict[str, Any] | type | Callable[..., Any] | BaseTool],
        *,
        tool_choice: str | dict[str, Any] | bool | None = None,
        strict: bool | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, AIMessage]:
        """Offer tools; ``tool_choice`` is ``auto``, ``none``, ``any`` or a tool's name."""
        offered = [convert_to_openai_tool(tool, strict=strict) for tool in tools]
        return self.bind(tools=offered, tool_choice=choice(tool_choice), **kwargs)

    @override
    def with_structured_output(
        self,
        schema: dict[str, Any] | type,
        *,
        include_raw: bool = False,
        method: str = "json_schema",
        strict: bool | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, Any]:
        """Answers as objects of ``schema``.

        ``json_schema`` and ``json_mode`` both have the provider hold the answer to the schema; ``function_calling``
        asks for it as the arguments of a tool.
        """
        if method == "function_calling":
            return super().with_structured_output(schema, include_raw=include_raw, **kwargs)
        if method not in {"json_schema", "json_mode"} or kwargs:
            raise UsageError(f"with_structured_output takes no {next(iter(kwargs), f'method {method!r}')}")
        about = {"kwargs": {"method": method, "strict": strict}, "schema": schema}
        model = self.bind(response_format=response_format(schema), ls_structured_output_format=about)
        parser: Runnable[Any, Any] = (
            PydanticOutputParser(pydantic_object=schema)
            if isinstance(schema, type) and is_basemodel_subclass(schema)
            else JsonOutputParser()
        )
        if not include_raw:
            return model | parser
        parsed = RunnablePassthrough.assign(parsed=itemgetter("raw") | parser, parsing_error=lambda _: None)
        failed = RunnablePassthrough.assign(parsed=lambda _: None)
        return RunnableMap(raw=model) | parsed.with_fallbacks([failed], exception_key="parsing_error")

    def _call(self, client: Client, messages: list[BaseMessage], stop: list[str] | None, given: dict[str, Any]) -> Call:
        if unknown := sorted(given.keys() - _KNOWN):
            raise UsageError(f"ChatPromptops takes no {unknown[0]!r}; it takes {', '.join(sorted(_KNOWN))} and stop")
        said = {name: getattr(self, name) for name in ("temperature", "top_p", "seed", "max_tokens")} | given
        window = client.backend.window
        most = min(_DEFAULT_TOKENS, window // 2) if window else _DEFAULT_TOKENS
        return Call(
            ours(messages),
            most if said["max_tokens"] is None else said["max_tokens"],
            Sampling(said["temperature"], said["top_p"], said["seed"], tuple(stop or self.stop or ())),
            schema=_schema(said.get("response_format")),
            tools=tools(said.get("tools") or ()),
            tool_choice=choice(said.get("tool_choice")),
            tags=Tags(chain="langchain"),
        )

    def _client(self, model: str | None) -> Client:
        """The client, or one for another model at the same server, with its store and its budget."""
        own = self.client.backend
        if model is None or model in {own.name, own.name.partition(":")[2]}:
            return self.client
        if model not in self._others:
            self._others[model] = self.client.sibling(model)
            loop.let_go_with(self._others[model])
        return self._others[model]


def response_format(schema: dict[str, Any] | type) -> dict[str, Any]:
    """A schema, pydantic model or ``TypedDict`` as OpenAI's ``response_format``."""
    function = convert_to_openai_function(schema, strict=True)
    body = {"title": function["name"], **function.get("parameters", {})}
    if function.get("description"):
        body["description"] = function["description"]
    return {"type": "json_schema", "json_schema": {"name": function["name"], "schema": body, "strict": True}}


def _schema(given: object) -> Mapping[str, Any] | None:
    if given is None or (isinstance(given, Mapping) and given.get("type") == "text"):
        return None
    if isinstance(given, Mapping) and isinstance(given.get("json_schema"), Mapping):
        schema: Mapping[str, Any] = given["json_schema"]["schema"]
        return schema
    raise UsageError("a response_format must hold a json_schema; with_structured_output makes one")
