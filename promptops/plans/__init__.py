"""Plans: chains as generators of calls, free of I/O, clocks and clients."""

from __future__ import annotations
