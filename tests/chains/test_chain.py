"""Chains: YAML files that name steps and templates, wrong ones refused with file and line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from promptops import chains
from promptops.errors import ChainError, NotFoundError, TemplateError, UsageError
from promptops.plans import mapping
from promptops.plans.kind import Kind
from promptops.plans.settings import Settings

STEPS = """\
steps:
  map: {template: summarize/map}
  reduce: {template: summarize/reduce}
  corpus: {template: summarize/corpus}
"""
CHAIN = "name: own\nplan: map_reduce\n" + STEPS

Writing = Callable[[str], str]


@pytest.fixture
def file(tmp_path: Path) -> Writing:
    """Writes a chain file and returns its path."""

    def write(text: str) -> str:
        path = tmp_path / "own.yaml"
        path.write_text(text, encoding="utf-8")
        return str(path)

    return write


def fails(name: str, kind: type[UsageError] = ChainError) -> str:
    """What is said about a chain."""
    with pytest.raises(kind) as caught:
        chains.load(name)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_the_stock_chain_is_complete() -> None:
    """Three steps with their templates, and the settings as they are documented."""
    chain = chains.load("summarize")
    assert {"ask", "summarize", "translate"} <= set(chains.names())
    assert {name: step.template.label for name, step in chain.steps.items()} == {
        "map": "summarize/map@1",
        "reduce": "summarize/reduce@1",
        "corpus": "summarize/corpus@1",
    }
    assert (chain.settings.words, chain.settings.corpus) == (120, True)
    assert {"words", "chunk_tokens", "overlap_tokens", "focus", "language", "corpus"} <= set(Settings.model_fields)


def test_a_chain_of_yours_brings_its_own_settings_and_sampling(file: Writing) -> None:
    """Settings in the file are the defaults of its runs."""
    chain = chains.load(file(CHAIN.replace("map}", "map, temperature: 0.2, seed: 7}", 1) + "settings: {words: 40}\n"))
    assert (chain.name, chain.settings.words) == ("own", 40)
    assert (chain.steps["map"].sampling.temperature, chain.steps["map"].sampling.seed) == (0.2, 7)
    assert chain.settings.updated({"words": "50"}).words == 50


def test_a_step_may_choose_adapters(file: Writing) -> None:
    """By name, at a scale; none of them where it lists none."""
    text = CHAIN.replace("summarize/map}", "summarize/map, lora: {style: 0.5}}").replace(
        "summarize/reduce}", "summarize/reduce, lora: {}}"
    )
    steps = chains.load(file(text)).steps
    assert [steps[name].sampling.loras for name in ("map", "reduce", "corpus")] == [(("style", 0.5),), (), None]
    assert "own.yaml:4: steps.map.lora.style" in fails(file(text.replace("0.5", "much")))


@pytest.mark.parametrize("place", [".", "templates"])
def test_a_chain_of_yours_finds_its_templates_beside_it(
    file: Writing, tmp_path: Path, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In its own folder or in ``templates`` there, wherever the command is run from."""
    folder = tmp_path / place / "mine"
    folder.mkdir(parents=True)
    (folder / "map.j2").write_text("---\nname: mine/map\nversion: 2\ninputs: {text: string}\n---\n{{ text | fence }}")
    monkeypatch.chdir("/")
    for name in ("mine/map", "mine/map.j2"):
        chain = chains.load(file(CHAIN.replace("summarize/map", name)))
        assert chain.steps["map"].template.label == "mine/map@2"
        assert chain.steps["reduce"].template.label == "summarize/reduce@1"


def test_an_override_of_a_stock_template_wins(file: Writing, tmp_path: Path) -> None:
    """A file of yours under the name of ours."""
    folder = tmp_path / "templates" / "summarize"
    folder.mkdir(parents=True)
    (folder / "map.j2").write_text(
        "---\nname: summarize/map\nversion: 9\ninputs: {text: string}\n---\n{{ text | fence }}"
    )
    assert chains.load(file(CHAIN)).steps["map"].template.label == "summarize/map@9"
    assert chains.load("summarize").steps["map"].template.label == "summarize/map@1"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("name: own\nplan: map_reduce\nstep: {}\n" + STEPS, "own.yaml:3: step: unknown key"),
        (
            "name: own\nplan: refined\n" + STEPS,
            "own.yaml:2: plan: no plan is named 'refined' (plans: map",
        ),
        ("plan: map_reduce\n" + STEPS, "own.yaml:1: name: field required"),
        ("name: o w n\nplan: map_reduce\n" + STEPS, "own.yaml:1: name: "),
        (CHAIN + "name: twice\n", "own.yaml:7: the key 'name' stands twice"),
        (CHAIN + "settings: {words: many}\n", "own.yaml:7: settings.words: "),
        (CHAIN + "settings:\n  words: 3\n  wrods: 3\n", "own.yaml:9: settings.wrods: unknown key"),
        (CHAIN + "settings: {words: 0}\n", "own.yaml:7: settings.words: "),
        (CHAIN.replace("  reduce:", "  redcue:"), "own.yaml:3: steps: map_reduce needs a step 'reduce'"),
        (CHAIN + "  refine: {template: summarize/map}\n", "own.yaml:7: steps.refine: map_reduce has no such step"),
        (CHAIN.replace("summarize/map", "summarize/mapp"), "own.yaml:4: steps.map.template: no template is named"),
        (
            CHAIN.replace("summarize/map}", "summarize/map, tempreature: 1}"),
            "own.yaml:4: steps.map.tempreature: unknown",
        ),
        (CHAIN.replace("summarize/map}", "summarize/map, temperature: 9}"), "own.yaml:4: steps.map.temperature: "),
        (CHAIN.replace("{template: summarize/map}", "summarize/map"), "own.yaml:4: steps.map: should be keys"),
        (CHAIN.replace("{template: summarize/map}", "{}"), "own.yaml:4: steps.map.template: field required"),
        (
            CHAIN.replace("/map}", "/map, inputs: {tone: dry}}"),
            "own.yaml:4: steps.map.inputs.tone: summarize/map has no",
        ),
        (CHAIN.replace("/map}", "/map, inputs: {focus: 5}}"), "own.yaml:4: steps.map.inputs.focus: 5 is not of type"),
        (CHAIN.replace("/map}", "/map, inputs: {text: x}}"), "own.yaml:4: steps.map.inputs.text: the documents give"),
        ("name: own\nplan: map_reduce\nsteps: [map]\n", "own.yaml:3: steps: should be keys with values"),
        (CHAIN.replace("/map}", "/map, fan_in: 3}"), "own.yaml:4: steps.map.fan_in: it says nothing at this step"),
        (
            CHAIN.replace("/reduce}", "/reduce, chunk_tokens: 99}"),
            "own.yaml:5: steps.reduce.chunk_tokens: it says nothing at this step; it belongs to map",
        ),
        (CHAIN.replace("/map}", "/map, words: 0}"), "own.yaml:4: steps.map.words: "),
        (CHAIN + "settings: {glossary: [a]}\n", "own.yaml:7: settings.glossary: this chain has no such setting"),
        (CHAIN + "join: list\n", "own.yaml:7: join: map_reduce joins by its steps"),
        ("name: own\n  plan: x\n", "own.yaml:2: not valid YAML"),
        ("[]", "own.yaml:1: should be keys with values"),
        ("", "own.yaml:1: name: field required"),
    ],
)
def test_a_wrong_chain_is_refused_with_its_line(file: Writing, text: str, said: str) -> None:
    """Unknown and missing keys, steps, templates and inputs, bad YAML and bad values."""
    assert said in fails(file(text))


def test_a_bad_template_is_refused_in_its_own_file(file: Writing, tmp_path: Path) -> None:
    """The complaint is about the template, not about the chain."""
    (tmp_path / "bad.j2").write_text("---\nname: bad\nversion: 1\ninputs: {text: string}\n---\n\n{{ text | nope }}")
    assert "bad.j2:7: No filter named 'nope'" in fails(file(CHAIN.replace("summarize/map", "bad")), TemplateError)
    (tmp_path / "bad.j2").write_text("---\nname: bad\nversion: 1\ninputs: {text: string, tone: string}\n---\n")
    assert "'tone' has no default and step 'map'" in fails(file(CHAIN.replace("summarize/map", "bad")), TemplateError)
    (tmp_path / "bad.j2").write_text("---\nname: bad\nversion: 1\n---\nx")
    assert "needs a template with an input 'text'" in fails(file(CHAIN.replace("summarize/map", "bad")), TemplateError)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("summarise", "did you mean summarize?"),
        ("nothing-like-it", f"(chains: {', '.join(chains.names())}; or give a .yaml"),
        ("../chains/summarize", "no chain is named"),
        ("", "no chain is named ''"),
        ("/nowhere/own.yaml", "is not there"),
        ("x" * 5000 + ".yaml", "is not there"),
        ("a\0.yml", "is not there"),
    ],
)
def test_an_unknown_chain_is_refused_with_a_hint(name: str, said: str) -> None:
    """What there is instead."""
    assert said in fails(name, NotFoundError)


def test_a_chain_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    """A chain is UTF-8; a folder is no file."""
    (tmp_path / "bad.yaml").write_bytes(b"name: \xff\xfe\n")
    assert "cannot be read as UTF-8" in fails(str(tmp_path / "bad.yaml"))
    (tmp_path / "folder.yaml").mkdir()
    assert "is not there" in fails(str(tmp_path / "folder.yaml"), NotFoundError)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"wrods": 1}, "no setting is named 'wrods'; did you mean words?"),
        ({"words": "many"}, "setting words='many'"),
        ({"words": "0"}, "setting words='0'"),
        ({"words": 10**9}, "setting words=1000000000"),
        ({"chunk_tokens": "1.5"}, "setting chunk_tokens='1.5'"),
        ({"corpus": "perhaps"}, "setting corpus='perhaps'"),
        ({"overlap_tokens": -1}, "setting overlap_tokens=-1"),
    ],
)
def test_a_wrong_setting_names_itself(given: dict[str, object], said: str) -> None:
    """Unknown, of the wrong type, or out of its range."""
    with pytest.raises(UsageError) as caught:
        chains.load("summarize").settings.updated(given)
    assert said in str(caught.value)


def test_settings_from_a_command_line_are_text() -> None:
    """And become what they mean."""
    settings = chains.load("summarize").settings.updated({"words": "80", "corpus": "false", "language": "한국어"})
    assert (settings.words, settings.corpus, settings.language) == (80, False, "한국어")


PLAN = Kind("aloud", mapping.folder, {"map": ("text",)}, ("words",))


def test_a_chain_in_python_has_a_plan_of_your_own() -> None:
    """Its text has the form of a chain file, and is held to it; without the plan it names one that there is not."""
    chain = chains.parse("name: shout\nplan: aloud\nsteps: {map: {template: rewrite/shorter, words: 9}}\n", PLAN)
    assert (chain.name, chain.kind, chain.steps["map"].words) == ("shout", PLAN, 9)
    assert "words" in chain.known
    for text, said in (
        ("name: shout\nplan: aloud\nsteps: {}\n", "chain:3: steps: aloud needs a step 'map'"),
        ("name: shout\nplan: alone\nsteps: {}\n", "chain:2: plan: no plan is named 'alone'"),
        ("name: shout\nsteps: {}\n", "chain:1: plan: field required"),
    ):
        with pytest.raises(ChainError, match=said):
            chains.parse(text, PLAN)


def test_json_is_not_asked_to_cite(file: Writing, tmp_path: Path) -> None:
    """Marks in brackets would be taken for its lists, and lists for marks."""
    (tmp_path / "own.j2").write_text(
        "---\nname: own\nversion: 1\ninputs:\n  text: {type: string, document: true}\n"
        "  cite: {type: boolean, default: false}\n"
        "output: {format: json, schema: {type: object}}\n---\n{{ text | fence }}"
    )
    chain = chains.load(file("name: own\nplan: map\nsteps: {map: {template: own}}\n"))
    assert not chain.updated({}).cite
    with pytest.raises(UsageError, match="own@1 answers in JSON, which holds no marks: take out cite=true"):
        chain.updated({"cite": True})


def test_a_step_that_may_be_left_out_takes_its_setting_with_it(file: Writing) -> None:
    """A chain without an overview does not know whether there should be one."""
    chain = chains.load(file(CHAIN.replace("  corpus: {template: summarize/corpus}\n", "")))
    assert "corpus" not in chain.known
    assert "corpus" in chains.load(file(CHAIN)).known
