"""The scan for personal data and secrets: what it finds on a labelled set, and that it never says it aloud."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pii_texts import AB, CLEAN, LABELLED, NATIONAL, SECRETS
from write_and_judge import PROMPTS, flow, judged, rows

from gristmill import Campaign, Decision, Draft, Message, Request, Scripted
from gristmill.agents.verifiers.personal_data import PersonalDataGuard, personal_data
from gristmill.campaigns.spec import make_spec
from gristmill.errors import ConfigError
from gristmill.evals.contamination.credentials import rules
from gristmill.evals.contamination.scan import Scanner, ScanSettings, scan
from gristmill.evals.contamination.sightings import masked
from gristmill.storage.records import Status
from gristmill.storage.store import RunStore


def seen(text: str, **options: Any) -> list[tuple[str, str]]:
    return [(one.kind, text[one.start : one.end]) for one in scan(text, **options)]


@pytest.mark.parametrize(("text", "wanted"), LABELLED)
def test_a_labelled_text(text: str, wanted: tuple[tuple[str, str], ...]) -> None:
    assert seen(text) == list(wanted)


def test_precision_and_recall_on_the_labelled_set(capsys: pytest.CaptureFixture[str]) -> None:
    right, wrong, missed = Counter[str](), Counter[str](), Counter[str]()
    for text, wanted in LABELLED:
        found = seen(text)
        right.update(kind for kind, _ in {*found} & {*wanted})
        wrong.update(kind for kind, _ in {*found} - {*wanted})
        missed.update(kind for kind, _ in {*wanted} - {*found})
    total = right.total()
    assert len(LABELLED) >= 115
    assert total / (total + wrong.total()) >= 0.95
    assert total / (total + missed.total()) >= 0.95


@pytest.mark.parametrize(("text", "wanted"), NATIONAL)
def test_national_numbers_need_their_region(text: str, wanted: tuple[tuple[str, str], ...]) -> None:
    assert seen(text) == []
    assert seen(text, regions=("DE", "US")) == list(wanted)


def test_public_addresses_are_found_when_asked_for() -> None:
    text = "from 8.8.8.8 and 2001:4860:4860::8888 to 192.168.0.1"
    assert seen(text) == []
    assert seen(text, find=("ip",)) == [("ip", "8.8.8.8"), ("ip", "2001:4860:4860::8888")]


def test_what_is_allowed_may_stand() -> None:
    text = "press@acme.io and anna@acme.io"
    assert seen(text, allow=("PRESS@acme.io",)) == [("email", "anna@acme.io")]
    assert seen(text, allow=("*@acme.io",)) == []


def test_masking_leaves_the_rest() -> None:
    text = "A press@acme.io \U0001f600 +49 30 901820 B"
    assert masked(text, scan(text)) == "A [email] \U0001f600 [phone] B"


@pytest.mark.parametrize(
    ("values", "said"),
    [({"find": ("mail",)}, "called 'mail'; there are email"), ({"find": ("phone",), "regions": ("UK",)}, "'UK'")],
)
def test_unknown_kinds_and_regions_are_refused(values: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        Scanner(ScanSettings(**values))


def test_every_rule_that_is_wanted_is_there() -> None:
    names = Counter(name for name, _ in rules())
    assert len(names) >= 20
    assert names["GitLab Token"] >= 5


@given(st.text(max_size=300))
@settings(max_examples=200, deadline=None)
def test_any_text_can_be_scanned(text: str) -> None:
    last = 0
    for one in scan(text, ("all",), regions=("US",)):
        assert last <= one.start < one.end <= len(text)
        last = one.end


PIECES = ["1", "1 ", "+1", "a@", "a.", "sk-", "eyJ", "AKIA", "4111 ", "DE89 ", "(", "://a:", "\ud800", "1:", "-" * 7]


@pytest.mark.parametrize("piece", PIECES)
def test_hostile_texts_take_linear_time(piece: str) -> None:
    scan(piece * (200_000 // len(piece)), ("all",), regions=("US", "DE"))


async def test_a_verdict_names_kind_and_span_and_not_the_words() -> None:
    secret, address = SECRETS[1][1][0][1], "anna.lindqvist@harbourmail.se"
    told = f"Use {secret} and {address}."
    draft = Draft(index=0, by="g", messages=(Message(role="user", content=told),), fields={"note": address, "n": 1})
    verdict = await PersonalDataGuard(ScanSettings(find=("all",))).judge(draft)
    assert verdict.reasons == ("secret", "pii")
    assert (
        "secret (GitHub Token) in messages.0[4:44]; email in messages.0[49:78]; email in fields.note[0:29]"
        in verdict.text
    )
    assert secret not in verdict.model_dump_json()
    assert address not in verdict.model_dump_json()
    clean = await PersonalDataGuard(ScanSettings(find=("all",))).judge(
        draft.model_copy(update={"messages": (), "fields": {}})
    )
    assert clean.decision is Decision.ACCEPT


async def test_the_node_may_ask_for_a_revision() -> None:
    draft = Draft(index=0, by="g", messages=(Message(role="user", content="press@acme.io"),))
    update = await personal_data("email", on_fail="revise")({"drafts": [draft]}, None)  # type: ignore[arg-type]
    assert (update["decision"], update["reasons"]) == (Decision.REVISE, ("pii",))
    assert "decision" not in await personal_data(allow=["*@acme.io"])({"drafts": [draft]}, None)  # type: ignore[arg-type]


async def test_a_campaign_rejects_it_whatever_the_flow_and_logs_no_secret(tmp_path: Path) -> None:
    secret = "hf_" + AB[:34]

    def answer(request: Request) -> Any:
        if request.role != "generator":
            return judged()
        return f"Log in with {secret}" if "Row 3:" in request.variables["passage"] else request.variables["passage"]

    rows(tmp_path, 6)
    values: dict[str, Any] = {"flow": flow(), "prompts": [str(PROMPTS)], "runs": str(tmp_path / "runs")}
    campaign = Campaign(
        "test", [tmp_path / "rows.jsonl"], models={"default": Scripted(answer)}, pii={"find": ["secret"]}, **values
    )
    report = await campaign.execute()
    assert report.reasons == {("accepted", ""): 5, ("rejected", "secret"): 1}
    (item,) = RunStore.read(report.folder).items(Status.REJECTED)
    assert secret not in json.dumps([verdict.model_dump(mode="json") for verdict in item.verdicts])
    assert all(secret not in path.read_text() for path in report.folder.rglob("*.log*"))


def test_keys_of_the_campaign_are_checked() -> None:
    with pytest.raises(ConfigError, match=r"pii\.on_fail"):
        make_spec({"name": "x", "documents": ["d"], "pii": {"on_fail": "mask"}})
    assert len(CLEAN) >= 60
