"""All checks of one template, in the order in which a reader would mend them."""

from __future__ import annotations

from collections.abc import Iterator

from promptops.prompts.library import Library
from promptops.prompts.lint.body import Body
from promptops.prompts.lint.finding import Finding, Ignored
from promptops.prompts.lint.prefix import prefix
from promptops.prompts.lint.wording import wording
from promptops.prompts.template import Template
from promptops.types import Price


def lint(
    template: Template,
    library: Library | None = None,
    *,
    model: str = "gpt-5-mini",
    price: Price | None = None,
    often: bool = False,
) -> Iterator[Finding]:
    """The findings in ``template`` that its files do not silence.

    ``model`` counts the tokens, ``price`` is what they cost. ``often`` says that the template is sent many times a run,
    so that a beginning too short for the provider's cache is worth a hint. Raises ``TemplateError`` where an included
    file is missing or not valid, ``TokenizerError`` where no tokenizer is known for ``model``.
    """
    body = Body(template, library or Library())
    ignored = Ignored()
    found = (*_inputs(template, body), *prefix(template, body, model, price, often=often), *wording(template, body))
    return (finding for finding in found if finding not in ignored)


def _inputs(template: Template, body: Body) -> Iterator[Finding]:
    path = str(template.path)
    for name, line in sorted(body.undeclared.items()):
        yield Finding("undeclared-input", path, line, f"{name!r} is used but not declared; add it under inputs")
    for name in template.inputs:
        if name not in body.used:
            line = template.line("inputs", name)
            yield Finding("unused-input", path, line, f"input {name!r} is never used; remove it or use it")
    for place in body.unfenced:
        mend = f"{place.text!r} is document text: write {{{{ {place.text} | fence }}}}"
        yield Finding("unfenced-document", place.path, place.line, mend)
    for place in body.circles:
        why = f"{place.text!r} leads back to this file, and the templates include each other in a circle; take it out"
        yield Finding("circle", place.path, place.line, why)
    for place in body.suspicious:
        why = "nothing but an escape from the sandbox needs that" if place.text.startswith(".") else _NAMED
        yield Finding("injection", place.path, place.line, f"{place.text}: {why}")


_NAMED = "an input names the file that is included, so whoever gives it chooses the prompt; write the name in quotes"
