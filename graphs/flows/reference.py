"""The reference flow: propose → generate → verify → critic ⇄ refiner → accept or reject.

    propose ─ unsuitable ────────────────────────────→ END
       ↓
    generate → verify ─ rejected ──────────→ settle ─→ END
                 ↑ ↓                           ↑
            refine ← criticise ─ no round left ┘
                        └─ accepted or rejected ─────→ END

A draft that others have the like of goes from `verify` back to `generate`, while its gate allows it.
Every draft and every verdict stays in the state. A refined draft is verified again before the critic is paid again:
an edit may lose the quote that grounded the answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from langgraph.graph import END, START, StateGraph

from ...agents.state import FlowContext, FlowState, Node, NodeInfo, info_of
from ...agents.turns import in_turn
from ...agents.verifiers.guards import guarded
from ...errors import FlowError, require_kind, what_is
from .routing import (
    CRITICISE,
    GENERATE,
    PROPOSE,
    REFINE,
    SETTLE,
    VERIFY,
    after_checks,
    after_critic,
    after_proposal,
    settle,
)

Flow = StateGraph[FlowState, FlowContext, FlowState, FlowState]
EXAMPLES = {one: f"{one}(...)" for one in ("proposer", "generator", "critic", "refiner")}
MOST_ROUNDS = 30  # three steps a round, within the 100 steps that a campaign lets a task take


def reference_flow(
    *,
    proposer: Node | None,
    generator: Node,
    verifiers: Node | Sequence[Node] = (),
    critic: Node | None,
    refiner: Node | None = None,
    max_rounds: int = 2,
) -> Flow:
    """Builds the reference flow from nodes; compile it once and run every task through it.

    Args:
        proposer: writes `proposal`, or sets `decision` to reject and ends the task unpaid; None starts at once.
        generator: appends a draft.
        verifiers: cheap checks that append verdicts; they run in one step, the campaign's guards first, until one
            rejects. A novelty gate with `attempts` sends a duplicate back to the generator.
        critic: appends a verdict and writes `decision` and `reasons`; None accepts what the verifiers let pass.
        refiner: appends the next draft and counts `round`; None makes every revision a rejection.
        max_rounds: refinements a task may have; a revision after the last one is a rejection with its reasons.

    Returns:
        A graph that always ends with `decision` accept or reject, and with `reasons`.

    Raises:
        FlowError: a node is none, or `max_rounds` is negative or above 30.
        ConfigError: `max_rounds` is no whole number.
    """
    nodes = {"proposer": proposer, "generator": generator, "critic": critic, "refiner": refiner}
    checked = (verifiers,) if callable(verifiers) else verifiers
    if isinstance(checked, str) or not isinstance(checked, Iterable):
        raise FlowError(f"verifiers is {what_is(checked)}; give a node or a tuple of nodes, () for none")
    checked = tuple(checked)
    for name, node in (*nodes.items(), *(("one of verifiers", one) for one in checked)):
        if not callable(node) and (node is not None or name not in ("proposer", "critic", "refiner")):
            raise FlowError(f"{name} is {what_is(node)}; give a node, such as {EXAMPLES.get(name, 'novelty()')}")
    require_kind("max_rounds", max_rounds, int, f"give a whole number from 0 to {MOST_ROUNDS}")
    if not 0 <= max_rounds <= MOST_ROUNDS:
        raise FlowError(f"max_rounds is {max_rounds}; it must lie between 0 and {MOST_ROUNDS}")
    refines = refiner is not None and max_rounds > 0
    judged = SETTLE if critic is None else CRITICISE
    checks = (guarded(), *checked)

    flow = Flow(FlowState, context_schema=FlowContext)
    flow.add_node(GENERATE, generator)
    flow.add_node(SETTLE, settle)
    flow.add_edge(SETTLE, END)
    if proposer is None:
        flow.add_edge(START, GENERATE)
    else:
        flow.add_node(PROPOSE, proposer)
        flow.add_edge(START, PROPOSE)
        flow.add_conditional_edges(PROPOSE, after_proposal, [GENERATE, END])
    flow.add_node(VERIFY, in_turn(*checks))
    flow.add_edge(GENERATE, VERIFY)
    gated = any(part.gates for node in (generator, *checks) for part in _parts(node))
    route = after_checks(judged, refine=refines, max_rounds=max_rounds, again=GENERATE if gated else "")
    targets = [judged, SETTLE, *([REFINE] if refines else []), *([GENERATE] if gated else [])]
    flow.add_conditional_edges(VERIFY, route, list(dict.fromkeys(targets)))
    if critic is not None:
        flow.add_node(CRITICISE, critic)
        ends = [END, SETTLE, *([REFINE] if refines else [])]
        flow.add_conditional_edges(CRITICISE, after_critic(refine=refines, max_rounds=max_rounds), ends)
    if refiner is not None and refines:
        flow.add_node(REFINE, refiner)
        flow.add_edge(REFINE, VERIFY)
    return flow


def _parts(node: Node) -> tuple[NodeInfo, ...]:
    info = info_of(node) or NodeInfo()
    return (info, *info.parts)
