"""Backends: whatever answers a call."""
