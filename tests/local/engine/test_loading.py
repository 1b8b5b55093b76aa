"""What an engine is loaded from: models, adapters, embeddings, and files that are none of these."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

pytest.importorskip("llama_cpp", reason="the engine needs the extra 'local'")
pytest.importorskip("gguf", reason="tiny models are written by the extra 'local'")

from promptops.errors import EngineError
from promptops.local.engine import Request
from promptops.local.settings import Lora
from promptops.testing.tiny_lora import tiny_lora
from tests.local.engine.support import Open, answered, failed, run


def test_adapters_are_laid_over_per_call(engine: Open, tmp_path: Path) -> None:
    """Calls with different adapters are answered by one engine as by engines of their own, and share nothing."""
    one, two = (str(tiny_lora(tmp_path / f"{i}.gguf", rank=4, alpha=64.0, seed=i)) for i in (1, 2))
    prompt = tuple(range(40, 90))
    mixed = engine("random", sequences=2, loras=(Lora(one), Lora(two)))
    choices = {1: (), 2: (Lora(one),), 3: (Lora(two, 0.5),), 4: (Lora(one), Lora(two))}
    found = run(mixed, *(Request(i, prompt, 12, loras=loras, logprobs=1) for i, loras in choices.items()))
    said = {number: [item.logprob for item in event.logprobs] for number, event in found.items()}  # type: ignore[union-attr]
    assert len({tuple(values) for values in said.values()}) == 4
    for number, loras in choices.items():
        alone = engine("random", sequences=2, loras=loras)
        expected = [item.logprob for item in answered(alone, Request(1, prompt, 12, logprobs=1)).logprobs]
        assert said[number] == pytest.approx(expected, abs=1e-3)
    assert failed(mixed, Request(9, prompt, 3, loras=(Lora("other.gguf"),))).code == "rejected"


def test_vectors_do_not_depend_on_the_batch(engine: Open) -> None:
    """Each is of length one, and the same alone as among others; an empty or over-long text is refused."""
    one = engine("vectors", embeddings=True, sequences=3)
    texts = [one.tokenize(text) for text in ("A river.", "강이 흐른다.", "It rained all day.", "A river.", "x")]
    vectors = one.embed(texts)
    assert all(math.hypot(*vector) == pytest.approx(1, abs=1e-5) for vector in vectors)
    assert vectors[0] == pytest.approx(vectors[3], abs=1e-4)
    assert vectors[1] == pytest.approx(one.embed([texts[1]])[0], abs=1e-4)
    for wrong in ([], [5] * 5000, [-1], [10**6]):
        with pytest.raises(EngineError, match="a text to embed"):
            one.embed([wrong])
    assert failed(one, Request(1, (5,), 3)).code == "rejected"


@pytest.mark.parametrize(
    "content", [None, b"", b"<html>no such model</html>", b"GGUF", b"GGUF\x03\0\0\0" + b"\xff" * 64]
)
def test_a_file_that_is_no_model(engine: Open, tmp_path: Path, content: bytes | None) -> None:
    """One line that names the file and gives the library's reason."""
    file = tmp_path / "model.gguf"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(EngineError, match=r"model\.gguf: cannot be loaded: .+") as caught:
        engine(str(file))
    assert "\n" not in str(caught.value)


def test_models_of_another_kind(engine: Open, models: dict[str, str], tmp_path: Path) -> None:
    """Without weights, cut short, for vectors, for text, of an unknown architecture: said as what it is."""
    from promptops.testing.tiny_gguf import tiny_gguf

    cut = tmp_path / "cut.gguf"
    cut.write_bytes(Path(models["random"]).read_bytes()[:-5000])
    foreign = tiny_gguf(tmp_path / "foreign.gguf", architecture="unheard")
    for model in ("vocabulary", str(cut), str(foreign)):
        with pytest.raises(EngineError, match=r"cannot be loaded: \w+"):
            engine(model)
    with pytest.raises(EngineError, match="an embedding model"):
        engine("vectors")
    with pytest.raises(EngineError, match="gives text"):
        engine("random", embeddings=True)


@pytest.mark.parametrize(
    "wrong",
    [
        {"value_type": "q8_0"},
        {"key_type": "q3"},
        {"sequences": 0},
        {"context": 0},
        {"loras": (Lora("missing.gguf"),)},
    ],
)
def test_settings_that_cannot_go_together(engine: Open, wrong: dict[str, object]) -> None:
    """Refused before the library is asked for what would end the process."""
    with pytest.raises(EngineError):
        engine("random", **wrong)
