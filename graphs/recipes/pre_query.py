"""The first steps of recipes whose items begin with an aligned model's own words, sent its pre-query template alone.

After Magpie (Xu et al. 2024, arXiv:2406.08464).
"""

from __future__ import annotations

from ...agents.attributes.choices import TEMPLATE_MARKS, finished
from ...agents.generator import generator
from ...agents.messages import Messages
from ...agents.state import Node
from ...agents.verifiers.form import pattern


def own_instruction(template: str, messages: Messages) -> tuple[Node, ...]:
    """Returns nodes: the role `aligned` goes on after `magpie-TEMPLATE`, and what it broke off or ran over is dropped.

    The task's attribute `domain` is the system message in the template. The draft's field is `instruction`.
    """
    return (
        generator(
            role="aligned",
            prompt=f"magpie-{template}",
            variables=("domain",),
            messages=messages,
            text_as="instruction",
        ),
        finished("instruction"),
        pattern("instruction", must_not_match=TEMPLATE_MARKS),
    )
