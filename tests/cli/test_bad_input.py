"""What bad input gets: one clear line that says what and how to mend it, the right exit status, never a traceback."""

from __future__ import annotations

import shutil
import socket
import sqlite3
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from promptops.testing import KEY, FakeOpenAI, Fault

Command = Callable[..., Any]
Script = Callable[..., str]


def one_line(said: Any, status: int) -> str:
    """The only line on standard error; nothing is on standard output."""
    assert "Traceback" not in said.err
    assert (said.status, said.out) == (status, "")
    assert len(said.lines) == 1, said.err
    assert said.lines[0].startswith("promptops: ")
    return str(said.lines[0])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("summarize", "{docs}/nothing"), "docs/nothing does not exist"),
        (("summarize", "{docs}/A.txt"), "did you mean"),
        (("run", "sumarize", "{docs}"), "no chain is named 'sumarize'; did you mean summarize?"),
        (("run", "{docs}/no.yaml", "{docs}"), "no.yaml' is not there"),
        (("plan", "nothing", "{docs}"), "no chain is named 'nothing'"),
        (("summarize", "{docs}", "-m", "gpt-4o"), "no model is named 'gpt-4o'; did you mean openai:gpt-4o?"),
        (("summarize", "{docs}", "-m", ""), "no model is named ''"),
        (("summarize", "{docs}", "-m", "scripted:{docs}/no.yaml"), "no.yaml: no such script"),
        (("summarize", "{docs}", "-m", "openai:nobody-knows-it", "--window", "9000"), "--tokenizer"),
        (("summarize", "{docs}", "--set", "wrods=3"), "no setting is named 'wrods'; did you mean words?"),
        (("summarize", "{docs}", "--set", "words"), "--set 'words': write it as key=value"),
        (("summarize", "{docs}", "--set", "=3"), "--set '=3': write it as key=value"),
        (("summarize", "{docs}", "--set", "words=many"), "setting words='many'"),
        (("summarize", "{docs}", "--set", "corpus=maybe"), "setting corpus='maybe'"),
        (("summarize", "{docs}", "--set", "chunk_tokens=1"), "setting chunk_tokens='1'"),
        (("plan", "summarize", "{docs}", "--set", "model=x"), "no setting is named 'model'"),
        (("plan", "summarize", "{docs}", "--set", "window=5"), "no setting is named 'window'"),
        (("summarize", "{docs}", "--max-usd", "lots"), "--max-usd must be a number of US dollars, not 'lots'"),
        (("summarize", "{docs}", "--max-usd", "nan"), "--max-usd must be a number of US dollars, not 'nan'"),
        (("summarize", "{docs}", "--max-usd", "-1"), "--max-usd must be more than 0"),
        (("summarize", "{docs}", "--max-tokens", "0"), "--max-tokens must be more than 0"),
        (("summarize", "{docs}", "--concurrency", "0"), "--concurrency must be at least 1"),
        (("summarize", "{docs}", "--window", "0"), "--window must be more than 0"),
        (("summarize", "{docs}", "--out", "{docs}/a.txt"), "--out {docs}/a.txt: File exists"),
        (("templates", "show", "sumarize/map"), "no template is named 'sumarize/map'; did you mean summarize/map"),
        (("templates", "render", "{docs}/no.j2"), "no.j2' is not there"),
        (("templates", "render", "summarize/map", "-v", "text"), "-v 'text': write it as key=value"),
        (("templates", "render", "summarize/map", "-v", "words=x"), "-v words='x': not of type integer"),
        (("templates", "render", "summarize/map", "-v", "partial=x"), "-v partial='x': not of type boolean"),
        (("templates", "render", "summarize/map", "-v", "tone=x"), "has no input 'tone'"),
        (("templates", "render", "summarize/map"), "summarize/map needs the input 'text'"),
        (("templates", "render", "summarize/map", "-v", "text=@{docs}/no"), "No such file"),
        (("templates", "lint", "nothing"), "no template is named 'nothing'"),
        (("count", "{docs}/nothing"), "does not exist"),
        (("count", "{docs}", "--tokenizer", "nothing"), "nothing"),
        (("count", "{docs}", "-m", "nobody-knows-it"), "--tokenizer"),
        (("ledger", "--by", "colour"), "by 'colour': choose one of run, chain, step"),
        (("ledger", "--store", "{docs}/no.db"), "no store at"),
        (("inspect", "{docs}/no.gguf"), "no.gguf"),
        (("inspect", "{docs}/a.txt"), "a.txt"),
    ],
    ids=lambda value: " ".join(value)[:60] if isinstance(value, tuple) else "",
)
def test_wrong_usage_is_one_line(command: Command, docs: Path, words: tuple[str, ...], said: str) -> None:
    """Exit status 2."""
    line = one_line(command(*(word.format(docs=docs) for word in words)), 2)
    assert said.format(docs=docs) in line


@pytest.mark.parametrize(
    "words",
    [
        ("summarize",), ("sumarize", "x"), ("summarize", "x", "--colour", "red"), ("summarize", "x", "--window", "big"),
        ("summarize", "x", "--timeout", "-1"), ("templates", "nothing"), ("run", "summarize"),
    ],
)  # fmt: skip
def test_an_unknown_command_or_option_is_wrong_usage(command: Command, words: tuple[str, ...]) -> None:
    """Exit status 2, and where the help is."""
    assert "see: promptops" in one_line(command(*words), 2)


def test_a_bad_chain_file_or_template_is_one_line(command: Command, docs: Path, tmp_path: Path) -> None:
    """With file and line; its store is not even made."""
    rest = "  reduce: {template: summarize/reduce}\n  corpus: {template: summarize/corpus}\n"
    steps = f"steps:\n  map: {{template: bad}}\n{rest}"
    chain = tmp_path / "own.yaml"
    chain.write_text("name: own\nplan: map_reduce\nsetings: {}\n" + steps)
    assert f"{chain}:3: setings: unknown key" in one_line(command("run", chain, docs), 2)
    chain.write_text("name: own\nplan: map_reduce\n" + steps)
    assert f"{chain}:4: steps.map.template: no template is named 'bad'" in one_line(command("run", chain, docs), 2)
    (tmp_path / "bad.j2").write_text("---\nname: bad\nversion: 1\ninputs: {text: string}\n---\n{{ text ")
    assert f"{tmp_path}/bad.j2:6: unexpected end" in one_line(command("run", chain, docs), 2)
    (tmp_path / "bad.j2").write_text("---\nname: bad\nversion: 1\ninputs: {text: string}\n---\n{{ text }}{{ nope }}")
    assert f"{tmp_path}/bad.j2:6: 'nope' is undefined" in one_line(command("run", chain, docs), 2)


def test_a_window_too_small_is_refused_before_a_call(command: Command, docs: Path, script: Script) -> None:
    """It says by how much, and the ledger stays empty."""
    spec = script("window: 300\nreplies:\n  - lead: 5\n")
    line = one_line(command("summarize", docs, "-m", spec), 2)
    assert "window of 300 tokens" in line
    assert "it lacks " in line
    assert command("ledger", "--json").json == []


def test_a_price_that_is_not_known_cannot_be_capped(command: Command, docs: Path) -> None:
    """Rather than a cap that does not hold."""
    words = (
        "summarize",
        docs,
        "-m",
        "openai:my-own",
        "--tokenizer",
        "o200k_base",
        "--window",
        "8000",
        "--max-usd",
        "1",
    )
    assert "no price is known" in one_line(command(*words), 2)


def test_a_window_that_is_not_known_is_asked_for(command: Command, docs: Path) -> None:
    """Never guessed."""
    assert "--window N" in one_line(
        command("plan", "summarize", docs, "-m", "openai:my-own", "--tokenizer", "o200k_base"), 2
    )


@pytest.mark.parametrize("kind", ["folder", "text", "torn", "newer", "nowhere"])
def test_a_store_that_is_none_is_one_line(
    command: Command, docs: Path, script: Script, tmp_path: Path, kind: str
) -> None:
    """Exit status 1, and how to name another."""
    path = tmp_path / "bad.db"
    if kind == "folder":
        path.mkdir()
    elif kind == "text":
        path.write_text("this is no database, and it is longer than a header would be " * 10)
    elif kind == "torn":
        path.write_bytes(b"SQLite format 3\x00" + b"\xff" * 2000)
    elif kind == "newer":
        connection = sqlite3.connect(path)
        connection.execute("PRAGMA user_version = 99")
        connection.close()
    else:
        path = Path("/proc/nothing/store.db")
    for words in (("summarize", docs, "-m", script()), ("ledger",), ("plan", "summarize", docs, "-m", script())):
        if kind == "nowhere" and words[0] != "summarize":
            continue
        assert "--store FILE" in one_line(command(*words, "--store", path), 1)


def test_a_read_only_store_is_one_line(spawn: Command, docs: Path, script: Script, tmp_path: Path) -> None:
    """A file system that cannot be written, and one that is full, are said as such."""
    said = spawn("summarize", docs, "-m", script(), "--store", "/proc/store.db")
    assert (said.status, said.out) == (1, "")
    assert len(said.lines) == 1
    assert "store '/proc/store.db' cannot be opened" in said.lines[0]
    assert not (tmp_path / "state").exists()


def test_an_unreachable_server_is_said_once(command: Command, docs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit status 1; no document is retried for ever."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/v1"
        monkeypatch.setenv("OPENAI_API_KEY", "k")
        said = command("summarize", docs, "-m", "openai:gpt-4o-mini", "--base-url", url)
    assert (said.status, said.out) == (1, "")
    assert "Traceback" not in said.err
    assert len([line for line in said.lines if "127.0.0.1" in line and "to go on" not in line]) == 1, said.err
    assert any("failed: openai:gpt-4o-mini · 0 calls" in line for line in said.lines)


def test_a_wrong_key_is_said_once(
    command: Command, docs: Path, fake_openai: FakeOpenAI, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit status 1, after one refusal or as many as were in flight; the key itself is not shown."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-wrong-key-1234567890")
    said = command(
        "summarize", docs, "-m", "openai:gpt-4o-mini", "--base-url", fake_openai.base_url, "--concurrency", 1
    )
    assert (said.status, said.out) == (1, "")
    assert "Traceback" not in said.err
    assert len([line for line in said.lines if "(401" in line or "API key" in line or "OPENAI_API_KEY" in line]) == 1, (
        said.err
    )
    assert "sk-wrong-key-1234567890" not in said.err
    assert 1 <= len(fake_openai.requests) <= 3


def test_no_key_is_one_line(command: Command, docs: Path) -> None:
    """It names the variable."""
    said = command("summarize", docs, "-m", "openai:gpt-4o-mini")
    assert said.status in (1, 2)
    assert said.out == ""
    assert "OPENAI_API_KEY" in said.err
    assert "Traceback" not in said.err


def test_planning_needs_no_key(command: Command, docs: Path) -> None:
    """And no network."""
    said = command("plan", "summarize", docs, "-m", "openai:gpt-4o-mini", "--json")
    assert said.status == 0
    assert said.json["calls"] == 4
    assert 0 < said.json["usd"] < said.json["most"]["usd"]


def test_what_was_paid_for_is_in_the_store(command: Command, docs: Path, openai_environment: FakeOpenAI) -> None:
    """A quota that runs out half-way is incomplete; the next run pays only for the rest."""
    words = ("summarize", docs, "-m", "openai:gpt-4o-mini", "--set", "corpus=false", "--concurrency", 1, "--json")
    openai_environment.fail(Fault(""), Fault("quota"))
    said = command(*words)
    assert said.status == 3
    statuses = [found["status"] for found in said.json["documents"]]
    assert statuses[:2] == ["ok", "failed"]
    assert said.json["usage"]["calls"] == statuses.count("ok")
    done = command(*words)
    assert done.status == 0
    assert done.json["usage"]["calls"] == statuses.count("failed")
    assert openai_environment.billed["calls"] == 3
    rows = command("ledger", "--json").json
    assert sum(row["input_tokens"] for row in rows) == openai_environment.billed["input_tokens"]


def test_a_run_through_a_server_matches_its_bill(command: Command, docs: Path, openai_environment: FakeOpenAI) -> None:
    """The JSON, the ledger and the provider say the same."""
    value = command("summarize", docs, "-m", "openai:gpt-4o-mini", "--json").json
    billed = openai_environment.billed
    assert value["status"] == "ok"
    assert value["usage"]["calls"] == billed["calls"] == 4
    assert value["usage"]["input_tokens"] == billed["input_tokens"]
    assert value["usage"]["output_tokens"] == billed["output_tokens"]
    assert value["usage"]["usd"] > 0


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("html", "a web page answered, not a model; check OPENAI_BASE_URL"),
        ("404", "no access (404: fault 404); check the model's name and OPENAI_BASE_URL"),
        ("302", "no access (302"),
        ("407", "no access (407: fault 407); check the proxy's address and password"),
        ("mail", "what answered there speaks no HTTP; check OPENAI_BASE_URL and its port"),
        ("certificate", "the server's certificate is not trusted; check OPENAI_BASE_URL or SSL_CERT_FILE"),
    ],
)
def test_a_server_that_is_no_model_is_said_once(
    command: Command, docs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, said: str
) -> None:
    """A login page, a proxy, a wrong address, another protocol, a certificate of its own: nothing is billed."""
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with _some_server(kind, tmp_path) as url:
        found = command("summarize", docs, "-m", "openai:gpt-4o-mini", "--base-url", url, "--timeout", 5)
    assert (found.status, found.out) == (1, "")
    assert "Traceback" not in found.err
    assert len([line for line in found.lines if said in line]) == 1, found.err
    assert any("failed: openai:gpt-4o-mini · 0 calls · 0 tokens in, 0 out · $0" in line for line in found.lines)


@contextmanager
def _some_server(kind: str, folder: Path) -> Iterator[str]:
    if kind not in {"mail", "certificate"}:
        with FakeOpenAI(rates={kind: 1.0}) as server:
            yield server.base_url
        return
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listening:
        greet = _greeting if kind == "mail" else partial(_shaking_hands, _own_certificate(folder))
        thread = threading.Thread(target=_accept, args=(listening, greet), daemon=True)
        thread.start()
        scheme = "http" if kind == "mail" else "https"
        yield f"{scheme}://127.0.0.1:{listening.getsockname()[1]}/v1"
        listening.shutdown(socket.SHUT_RDWR)
    thread.join(5)


def _accept(listening: socket.socket, greet: Callable[[socket.socket], None]) -> None:
    while True:
        try:
            connection, _ = listening.accept()
        except OSError:
            return
        with connection, suppress(OSError):
            connection.settimeout(5)
            greet(connection)


def _greeting(connection: socket.socket) -> None:
    connection.sendall(b"220 mail.example ESMTP ready\r\n")
    connection.recv(65536)


def _shaking_hands(context: ssl.SSLContext, connection: socket.socket) -> None:
    with context.wrap_socket(connection, server_side=True) as secure:
        secure.recv(65536)


def _own_certificate(folder: Path) -> ssl.SSLContext:
    if shutil.which("openssl") is None:
        pytest.skip("needs the openssl command")
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    made = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost"]
    subprocess.run([*made, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context


def test_a_model_that_does_not_exist_is_said_once(command: Command, docs: Path, openai_environment: FakeOpenAI) -> None:
    """In the server's own words."""
    openai_environment.models = ("another",)
    found = command("summarize", docs, "-m", "openai:gpt-4o-mini")
    assert (found.status, found.out) == (1, "")
    assert len([line for line in found.lines if "`gpt-4o-mini` does not exist" in line]) == 1, found.err


@pytest.mark.parametrize(("option", "value"), [("--max-tokens", "10"), ("--max-usd", "0.0000001")])
def test_a_budget_smaller_than_one_call_sends_nothing(
    command: Command, docs: Path, openai_environment: FakeOpenAI, option: str, value: str
) -> None:
    """Exit status 3, and what the next call may take."""
    found = command("summarize", docs, "-m", "openai:gpt-4o-mini", option, value)
    assert (found.status, found.out) == (3, "")
    said = [line.replace("$", "") for line in found.lines if f"go on with a higher {option}" in line]
    assert [f"more than the whole cap of {value}; " in line for line in said] == [True]
    assert not openai_environment.requests


def test_an_age_that_is_none(command: Command, docs: Path) -> None:
    """It is a length of time."""
    for value in ("0", "soon", "-3"):
        assert "--max-age must be a length of time such as 7d" in one_line(
            command("summarize", docs, f"--max-age={value}"), 2
        )
