"""What people set for the official client holds for ours: headers, proxies, certificates, redirects."""

from __future__ import annotations

import asyncio
import gzip
import json
import shutil
import ssl
import subprocess
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import openai
import pytest
from aiohttp import web
from multidict import CIMultiDict

from promptops.backends.openai import OpenAI
from promptops.errors import AccessError, CallError, RejectedError
from promptops.testing import KEY, MODEL, FakeOpenAI
from promptops.tokens import counter
from promptops.types import Call, Message, Reply

COUNTER = counter(tokenizer="o200k_base")
ROOT = Path(__file__).parents[2]
REPLY = {"id": "c1", "model": "m", "choices": [{"message": {"content": "Well."}, "finish_reason": "stop"}]}
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def ask(url: str, text: str = "hello there") -> Reply:
    """One call to a server in an event loop of its own."""
    backend = OpenAI(MODEL, base_url=url, api_key=KEY, counter=COUNTER, timeout=10.0)

    async def go() -> Reply:
        try:
            return await backend.complete(Call((Message("user", text),), 50))
        finally:
            await backend.aclose()

    return asyncio.run(go())


@contextmanager
def serving(handler: Handler, tls: ssl.SSLContext | None = None) -> Iterator[str]:
    """A server that does with every request what ``handler`` does; gives its origin."""
    ready, over = threading.Event(), threading.Event()
    ports: list[int] = []

    async def serve() -> None:
        application = web.Application(client_max_size=64 * 2**20)
        application.router.add_route("*", "/{path:.*}", handler)
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=0)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls).start()
        ports.append(runner.addresses[0][1])
        ready.set()
        await asyncio.to_thread(over.wait, 60)
        await runner.cleanup()

    thread = threading.Thread(target=asyncio.run, args=(serve(),), daemon=True)
    thread.start()
    assert ready.wait(10)
    try:
        yield f"{'https' if tls else 'http'}://127.0.0.1:{ports[0]}"
    finally:
        over.set()
        thread.join(10)


async def well(request: web.Request) -> web.StreamResponse:
    """Any request gets a reply."""
    return web.json_response(REPLY)


def test_the_headers_of_the_environment_are_the_official_clients(
    fake_openai: FakeOpenAI, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Organization, project and headers of one's own go out as it sends them."""
    monkeypatch.setenv("OPENAI_ORG_ID", "org-1")
    monkeypatch.setenv("OPENAI_PROJECT_ID", "proj-2")
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", "X-Team: tools\nX-Empty:\nno colon")
    with openai.OpenAI(base_url=fake_openai.base_url, api_key=KEY) as client:
        client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": "hello there"}])
    ask(fake_openai.base_url)
    theirs, ours = (CIMultiDict(seen.headers) for seen in fake_openai.requests)
    for name in ("Authorization", "OpenAI-Organization", "OpenAI-Project", "X-Team", "Content-Type", "Accept"):
        assert ours[name] == theirs[name]
    assert ours["X-Empty"] == theirs["X-Empty"] == ""


def test_a_header_of_ones_own_may_take_the_keys_place(fake_openai: FakeOpenAI, monkeypatch: pytest.MonkeyPatch) -> None:
    """Gateways have schemes of their own."""
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", "authorization: Basic abc")
    fake_openai.keys = None
    ask(fake_openai.base_url)
    assert fake_openai.requests[0].headers["Authorization"] == "Basic abc"


@pytest.mark.parametrize("variable", ["HTTP_PROXY", "ALL_PROXY", "all_proxy"])
def test_a_proxy_of_the_environment_is_used(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is asked for the whole address, with the password that stands in its own."""
    asked: list[tuple[str, str | None]] = []

    async def proxy(request: web.Request) -> web.StreamResponse:
        asked.append((request.raw_path, request.headers.get("Proxy-Authorization")))
        return web.json_response(REPLY)

    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    with serving(proxy) as url:
        monkeypatch.setenv(variable, url.replace("//", "//me:secret@"))
        assert ask("http://model.example/v1").text == "Well."
    path, authorization = asked[0]
    assert path == "http://model.example/v1/chat/completions"
    assert authorization is not None
    assert authorization.startswith("Basic ")


def test_an_address_may_be_taken_out_of_the_proxys_reach(
    fake_openai: FakeOpenAI, monkeypatch: pytest.MonkeyPatch
) -> None:
    """NO_PROXY, as everywhere."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    assert ask(fake_openai.base_url).text


def test_a_proxy_of_another_kind_is_said(fake_openai: FakeOpenAI, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rather than gone round."""
    monkeypatch.setenv("NO_PROXY", "elsewhere.example")
    monkeypatch.setenv("ALL_PROXY", "socks5://127.0.0.1:1080")
    with pytest.raises(AccessError, match="no HTTP proxy"):
        ask(fake_openai.base_url)
    assert not fake_openai.requests


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A key and a certificate for 127.0.0.1 that vouches for itself."""
    if shutil.which("openssl") is None:
        pytest.skip("needs the openssl command")
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    made = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    made += ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(path), "-out", f"{path}.crt"]
    subprocess.run(made, check=True, capture_output=True)
    path.write_text(path.read_text() + Path(f"{path}.crt").read_text())
    return path


def tls(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


def test_a_certificate_that_nobody_vouches_for_is_refused(certificate: Path) -> None:
    """At once, in one line that says what to set; nothing was sent, so nothing is billed."""
    with serving(well, tls(certificate)) as url, pytest.raises(AccessError, match="SSL_CERT_FILE") as caught:
        ask(f"{url}/v1")
    assert not caught.value.billed
    assert "certificate is not trusted" in str(caught.value)


def test_a_certificate_that_is_named_is_trusted(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A company's own authority, by SSL_CERT_FILE."""
    monkeypatch.setenv("SSL_CERT_FILE", f"{certificate}.crt")
    with serving(well, tls(certificate)) as url:
        assert ask(f"{url}/v1").text == "Well."


def test_a_server_that_has_moved_is_followed() -> None:
    """With the same body, and the same headers on the same host."""

    async def moved(request: web.Request) -> web.StreamResponse:
        if request.path.startswith("/old"):
            raise web.HTTPPermanentRedirect(request.path.replace("/old", "/v1"))
        assert request.headers["Authorization"] == f"Bearer {KEY}"
        assert (await request.json())["messages"][0]["content"] == "hello there"
        return web.json_response(REPLY)

    with serving(moved) as url:
        assert ask(f"{url}/old").text == "Well."


@pytest.mark.parametrize(("status", "place"), [(302, "/login"), (307, "/again"), (301, "")])
def test_a_login_page_or_a_circle_is_no_model(status: int, place: str) -> None:
    """A portal that sends everybody to its page, one that sends in circles, and one that sends nowhere."""

    async def portal(request: web.Request) -> web.StreamResponse:
        if request.method == "GET":
            return web.Response(text="<html>Please log in</html>", content_type="text/html")
        return web.Response(status=status, headers={"Location": place} if place else {})

    with serving(portal) as url, pytest.raises(AccessError, match="OPENAI_BASE_URL"):
        ask(f"{url}/v1")


def test_a_query_in_the_address_goes_with_every_request() -> None:
    """Some servers take their version there."""
    asked: list[str] = []

    async def versioned(request: web.Request) -> web.StreamResponse:
        asked.append(request.raw_path)
        return web.json_response(REPLY)

    with serving(versioned) as url:
        ask(f"{url}/v1/?api-version=2")
    assert asked == ["/v1/chat/completions?api-version=2"]


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_a_compressed_answer_is_read(encoding: str) -> None:
    """Proxies compress."""

    async def compressed(request: web.Request) -> web.StreamResponse:
        assert encoding in request.headers["Accept-Encoding"]
        response = web.json_response(REPLY)
        response.enable_compression(web.ContentCoding(encoding))
        return response

    with serving(compressed) as url:
        assert ask(f"{url}/v1").text == "Well."


def test_what_only_claims_to_be_compressed_is_one_of_our_errors() -> None:
    """Half an archive and no archive at all."""

    async def broken(request: web.Request) -> web.StreamResponse:
        content = gzip.compress(json.dumps(REPLY).encode())[:20]
        return web.Response(body=content, headers={"Content-Encoding": "gzip", "Content-Type": "application/json"})

    with serving(broken) as url, pytest.raises(CallError) as caught:
        ask(f"{url}/v1")
    assert caught.value.billed


def test_a_prompt_of_megabytes_is_sent_whole() -> None:
    """Without a warning, and with its length."""

    async def measured(request: web.Request) -> web.StreamResponse:
        content = (await request.json())["messages"][0]["content"]
        assert request.content_length is not None
        return web.json_response({**REPLY, "id": str(len(content))})

    with serving(measured) as url:
        assert ask(f"{url}/v1", "강물 " * 700_000).request_id == str(3 * 700_000)


def test_half_a_character_is_found_before_a_connection_is_made(fake_openai: FakeOpenAI) -> None:
    """A lone surrogate in a prompt cannot be sent."""
    with pytest.raises(RejectedError):
        ask(fake_openai.base_url, "half \ud83d")


def test_a_call_does_not_import_the_official_client() -> None:
    """It takes most of a second."""
    code = """
import asyncio, sys
from promptops.backends.openai import OpenAI
from promptops.errors import UnreachableError
from promptops.types import Call, Message
try:
    asyncio.run(OpenAI("m", base_url="http://127.0.0.1:9/v1", counter=None).complete(Call((Message("user", "a"),), 9)))
except UnreachableError:
    print("openai" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, cwd=ROOT)
    assert done.stdout.strip() == "False"


def test_the_official_client_is_there_for_the_rest(fake_openai: FakeOpenAI) -> None:
    """With the same address and key, one per event loop, closed with the backend."""
    backend = OpenAI(MODEL, base_url=fake_openai.base_url, api_key=KEY, counter=COUNTER)

    async def models() -> list[str]:
        client = await backend.client()
        assert client is await backend.client()
        assert client.max_retries == 0
        names = [model.id async for model in client.models.list()]
        await backend.aclose()
        assert client.is_closed()
        return names

    assert [asyncio.run(models()) for _ in range(2)] == [[MODEL]] * 2
