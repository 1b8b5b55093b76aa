"""Reports: results and figures as text, JSON and files."""

from __future__ import annotations
