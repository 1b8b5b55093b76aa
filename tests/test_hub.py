"""Model files from a server that speaks the hub's protocol on loopback."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from promptops.errors import AccessError, NotFoundError, PromptopsError, UnreachableError, UsageError

pytest.importorskip("huggingface_hub")
from promptops.hub import HubFile, fetch, parse
from promptops.testing.tiny_gguf import tiny_gguf

CONTENT = bytes(range(256)) * 8192
SPEC = "hf:someone/tiny-GGUF:tiny.gguf"
COMMIT = "c" * 40


@dataclass
class Hub:
    """What the server has and does; ``gets`` is the ``Range`` of every GET of a file."""

    url: str = ""
    content: bytes = CONTENT
    tag: str = hashlib.sha256(CONTENT).hexdigest()
    cuts: int = 0
    refusal: tuple[int, str] | None = None
    gets: list[str | None] = field(default_factory=list)


class Handler(BaseHTTPRequestHandler):
    hub: Hub

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def do_GET(self) -> None:
        if "/resolve/" in self.path:
            self.hub.gets.append(self.headers.get("Range"))
        self._answer(with_body=True)

    def _answer(self, *, with_body: bool) -> None:
        status, reason = self.hub.refusal or (200, "")
        if self.path != "/someone/tiny-GGUF/resolve/main/tiny.gguf":
            status, reason = 404, "EntryNotFound" if "tiny-GGUF" in self.path else "RepoNotFound"
        if status != 200:
            self.send_response(status)
            self.send_header("X-Error-Code", reason)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        start = int((self.headers.get("Range") or "bytes=0-").removeprefix("bytes=").partition("-")[0])
        body = self.hub.content[start:]
        self.send_response(206 if start else 200)
        self.send_header("ETag", f'"{self.hub.tag}"')
        self.send_header("X-Linked-Size", str(len(self.hub.content)))
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("Content-Length", str(len(body)))
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(self.hub.content) - 1}/{len(self.hub.content)}")
        self.end_headers()
        if with_body and self.hub.cuts:
            self.hub.cuts -= 1
            self.wfile.write(body[: len(body) // 2])
            self.close_connection = True
        elif with_body:
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def hub() -> Iterator[Hub]:
    state = Hub()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Own", (Handler,), {"hub": state}))
    state.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield state
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_file_arrives_in_the_hubs_own_cache(hub: Hub, tmp_path: Path) -> None:
    """Where every other program that uses the hub finds it; asked again, the network is left alone."""
    path = fetch(SPEC, cache=tmp_path, endpoint=hub.url)
    assert path.read_bytes() == CONTENT
    assert path == tmp_path / "models--someone--tiny-GGUF" / "snapshots" / COMMIT / "tiny.gguf"
    assert fetch(SPEC, cache=tmp_path, endpoint="http://127.0.0.1:9") == path
    assert hub.gets == [None]


def test_a_cut_connection_goes_on_where_it_stopped(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the missing bytes are asked for, to the last whole piece (of 10 MB, if not for the test)."""
    monkeypatch.setattr("huggingface_hub.constants.DOWNLOAD_CHUNK_SIZE", 1 << 16)
    hub.cuts = 1
    assert fetch(SPEC, cache=tmp_path, endpoint=hub.url).read_bytes() == CONTENT
    assert hub.gets == [None, f"bytes={len(CONTENT) // 2}-"]


def test_what_an_ended_process_left_is_gone_on_with(hub: Hub, tmp_path: Path) -> None:
    """The hub's own library would begin again."""
    left = tmp_path / "models--someone--tiny-GGUF" / "blobs" / f"{hub.tag}.promptops.part"
    left.parent.mkdir(parents=True)
    left.write_bytes(CONTENT[:1000])
    assert fetch(SPEC, cache=tmp_path, endpoint=hub.url).read_bytes() == CONTENT
    assert hub.gets == ["bytes=1000-"]
    assert not left.exists()


def test_a_wrong_checksum_is_an_error_and_leaves_nothing(hub: Hub, tmp_path: Path) -> None:
    """Of the right size, which is all that the hub's library looks at."""
    hub.content = CONTENT[:-1] + b"x"
    with pytest.raises(UsageError, match=r"tiny\.gguf arrived damaged"):
        fetch(SPEC, cache=tmp_path, endpoint=hub.url)
    assert not list(tmp_path.rglob("*.part"))
    hub.content = CONTENT
    assert fetch(SPEC, cache=tmp_path, endpoint=hub.url).read_bytes() == CONTENT


def test_a_small_file_is_held_against_gits_name_of_it(hub: Hub, tmp_path: Path) -> None:
    """The hub has no SHA-256 of what is no large file."""
    hub.content = b"small"
    hub.tag = hashlib.sha1(b"blob 5\0small", usedforsecurity=False).hexdigest()
    assert fetch(SPEC, cache=tmp_path, endpoint=hub.url).read_bytes() == b"small"


@pytest.mark.parametrize(
    ("refusal", "spec", "error", "said"),
    [
        (None, "hf:someone/tiny-GGUF:other.gguf", NotFoundError, "has no file 'other.gguf'"),
        (None, "hf:someone/else:tiny.gguf", NotFoundError, "no repository someone/else"),
        ((404, "RevisionNotFound"), SPEC, NotFoundError, "has no revision 'main'"),
        ((403, "GatedRepo"), SPEC, AccessError, "gated: accept its terms"),
        ((401, ""), SPEC, AccessError, "HF_TOKEN"),
        ((403, ""), SPEC, AccessError, "HF_TOKEN"),
        ((500, ""), SPEC, UnreachableError, "the hub answered 500"),
    ],
)
def test_a_refusal_is_one_line(
    refusal: tuple[int, str] | None, spec: str, error: type[PromptopsError], said: str, hub: Hub, tmp_path: Path
) -> None:
    """With what to do about it."""
    hub.refusal = refusal
    with pytest.raises(error, match=said) as failure:
        fetch(spec, cache=tmp_path, endpoint=hub.url)
    assert "\n" not in str(failure.value)


def test_a_terminal_sees_the_progress(hub: Hub, tmp_path: Path) -> None:
    """On standard error, with the file's name and how far it is."""
    pty, termios = pytest.importorskip("pty"), pytest.importorskip("termios")
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, 90))
    script = f"from promptops.hub import fetch; fetch({SPEC!r})"
    environment = {**os.environ, "HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=theirs, env=environment, check=True
    )
    os.close(theirs)
    shown = os.read(ours, 1 << 16).decode()
    os.close(ours)
    assert done.stdout == b""
    assert "tiny.gguf: 100%" in shown


def test_without_a_network_it_says_so(tmp_path: Path) -> None:
    """In one line."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
        with pytest.raises(UnreachableError, match="could not be fetched") as failure:
            fetch(SPEC, cache=tmp_path, endpoint=url)
    assert "\n" not in str(failure.value)


def test_a_full_disk_is_said_before_a_byte_is_fetched(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With what is missing."""
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10, 9, 1))
    with pytest.raises(UsageError, match=r"needs 2\.0 MiB more"):
        fetch(SPEC, cache=tmp_path, endpoint=hub.url)
    assert hub.gets == []


@pytest.mark.parametrize("spec", ["hf:", "hf:tiny.gguf", "hf:a/b", "hf:a/b:", "hf:a/b/c:d", "a/b:c"])
def test_a_spec_that_names_no_file_is_an_error(spec: str) -> None:
    """It says how to write one."""
    with pytest.raises(UsageError, match="hf:OWNER/REPO:FILE"):
        parse(spec)


def test_a_spec_may_name_a_revision() -> None:
    """A branch, a tag or a commit."""
    assert parse("hf:a/b@v2:sub/c.gguf") == HubFile("a/b", "sub/c.gguf", "v2")


def test_piped_it_is_silent_and_the_environment_says_where(hub: Hub, tmp_path: Path) -> None:
    """``HF_ENDPOINT`` and ``HF_HOME`` are obeyed; nothing but the answer is written, even where a cut was mended."""
    hub.cuts = 1
    script = f"from promptops.hub import fetch; print(fetch({SPEC!r}).stat().st_size)"
    environment = {**os.environ, "HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=environment, check=False)
    assert (done.stderr, json.loads(done.stdout)) == ("", len(CONTENT))


def test_a_model_on_the_hub_runs_by_its_name(hub: Hub, tmp_path: Path) -> None:
    """The whole spec, options behind it; what is in the cache needs no network."""
    hub.content = tiny_gguf(tmp_path / "tiny.gguf", context=4096).read_bytes()
    hub.tag = hashlib.sha256(hub.content).hexdigest()
    words = ["run", "summarize", "-", "-m", f"llama:{SPEC},threads=1", "--set", "words=10", "--json"]
    environment = {**os.environ, "HF_HOME": str(tmp_path / "hub"), "PROMPTOPS_STORE": str(tmp_path / "store.db")}
    for endpoint in (hub.url, "http://127.0.0.1:9"):
        done = subprocess.run(
            [sys.executable, "-m", "promptops", *words, "--fresh"],
            input="A river runs under a bridge. " * 20, capture_output=True, text=True, check=False,
            env={**environment, "HF_ENDPOINT": endpoint},
        )  # fmt: skip
        found = json.loads(done.stdout)
        assert (found["model"], found["usage"]["usd"]) == (f"llama:{SPEC}", 0), done.stderr
        assert found["documents"][0]["text"]


def test_everything_that_takes_a_model_takes_one_on_the_hub(hub: Hub, tmp_path: Path) -> None:
    """By one name: counted, planned and inspected, options behind it or not; fetched once."""
    hub.content = tiny_gguf(tmp_path / "tiny.gguf").read_bytes()
    hub.tag = hashlib.sha256(hub.content).hexdigest()
    script = f"""
import promptops as po
from promptops.local.inspect import inspect
print(po.count("A river.", "llama:{SPEC},threads=1"))
print(po.plan("summarize", [po.Source("a", text="A river. " * 50)], "llama:{SPEC}").expected.calls)
print(inspect("{SPEC}").model.name, inspect("llama:{SPEC},sequences=3").settings.sequences)
"""
    environment = {**os.environ, "HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "hub")}
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=environment, check=False)
    assert done.stdout.split()[1:] == ["1", "Tiny", "3"], done.stderr
    assert len(hub.gets) == 1
