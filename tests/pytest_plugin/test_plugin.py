"""The pytest plugin, used as its users do: in pytest runs of their own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

import promptops as po
from promptops.prices import price
from promptops.testing import FakeOpenAI

pytest_plugins = ["pytester"]
Run = Callable[..., "Ran"]


@dataclass(frozen=True)
class Ran:
    status: int
    out: str


@pytest.fixture(scope="module", autouse=True)
def _imported() -> None:
    """What cannot be imported twice into one process is there before the first run within it."""
    with FakeOpenAI() as server, po.connect("openai:gpt-4o-mini", base_url=server.base_url) as client:
        po.run("summarize", [po.Source("a", text="A river.")], client)
    assert price("gpt-5-mini") is not None
    assert po.template("summarize/map").render(text="x").tokens("gpt-4")


@pytest.fixture
def run(pytester: pytest.Pytester) -> Run:
    """Writes a test file and runs pytest on its folder."""

    def go(test: str = "", *words: str, ini: str = "") -> Ran:
        if test:
            pytester.makepyfile(test_own=test)
        pytester.makeini(f"[pytest]\n{ini}")
        done = pytester.runpytest_inprocess("-p", "no:cacheprovider", "-p", "no:hypothesispytest", *words)
        return Ran(int(done.ret), done.stdout.str() + done.stderr.str())

    return go


@pytest.fixture
def tmp_path(pytester: pytest.Pytester) -> Path:
    """The folder that the runs are in."""
    return pytester.path


def test_tokens_are_counted_and_asserted(run: Run) -> None:
    """Of texts, prompts and messages; a failure says by how much."""
    ran = run("""
import promptops as po

def test_counts(token_count, assert_tokens):
    assert token_count("세 개의 강이 만난다.") == po.count("세 개의 강이 만난다.", model="gpt-5-mini")
    prompt = po.template("summarize/map").render(text="one two")
    assert assert_tokens(prompt, max=400) == prompt.tokens("gpt-5-mini")
    assert_tokens(prompt.messages, max=400, model="gpt-4")

def test_too_many(assert_tokens):
    assert_tokens("one two three", max=2)
""")
    assert ran.status == 1
    assert "1 failed, 1 passed" in ran.out
    assert "the prompt takes 3 tokens by o200k_base, 1 over 2" in ran.out


def test_a_plan_is_asserted_offline(run: Run, tmp_path: Path) -> None:
    """Calls, tokens and money of a chain over a folder; no key, no network."""
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "a.txt").write_text("강이 흐른다. " * 50, encoding="utf-8")
    ran = run("""
def test_within(assert_plan):
    estimate = assert_plan("summarize", "docs", max_calls=1, max_tokens=2_000, max_usd="0.01")
    assert estimate.expected.calls == 1

def test_over(assert_plan):
    assert_plan("summarize", "docs", max_tokens=100)

def test_unpriced(assert_plan):
    assert_plan("summarize", "docs", "openai:nobody", tokenizer="llama3", window=8_000, max_usd=1)
""")
    assert "2 failed, 1 passed" in ran.out
    assert "summarize over 1 documents is expected to take" in ran.out
    assert "over 100; most of it in map, level 0" in ran.out
    assert "price unknown, over $1.00" in ran.out


BUDGET = """
import asyncio
import pytest
import promptops as po
from promptops.prices import price

@pytest.mark.token_budget(max_tokens=%s)
def test_sends(scripted_backend):
    backend = scripted_backend(answer=lambda call: "short", price=price("gpt-5-mini"))
    for _ in range(2):  # two clients share the cap
        with po.connect(backend) as client:
            po.run("summarize", [po.Source("a", text="river " * 100)], client, words=20)

def test_free():
    po.run("summarize", [po.Source("a", text="A river. " * 100)], words=20)
"""


def test_a_budget_caps_what_a_test_sends_through_all_clients(run: Run) -> None:
    """What passes is listed by test, the dearest first; what would not is not sent, and the test fails."""
    within = run(BUDGET % 2_000)
    assert within.status == 0
    lines = [line for line in within.out.splitlines() if "::test_" in line and "tokens" in line]
    assert len(lines) == 2
    assert "test_sends" in lines[0]
    assert "test_free" in lines[1]
    over = run(BUDGET % 400)
    assert over.status == 1
    assert "the test's token_budget held a call back: the next call may take" in over.out
    assert "tokens, more than what is left of the cap of 400; go on with a higher --max-tokens" in over.out
    assert "1 failed, 1 passed" in over.out


def test_a_budget_in_dollars_fails_closed_without_a_price(run: Run) -> None:
    """What has no known price is not sent, even through a client that does not mind."""
    ran = run("""
import pytest
import promptops as po

@pytest.mark.token_budget(max_usd=1)
def test_sends(scripted_backend):
    backend = scripted_backend(answer=lambda call: "short", price=None)
    with po.connect(backend) as client:
        po.run("summarize", [po.Source("a", text="river " * 100)], client, words=20)
    assert backend.calls == []
""")
    assert "a cap in US dollars needs a price" in ran.out
    assert "1 failed" in ran.out


def test_what_has_no_price_is_not_said_to_be_free(run: Run) -> None:
    """Neither for the test that sent it, nor in the sum."""
    ran = run("""
import promptops as po

def test_sends(scripted_backend):
    with po.connect(scripted_backend(answer=lambda call: "short", price=None)) as client:
        po.run("summarize", [po.Source("a", text="river " * 100)], client, words=20)

def test_free():
    po.run("summarize", [po.Source("a", text="A river. " * 100)], words=20)
""")
    lines = [line for line in ran.out.splitlines() if " tokens  " in line]
    assert [("price unknown" in line) for line in lines if "::" in line] == ["test_sends" in line for line in lines[:2]]
    assert lines[2].endswith("$0  in all, without 1 test of unknown price")


@pytest.mark.parametrize("marker", ["", "max_token=3", "1, 2"])
def test_a_wrong_marker_is_an_error(run: Run, marker: str) -> None:
    """A misspelt cap is no cap, and must not pass for one."""
    ran = run(f"import pytest\n\n@pytest.mark.token_budget({marker})\ndef test_it(): pass\n")
    assert ran.status != 0
    assert "write it as @pytest.mark.token_budget(max_tokens=N, max_usd=X)" in ran.out


def test_a_fake_provider_is_there_for_users_tests(run: Run) -> None:
    """A real server on loopback, with faults."""
    ran = run("""
import promptops as po

def test_it(fake_openai):
    fake_openai.fail("500")
    with po.connect("openai:gpt-4o-mini") as client:
        assert po.run("summarize", [po.Source("a", text="A river.")], client).status == "ok"
    assert len(fake_openai.requests) == 2
""")
    assert ran.status == 0, ran.out


TEMPLATE = """---
name: own/ask
version: 1
inputs:
  text: {type: string, document: true}
samples:
  korean: {text: 세 개의 강}
  english: {text: Three rivers}
---
{% system %}Say what it is about. Be brief.%s{% endsystem %}
{% user %}{{ text | fence }}{% enduser %}
"""
INI = "promptops_templates = prompts\npromptops_models = gpt-5-mini gpt-4\n"


@pytest.fixture
def template(tmp_path: Path) -> Callable[[str], None]:
    (tmp_path / "prompts" / "own").mkdir(parents=True)
    path = tmp_path / "prompts" / "own" / "ask.j2"

    def write(more: str = "") -> None:
        path.write_text(TEMPLATE.replace("%s", more), encoding="utf-8")

    write()
    return write


def test_a_prompt_that_grew_fails_with_what_that_costs(
    run: Run, template: Callable[[str], None], tmp_path: Path
) -> None:
    """Tokens on every call, and money a month, from the lock."""
    assert "is not in promptops.lock for gpt-4; take it in with" in run(ini=INI).out
    assert run("", "--promptops-update", ini=INI).status == 0
    assert "5 passed" in run(ini=INI).out
    template(" Do not mention the rivers, nor the bridges, nor any boat.")
    ran = run(ini=INI)
    assert "4 failed, 1 passed" in ran.out
    assert "own/ask (korean): +14 tokens on every call" in ran.out
    assert "+$3.50 a month at 1 M calls; if that is meant: pytest --promptops-update" in ran.out
    lock = tmp_path / "promptops.lock"
    lock.write_text(lock.read_text().replace("calls_per_month: 1000000", "calls_per_month: 2000000"))
    assert "+$7.00 a month at 2 M calls" in run(ini=INI).out
    lock.write_text(lock.read_text().replace("tolerance: 0.0", "tolerance: 2.0"))
    assert run(ini=INI).status == 0


def test_a_lock_edited_by_hand_is_refused_with_its_line(
    run: Run, template: Callable[[str], None], tmp_path: Path
) -> None:
    """Its figures can't be talked down, and what is no lock is none."""
    run("", "--promptops-update", ini=INI)
    lock = tmp_path / "promptops.lock"
    text = lock.read_text()
    lock.write_text(text.replace('"tokens": ', '"tokens": 9'))
    assert "promptops.lock:6: its prompts were edited by hand" in run(ini=INI).out
    lock.write_text(text.replace("tolerance: 0.0", "tolerance: much"))
    assert "promptops.lock:5: tolerance: " in run(ini=INI).out


def test_templates_are_linted_as_tests(run: Run, template: Callable[[str], None]) -> None:
    """A finding fails with file and line."""
    template(" {{ text }}")
    ran = run("", "--promptops-update", ini=INI)
    assert ran.status == 1
    assert "ask.j2:10: unfenced-document: 'text' is document text" in ran.out


def test_a_prompt_made_in_a_test_can_be_locked(run: Run) -> None:
    """By a name of its own."""
    test = """
def test_it(assert_locked):
    assert_locked("one two three%s", "greeting")
"""
    assert run(test % "", "--promptops-update").status == 0
    assert run(test % "").status == 0
    ran = run(test % " four five")
    assert ran.status == 1
    assert "greeting: +2 tokens on every call (3 to 5 by gpt-5-mini)" in ran.out


def test_what_subtests_send_is_counted_once(run: Run) -> None:
    """They have reports of their own; the test has sent it."""
    ran = run("""
import promptops as po

def test_sends(scripted_backend, subtests):
    for part in "ab":
        with subtests.test(part=part):
            backend = scripted_backend(answer=lambda call: "short", price=None)
            with po.connect(backend) as client:
                po.run("summarize", [po.Source("a", text="river " * 20)], client, words=20)

def test_once(scripted_backend):
    with po.connect(scripted_backend(answer=lambda call: "short", price=None)) as client:
        po.run("summarize", [po.Source("a", text="river " * 20)], client, words=20)
""")
    assert ran.status == 0
    sent = {
        line.split("::")[1]: int(line.split()[0])
        for line in ran.out.splitlines()
        if "::" in line and " tokens " in line
    }
    assert sent["test_sends"] == 2 * sent["test_once"] > 0


def test_processes_of_a_parallel_run_count_and_lock_together(
    template: Callable[[str], None], pytester: pytest.Pytester
) -> None:
    """With pytest-xdist: what each sent is in one table, and one lock has what each found."""
    parts = "ABCD"
    pytester.makepyfile(
        test_own="\n".join(
            f"def test_{part}(assert_locked, scripted_backend):\n"
            f"    import promptops as po\n"
            f"    assert_locked('{part} ' * 20, 'part {part}')\n"
            f"    source = po.Source('a', text='{part} river. ' * 9)\n"
            f"    po.run('summarize', [source], po.connect(scripted_backend(['x.'])))\n"
            for part in parts
        )
    )
    pytester.makeini(f"[pytest]\n{INI}")
    words = ("-p", "no:cacheprovider", "-p", "no:hypothesispytest", "-n", "2", "--promptops-update")
    done = pytester.runpytest_subprocess(*words)
    assert done.ret == 0
    sent = [line for line in done.outlines if " tokens  " in line]
    assert len(sent) == len(parts) + 1
    assert sum(int(line.split()[0].replace(",", "")) for line in sent[:-1]) == int(sent[-1].split()[0].replace(",", ""))
    lock = (pytester.path / "promptops.lock").read_text()
    assert all(f"part {part}" in lock for part in parts)
    assert "own/ask" in lock


def test_a_run_that_uses_none_of_it_imports_none_of_it(tmp_path: Path) -> None:
    """The plugin costs a run without prompts next to nothing."""
    (tmp_path / "test_own.py").write_text("""
import sys

def test_it():
    heavy = {"promptops.tokens", "promptops.api", "promptops.client", "promptops.prompts", "jinja2", "numpy", "openai"}
    assert not heavy & set(sys.modules)
""")
    words = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--rootdir", tmp_path, tmp_path]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout


def test_a_folder_of_templates_that_is_not_there_is_refused(run: Run) -> None:
    """A misspelt one would turn every check off."""
    ran = run("def test_it(): pass", ini="promptops_templates = promptz\n")
    assert ran.status == 4
    assert "promptops_templates names 'promptz', and there is no such folder" in ran.out


def test_a_broken_lock_is_one_line(run: Run, template: Callable[[str], None], tmp_path: Path) -> None:
    """Not one for every template."""
    (tmp_path / "promptops.lock").write_text("prompts: [")
    ran = run("def test_it(): pass", ini=INI)
    assert ran.status == 4
    assert ran.out.count("promptops.lock:1: not valid YAML") == 1
