"""What may be said of a local model behind its path."""

from __future__ import annotations

from pathlib import Path

import pytest

from promptops.errors import UsageError
from promptops.local.options import LocalOptions, parsed
from promptops.local.settings import Lora


def test_a_path_alone_says_nothing() -> None:
    """Commas in it are its own."""
    assert parsed("a, b/model.gguf") == ("a, b/model.gguf", LocalOptions())
    assert parsed("hf:owner/repo:model.gguf") == ("hf:owner/repo:model.gguf", LocalOptions())


def test_each_option_goes_where_it_belongs(tmp_path: Path) -> None:
    """To the engine, to sampling, to the backend."""
    adapter = tmp_path / "style.gguf"
    adapter.write_bytes(b"GGUF")
    path, options = parsed(
        f"model.gguf,threads=4,kv=q8_0,value=f16,flash=true,lora={adapter}:0.5,lora={adapter},temperature=0.7,shift=true"
    )
    assert path == "model.gguf"
    assert options.engine == {
        "threads": 4, "key_type": "q8_0", "value_type": "f16", "flash_attention": True,
        "loras": (Lora(str(adapter), 0.5), Lora(str(adapter))),
    }  # fmt: skip
    assert (options.sampling, options.shift) == ({"temperature": 0.7}, True)


def test_a_file_whose_name_looks_like_options_is_that_file(tmp_path: Path) -> None:
    """As it was given."""
    path = tmp_path / "model.gguf,threads=4"
    path.write_bytes(b"")
    assert parsed(str(path)) == (str(path), LocalOptions())


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ("thread=4", "no option 'thread'; did you mean threads"),
        ("threads=0", "threads='0': it must be a whole number, 1 or more"),
        ("threads=many", "a whole number"),
        ("kv=q3", "one of f16"),
        ("flash=yes", "true or false"),
        ("min_p=2", "from 0 to 1"),
        ("temperature=nan", "from 0 to 5"),
        ("lora=nowhere.gguf", "no such file"),
        ("threads=4,", "no option ''"),
    ],
)
def test_a_wrong_option_is_one_line(option: str, said: str) -> None:
    """With the option and what it takes."""
    with pytest.raises(UsageError, match=said) as failure:
        parsed(f"model.gguf,{option}")
    assert "\n" not in str(failure.value)
