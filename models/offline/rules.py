"""Which rule answers which prompt. A rule is a function of what is asked; it gives an answer in the prompt's schema, or
text where the prompt has none."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from pydantic import BaseModel

from . import (
    attributes,
    editing,
    evolving,
    extraction,
    identity,
    inventing,
    judging,
    labels,
    measuring,
    passage_judging,
    passages,
    planning,
    problem_judging,
    problems,
    questions,
    responding,
    retrieval,
    rewriting,
    solving,
    tables,
    tasks,
)
from .asked import Asked

Rule = Callable[[Asked], BaseModel | str]


def _plain(rule: Callable[[Mapping[str, Any]], BaseModel]) -> Rule:
    """A rule that needs the variables alone."""
    return lambda asked: rule(asked.variables)


def _seeded(rule: Callable[[Mapping[str, Any], int], BaseModel]) -> Rule:
    """A rule that needs the variables and a number to draw by."""
    return lambda asked: rule(asked.variables, asked.seed)


def _rules(*rows: tuple[str, Rule, str]) -> Iterable[tuple[str, tuple[Rule, frozenset[str]]]]:
    return ((prompt, (rule, frozenset(needed.split()))) for prompt, rule, needed in rows)


FAMILIES: dict[str, dict[str, tuple[Rule, frozenset[str]]]] = {
    "the graph": dict(_rules(
        ("extract-graph", _plain(extraction.extract), "passage"),
        ("summarise-entity", _plain(extraction.summarise), "name descriptions"),
        ("same-entity", _plain(identity.same), "entries"),
    )),
    "questions": dict(_rules(
        ("propose-question", _seeded(questions.propose), "passage kind"),
        ("write-question-answer", _seeded(questions.write), "passage kind"),
        ("judge-question-answer", _plain(judging.judge), "passage question answer"),
        ("suggest-edits", _plain(editing.suggest), "passage question answer"),
        ("edit-question-answer", _seeded(editing.edit), "passage question answer"),
    )),
    "entities and points": dict(_rules(
        ("write-entity-passage", _seeded(passages.write), "passages entities"),
        ("judge-entity-passage", _plain(passage_judging.judge), "passages entities text"),
        ("revise-entity-passage", _seeded(passage_judging.revise), "passages entities text"),
        ("write-problem", _seeded(problems.write), "passages points"),
        ("solve-problem", _seeded(problems.solve), "passages points problem"),
        ("judge-problem", _plain(problem_judging.judge), "passages points problem answer"),
    )),
    "attributes": dict(_rules(
        ("propose-dimensions", _plain(attributes.dimensions), "passage count"),
        ("propose-values", _seeded(attributes.values), "passage dimension count"),
        ("shared-values", _plain(attributes.shared), "class_name values others"),
        ("propose-personas", _seeded(attributes.personas), "passage count"),
        ("relate-persona", _seeded(attributes.relatives), "persona count"),
    )),
    "measures": dict(_rules(
        ("score-by-rubric", _plain(measuring.score), "criteria text"),
        ("compare-two-texts", _plain(measuring.compare), "first second"),
        ("name-differences", _plain(measuring.differences), "texts"),
        ("group-texts", _plain(measuring.group), "texts"),
        ("check-group", _plain(measuring.check_group), "texts"),
        ("answer-question", _plain(measuring.answer), "question"),
        ("check-answer", _plain(measuring.check_answer), "question answer"),
    )),
    "rewriting": dict(_rules(
        ("rephrase-passage", rewriting.rephrase, "passage"),
        ("propose-audiences", rewriting.audiences, "passage count"),
        ("rewrite-for-audience", rewriting.for_audience, "passage genre audience"),
        ("transform-text", rewriting.transform, "passage form"),
        ("judge-rewriting", rewriting.judge, "passage text"),
        ("state-triples", rewriting.state, "facts"),
        ("read-triples", rewriting.triples, "text kinds"),
    )),
    "retrieval": dict(_rules(
        ("write-query", retrieval.write, "passage"),
        ("summarise-then-ask", retrieval.summarise, "passage"),
        ("brainstorm-retrieval-tasks", retrieval.tasks, "count"),
        ("write-retrieval-triple", retrieval.triple, "chosen count"),
        ("judge-query", retrieval.judge, "passage query"),
    )),
    "tasks on a text": dict(_rules(
        ("name-facets", tasks.facets, "passage count"),
        ("match-instruction", tasks.match, "passage instruction"),
        ("carry-out-instruction", tasks.carry_out, "passage instruction"),
        ("write-from-shots", tasks.from_shots, "passage shots"),
        ("write-instruction", tasks.write, "source agent"),
        ("suggest-harder", tasks.harder, "source instruction"),
        ("edit-instruction", tasks.edit, "instruction suggestions"),
        ("answer-instruction", tasks.answer, "instruction"),
        ("judge-instruction", tasks.judge, "passage instruction output"),
    )),
    "instructions": dict(_rules(
        ("magpie-chatml", inventing.continued, ""),
        ("magpie-gemma", inventing.continued, ""),
        ("magpie-llama-3", inventing.continued, ""),
        ("bare-draft", inventing.draft, "examples"),
        ("bare-refine", inventing.mend_draft, "raw"),
        ("genqa-write", inventing.question, "variant"),
        ("persona-write", inventing.of_persona, "persona makes"),
        ("codeclm-encode", inventing.encode, "instruction"),
        ("codeclm-decode", inventing.decode, "use_case"),
        ("codeclm-rubrics", inventing.rubrics, "instruction"),
        ("codeclm-improve", inventing.harder, "instruction suggestions"),
        ("refed-feedback", inventing.feedback, "reference_instruction reference_response"),
        ("refed-instruction", inventing.like_reference, "reference_instruction"),
        ("refed-refine", inventing.like_reference_response, "instruction response"),
        ("datatune-expand", inventing.requirements, "description"),
        ("datatune-columns", inventing.columns, "description sample"),
        ("datatune-plan", inventing.plan, "columns"),
        ("datatune-execute", inventing.execute, "description plan row"),
    )),
    "responses": dict(_rules(
        ("respond-to-instruction", responding.respond, "instruction"),
        ("sample-response", responding.respond, "instruction"),
        ("write-response", responding.respond, "instruction"),
        ("improve-response", responding.improve, "instruction responses"),
        ("merge-responses", responding.improve, "instruction responses"),
        ("compare-responses", responding.compare, "instruction first second"),
        ("reward-response", responding.reward, "instruction response criteria"),
        ("reward-conversation", responding.reward_number, "instruction response"),
        ("judge-instruction-response", responding.judge, "instruction response"),
    )),
    "labels": dict(_rules(
        ("write-class-text", labels.class_text, "class_name"),
        ("list-class-values", labels.values, "class_name dimension count"),
        ("similar-classes", labels.similar, "class_name others count"),
        ("label-text", labels.label, "text classes"),
        ("guess-label", labels.guess, "text classes"),
        ("cotam-decompose", labels.decompose, "passage"),
        ("cotam-propose", labels.propose_switch, "source_label label"),
        ("cotam-rewrite", labels.switched, "passage label changes"),
        ("targen-contexts", labels.contexts, "count"),
        ("targen-seeds", labels.instance_seeds, "context count"),
        ("targen-write", labels.on_seed, "instance_seed label"),
        ("s3-rationales", labels.rationales, "label count"),
        ("s3-write", labels.by_reason, "label rationale"),
        ("s3-extrapolate", labels.after_mistake, "passage label"),
        ("practice-write", labels.practice, "examples label"),
    )),
    "sums": dict(_rules(
        ("solve-step-by-step", solving.step_by_step, "instruction"),
        ("solve-with-code", solving.with_code, "instruction"),
        ("answer-query", solving.answer_query, "instruction"),
        ("answer-for-reference", solving.answer_for_reference, "instruction"),
        ("reverse-gen-query", solving.query, "topic"),
        ("rewrite-question", solving.rewritten, "instruction aim"),
        ("judge-new-question", solving.judge_question, "instruction"),
        ("extract-points", solving.points, "problem"),
        ("score-points", solving.score_points, "problem points"),
        ("write-point-problem", solving.point_problem, "points"),
        ("solve-point-problem", solving.solve, "problem"),
        ("judge-point-problem", solving.judge_point_problem, "points problem answer"),
    )),
    "programs": dict(_rules(
        ("genetic-crossover", evolving.crossed, "members count"),
        ("genetic-mutate", evolving.mutated, "members"),
        ("genetic-code", evolving.code, "instruction"),
        ("judge-code", evolving.judge, "instruction response"),
        ("plansearch-observe", planning.observations, "problem count"),
        ("plansearch-derive", planning.derived, "combination count"),
        ("plansearch-plan", planning.plan, "problem combination"),
        ("plansearch-mend", planning.mended, "plan"),
        ("plansearch-pseudocode", planning.pseudocode, "problem plan"),
        ("plansearch-code", planning.code, "problem plan"),
        ("same-idea", planning.same, "first second"),
    )),
    "SQL": dict(_rules(
        ("sense-write", tables.write, "domain difficulty"),
        ("write-sql", tables.answer, "tables question"),
    )),
}  # fmt: skip
"""Family → prompt → the rule that answers it and the variables that the rule cannot do without."""

RULES = {prompt: rule for family in FAMILIES.values() for prompt, rule in family.items()}
