"""Checks a template for what renders but should not be sent, or costs more than it need.

=====================  ==============================================================================================
``undeclared-input``   a variable that no input declares
``unused-input``       an input that nothing uses
``unfenced-document``  document text that stands bare among the instructions
``circle``             an include that leads back to its own file
``injection``          an include named by an input, or names that only an escape from the sandbox would use
``volatile-early``     text that stays the same from call to call after the first that does not: no cache can hold it
``short-prefix``       a hint: a beginning too short for the provider's cache, and whether filling it up would pay
``duplicate``          the same instruction twice
``schema``             words that ask for something else than the JSON schema does
``unreachable-length`` a limit in tokens that an answer of the asked length passes
=====================  ==============================================================================================

``# promptops: ignore[code]`` in the front matter silences a code in the whole file, ``{# promptops: ignore[code] #}``
on its own line or the line before.
"""

from __future__ import annotations

from promptops.prompts.lint.checks import lint
from promptops.prompts.lint.finding import Finding

__all__ = ["Finding", "lint"]
