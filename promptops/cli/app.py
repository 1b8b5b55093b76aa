"""The command line: what each command takes. What they do is in the modules beside this one, imported when used."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from inspect import signature
from typing import Annotated, Any

import typer

from promptops import __version__
from promptops.cli import options
from promptops.errors import UsageError

app = typer.Typer(
    name="promptops",
    help="Run language models over documents longer than a prompt, and know what every token costs.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
templates = typer.Typer(help="The prompt library: list, show, render, lint.", no_args_is_help=True)
app.add_typer(templates, name="templates")
tokens = typer.Typer(help="Vocabularies: export.", no_args_is_help=True)
app.add_typer(tokens, name="tokens")

ChainName = Annotated[str, typer.Argument(metavar="CHAIN", help="A chain's name, or a .yaml file of yours.")]


def _version(asked: bool) -> None:
    if asked:
        print(f"promptops {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Say which version it is.")
    ] = False,
) -> None:
    """What comes before a command."""


@app.command("run")
def run(
    chain: ChainName,
    paths: options.Paths,
    model: options.Model = "extractive",
    tokenizer: options.Tokenizer = None,
    window: options.Window = None,
    base_url: options.BaseUrl = None,
    reasoning_tokens: options.ReasoningTokens = None,
    setting: options.Settings = None,
    step_model: options.StepModels = None,
    templates_in: options.Templates = None,
    out: options.Out = None,
    html: options.Html = None,
    store: options.Store = None,
    max_usd: options.MaxUsd = None,
    max_tokens: options.MaxTokens = None,
    concurrency: options.Concurrency = None,
    rpm: options.Rpm = None,
    tpm: options.Tpm = None,
    timeout: options.Timeout = None,
    batch: options.Batch = False,
    estimate_tokens: options.EstimateTokens = False,
    fresh: options.Fresh = False,
    max_age: options.MaxAge = None,
    min_coverage: options.MinCoverage = 0.0,
    diff: options.Diff = False,
    watch: options.Watch = False,
    as_json: options.Json = False,
) -> None:
    """Run a chain over documents. Run it again to go on: what is paid for is never paid for twice."""
    from promptops.cli import running
    from promptops.cli.asking import Asked

    connection = options.connection(
        tokenizer=tokenizer,
        window=window,
        base_url=base_url,
        reasoning_tokens=reasoning_tokens,
        store=options.store(store),
        max_usd=max_usd,
        max_tokens=max_tokens,
        concurrency=concurrency,
        rpm=rpm,
        tpm=tpm,
        timeout=timeout,
        batch=batch,
        estimate_tokens=estimate_tokens,
        fresh=fresh,
        max_age=max_age,
    )
    if diff:
        from promptops.cli import comparing

        known = options.known(connection)
        known |= {"models": options.step_models(step_model), "templates": templates_in}
        raise typer.Exit(comparing.show(chain, paths, model, known, options.settings(setting), as_json=as_json))
    settings, models = options.settings(setting), options.step_models(step_model)
    how = (connection, out, as_json, min_coverage, models, templates_in, html)
    asked = Asked(chain, paths, model, settings, *how)
    raise typer.Exit(running.watch(asked) if watch else running.run(asked))


def _named(chain: str, purpose: str) -> Callable[..., None]:
    """``run`` for one chain: the same options, and no CHAIN to give."""

    @wraps(run)
    def command(*paths: Any, **given: Any) -> None:
        run(chain, *paths, **given)

    whole = signature(run, eval_str=True)
    command.__signature__ = whole.replace(parameters=list(whole.parameters.values())[1:])  # type: ignore[attr-defined]
    command.__doc__ = purpose
    return command


app.command("summarize")(_named("summarize", "Summarize documents, and the folder as a whole."))


@app.command("plan")
def plan(
    chain: ChainName,
    paths: options.Paths,
    model: options.Model = "extractive",
    tokenizer: options.Tokenizer = None,
    window: options.Window = None,
    base_url: options.BaseUrl = None,
    reasoning_tokens: options.ReasoningTokens = None,
    setting: options.Settings = None,
    step_model: options.StepModels = None,
    templates_in: options.Templates = None,
    out: options.Out = None,
    html: options.Html = None,
    store: options.Store = None,
    max_usd: options.MaxUsd = None,
    max_tokens: options.MaxTokens = None,
    concurrency: options.Concurrency = None,  # noqa: ARG001 - a run's command line can be planned by changing one word
    rpm: options.Rpm = None,  # noqa: ARG001 - the same
    tpm: options.Tpm = None,  # noqa: ARG001 - the same
    timeout: options.Timeout = None,  # noqa: ARG001 - the same
    batch: options.Batch = False,
    estimate_tokens: options.EstimateTokens = False,
    fresh: options.Fresh = False,
    max_age: options.MaxAge = None,
    min_coverage: options.MinCoverage = 0.0,  # noqa: ARG001 - the same
    diff: options.Diff = False,
    watch: options.Watch = False,
    as_json: options.Json = False,
) -> None:
    """What a run would send: calls, tokens and money, per level. Offline; needs no key."""
    from promptops.amounts import usd
    from promptops.budget import Budget
    from promptops.cli import planning

    of_a_run = (("--out", out), ("--html", html), ("--diff", diff), ("--watch", watch))
    if unknown := [name for name, given in of_a_run if given]:
        raise UsageError(
            f"plan sends nothing, so it takes no {', '.join(unknown)}: leave that out, or say run in place of plan"
        )
    connection = options.connection(
        tokenizer=tokenizer,
        window=window,
        base_url=base_url,
        reasoning_tokens=reasoning_tokens,
        estimate_tokens=estimate_tokens,
        batch=batch,
        store=options.store(store),
        fresh=fresh,
        max_age=max_age,
    )
    known = options.known(connection)
    known |= {"models": options.step_models(step_model), "templates": templates_in}
    cap = Budget(usd(max_usd), max_tokens)
    asked = options.settings(setting)
    raise typer.Exit(planning.plan(chain, paths, model, known, asked, cap, as_json=as_json))


@app.command("count")
def count(
    paths: options.Paths,
    model: options.ModelName = None,
    tokenizer: options.Tokenizer = None,
    chunks: Annotated[int | None, typer.Option(metavar="N", help="Also the chunks of at most N tokens.")] = None,
    estimate_tokens: options.EstimateTokens = False,
    as_json: options.Json = False,
) -> None:
    """Count tokens, per file and in all; by o200k_base unless a model or a vocabulary is named."""
    from promptops.cli import counting

    counted_by = counting.by(model, tokenizer, estimate=estimate_tokens)
    raise typer.Exit(counting.count(paths, counted_by, chunks, as_json=as_json))


@app.command("chunks")
def chunks(
    paths: options.Paths,
    size: Annotated[int, typer.Option("--tokens", metavar="N", help="The most tokens a chunk may have.")] = 4_000,
    overlap: Annotated[int, typer.Option(metavar="N", help="Tokens of whole sentences repeated from before.")] = 0,
    model: options.ModelName = None,
    tokenizer: options.Tokenizer = None,
    estimate_tokens: options.EstimateTokens = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line, one line a chunk.")] = False,
) -> None:
    """Show how documents would be split: the span in characters, the tokens and the beginning of every chunk."""
    from promptops.cli import counting

    counted_by = counting.by(model, tokenizer, estimate=estimate_tokens)
    raise typer.Exit(counting.chunks(paths, counted_by, size, overlap, as_json=as_json))


@tokens.command("export")
def tokens_export(
    name: Annotated[str, typer.Argument(metavar="ENCODING", help="o200k_base, cl100k_base, r50k_base, …")],
    to: Annotated[str | None, typer.Option(metavar="DIR", help="The folder; default tiktoken's own cache.")] = None,
) -> None:
    """Put an encoding into tiktoken's cache, hash-checked, so that tiktoken works without a network."""
    from promptops.cli import counting

    counting.export_vocabulary(name, to)


@app.command("ledger")
def ledger(
    by: Annotated[str, typer.Option(metavar="KEY", help="run, chain, step, template, document, model or day.")] = "run",
    run: Annotated[str | None, typer.Option(metavar="ID", help="Only this run.")] = None,
    store: options.Store = None,
    as_json: options.Json = False,
) -> None:
    """What was spent, summed by run, chain, step, template, document, model or day."""
    from promptops.cli import spending

    spending.ledger(by, run, options.store(store), as_json=as_json)


@app.command("inspect")
def inspect(
    path: Annotated[str, typer.Argument(metavar="MODEL", help="A model file, or hf:OWNER/REPO:FILE.")],
    context: Annotated[int | None, typer.Option(metavar="N", help="Tokens per sequence.")] = None,
    sequences: Annotated[int | None, typer.Option(metavar="N", help="Sequences at once.")] = None,
    kv: Annotated[
        str | None, typer.Option("--kv", metavar="TYPE", help="What keys and values are kept as: f16, q8_0, q4_0, …")
    ] = None,
    as_json: options.Json = False,
) -> None:
    """What a local model is, what memory it needs and what fits this machine, from its header alone."""
    from promptops.cli import inspecting

    inspecting.show(path, context, sequences, kv, as_json=as_json)


@templates.command("list")
def templates_list(folders: options.Templates = None, as_json: options.Json = False) -> None:
    """Name and purpose of every template."""
    from promptops.cli import library

    library.show_all(folders or [], as_json=as_json)


@templates.command("show")
def templates_show(name: Annotated[str, typer.Argument(metavar="NAME")], folders: options.Templates = None) -> None:
    """A template's source, from the library or a .j2 file."""
    from promptops.cli import library

    library.show(name, folders or [])


@templates.command("render")
def templates_render(
    name: Annotated[str, typer.Argument(metavar="NAME")],
    values: Annotated[
        list[str] | None,
        typer.Option("-v", "--value", metavar="KEY=VALUE", help="An input; KEY=@FILE.jsonl gives examples."),
    ] = None,
    models: Annotated[
        list[str] | None,
        typer.Option("--model", "-m", metavar="NAME", help="Count and price for it; more than one may be."),
    ] = None,
    folders: options.Templates = None,
    store: options.Store = None,
    as_json: options.Json = False,
) -> None:
    """The messages for these inputs, what each part takes, and what a call costs. KEY=@FILE reads a file."""
    from promptops.cli import library

    given = (values or [], models or [], folders or [])
    library.render(name, *given, options.store(store), as_json=as_json)


@templates.command("lint")
def templates_lint(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME]...", help="Templates, chain files or folders.")
    ] = None,
    model: Annotated[
        str, typer.Option("--model", "-m", metavar="NAME", help="The model that counts and has the price.")
    ] = "gpt-5-mini",
    folders: options.Templates = None,
) -> None:
    """Check templates: every one of the library, or the named ones, or those of a chain file or of a folder."""
    from promptops.cli import library

    raise typer.Exit(library.lint(names or [], model, folders or []))
