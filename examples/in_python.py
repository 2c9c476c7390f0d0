"""A campaign in Python: a flow of one's own, put together from the built-in roles, and what comes out of it.

    python examples/in_python.py

It runs on the example documents with the offline model; a real one is a name and an address in `models`.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from gristmill import Campaign, Draft, FlowState, RunStore, Status
from gristmill.agents.critic import critic
from gristmill.agents.generator import generator
from gristmill.agents.proposer import proposer
from gristmill.agents.refiner import refiner
from gristmill.agents.verifiers.form import length
from gristmill.agents.verifiers.grounding import grounding
from gristmill.agents.verifiers.novelty import novelty
from gristmill.agents.verifiers.verifier import Finding, verifier
from gristmill.campaigns.datasets import export_run
from gristmill.graphs.flows.reference import Flow, reference_flow

HERE = Path(__file__).parent


def is_a_question(draft: Draft, state: FlowState) -> Finding:
    """A check of our own: no reason means that the draft passes."""
    return Finding(() if str(draft.fields["question"]).endswith("?") else ("no_question",))


def strict_flow() -> Flow:
    """Questions with short answers, whose quotes stand in the passage; what a critic sends back is mended once."""
    return reference_flow(
        proposer=proposer(),
        generator=generator(),
        verifiers=(
            verifier("question", is_a_question),
            length("answer", maximum=25),
            grounding(on_fail="revise"),
            novelty(fields=("question",)),
        ),
        critic=critic(minimum={"grounded": 0.9}),
        refiner=refiner(),
        max_rounds=1,
    )


def main(runs: Path = Path("runs")) -> None:
    campaign = Campaign(
        "in-python",
        [HERE / "corpus"],
        recipe="grounded-qa",
        flow=strict_flow(),
        options={"kinds": ["cause", "definition", "number"]},
        models={"default": "offline"},
        target=20,
        runs=str(runs),
    )
    report = campaign.run()
    print(report.stop.text)
    print(report.books)

    store = RunStore.read(report.folder)
    for item in list(store.items(Status.ACCEPTED))[:3]:
        question, answer = item.messages
        quotes = ", ".join(span.quote for span in item.evidence)
        print(f"\nQ: {question.content}\nA: {answer.content}\n   from: {quotes}")
    print("\nrejected:", dict(Counter(item.reasons[0] for item in store.items(Status.REJECTED))))
    store.close_reading()

    for path in export_run(report.folder, formats=["chat"], validation=0.2).files:
        print("wrote", path)


if __name__ == "__main__":
    main()
