"""Which vocabulary a name leads to, and what a name that leads nowhere gets."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
from tiktoken.model import MODEL_PREFIX_TO_ENCODING, MODEL_TO_ENCODING

from promptops.errors import TokenizerError, UsageError
from promptops.tokens import NAMES, counter, models, vocabulary


@pytest.mark.parametrize(("model", "encoding"), sorted(MODEL_TO_ENCODING.items()))
def test_every_model_of_tiktoken_has_its_encoding(model: str, encoding: str) -> None:
    """Each model name that tiktoken knows counts with the encoding that tiktoken names for it."""
    assert counter(model).name == encoding
    assert counter(f"openai:{model}").name == encoding
    assert counter(f"openai/{model}").name == encoding


@pytest.mark.parametrize(("prefix", "encoding"), sorted(MODEL_PREFIX_TO_ENCODING.items()))
def test_every_prefix_of_tiktoken_has_its_encoding(prefix: str, encoding: str) -> None:
    """Dated and fine-tuned names are found by tiktoken's prefixes."""
    assert counter(f"{prefix}2026-01-01").name == encoding


def test_tiktokens_table_is_imported_where_its_file_alone_does_not_do(monkeypatch: pytest.MonkeyPatch) -> None:
    """A release of tiktoken that keeps its table in another way is asked as everybody asks it."""
    monkeypatch.setattr(models, "_known", [])
    monkeypatch.setattr(models, "_FUNCTION", "gone")
    assert models.encoding_name("gpt-5-mini") == "o200k_base"
    with pytest.raises(KeyError):
        models.encoding_name("claude-sonnet")


@pytest.mark.parametrize("model", ["claude-sonnet", "llama-3.1-8b", "acme/gpt-5", "mistral:gpt-4o", ""])
def test_an_unknown_model_is_an_error_that_says_what_to_pass(model: str) -> None:
    """No other model's tokenizer is taken instead."""
    with pytest.raises(TokenizerError, match="--tokenizer") as caught:
        counter(model)
    assert "\n" not in str(caught.value)
    assert isinstance(caught.value, UsageError)


def test_neither_model_nor_tokenizer_is_an_error() -> None:
    """Nothing is counted with a vocabulary that nobody asked for."""
    with pytest.raises(TokenizerError, match="no model and no tokenizer"):
        counter()


def test_an_unknown_vocabulary_is_an_error() -> None:
    """A misspelt vocabulary is named in the message."""
    with pytest.raises(TokenizerError, match="o300k_base"):
        counter(tokenizer="o300k_base")


def test_the_tokenizer_wins_over_the_model() -> None:
    """A vocabulary named outright is used whatever the model is."""
    assert counter("gpt-4", tokenizer="llama3").name == "llama3"


@pytest.mark.parametrize(
    "text",
    [
        "The quick brown fox jumps over the lazy dog. " * 20, "다람쥐 헌 쳇바퀴에 타고파. " * 20,
        "吾輩は猫である。名前はまだ無い。" * 20, "def f(x):\n    return x\n" * 20,
    ],
    ids=["English", "Korean", "Japanese", "code"],
)  # fmt: skip
def test_an_estimate_says_so_and_errs_high(text: str) -> None:
    """An estimate is marked, and stands above what the large vocabularies count."""
    estimate = counter("claude-sonnet", estimate=True)
    assert not estimate.exact
    for name in ("o200k_base", "llama3", "qwen3", "deepseek_v3", "gemma3", "mistral_v3", "kimi_k2"):
        assert estimate.count(text) >= vocabulary(name).count(text)


def test_an_estimate_is_not_given_for_a_known_model() -> None:
    """Allowing estimates does not make a known model's count one."""
    assert counter("gpt-5", estimate=True).exact


def test_a_vocabulary_is_built_once_for_all_threads() -> None:
    """Threads that ask at once get one and the same vocabulary."""
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: counter(tokenizer="glm4"), range(64)))
    assert len(set(map(id, found))) == 1


def test_every_listed_name_is_there() -> None:
    """All vocabularies that are listed can be used offline."""
    assert all(vocabulary(name).count("one two") > 0 for name in NAMES)


def test_importing_costs_no_heavy_module() -> None:
    """NumPy, splintr, tiktoken and regex wait until something is counted or cut; a count waits for none of the rest."""
    code = (
        "import sys; before = set(sys.modules)\n"
        "import promptops.tokens\n"
        "from promptops.tokens import counter; counter(tokenizer='o200k_base').count('qzxv')\n"
        "slow = {'tiktoken', 'collections', 'functools', 'importlib', 're', 'threading', 'unicodedata'}\n"
        "assert not slow & (set(sys.modules) - before), sorted(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    subprocess.run([sys.executable, "-c", code.replace("tokenizer='o200k_base'", "'gpt-5-mini'")], check=True)
    code = (
        "import sys, promptops.tokens, promptops.chunking\n"
        "assert not {'numpy', 'splintr', 'tiktoken', 'regex'} & set(sys.modules), sorted(sys.modules)\n"
        "from promptops.tokens import counter\n"
        "assert counter(tokenizer='o200k_base').count('one two three') == 3\n"
        "assert not {'numpy', 'tiktoken', 'regex'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
