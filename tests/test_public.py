"""The public names, pinned."""

from __future__ import annotations

import promptops as po


def test_the_public_names_are_these() -> None:
    """A name is added on purpose or not at all."""
    assert po.__all__ == [
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


def test_every_public_name_is_there() -> None:
    """Each one can be had, and is listed."""
    assert all(getattr(po, name) is not None for name in po.__all__)
    assert dir(po) == po.__all__


def test_another_name_is_an_attribute_error() -> None:
    """A misspelt name fails as anywhere else."""
    assert not hasattr(po, "summarise")
