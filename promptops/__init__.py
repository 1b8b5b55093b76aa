"""promptops: run language models over documents longer than a prompt, and know what every token costs.

    import promptops as po

    estimate = po.plan("summarize", "docs/", model="openai:gpt-5-mini")
    client = po.connect("openai:gpt-5-mini", store="promptops.db", max_usd=2)
    result = po.run("summarize", "docs/", client, words=120)

Everything is imported when it is first used, so importing this package costs next to nothing.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from promptops.api import arun, connect, diff, embed, plan, run, template
    from promptops.client import Client
    from promptops.counting import count, truncate
    from promptops.drivers.difference import Difference
    from promptops.drivers.estimate import Estimate
    from promptops.drivers.result import Result
    from promptops.errors import PromptopsError
    from promptops.types import Call, Message, Reply, Source, Tool, ToolCall, Totals, Usage

__version__ = "0.1.0"

_HOME = {
    "arun": "promptops.api",
    "connect": "promptops.api",
    "diff": "promptops.api",
    "embed": "promptops.api",
    "count": "promptops.counting",
    "plan": "promptops.api",
    "run": "promptops.api",
    "template": "promptops.api",
    "truncate": "promptops.counting",
    "Client": "promptops.client",
    "Difference": "promptops.drivers.difference",
    "Estimate": "promptops.drivers.estimate",
    "Result": "promptops.drivers.result",
    "PromptopsError": "promptops.errors",
    "Call": "promptops.types",
    "Logprob": "promptops.types",
    "Message": "promptops.types",
    "Reply": "promptops.types",
    "Sampling": "promptops.types",
    "Source": "promptops.types",
    "Tool": "promptops.types",
    "ToolCall": "promptops.types",
    "Totals": "promptops.types",
    "Usage": "promptops.types",
}

__all__ = [
    "Call",
    "Client",
    "Difference",
    "Estimate",
    "Logprob",
    "Message",
    "PromptopsError",
    "Reply",
    "Result",
    "Sampling",
    "Source",
    "Tool",
    "ToolCall",
    "Totals",
    "Usage",
    "__version__",
    "arun",
    "connect",
    "count",
    "diff",
    "embed",
    "plan",
    "run",
    "template",
    "truncate",
]


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module 'promptops' has no attribute {name!r}")
    value = getattr(__import__(_HOME[name], fromlist=(name,)), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
