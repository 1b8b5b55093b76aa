"""promptops for LangChain: a client as a chat model, chains and templates as runnables, the store as a cache.

Needs the extra: ``pip install 'promptops[langchain]'``. The other way, a LangChain chat model as a promptops backend,
is the model spec ``langchain:MODULE:ATTR``.
"""

from __future__ import annotations

from promptops.integrations.langchain.cache import StoreCache
from promptops.integrations.langchain.chat import ChatPromptops
from promptops.integrations.langchain.runnables import ChainRunnable, TemplateRunnable

__all__ = ["ChainRunnable", "ChatPromptops", "StoreCache", "TemplateRunnable"]
