"""Admission: when a request may be sent, so that a server's rate limits are used to the full and not passed.

A token bucket or a sliding window behind each limit, learned from what the server says; a pace for one that says
nothing. Nothing here knows a clock or an event loop; the client's ``Admitted`` does.
"""

from __future__ import annotations

from promptops.admission.gate import Gate, Turn
from promptops.admission.waiting import Line, Ticket

__all__ = ["Gate", "Line", "Ticket", "Turn"]
