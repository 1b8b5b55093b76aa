"""Every exception that leaves promptops, as one tree.

PromptopsError
├── UsageError            what was asked for cannot be done as asked (exit status 2)
│   ├── NotFoundError     a path, chain, template, model kind or setting that is not there
│   ├── TemplateError     a template or its inputs are wrong: file, line, mend
│   ├── ChainError        a chain file is wrong: file, line, mend
│   ├── TokenizerError    no tokenizer is known for a model, or a vocabulary cannot be read
│   ├── EngineError       a local model cannot be loaded or run as asked
│   ├── WindowError       a prompt cannot fit the model's window, or the window is unknown
│   └── PriceError        a cap in US dollars on a model whose price is unknown
├── DocumentError         one document cannot be read or decoded (the run goes on)
├── StoreError            the store file cannot be opened, read or written
├── BudgetError           the next call could pass the cap, so it was not sent (exit status 3)
└── CallError             a backend did not give an answer
    ├── TransientError    500, 502, 503, 504, 529, a reset, a time-out, a malformed body: worth another try
    │   └── UnreachableError  no connection could be made, so nothing can have been billed
    ├── ThrottledError    429 with capacity left: wait as told, then try again
    ├── QuotaError        the account is out of credit: stop sending (exit status 3)
    ├── RefusedError      the provider's content filter refused this call
    ├── EmptyError        the model answered, and said nothing
    ├── MisfitError       the model's answer is of no use: cut, or no JSON that fits its schema
    ├── RejectedError     400, 413, 422: this call is wrong, and will be wrong again
    └── AccessError       401, 403, 404: every call will fail the same way; stop sending
"""

from __future__ import annotations

from copy import copy

TYPE_CHECKING = False

if TYPE_CHECKING:
    from typing import Self

    from promptops.types import Limits, Usage


class PromptopsError(Exception):
    """Base of every error promptops raises; its text is one line that says what, where and how to mend it."""

    code = "error"


class UsageError(PromptopsError):
    """What was asked for cannot be done as asked."""

    code = "usage"


class NotFoundError(UsageError):
    """A path, chain, template, model kind or setting is not there."""

    code = "not_found"


class TemplateError(UsageError):
    """A template file or the inputs given to it are wrong."""

    code = "template"


class ChainError(UsageError):
    """A chain file is wrong."""

    code = "chain"


class TokenizerError(UsageError):
    """No tokenizer is known for a model, or a vocabulary cannot be read."""

    code = "tokenizer"


class EngineError(UsageError):
    """A local model cannot be loaded, or not run as asked."""

    code = "engine"


class WindowError(UsageError):
    """A prompt cannot fit the model's window, or that window is unknown."""

    code = "window"


class PriceError(UsageError):
    """A cap in US dollars was set on a model whose price is unknown."""

    code = "price"


class DocumentError(PromptopsError):
    """One document cannot be read or decoded; a run records it and goes on."""

    code = "document"


class StoreError(PromptopsError):
    """The store file cannot be opened, read or written."""

    code = "store"


class BudgetError(PromptopsError):
    """The next call could pass the cap, so it was not sent."""

    code = "budget"


class CallError(PromptopsError):
    """A backend did not give an answer to one call.

    ``status`` is the HTTP status, ``request_id`` the provider's own id and ``retry_after`` the wait it asked for in
    seconds, each ``None`` where unknown. ``billed`` says whether this attempt may have been paid for although nothing
    came back; ``usage`` is what the provider said it counted, where it did (a refusal can be billed). ``limits``
    are the rate limits that it named.
    """

    code = "call"

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        request_id: str | None = None,
        retry_after: float | None = None,
        billed: bool = False,
        usage: Usage | None = None,
        limits: Limits | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.request_id = request_id
        self.retry_after = retry_after
        self.billed = billed
        self.usage = usage
        self.limits = limits
        self.sent = True
        """False where the call was held back because of an earlier one's error."""

    def held(self) -> Self:
        """The same error for a call that was not sent because of it: it cost nothing, and no other try is due."""
        mine = copy(self)
        mine.billed, mine.usage, mine.sent = False, None, False
        return mine


class TransientError(CallError):
    """The server or the connection failed in a way that another try may mend."""

    code = "transient"


class UnreachableError(TransientError):
    """No connection could be made, so nothing can have been billed."""

    code = "unreachable"


class ThrottledError(CallError):
    """The provider asked us to slow down."""

    code = "throttled"


class QuotaError(CallError):
    """The account has no credit left; no call will succeed until it has."""

    code = "quota"


class RefusedError(CallError):
    """The provider's content filter refused this call."""

    code = "refused"


class RejectedError(CallError):
    """The server says that this call is malformed; sending it again would not help."""

    code = "rejected"


class EmptyError(CallError):
    """The model answered, and said nothing."""

    code = "empty"


class MisfitError(CallError):
    """The model answered, each time cut or in another form than was asked for."""

    code = "misfit"


class AccessError(CallError):
    """Wrong key, no permission, or no such model: every call will fail the same way."""

    code = "access"
