"""The command ``promptops``."""

from __future__ import annotations

import os
import sys

from promptops.errors import PromptopsError, UsageError


def main() -> None:
    """Run the command line; every error is one line on stderr, and an exit status: 1 failed, 2 wrong usage."""
    from promptops.cli.app import app

    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    try:
        app()
    except PromptopsError as failure:
        print(f"promptops: {failure}", file=sys.stderr)
        raise SystemExit(2 if isinstance(failure, UsageError) else 1) from None
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(1) from None
    except KeyboardInterrupt:
        raise SystemExit(130) from None
