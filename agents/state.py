"""The state that flows pass along, the context that they run in, and what a role tells about itself.

A flow is a LangGraph `StateGraph(FlowState, context_schema=FlowContext)`. Its nodes are functions
`async (state, runtime) -> update`; they take their model by role name from `runtime.context`, so a flow is written once
and bound to models by the campaign.
"""

from __future__ import annotations

import operator
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Protocol, TypedDict, TypeVar

from langgraph.runtime import Runtime

from ..errors import ConfigError, FlowError, what_is
from ..evals.duplicates.claimed import Claimed
from ..models.contract import Model, Reply, Request, Sampling
from ..prompts.library import PromptLibrary
from ..prompts.wanted import Wanted
from ..storage.records import Chunk, Decision, Draft, Entity, Message, Relation, Task, Verdict
from .precedents import Precedents, Shown


def merge(left: dict[str, Any], right: dict[str, Any]) -> dict[str, Any]:
    """Reducer of `values`: later keys win."""
    return {**left, **right}


class FlowState(TypedDict, total=False):
    """What a flow starts with (`task` and its records) and what its nodes add.

    `drafts` and `verdicts` only ever grow: a node returns the new ones. `proposal` is the proposer's answer,
    `round` counts refinements, `decision` and `reasons` end the flow, `values` is free for the user's own keys.
    """

    task: Task
    chunks: list[Chunk]
    entities: list[Entity]
    relations: list[Relation]
    proposal: dict[str, Any]
    drafts: Annotated[list[Draft], operator.add]
    verdicts: Annotated[list[Verdict], operator.add]
    round: int
    decision: Decision
    reasons: tuple[str, ...]
    values: Annotated[dict[str, Any], merge]


class Pool(Protocol):
    """What is accepted already, and what is in flight: the novelty gate asks it before a critic is paid.

    A node only claims; who runs the task keeps or releases what it holds when it ends. Owners are task ids, so a task
    that runs again finds its own claims.
    """

    async def claim(self, text: str, owner: str, *, alike: bool = True, besides: Sequence[str] = ()) -> Claimed:
        """Takes `text` for `owner`, unless another owner holds its like; says who, and how like the nearest is.

        With `alike` off only an equal text counts. `besides` are owners whose texts do not count either. Claiming one's
        own text again is no duplicate. Raises `ModelError` where an embedder is asked and fails; nothing is taken then.
        """
        ...

    async def held(self, owner: str) -> list[bytes]:
        """Returns the marks of the texts that `owner` holds and may still release: what the store keeps of them."""
        ...

    async def keep(self, owner: str) -> None:
        """Makes what `owner` holds its own for good: its task was accepted."""
        ...

    async def release(self, owner: str) -> None:
        """Frees all that `owner` holds: its task was rejected or failed. Harmless when it holds nothing."""
        ...


class Guard(Protocol):
    """A check that a campaign sets up once, for every draft of every flow; see `agents.verifiers.guards`.

    `name` signs its verdicts. `version` differs where two guards of one name may decide differently, so that machines
    of a fleet can compare theirs.
    """

    @property
    def name(self) -> str: ...

    @property
    def version(self) -> str: ...

    async def judge(self, draft: Draft) -> Verdict:
        """Returns the verdict on a draft: accept, or else with reasons."""
        ...


@dataclass(frozen=True)
class GateRules:
    """How a campaign wants its novelty gates: which draft `fields` make up the text that must be new (empty: those that
    the flow names), and how many `attempts` a generator has to write another draft in place of a duplicate."""

    fields: tuple[str, ...] = ()
    attempts: int = 0


@dataclass(frozen=True)
class FlowContext:
    """What nodes find in `runtime.context`: models by role (`default` stands in), prompts, and the pool.

    `precedents` are decisions of people that critics are shown; None where there are none. `guards` are what the
    campaign checks every draft for, `gate` is what it wants of novelty nodes.
    """

    models: Mapping[str, Model]
    prompts: PromptLibrary = field(default_factory=PromptLibrary)
    pool: Pool | None = None
    precedents: Precedents | None = None
    guards: tuple[Guard, ...] = ()
    gate: GateRules = GateRules()

    def model(self, role: str) -> Model:
        """Returns the model bound to `role`, or the one bound to `default`; raises `FlowError` when neither is."""
        model = self.models.get(role) or self.models.get("default")
        if model is None:
            raise FlowError(
                f"no model is bound to role '{role}'; bound are {', '.join(sorted(self.models)) or 'none'}; "
                f"add it, or a model called 'default'"
            )
        return model

    async def ask(
        self,
        role: str,
        prompt: str,
        variables: Mapping[str, Any],
        *,
        task: Task | None = None,
        sampling: Sampling | None = None,
        sample: int = 0,
        shown: Shown | None = None,
        shared: bool = False,
    ) -> Reply:
        """Renders `prompt`, asks `role`'s model, and returns the reply, parsed when the prompt names a schema.

        A prompt of one `## text` is gone on with (a raw completion), any other is answered as a chat.
        `task` gives the seed and the books their line. `shown` are precedents that stand before the prompt's question.
        A `shared` question takes no seed of the task's: tasks that ask it with equal variables and the same `sample`
        have one answer, which the cache keeps, so that a run pays for it once.
        Raises `PromptError`, `FlowError`, `ModelError` or `BudgetExceeded`.
        """
        template = self.prompts.get(prompt)
        lead = f"{shown.text}\n\n" if shown else ""
        if sampling is None:
            sampling = Sampling(
                temperature=template.temperature,
                top_p=template.top_p,
                max_tokens=template.max_tokens,
                stop=template.stop,
                # A server that keeps to a seed would draw the same again.
                seed=None if task is None else (sample or None) if shared else task.seed + sample,
            )
        text = template.is_text
        return await self.model(role).complete(
            Request(
                kind="completion" if text else "chat",
                messages=() if text else _led(template.render(variables), lead),
                text=lead + template.render_text(variables) if text else "",
                schema=template.schema,
                sampling=sampling,
                prompt=prompt,
                version=template.version + (shown.mark if shown else ""),
                variables=variables,
                sample=sample,
                task="" if task is None else task.id,
                role=role,
                lead=len(lead),
            )
        )


def require_two(context: FlowContext, roles: Sequence[str]) -> None:
    """Raises `ConfigError` when all `roles` are answered by one and the same model: a campaign sees that before."""
    if len({id(context.model(role)) for role in roles}) == 1:
        raise ConfigError(
            f"the roles {', '.join(roles)} are all answered by '{context.model(roles[0]).name}', which would be "
            f"compared with itself; bind '{roles[-1]}' to another model"
        )


def _led(messages: tuple[Message, ...], lead: str) -> tuple[Message, ...]:
    """The messages with `lead` at the start of the first of the user's.

    There, behind the system's words, it is a prefix that all items of a round share. A message of its own it is not:
    many chat templates refuse two of the user's in a row.
    """
    place = next((number for number, message in enumerate(messages) if message.role == "user"), None)
    if not lead or place is None:
        return messages
    first = Message(role="user", content=f"{lead}{messages[place].content}")
    return (*messages[:place], first, *messages[place + 1 :])


class Node(Protocol):
    """An async function of a flow. The parameters keep these names: LangGraph hands `runtime` over by name."""

    def __call__(self, state: FlowState, runtime: Runtime[FlowContext]) -> Awaitable[dict[str, Any]]: ...


AnyNode = TypeVar("AnyNode", bound=Callable[..., Any])


@dataclass(frozen=True)
class NodeInfo:
    """What a node tells the flow check: the role whose model it asks, its prompt and the variables it gives to it,
    the state keys that it reads and writes. `parts` are the infos of a node that runs several nodes in one step; it
    then asks nothing itself. `gates` are the draft fields whose text a novelty gate claims; one that sends a draft back
    limits by itself how often. `answer` is what it reads of its prompt's answers, `scores` are the names of scores that
    it needs in them. Of each group in `apart` not all roles may be answered by one and the same
    model."""

    role: str | None = None
    prompt: str | None = None
    variables: frozenset[str] = frozenset()
    reads: frozenset[str] = frozenset()
    writes: frozenset[str] = frozenset()
    parts: tuple[NodeInfo, ...] = ()
    gates: tuple[str, ...] = ()
    answer: Wanted | None = None
    scores: frozenset[str] = frozenset()
    apart: tuple[tuple[str, ...], ...] = ()


def describe(
    *,
    role: str | None = None,
    prompt: str | None = None,
    variables: tuple[str, ...] = (),
    reads: tuple[str, ...] = (),
    writes: tuple[str, ...] = (),
    parts: tuple[NodeInfo, ...] = (),
    gates: tuple[str, ...] = (),
    answer: Wanted | None = None,
    scores: Collection[str] = (),
    apart: tuple[tuple[str, ...], ...] = (),
) -> Callable[[AnyNode], AnyNode]:
    """Decorates a node with its `NodeInfo`, which `info_of` reads back.

    Raises:
        ConfigError: names are no tuple of texts, such as `variables="passage"` without a comma.
    """
    for key, names in (("variables", variables), ("reads", reads), ("writes", writes), ("gates", gates)):
        require_names(key, names)

    def attach(node: AnyNode) -> AnyNode:
        info = NodeInfo(
            role, prompt, frozenset(variables), frozenset(reads), frozenset(writes), parts, gates, answer,
            frozenset(scores), apart,
        )  # fmt: skip
        node.__gristmill__ = info  # type: ignore[attr-defined]  # a plain function carries it, no class needed
        return node

    return attach


def require_names(key: str, names: object) -> None:
    """Raises `ConfigError` for what is to be a tuple of names and is none; one text would be taken letter by letter."""
    if isinstance(names, str) or not isinstance(names, Collection) or not all(isinstance(one, str) for one in names):
        said = f"'{names}'" if isinstance(names, str) else what_is(names)
        one = names if isinstance(names, str) else "passage"
        raise ConfigError(f'{key} is {said}; give a tuple of names: {key}=("{one}",)')


def info_of(node: object) -> NodeInfo | None:
    """Returns what `describe` attached to a node, or None for a node that tells nothing."""
    found = getattr(node, "__gristmill__", None)
    return found if isinstance(found, NodeInfo) else None
