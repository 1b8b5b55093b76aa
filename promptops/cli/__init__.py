"""The command ``promptops``."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from promptops.errors import PromptopsError, UsageError

if TYPE_CHECKING:
    from typer.exceptions import TyperException


def main() -> None:
    """Run the command line; every error is one line on stderr, and an exit status: 1 failed, 2 wrong usage."""
    from typer.exceptions import TyperException

    from promptops.cli.app import app

    _prepare("stdout")
    _prepare("stderr")
    try:
        try:
            status = app(prog_name="promptops", standalone_mode=False)
        finally:
            sys.stdout.flush()
    except TyperException as failure:
        raise SystemExit(_misused(failure)) from None
    except PromptopsError as failure:
        from promptops.report.words import plain

        print(f"promptops: {plain(str(failure))}", file=sys.stderr)
        raise SystemExit(2 if isinstance(failure, UsageError) else 1) from None
    except BrokenPipeError:
        _hush()
        raise SystemExit(1) from None
    except OSError as failure:
        _hush()
        print(f"promptops: the output cannot be written: {failure.strerror or failure}", file=sys.stderr)
        raise SystemExit(1) from None
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    raise SystemExit(status if isinstance(status, int) else 0)


def _misused(failure: TyperException) -> int:
    """Say in one line what is wrong with the command line; help that was asked for by giving nothing is shown whole."""
    message = failure.format_message()
    context = getattr(failure, "ctx", None)
    if "\n" in message or context is None:
        print(message, file=sys.stderr)
    else:
        print(f"promptops: {message.rstrip('.')}; see: {context.command_path} --help", file=sys.stderr)
    return getattr(failure, "exit_code", 2)


def _prepare(name: str) -> None:
    """Let a stream take any text: what its encoding lacks is escaped, since a question mark would lose it."""
    stream = getattr(sys, name)
    if stream is None:  # closed, as under a daemon
        setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115, PTH123 - stays open
    elif hasattr(stream, "reconfigure"):
        stream.reconfigure(errors="backslashreplace")


def _hush() -> None:
    """Nobody reads standard output any more; what is left in it must not fail again when Python ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
