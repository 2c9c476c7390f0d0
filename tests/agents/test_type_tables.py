"""Tables of types that cannot be: every one is refused by name, in plain words, with the mend, and quickly."""

from __future__ import annotations

from pathlib import Path

import pytest

from gristmill.agents.context.packing import pack
from gristmill.agents.extraction.schema import DEFAULT, GraphSchema
from gristmill.campaigns.spec import GraphSpec
from gristmill.campaigns.spec_file import load_spec
from gristmill.errors import ConfigError
from gristmill.evals.segments import segments
from gristmill.prompts.library import PromptLibrary
from gristmill.storage.chunking import count_tokens
from gristmill.storage.records import Chunk, Entity, Span

CAMPAIGN = 'name = "x"\ndocuments = ["d"]\nrecipe = "entigraph"\n[graph]\n'
MANY = "{" + ", ".join(f'type{number} = ""' for number in range(10_000)) + "}"
PAIRS = "[" + ", ".join('["gene", "gene"]' for _ in range(2_000)) + "]"


@pytest.mark.parametrize(
    ("types", "said"),
    [
        ("5", "entity_types: must be a table of types, name = \"description\", not 5"),
        ('["gene"]', "entity_types: has 'gene' at place 1, no type; write a table"),
        ("{gene = 5}", "'gene' must be a description in quotes or a table"),
        ("{gene = 1999-01-01}", "'gene' must be a description in quotes or a table"),
        ('{gene = {descripton = "x"}}', "'gene': no key is called 'descripton'; did you mean 'description'"),
        ('{gene = {name = "x"}}', "'gene' has a key 'name'"),
        ('{gene = {description = ["x"]}}', "'gene': the description must be text in quotes, not ['x']"),
        ('{gene = "a\\u0007b"}', "'gene': the description has control characters"),
        ('{gene = "' + "x" * 100_000 + '"}', "'gene': the description has 100,000 characters"),
        ('{gene = {attributes = "symbol"}}', "'gene': attributes must be a list like"),
        ("{gene = {attributes = [1]}}", "; 1 is none of these"),
        ('[{name = "gene"}, {nam = "x"}]', "whose name is None; give it a name"),
        (MANY, "has 10,000 types, and every one stands in every prompt; give at most 500"),
        ("{a=" * 500 + '""' + "}" * 500, "nested too deeply"),
        ("[" * 20_000 + "]" * 20_000, "nested too deeply"),
    ],
)  # fmt: skip
def test_a_table_that_cannot_be_is_refused_by_name_with_the_mend(tmp_path: Path, types: str, said: str) -> None:
    file = tmp_path / "types.toml"
    file.write_text(f'entity_types = {types}\nrelation_types = {{a = ""}}\n')
    with pytest.raises(ConfigError) as schema:
        GraphSchema.read(file)
    file.write_text(f'{CAMPAIGN}entity_types = {types}\nrelation_types = {{a = ""}}\n')
    with pytest.raises(ConfigError) as campaign:
        load_spec(file)
    for caught in (schema, campaign):
        assert said in str(caught.value)
        assert len(str(caught.value)) < 400
        assert not {"tuple", "dictionary", "Input should", "Extra inputs"} & set(str(caught.value).split())


@pytest.mark.parametrize(
    ("pairs", "said"),
    [
        ('["gene"]', "'a': pairs must be a list like [[\"gene\", \"protein\"]]"),
        ('[["gene", "gene", "gene"]]', "['gene', 'gene', 'gene'] is none of these"),
        ("[[1, 2]]", "[1, 2] is none of these"),
        ('[["gene", "protien"]]', "pairs names 'protien', not one of entity_types: gene"),
        (PAIRS, "'a': has 2,000 pairs"),
    ],
)  # fmt: skip
def test_pairs_that_cannot_be_are_refused_by_name_with_the_mend(tmp_path: Path, pairs: str, said: str) -> None:
    file = tmp_path / "types.toml"
    file.write_text(f'entity_types = {{gene = ""}}\nrelation_types = {{a = {{pairs = {pairs}}}}}\n')
    with pytest.raises(ConfigError) as caught:
        GraphSchema.read(file)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('entity_typs = {a = ""}', "no key is called 'entity_typs'; did you mean 'entity_types'?"),
        ('entity_types = {a = ""}', "relation_types is missing; add a table [relation_types]"),
        ('entity_types = {"a\\u0000" = ""}\nrelation_types = {a = ""}', "a name is 1 to 60 printable characters"),
        ('outside_pairs = "keep"\nentity_types = {a = ""}\nrelation_types = {a = ""}', "must be 'retype' or 'drop'"),
    ],
)
def test_keys_of_a_file_of_types_are_named(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "types.toml"
    file.write_text(text)
    with pytest.raises(ConfigError) as caught:
        GraphSchema.read(file)
    assert said in str(caught.value)


def test_names_with_braces_are_names_in_the_prompt_and_no_template() -> None:
    types = {"{{ 7 * 7 }}": "{% for x in y %}", "a{b}": "{# gone", "two\nlines".replace("\n", " "): "one\n  line"}
    schema = GraphSchema.model_validate({"entity_types": types, "relation_types": {"{{ passage }}": ""}})
    variables = {
        "passage": "secret", "passages": [], "headings": [], "before": "", "found": [], "claims": True,
        "entity_types": [one.model_dump() for one in schema.entity_types],
        "relation_types": [one.model_dump() for one in schema.relation_types],
    }  # fmt: skip
    system = PromptLibrary().get("extract-graph").render(variables)[0].content
    assert "{{ 7 * 7 }} ({% for x in y %}); a{b} ({# gone); two lines (one line)" in system
    assert "Relations: {{ passage }}" in system
    assert "secret" not in system


@pytest.mark.parametrize(
    ("graph", "said"),
    [
        ({"model_share": 0.5}, 'set extractor = "mixed"'),
        ({"share_of": "chunks", "extractor": "terms"}, 'set extractor = "mixed"'),
        ({"rescue": True, "extractor": "terms"}, "no model reads; leave rescue out"),
    ],
)
def test_keys_that_say_nothing_beside_the_others_are_errors(graph: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        GraphSpec.model_validate(graph).check()
    assert said in str(caught.value)


@pytest.mark.parametrize("graph", [{}, {"rescue": True}, {"extractor": "mixed", "model_share": 0.5, "rescue": True}])
def test_keys_that_go_together_are_fine(graph: dict[str, object]) -> None:
    GraphSpec.model_validate(graph).check()
    assert GraphSpec.model_validate(graph).types.entity_types == DEFAULT.entity_types


def test_half_a_character_is_packed_as_a_sign() -> None:
    text = "The mill \ud800 stands here. " * 40
    chunk = Chunk.of("doc", 0, 0, len(text), text)
    mill = Entity(id="e", name="mill", type="x", mentions=(Span(chunk=chunk.id, start=4, end=8, quote="mill"),))
    for room in (60, 4_000):
        packed = pack([chunk], [mill], max_tokens=room)
        assert packed.tokens <= room
        assert packed.excerpts
        assert "\ufffd" in packed.excerpts[0].text.encode().decode()
    assert [text[start:end] for start, end in segments(text)] == [text[:23]] * 40
    assert count_tokens("a \udfff b") == count_tokens("a \ufffd b")
