"""Results as one HTML file that needs nothing else: answers beside the sources they rest on."""

from __future__ import annotations

from promptops.report.html.page import Page, is_page, write

__all__ = ["Page", "is_page", "write"]
