"""Drivers: what is done with the calls of a plan."""

from __future__ import annotations
