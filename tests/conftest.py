"""What every test has: no network but loopback, no key of the person who runs it, and a fake provider on request."""

from __future__ import annotations

import errno
import ipaddress
import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from promptops.client import admission
from promptops.testing import KEY, FakeOpenAI

_HERE = {"", "localhost", "ip6-localhost"}


def _is_loopback(host: object) -> bool:
    name = host.decode() if isinstance(host, bytes) else str(host or "")
    try:
        return ipaddress.ip_address(name.partition("%")[0]).is_loopback or name in {"0.0.0.0", "::"}  # noqa: S104 - compared, not bound
    except ValueError:
        return name.lower() in _HERE


@pytest.fixture(autouse=True, scope="session")
def _no_network() -> Iterator[None]:
    """Fail like a machine that is not connected, except on loopback and between processes."""
    patch = pytest.MonkeyPatch()
    for name in ("connect", "connect_ex"):
        patch.setattr(socket.socket, name, _guarded(getattr(socket.socket, name)))
    resolve = socket.getaddrinfo

    def getaddrinfo(host: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            numeric = bool(ipaddress.ip_address(str(host)))
        except ValueError:
            numeric = False
        if host is None or numeric or _is_loopback(host):
            return resolve(host, *args, **kwargs)
        raise socket.gaierror(socket.EAI_NONAME, f"{host}: tests may not use the network (tests/conftest.py)")

    patch.setattr(socket, "getaddrinfo", getaddrinfo)
    yield
    patch.undo()


def _guarded(connect: Callable[..., Any]) -> Callable[..., Any]:
    def guarded(self: socket.socket, address: Any) -> Any:
        if self.family in {socket.AF_INET, socket.AF_INET6} and not _is_loopback(address[0]):
            raise OSError(errno.ENETUNREACH, f"{address[0]}: tests may not use the network (tests/conftest.py)")
        return connect(self, address)

    return guarded


@pytest.fixture(autouse=True)
def _no_account(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing in the environment may lead a test to a real account or through a proxy."""
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "OPENAI_ORG_ID", "OPENAI_PROJECT_ID", "OPENAI_CUSTOM_HEADERS"):
        monkeypatch.delenv(name, raising=False)
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.fixture(autouse=True)
def _unknown_servers(monkeypatch: pytest.MonkeyPatch) -> None:
    """What one test learned of a server's limits is nothing to another, whose server may get the same port."""
    monkeypatch.setattr(admission, "_shared", {})


@pytest.fixture
def fake_openai() -> Iterator[FakeOpenAI]:
    """A provider on loopback that takes the key ``test-key``; see ``promptops/testing``."""
    with FakeOpenAI() as server:
        yield server


@pytest.fixture
def openai_environment(fake_openai: FakeOpenAI, monkeypatch: pytest.MonkeyPatch) -> FakeOpenAI:
    """The same, with ``OPENAI_BASE_URL`` and ``OPENAI_API_KEY`` set to it."""
    monkeypatch.setenv("OPENAI_BASE_URL", fake_openai.base_url)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    return fake_openai
