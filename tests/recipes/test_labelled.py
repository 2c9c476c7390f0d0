"""AttrPrompt, CoTAM and TarGEN, each on a scripted model that plays the paper's roles."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from seed_recipes import CASES, LABELLED, SUBTOPICS, TASK, attrprompt, cotam, mark, shown, targen

from gristmill import Request
from gristmill.errors import ConfigError

# attrprompt


def test_attrprompt_never_asks_for_a_value_that_fits_a_class_it_is_confused_with(tmp_path: Path) -> None:
    ran = CASES["attrprompt"].run(tmp_path, options={"per_class": 60})
    drawn: dict[str, Counter[str]] = {name: Counter() for name in SUBTOPICS}
    for request in ran.asked("write-class-text"):
        label = request.variables["class_name"]
        (subtopic,) = [line for line in request.variables["requirements"] if line.startswith("subtopic: ")]
        drawn[label][subtopic.removeprefix("subtopic: ")] += 1
        assert f"{subtopic}\n" in shown(request)
        assert "spare parts" not in shown(request).lower(), "listed for both classes"
        assert "waiting for a reply" not in shown(request), "fits the other class, by the model"
        assert request.variables["confusable"] == [name for name in SUBTOPICS if name != label]
    assert set(drawn["hardware"]) == {"broken screens", "noisy fans"}
    assert set(drawn["software"]) == {"lost passwords", "slow updates", "colours of icons"}
    assert all(times > 8 for some in drawn.values() for times in some.values()), "drawn evenly"


def test_attrprompt_asks_for_values_once_a_class_and_then_one_call_an_item(tmp_path: Path) -> None:
    ran = CASES["attrprompt"].run(tmp_path)
    assert ran.calls == {"list-class-values": 2, "shared-values": 2, "write-class-text": 16}
    assert [task.attributes["label"] for task in ran.tasks] == list(SUBTOPICS) * 8
    for item in ran.accepted:
        assert item.fields["label"] == item.attributes["label"] == item.messages[-1].content
        assert set(item.fields["drawn_values"]) == {"subtopic", "length", "style"}
    assert len({tuple(item.fields["drawn_values"].items()) for item in ran.accepted}) > 8


def test_attrprompt_asks_for_the_most_similar_classes_of_many(tmp_path: Path) -> None:
    names = [f"class {letter}" for letter in "abcdef"]

    def many(request: Request) -> Any:
        if request.prompt == "similar-classes":
            assert request.variables["class_name"] not in request.variables["others"]
            return {"classes": [request.variables["others"][0], "no class", request.variables["class_name"]]}
        if request.prompt == "list-class-values":
            return {"values": [f"{request.variables['class_name']} alone {one}" for one in ("sea", "hill")]}
        return {"values": []} if request.prompt == "shared-values" else attrprompt(request)

    case = replace(CASES["attrprompt"], script=many)
    ran = case.run(tmp_path, options={"classes": names, "per_class": 2, "most_similar": 2, "similar": {"class f": []}})
    assert ran.calls == {"similar-classes": 5, "list-class-values": 6, "shared-values": 5, "write-class-text": 12}
    for request in ran.asked("write-class-text"):
        label = request.variables["class_name"]
        near = [] if label == "class f" else [next(name for name in names if name != label)]
        assert request.variables["confusable"] == near


def test_attrprompt_can_hold_labels_against_a_reader_who_does_not_see_them(tmp_path: Path) -> None:
    def mixed(request: Request) -> Any:
        if request.prompt == "write-class-text" and request.variables["class_name"] == "software":
            return {"text": f"Of hardware is {mark(request)}."}
        return attrprompt(request)

    ran = replace(CASES["attrprompt"], script=mixed).run(tmp_path, options={"check": True})
    assert Counter(item.reasons for item in ran.items) == {(): 8, ("wrong_label",): 8}
    assert all("It was labelled" not in shown(request) for request in ran.asked("label-text"))


@pytest.mark.parametrize("recipe", ["attrprompt", "targen"])
def test_a_recipe_from_labels_alone_asks_for_them_before_anything_is_spent(recipe: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=f"'{recipe}' needs .*two labels"):
        replace(CASES[recipe], options={}).run(tmp_path)


# cotam


def test_cotam_decomposes_a_text_once_and_switches_it_to_every_other_label(tmp_path: Path) -> None:
    ran = CASES["cotam"].run(tmp_path)
    assert ran.calls == {"cotam-decompose": 3, "cotam-propose": 6, "cotam-rewrite": 6, "label-text": 6}
    switches = [(task.attributes["source_label"], task.attributes["label"]) for task in ran.tasks]
    assert switches == [
        ("bad", "good"), ("bad", "neutral"), ("good", "bad"), ("good", "neutral"), ("neutral", "bad"),
        ("neutral", "good"),
    ]  # fmt: skip
    steps = ["cotam-propose", "cotam-rewrite", "label-text"]
    assert all([prompt for prompt in ran.of(task) if prompt != "cotam-decompose"] == steps for task in ran.tasks)
    assert len(ran.accepted) == 6


def test_cotam_keeps_all_else_equal(tmp_path: Path) -> None:
    ran = CASES["cotam"].run(tmp_path)
    by_task = {task.id: task for task in ran.tasks}
    for request in ran.asked("cotam-rewrite"):
        text, said = shown(request), request.variables
        length = f"length: {len(said['passage'])}"
        assert said["attributes"] == ["subject: soup", length]
        assert "What stays as it is:\n<data-" in text
        assert f"subject: soup\n{length}\n</data-" in text
        source = by_task[request.task].attributes["source_label"]
        assert f"from {source} to {said['label']}\n</data-" in text
    for request in ran.asked("cotam-decompose"):
        assert not {row["label"] for row in LABELLED} - {request.variables["source_label"]} & set(request.variables)
    for request in ran.asked("label-text"):
        assert not request.variables["given_label"]


def test_cotam_keeps_contrast_sets_whose_texts_differ_in_a_word(tmp_path: Path) -> None:
    """The campaign's gate would take them for near duplicates: they share all of a long text but its label's word."""
    rows = [
        {"text": " ".join(f"{label}{place}" for place in range(80)) + f" so it was {label}", "label": label}
        for label in ("bad", "good", "neutral")
    ]

    def switched(request: Request) -> Any:
        said = request.variables
        if request.prompt == "cotam-rewrite":
            return {"text": " ".join([*said["passage"].split()[:-1], said["label"]])}
        return cotam(request)

    ran = replace(CASES["cotam"], script=switched, rows=rows).run(tmp_path)
    assert len(ran.accepted) == 6
    for row in rows:
        alike = [item.fields["text"] for item in ran.accepted if row["text"].rpartition(" ")[0] in item.fields["text"]]
        assert sorted(text.split()[-1] for text in alike) == sorted({"bad", "good", "neutral"} - {row["label"]})


def test_cotam_drops_a_text_that_another_item_has(tmp_path: Path) -> None:
    def same(request: Request) -> Any:
        said = request.variables
        return {"text": f"The soup is {said['label']}"} if request.prompt == "cotam-rewrite" else cotam(request)

    ran = replace(CASES["cotam"], script=same).run(tmp_path)
    assert Counter(item.reasons for item in ran.items) == {(): 3, ("duplicate",): 3}


def test_cotam_rejects_a_text_whose_label_did_not_switch(tmp_path: Path) -> None:
    def stuck(request: Request) -> Any:
        if request.prompt == "cotam-rewrite":
            return {"text": f"{mark(request)} stays bad"}
        return cotam(request)

    ran = replace(CASES["cotam"], script=stuck).run(tmp_path)
    assert Counter(item.reasons for item in ran.items) == {(): 2, ("wrong_label",): 4}
    assert {item.fields["label"] for item in ran.accepted} == {"bad"}


def test_cotam_needs_a_label_on_each_row_and_two_of_them(tmp_path: Path) -> None:
    for folder in ("none", "one"):
        (tmp_path / folder).mkdir()
    with pytest.raises(ConfigError, match=r"of every row, and no row has it \(there are: note\)"):
        replace(CASES["cotam"], rows=[{"text": "Soup.", "note": 1}]).run(tmp_path / "none")
    with pytest.raises(ConfigError, match="there is one alone: bad"):
        replace(CASES["cotam"], rows=LABELLED[:1]).run(tmp_path / "one")


# targen


def test_targen_asks_for_contexts_once_and_seeds_once_a_context(tmp_path: Path) -> None:
    ran = CASES["targen"].run(tmp_path)
    assert ran.calls == {"targen-contexts": 1, "targen-seeds": 4, "targen-write": 12, "label-text": 12}
    seeds = {item.drafts[0].fields["text"].partition(" with ")[0] for item in ran.accepted}
    assert seeds == {f"seed {seed} of context {context}" for seed in range(3) for context in range(4)}
    for request in ran.asked("targen-write"):
        assert f"{TASK['labels'][request.variables['label']]}\n</data-" in shown(request)  # type: ignore[index]


def test_targen_balances_labels_by_construction_in_every_context(tmp_path: Path) -> None:
    ran = CASES["targen"].run(tmp_path, options={"contexts": 4, "seeds": 6})
    assert Counter(task.attributes["label"] for task in ran.tasks) == {"help": 12, "none": 12}
    for context in range(4):
        labels = [task.attributes["label"] for task in ran.tasks if task.attributes["context_place"] == context]
        assert Counter(labels) == {"help": 3, "none": 3}


def test_targen_corrects_a_label_and_keeps_the_first(tmp_path: Path) -> None:
    def wrong(request: Request) -> Any:
        if request.prompt == "targen-write" and request.variables["label"] == "help":
            return {"text": f"{request.variables['instance_seed']} with none"}
        return targen(request)

    ran = replace(CASES["targen"], script=wrong).run(tmp_path)
    assert len(ran.accepted) == 12
    for item in ran.accepted:
        assert item.fields["label"] == item.messages[-1].content == "none"
        assert item.fields["initial_label"] == item.attributes["label"]
        assert len(item.drafts) == (2 if item.attributes["label"] == "help" else 1)
    for request in ran.asked("label-text"):
        assert "It was labelled:\n<data-" in shown(request)


def test_targen_rejects_a_label_that_is_none(tmp_path: Path) -> None:
    def other(request: Request) -> Any:
        return {"label": "whatever"} if request.prompt == "label-text" else targen(request)

    ran = replace(CASES["targen"], script=other).run(tmp_path)
    assert {item.reasons for item in ran.items} == {("unknown_label",)}


def test_targen_ends_the_tasks_of_a_seed_that_was_not_listed(tmp_path: Path) -> None:
    def few(request: Request) -> Any:
        answer = targen(request)
        return {"seeds": answer["seeds"][:1]} if request.prompt == "targen-seeds" else answer

    ran = replace(CASES["targen"], script=few).run(tmp_path)
    assert Counter(item.reasons for item in ran.items) == {(): 4, ("unsuitable",): 8}


def test_options_can_be_mended_where_a_start_ended_at_them(tmp_path: Path) -> None:
    """Until a task is planned nothing has been done by them; then they are the run's for good."""
    case = CASES["attrprompt"]
    with pytest.raises(ConfigError, match="needs two labels at least"):
        replace(case, options={**case.options, "classes": ["one"]}).run(tmp_path)
    ran = case.run(tmp_path)
    assert ran.report.books.accepted > 3
    with pytest.raises(ConfigError, match="started with other settings: options"):
        replace(case, options={**case.options, "classes": ["other", "others"]}).run(tmp_path)
