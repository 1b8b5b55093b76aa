"""Model specs."""

from __future__ import annotations

from pathlib import Path

import pytest

import promptops as po
from promptops.backends.spec import Options, backend
from promptops.errors import UsageError


@pytest.mark.parametrize("timeout", [0, -1, float("nan")])
def test_a_time_out_of_nothing_is_refused(timeout: float) -> None:
    """Every call would fail."""
    with pytest.raises(UsageError, match="--timeout must be more than 0 seconds"):
        backend("openai:gpt-4o", Options(timeout=timeout))


def test_a_window_that_is_said_holds_for_any_model(tmp_path: Path) -> None:
    """None takes it for its own better knowledge."""
    (tmp_path / "s.yaml").write_text("default: x.\n")
    for spec in ("extractive", f"scripted:{tmp_path / 's.yaml'}", "openai:gpt-4o"):
        assert backend(spec, Options(window=777)).window == 777
        assert po.plan("summarize", po.Source("a", text="b"), spec, window=7_777).window == 7_777


def test_what_a_model_may_think_unseen_can_be_said() -> None:
    """It is part of the reserve, and of what is asked for."""
    spec = "openai:gpt-5-mini"
    assert backend(spec).reasoning == 2048
    assert backend(spec, Options(reasoning_tokens=9_000)).reasoning == 9_000
    assert backend(spec, Options(reasoning_tokens=0)).reasoning == 0
