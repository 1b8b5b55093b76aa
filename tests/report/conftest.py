"""What the tests of the page share: runs made by hand over sources in memory, and a browser that looks at them."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Locator, Page, sync_playwright

from promptops.drivers.result import Result
from promptops.plans.results import CorpusResult, DocumentResult
from promptops.report import html
from promptops.types import Source, Totals

BROWSERS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")


@pytest.fixture
def written(tmp_path: Path) -> Callable[..., Path]:
    """Writes a page of these documents, whose sources are these texts unless ``sources`` are given."""

    def write(
        *documents: DocumentResult,
        texts: Sequence[str] = (),
        sources: Sequence[Source] = (),
        corpus: CorpusResult | None = None,
        model: str = "some:model",
        reason: str | None = None,
    ) -> Path:
        named = zip(documents, texts, strict=False)
        given = sources or [Source(document.source, text=text) for document, text in named]
        result = Result("r1", "summarize", model, "ok", documents, corpus, Totals(), reason=reason)
        path = tmp_path / "page.html"
        html.write(result, path, given)
        return path

    return write


@dataclass
class Opened:
    """A page, and what it did that it must not: dialogs, errors, and requests beside the file itself."""

    page: Page
    wrong: list[str] = field(default_factory=list)

    def texts(self, selector: str) -> str:
        """What the elements hold, joined."""
        return "".join(self.page.locator(selector).all_text_contents())

    def press(self, number: int = 0) -> Locator:
        """Click a sentence."""
        sentence = self.page.locator(".sentence[role]").nth(number)
        sentence.click()
        return sentence

    def in_view(self, selector: str) -> bool:
        """Whether the first such element begins inside the window and below the bar."""
        box = self.page.locator(selector).first.bounding_box()
        bar = self.page.locator("#bar").bounding_box()
        size = self.page.viewport_size
        assert box is not None
        assert bar is not None
        assert size is not None
        return bar["y"] + bar["height"] <= box["y"] + 1 < size["height"]


def _executable() -> str | None:
    return next(filter(None, map(shutil.which, BROWSERS)), None)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A Chromium of this machine; where there is none the tests are skipped, but not in continuous integration."""
    with sync_playwright() as playwright:
        path = _executable() or playwright.chromium.executable_path
        if not Path(path).exists():
            missing = "no Chromium on this machine; on Debian: apt-get install chromium-headless-shell"
            (pytest.fail if os.environ.get("CI") else pytest.skip)(missing)
        started = playwright.chromium.launch(executable_path=path)
        yield started
        started.close()


@pytest.fixture
def opened(browser: Browser) -> Iterator[Callable[..., Opened]]:
    """Opens a page and, at the end, sees that nothing went wrong in it."""
    contexts: list[BrowserContext] = []
    all_: list[Opened] = []

    def open_(path: Path, width: int = 1_200, height: int = 800, **options: Any) -> Opened:
        context = browser.new_context(viewport={"width": width, "height": height}, **options)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(5_000)
        found = Opened(page)
        all_.append(found)
        page.on("dialog", lambda dialog: (found.wrong.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        page.on("console", lambda message: found.wrong.append(f"console: {message.text}"))
        page.on("pageerror", lambda error: found.wrong.append(f"error: {error}"))
        page.on("request", lambda request: request.url == path.as_uri() or found.wrong.append(f"asked: {request.url}"))
        page.goto(path.as_uri())
        return found

    yield open_
    for context in contexts:
        context.close()
    assert [wrong for one in all_ for wrong in one.wrong] == []
