"""The pytest plugin: token budgets in unit tests, offline. pytest finds it by its entry point.

Fixtures: ``token_count``, ``assert_tokens``, ``assert_plan``, ``assert_locked``, ``scripted_backend``, ``fake_openai``.
Marker: ``@pytest.mark.token_budget(max_tokens=…, max_usd=…)`` caps what a test may send through any client.
Options: ``promptops_templates`` (folders of templates to lint and hold to ``promptops.lock``), ``promptops_models`` and
``promptops_lock`` in the configuration; ``--promptops-update`` writes the lock. All of it holds for the processes of
pytest-xdist together: what they found reaches the one that reports.

Only pytest is imported here: a run that uses none of this pays nothing for it.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from promptops.ceilings import Ceiling, ceiling

if TYPE_CHECKING:
    from promptops.backends.scripted import Scripted
    from promptops.drivers.estimate import Estimate
    from promptops.testing import FakeOpenAI

MARKER = "token_budget"
_CAP = pytest.StashKey[Ceiling]()
_SENT = "promptops_sent"
"""What the report of a test has: its tokens, and its US dollars as text or ``None`` where the price is unknown."""
_LOCKED = "promptops locked"


def pytest_addoption(parser: pytest.Parser) -> None:
    """The options above."""
    group = parser.getgroup("promptops")
    group.addoption(
        "--promptops-update", action="store_true", help="write promptops.lock anew, from what prompts take now"
    )
    parser.addini(
        "promptops_templates", "folders of templates to lint and to hold to the lock", type="args", default=[]
    )
    parser.addini(
        "promptops_models", "the models whose tokens and prices are locked", type="args", default=["gpt-5-mini"]
    )
    parser.addini("promptops_lock", "the lock file, beside the configuration", default="promptops.lock")


def pytest_configure(config: pytest.Config) -> None:
    """Say what the marker is."""
    config.addinivalue_line(
        "markers", f"{MARKER}(max_tokens=None, max_usd=None): the most this test may send, through all clients together"
    )


@pytest.hookimpl(trylast=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    """Refuse folders that are not there and a lock that is not valid, before any test runs."""
    config = session.config
    for folder in config.getini("promptops_templates"):
        if not (config.rootpath / folder).is_dir():
            raise pytest.UsageError(f"promptops_templates names {folder!r}, and there is no such folder")
    if config.getini("promptops_templates"):
        from promptops.pytest_plugin.lock import locking

        locking(config)


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Templates in the folders of ``promptops_templates``."""
    if file_path.suffix != ".j2" or not parent.config.getini("promptops_templates"):
        return None
    from promptops.pytest_plugin.templates import collected

    return collected(file_path, parent)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """Hold the test to its budget, and remember what it sent."""
    cap = _cap(item)
    try:
        with ceiling(cap):
            yield
    finally:
        item.stash[_CAP] = cap
    if cap.refused is not None:
        pytest.fail(f"the test's token_budget held a call back: {cap.refused}", pytrace=False)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Put what the test sent into its report, which pytest-xdist brings to the process that sums up."""
    report = yield
    cap = item.stash.get(_CAP, None)  # there once the test is over; its subtests have reports of their own
    if cap is not None:
        del item.stash[_CAP]
    if cap is not None and cap.used is not None:
        tokens, usd = cap.used
        setattr(report, _SENT, [tokens, None if usd is None else str(usd)])
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Tokens and money per test, the dearest first."""
    reports = (report for some in terminalreporter.stats.values() for report in some)
    sent = [(report.nodeid, *getattr(report, _SENT)) for report in reports if hasattr(report, _SENT)]
    if sent:
        from promptops.pytest_plugin.spending import lines

        terminalreporter.section("promptops: tokens sent")
        for line in lines(sent):
            terminalreporter.write_line(line)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Write the lock where that was asked for; a process of pytest-xdist hands on what it would have written."""
    config = session.config
    if not config.getoption("--promptops-update"):
        return
    from promptops.pytest_plugin.lock import locking

    if hasattr(config, "workeroutput"):
        config.workeroutput[_LOCKED] = locking(config).found()
    else:
        locking(config).write()


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any, error: object) -> None:  # noqa: ARG001 - pytest-xdist names its arguments
    """Take what a process of pytest-xdist found."""
    if found := getattr(node, "workeroutput", {}).get(_LOCKED):
        from promptops.pytest_plugin.lock import locking

        locking(node.config).take(found)


def _cap(item: pytest.Item) -> Ceiling:
    marker = item.get_closest_marker(MARKER)
    if marker is None:
        return Ceiling()
    unknown = set(marker.kwargs) - {"max_tokens", "max_usd"}
    if unknown or len(marker.args) > 1 or not (marker.args or marker.kwargs):
        raise pytest.UsageError(f"{item.nodeid}: write it as @pytest.mark.{MARKER}(max_tokens=N, max_usd=X)")
    return Ceiling(*marker.args, **marker.kwargs)


@pytest.fixture
def token_count() -> Callable[..., int]:
    """``token_count(text, model="gpt-5-mini")``: exact tokens, offline."""
    from promptops.pytest_plugin.asserts import token_count as count

    return count


@pytest.fixture
def assert_tokens() -> Callable[..., int]:
    """``assert_tokens(prompt, max=…, model=…)``: a text, prompt or messages take at most so many; returns how many."""
    from promptops.pytest_plugin.asserts import assert_tokens as check

    return check


@pytest.fixture
def assert_plan() -> Callable[..., Estimate]:
    """``assert_plan("summarize", folder, model=…, max_calls=…, max_tokens=…, max_usd=…)``: the estimate is within."""
    from promptops.pytest_plugin.asserts import assert_plan as check

    return check


@pytest.fixture
def assert_locked(request: pytest.FixtureRequest) -> Callable[..., None]:
    """``assert_locked(prompt, "name")``: it takes no more tokens than ``promptops.lock`` has for that name."""
    from promptops.pytest_plugin.lock import locking

    def check(prompt: Any, name: str) -> None:
        for model in request.config.getini("promptops_models"):
            if complaint := locking(request.config).check(name, model, prompt):
                pytest.fail(complaint, pytrace=False)

    return check


@pytest.fixture
def scripted_backend() -> type[Scripted]:
    """The class of a backend that answers as a script says: ``scripted_backend(answer=…)``."""
    from promptops.backends.scripted import Scripted

    return Scripted


@pytest.fixture
def fake_openai(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeOpenAI]:
    """A provider on loopback that speaks the API, with faults on demand; see ``promptops.testing``.

    ``OPENAI_BASE_URL`` and ``OPENAI_API_KEY`` lead to it, so ``po.connect("openai:…")`` needs no more.
    """
    from promptops.testing import KEY, FakeOpenAI

    with FakeOpenAI() as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
        monkeypatch.setenv("OPENAI_API_KEY", KEY)
        yield server
