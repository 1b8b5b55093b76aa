"""The public calls that run a chain: connect, plan, run, and the template of one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from datetime import datetime, timedelta
from decimal import Decimal
from os import PathLike
from pathlib import Path
from typing import Any

from promptops import chains, documents
from promptops.amounts import age, usd
from promptops.backends.batch import Batched, batch_price
from promptops.backends.spec import Options, backend, checked, with_batches
from promptops.blocking import blocking
from promptops.budget import Budget
from promptops.chains import Chain
from promptops.client import Client
from promptops.drivers import difference as comparing
from promptops.drivers import estimate as estimating
from promptops.drivers import run as running
from promptops.drivers.difference import Difference
from promptops.drivers.estimate import Estimate
from promptops.drivers.job import Job
from promptops.drivers.result import Result
from promptops.errors import NotFoundError, PriceError, UsageError
from promptops.prompts import Library
from promptops.prompts.files import Folders, folders
from promptops.prompts.template import Template
from promptops.store import Database
from promptops.types import Backend, Source

_SAID_OF_A_MODEL = {"tokenizer", "window", "base_url", "reasoning_tokens", "estimate_tokens"}

GATHERED = 2_500
"""Places for a batch to fill, four documents under way for each: so many whole documents are held at once."""

Paths = str | PathLike[str] | Source | Iterable[str | PathLike[str] | Source]


def connect(
    model: str | Backend = "extractive",
    *,
    store: str | Path | None = None,
    max_usd: float | str | Decimal | None = None,
    max_tokens: int | None = None,
    concurrency: int | None = None,
    fresh: bool = False,
    max_age: float | str | timedelta | datetime | None = None,
    tokenizer: str | None = None,
    window: int | None = None,
    base_url: str | None = None,
    timeout: float | None = None,
    reasoning_tokens: int | None = None,
    estimate_tokens: bool = False,
    rpm: float | None = None,
    tpm: float | None = None,
    batch: bool = False,
) -> Client:
    """A client for a model spec (``extractive``, ``openai:NAME``, ``llama:PATH.gguf`` …) or for a backend of your own.

    ``store`` is the file of replies and ledger, in memory where ``None``. ``max_usd`` (US dollars) and ``max_tokens``
    (input and output) cap everything this client sends. ``concurrency`` is how many calls may be in flight; by
    default 16, and more where the server answers no slower for it. ``tokenizer`` and ``window`` (tokens) say what is
    not known of a model; ``estimate_tokens`` allows counts that are estimates, and marked so. ``timeout`` is in seconds
    per call.
    ``reasoning_tokens`` is what the model may spend unseen before an answer (default 2,048 for models known to reason).
    Replies that are older than ``max_age`` (seconds, ``"7d"``, ``"12h"``, a ``timedelta``; or a moment) are asked for
    again, and all of them with ``fresh``. A backend of your own says these five itself. ``rpm`` and ``tpm`` are the
    server's limits in requests and tokens a minute, where it should be held to less than it says itself; all clients of
    one server, key and model share them. ``batch`` asks through the provider's Batch API: within a day, at the batch
    price, a level of the chain at a time, whatever ``concurrency`` and ``timeout`` say.

    Raises ``NotFoundError``, ``TokenizerError``, ``PriceError``, ``StoreError`` or ``UsageError``.
    """
    options = Options(tokenizer, window, base_url, timeout, reasoning_tokens, estimate_tokens)
    chosen = _chosen(model, options)
    asked = with_batches(chosen) if batch else None
    cap = usd(max_usd)
    if cap is not None and (chosen.price if asked is None else batch_price(asked)) is None:
        what = "price" if asked is None else "batch price"
        raise PriceError(
            f"no {what} is known for {chosen.name}, so --max-usd cannot hold; cap tokens with --max-tokens"
        )
    budget, database = Budget(cap, max_tokens), Database(store, max_age=age(max_age))
    if asked is not None:
        chosen, concurrency = Batched(asked, database, fresh=fresh), GATHERED
    return Client(chosen, database, budget=budget, concurrency=concurrency, fresh=fresh, rpm=rpm, tpm=tpm)


def job(
    chain: str | Chain,
    paths: Paths,
    model: Backend,
    settings: dict[str, Any],
    models: Mapping[str, str | Backend] | None = None,
    templates: Folders = (),
) -> Job:
    """One chain over some documents by one backend, and by those that ``models`` or the chain name for single steps.

    Templates in the folders ``templates`` win over those of the library.

    Raises ``NotFoundError`` for a missing path or chain, ``WindowError`` where a model's window is unknown,
    ``UsageError`` where it is an embedding model.
    """
    loaded = chain if isinstance(chain, Chain) else chains.load(chain, folders(templates))
    loaded.settings.updated(settings)
    planned = Job(loaded, sources(paths), model, settings, _others(loaded, model, models or {}))
    planned.models()
    return planned


def _others(chain: Chain, model: Backend, models: Mapping[str, str | Backend]) -> dict[str, Backend]:
    """The backends of the steps with a model of their own; with batches where ``model`` has them."""
    for step in models:
        if step not in chain.steps:
            raise NotFoundError(f"chain {chain.name} has no step {step!r} (steps: {', '.join(chain.steps)})")
    named = {name: models.get(name, step.model) for name, step in chain.steps.items()}
    return {name: _beside(model, asked) for name, asked in named.items() if asked is not None}


def _beside(model: Backend, asked: str | Backend) -> Backend:
    """Another model for the same job: of the same server where ``model`` has one, and through its batches."""
    if isinstance(model, Batched):
        return model.beside(with_batches(_beside(model.inner, asked)))
    kind, _, name = asked.partition(":") if isinstance(asked, str) else ("", "", "")
    serving = getattr(model, "serving", None)
    if kind == "openai" and name and serving is not None:
        served: Backend = serving(name)
        return served
    return _chosen(asked, Options())


def plan(
    chain: str | Chain,
    paths: Paths,
    model: str | Backend = "extractive",
    *,
    store: str | Path | None = None,
    max_age: float | str | timedelta | datetime | None = None,
    **options: Any,
) -> Estimate:
    """What running ``chain`` over ``paths`` would send: calls, tokens and US dollars, offline and without a key.

    With ``store``, replies that it holds cost nothing, unless they are older than ``max_age``. Further ``options`` are
    ``tokenizer``, ``window``, ``base_url``, ``reasoning_tokens``, ``estimate_tokens``, ``batch`` (at the batch price),
    ``models`` (by step, for steps with a model of their own), ``templates`` (folders of yours) and the chain's
    settings. Raises what ``run`` raises before it sends.
    """
    planned = _job(chain, paths, model, options)
    if store is None or not Path(store).exists():
        return blocking(estimating.estimate(planned))
    with closing(Database(store, max_age=age(max_age))) as database:
        return blocking(estimating.estimate(planned, database))


def diff(
    chain: str | Chain,
    paths: Paths,
    model: str | Backend = "extractive",
    *,
    store: str | Path | None,
    max_age: float | str | timedelta | datetime | None = None,
    **options: Any,
) -> Difference:
    """What running ``chain`` over ``paths`` would send after what ``store`` holds, per document, and why; offline.

    ``max_age`` and ``options`` are those of ``plan``. Raises what ``run`` raises before it sends.
    """
    with closing(Database(store, max_age=age(max_age))) as database:
        return blocking(comparing.difference(_job(chain, paths, model, options), database))


def _job(chain: str | Chain, paths: Paths, model: str | Backend, options: dict[str, Any]) -> Job:
    """The job of ``options`` that say something of the model, and of settings."""
    batch, models, mine = options.pop("batch", False), options.pop("models", None), options.pop("templates", ())
    known = {name: value for name, value in options.items() if name in _SAID_OF_A_MODEL}
    settings = {name: value for name, value in options.items() if name not in _SAID_OF_A_MODEL}
    chosen = _chosen(model, Options(**known))
    backend = Batched(with_batches(chosen), Database()) if batch else chosen
    return job(chain, paths, backend, settings, models, mine)


async def arun(
    chain: str | Chain,
    paths: Paths,
    client: Client | str = "extractive",
    *,
    models: Mapping[str, str | Backend] | None = None,
    templates: Folders = (),
    min_coverage: float = 0.0,
    **settings: Any,
) -> Result:
    """Run ``chain``, a name, a file or a ``Chain``, over files, folders or ``Source`` texts; settings by name.

    ``models`` names, by step, models of their own for single steps; they share the client's store and budget.
    ``templates`` are folders of yours, whose templates win over the library's of the same name. What goes wrong with
    one document is in its result. The run has failed where its answers rest on less than the share ``min_coverage`` (0
    to 1) of the characters. Raises ``UsageError`` before anything is sent.
    """
    if isinstance(client, str):
        with connect(client) as connected:
            given = {"models": models, "templates": templates, "min_coverage": min_coverage, **settings}
            return await arun(chain, paths, connected, **given)
    async with client.in_use():
        planned = job(chain, paths, client.backend, settings, models, templates)
        return await running.run(planned, client, min_coverage=min_coverage)


def run(
    chain: str | Chain,
    paths: Paths,
    client: Client | str = "extractive",
    *,
    models: Mapping[str, str | Backend] | None = None,
    templates: Folders = (),
    min_coverage: float = 0.0,
    **settings: Any,
) -> Result:
    """``arun`` for scripts and notebooks: works with and without a running event loop."""
    given = {"models": models, "templates": templates, "min_coverage": min_coverage, **settings}
    return blocking(arun(chain, paths, client, **given))


def embed(texts: Iterable[str], client: Client | str) -> list[list[float]]:
    """A vector for each of ``texts`` by an embedding model (``llama:PATH.gguf``); ``Client.embed`` for scripts.

    Raises what ``Client.embed`` raises.
    """
    return blocking(_embedded(texts if isinstance(texts, str) else list(texts), client))


async def _embedded(texts: Sequence[str], client: Client | str) -> list[list[float]]:
    if isinstance(client, str):
        with connect(client) as connected:
            return await _embedded(texts, connected)
    async with client.in_use():
        return await client.embed(texts)


def template(name: str, *folders: str | PathLike[str]) -> Template:
    """The template ``name`` of the library (``summarize/map``), the one in a ``.j2`` file, or the one that it is.

    A text that begins with its front matter (``---``) is the template itself. Templates in ``folders`` may be included
    and extended, and win over those of the library of the same name.

    Raises ``NotFoundError`` where there is none, ``TemplateError`` where it is not valid.
    """
    library = Library(map(Path, folders))
    return library.parse(name) if name.startswith("---\n") else library.template(name)


def _chosen(model: str | Backend, options: Options) -> Backend:
    return backend(model, options) if isinstance(model, str) else checked(model)


def sources(paths: Paths) -> Sequence[Source]:
    """Paths looked up on disk, texts in memory as they are, in the order given."""
    given = [paths] if isinstance(paths, (str, PathLike, Source)) else list(paths)
    if not given:
        raise UsageError("no document was given; name a file, a folder or a Source")
    named = [part for part in given if not isinstance(part, Source)]
    if len(named) == len(given):
        return documents.find(named)
    return [source for part in given for source in ([part] if isinstance(part, Source) else documents.find([part]))]
