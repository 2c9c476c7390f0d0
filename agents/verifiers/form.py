"""Programmatic verifiers of a draft's form: schema, length, language, pattern.

Each takes options and returns a node; see `checks` for what the node writes, `grounding` for verifiers of quotes,
`agreement` for verifiers of answers.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any, Literal

import orjson
import re2  # type: ignore[import-untyped]  # google-re2 ships no types
from pydantic import BaseModel, ValidationError

from ...errors import ConfigError
from ...evals.folding import words
from ...evals.language import UNDETERMINED, detect_language
from ...prompts.json_schema import errors_by
from ...storage.records import Decision, Draft
from ..proposer import UNSUITABLE
from ..state import FlowState, Node
from .verifier import PASSED, Finding, missing, text_of, verifier

Unit = Literal["words", "characters", "tokens"]
_SHOWN_ERRORS = 5


def schema(
    shape: type[BaseModel] | Mapping[str, Any], *, field: str | None = None, on_fail: Decision | str = Decision.REJECT
) -> Node:
    """Checks the draft's fields, or one `field`, against a pydantic model or a JSON schema (reason `schema`).

    A `field` that is a string is parsed as JSON first. A JSON schema's remote references are never fetched. Its
    `pattern`s are Python's: keep them simple, or use the verifier `pattern`, which no text can stall.

    Raises:
        ConfigError: `shape` is not a valid JSON schema.
    """
    errors_of = _model_errors(shape) if isinstance(shape, type) else errors_by(shape)

    def check(draft: Draft, _: FlowState) -> Finding:
        value: Any = draft.fields
        if field is not None:
            value = draft.fields.get(field)
            if isinstance(value, str):
                try:
                    value = orjson.loads(value)
                except orjson.JSONDecodeError as error:
                    return Finding(("schema",), f"field '{field}' is not JSON: {error}")
        found = errors_of(value)
        return Finding(("schema",), "; ".join(found[:_SHOWN_ERRORS])) if found else PASSED

    return verifier("schema", check, on_fail=on_fail)


def length(
    field: str,
    *,
    minimum: int = 0,
    maximum: int | None = None,
    unit: Unit = "words",
    count: Callable[[str], int] | None = None,
    on_fail: Decision | str = Decision.REJECT,
) -> Node:
    """Checks that a field is `minimum` to `maximum` units long, both included (`too_short`, `too_long`).

    Args:
        count: counts the tokens of a text; needed for `tokens`, since each model has a tokenizer of its own.

    Raises:
        ConfigError: the bounds cross, or `tokens` comes without `count`.
    """
    if minimum < 0 or (maximum is not None and maximum < minimum):
        raise ConfigError(
            f"length of '{field}' has minimum={minimum} and maximum={maximum}; need 0 <= minimum <= maximum"
        )
    counters: dict[str, Callable[[str], int] | None] = {
        "words": lambda text: len(words(text)),
        "characters": len,
        "tokens": count,
    }
    measure = counters.get(unit)
    if measure is None:
        mend = (
            "give count=, a function that counts tokens" if unit == "tokens" else f"choose from {', '.join(counters)}"
        )
        raise ConfigError(f"length of '{field}' cannot be measured in unit '{unit}': {mend}")

    def check(draft: Draft, _: FlowState) -> Finding:
        text = text_of(draft, field)
        if text is None:
            return missing(field)
        size = measure(text)
        if size < minimum:
            return Finding(("too_short",), f"'{field}' has {size} {unit}, fewer than {minimum}")
        if maximum is not None and size > maximum:
            return Finding(("too_long",), f"'{field}' has {size} {unit}, more than {maximum}")
        return PASSED

    return verifier("length", check, on_fail=on_fail)


def language(
    field: str,
    codes: Collection[str] | None = None,
    *,
    of: Callable[[FlowState], str] | None = None,
    minimum_score: float = 0.5,
    on_fail: Decision | str = Decision.REJECT,
) -> Node:
    """Checks that a field is written in one of the languages `codes`, ISO 639 (`wrong_language`).

    Without `codes` the language must be the one that `of` says for the task, else that of its chunks. A text without
    letters, or one whose language the classifier gives less than `minimum_score`, passes: a number or a name alone has
    no language. Needs the extra `language`.

    Raises:
        ConfigError: the extra is not installed, or `codes` is a bare string.
    """
    if isinstance(codes, str):
        raise ConfigError(f"language codes are a collection, such as ('{codes}',), not the string '{codes}'")
    detect_language("a")  # fails here, before a run, when the extra is not installed
    wanted = None if codes is None else frozenset(code.lower() for code in codes)

    def check(draft: Draft, state: FlowState) -> Finding:
        text = text_of(draft, field)
        if text is None:
            return missing(field)
        allowed = frozenset({of(state).lower()}) if of is not None else wanted
        if allowed is None:
            source = detect_language(" ".join(chunk.text[:1000] for chunk in state.get("chunks", ())))
            if source.code == UNDETERMINED:
                return PASSED
            allowed = frozenset({source.code})
        found = detect_language(text)
        if found.code in allowed or found.code == UNDETERMINED or found.score < minimum_score:
            return PASSED
        remark = f"'{field}' is in '{found.code}' ({found.score:.2f}), not in {', '.join(sorted(allowed))}"
        return Finding(("wrong_language",), remark, {"language": found.score})

    return verifier("language", check, on_fail=on_fail, reads=("drafts", "chunks"))


def declined(field: str = "suitable", *, on_fail: Decision | str = Decision.REJECT) -> Node:
    """Drops a draft whose writer said itself that its source cannot carry it: `field` is false (`unsuitable`)."""

    def check(draft: Draft, _: FlowState) -> Finding:
        if draft.fields.get(field) is False:
            return Finding((UNSUITABLE,), f"'{field}' is false")
        return PASSED

    return verifier("declined", check, on_fail=on_fail)


def pattern(
    field: str,
    *,
    must_match: str | None = None,
    must_not_match: str | None = None,
    on_fail: Decision | str = Decision.REJECT,
) -> Node:
    r"""Searches a field for regular expressions (`pattern_missing`, `pattern_forbidden`).

    The expressions are RE2's: time is linear in the text, whatever the expression, so no draft can stall a run. There
    are no look-arounds and no back-references, and `\w`, `\d`, `\b` are ASCII (use `\pL`, `\pN`).

    Raises:
        ConfigError: no expression is given, or RE2 refuses one.
    """
    if must_match is None and must_not_match is None:
        raise ConfigError(f"pattern of '{field}' needs must_match or must_not_match")
    wanted, forbidden = _compiled(must_match), _compiled(must_not_match)

    def check(draft: Draft, _: FlowState) -> Finding:
        text = text_of(draft, field)
        if text is None:
            return missing(field)
        text = text.encode("utf-8", "replace").decode()  # RE2 reads UTF-8, which has no lone surrogates
        if wanted is not None and not wanted.search(text):
            return Finding(("pattern_missing",), f"'{field}' does not match {must_match}")
        if forbidden is not None and (hit := forbidden.search(text)):
            return Finding(("pattern_forbidden",), f"'{field}' matches {must_not_match} at character {hit.start()}")
        return PASSED

    return verifier("pattern", check, on_fail=on_fail)


def _model_errors(model: type[BaseModel]) -> Callable[[Any], list[str]]:
    def errors_of(value: Any) -> list[str]:
        try:
            model.model_validate(value)
        except ValidationError as error:
            return [f"{'.'.join(map(str, one['loc'])) or 'value'}: {one['msg']}" for one in error.errors()]
        return []

    return errors_of


def _compiled(expression: str | None) -> Any:
    if expression is None:
        return None
    options = re2.Options()
    options.log_errors = False
    try:
        return re2.compile(expression, options)
    except re2.error as error:
        said = error.args[0].decode() if isinstance(error.args[0], bytes) else error.args[0]
        raise ConfigError(
            f"pattern {expression!r} is no RE2 expression: {said}; look-arounds and back-references do not exist there"
        ) from error
