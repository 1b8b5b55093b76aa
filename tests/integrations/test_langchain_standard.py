"""The public suites of ``langchain-tests``, against the fake provider."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from langchain_core.caches import BaseCache
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage
from langchain_tests.integration_tests import AsyncCacheTestSuite, ChatModelIntegrationTests, SyncCacheTestSuite
from langchain_tests.unit_tests import ChatModelUnitTests

import promptops as po
from promptops.backends.openai import OpenAI
from promptops.integrations.langchain import ChatPromptops, StoreCache
from promptops.store import Database
from promptops.testing import KEY, Answer, FakeOpenAI
from promptops.testing.answers import fitting
from promptops.tokens import counter


class Served:
    """A client of the fake provider for each test; what a text model cannot be given is declared as such."""

    server: FakeOpenAI

    @pytest.fixture(autouse=True)
    def _serve(self, openai_environment: FakeOpenAI) -> None:
        self.server = openai_environment

    @property
    def chat_model_class(self) -> type[BaseChatModel]:
        return ChatPromptops

    @property
    def chat_model_params(self) -> dict[str, Any]:
        by = counter(tokenizer="o200k_base")
        backend = OpenAI("gpt-4o-mini", base_url=self.server.base_url, api_key=KEY, counter=by)
        return {"client": po.Client(backend, Database())}

    @property
    def supports_json_mode(self) -> bool:
        return True

    @property
    def supports_anthropic_inputs(self) -> bool:
        return True

    @property
    def model_override_value(self) -> str:
        return "gpt-4.1-mini"


class TestChatModelUnit(Served, ChatModelUnitTests):
    @property
    def init_from_env_params(self) -> tuple[dict[str, str], dict[str, Any], dict[str, Any]]:
        environment = {"OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": self.server.base_url}
        expected = {
            "model": f"openai:gpt-4o-mini@{self.server.base_url}",
            **dict.fromkeys(("temperature", "top_p", "seed", "max_tokens", "stop")),
        }
        return environment, {"model": "openai:gpt-4o-mini"}, {"_identifying_params": expected}


class TestChatModelIntegration(Served, ChatModelIntegrationTests):
    @property
    def supported_usage_metadata_details(self) -> Any:
        both = ["reasoning_output", "cache_read_input"]
        return {"invoke": both, "stream": both}

    def _answered(self, answer: Answer, *, stream: bool) -> AIMessage:
        self.server.answer = lambda _: answer
        try:
            model = ChatPromptops(**self.chat_model_params)
            if not stream:
                return model.invoke("Hello, how are you?")
            first, *rest = model.stream("Hello, how are you?")
            return sum(rest, first)
        finally:
            self.server.answer = fitting

    def invoke_with_reasoning_output(self, *, stream: bool = False) -> AIMessage:
        message = self._answered(Answer("Well.", reasoning_tokens=5), stream=stream)
        assert (message.usage_metadata or {}).get("output_token_details") == {"reasoning": 5}
        return message

    def invoke_with_cache_read_input(self, *, stream: bool = False) -> AIMessage:
        message = self._answered(Answer("Well.", cached_tokens=4), stream=stream)
        assert (message.usage_metadata or {}).get("input_token_details") == {"cache_read": 4}
        return message


class TestCache(SyncCacheTestSuite):
    @pytest.fixture
    def cache(self, tmp_path: Path) -> BaseCache:
        return StoreCache(tmp_path / "store.db")


class TestAsyncCache(AsyncCacheTestSuite):
    @pytest.fixture
    async def cache(self, tmp_path: Path) -> BaseCache:
        return StoreCache(tmp_path / "store.db")
