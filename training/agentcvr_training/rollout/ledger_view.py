"""Show the token ledger as HTML in a notebook: which tokens the policy sampled and which the environment wrote.

Only sampled tokens carry loss, so the view shows what a run learns from. The shade of a sampled token grows with the
uncertainty of the choice; its tooltip has the id, the probability and the node. A character that takes several tokens
is one group.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from agentcvr_graph.utils.templates import html_environment
from agentcvr_training.rollout.ledger import Row

CUT = "\N{REPLACEMENT CHARACTER}"
"""The text to which a tokenizer decodes an incomplete character."""
_ROW = html_environment().from_string("""\
<style>
.agentcvr-ledger pre { white-space: pre-wrap; overflow-wrap: anywhere; padding: 4px 10px; line-height: 1.75; }
.agentcvr-ledger .prompt { max-height: 13em; overflow-y: auto; opacity: 0.6; border-left: 3px solid #8886; }
.agentcvr-ledger span { border-radius: 3px; padding: 1px 0; box-decoration-break: clone; }
.agentcvr-ledger .environment { background: #c4671d26; }
.agentcvr-ledger .policy { background: rgb(47 111 222 / var(--open)); box-shadow: inset 1px 0 #8889; }
</style>
<div class="agentcvr-ledger">
<p><span class="policy" style="--open: 0.4">&#160;{{ sampled }} tokens&#160;</span> were sampled by the policy and carry
loss: the darker, the less likely. <span class="environment">&#160;{{ written }} tokens&#160;</span> were written by the
environment and carry none, like the {{ prompt_count }} tokens of the prompt.</p>
<pre class="prompt">{{ prompt }}</pre>
<pre>
{%- for own, groups in runs %}
{% if not own %}<span class="environment">{% endif %}
{%- for group in groups %}
{%- if own -%}
<span class="policy" style="--open: {{ group.opacity | round(2) }}" title="{{ group.tooltip }}">{{ group.text }}</span>
{%- else %}{{ group.text }}{% endif %}
{%- endfor %}
{% if not own %}</span>{% endif %}
{%- endfor %}</pre>
</div>
""")


@dataclass(frozen=True)
class TokenGroup:
    """Consecutive tokens of one author that form whole characters; nearly always one token."""

    text: str
    ids: tuple[int, ...]
    sampled: bool
    logprob: float = 0.0
    node: str = ""

    @property
    def probability(self) -> float:
        return math.exp(self.logprob)

    @property
    def opacity(self) -> float:
        """Return the opacity of the background: 0.15 for a certain token to 0.75 for an unlikely one."""
        return 0.15 + 0.6 * (1 - self.probability)

    @property
    def tooltip(self) -> str:
        return f"{' '.join(map(str, self.ids))}: {100 * self.probability:.1f} %, {self.node}"


@dataclass(frozen=True)
class LedgerView:
    """A row of a ledger with the tokenizer that decodes it."""

    row: Row
    tokenizer: Any

    def groups(self) -> list[TokenGroup]:
        """Return the completion as groups of tokens."""
        return list(self._groups_of_tokens())

    def _groups_of_tokens(self) -> Iterator[TokenGroup]:
        row, start = self.row, 0
        ids, first = row.ids, len(row.prompt_ids)
        for end in range(1, len(row.completion_ids) + 1):
            last = end == len(row.completion_ids) or row.mask[end] != row.mask[start]
            text = self._text(row.completion_ids[start:end], after=ids[first + start - 1 : first + start])
            if last or not text.endswith(CUT):
                yield TokenGroup(
                    text=text,
                    ids=tuple(row.completion_ids[start:end]),
                    sampled=bool(row.mask[start]),
                    logprob=sum(row.logprobs[start:end]),
                    node=row.nodes[start],
                )
                start = end

    def _text(self, ids: list[int], after: Sequence[int] = ()) -> str:
        """Decode after the preceding token: some tokenizers drop a space at the start of a text."""
        whole = str(self.tokenizer.decode([*after, *ids]))
        return whole.removeprefix(str(self.tokenizer.decode(list(after)))) if after else whole

    def _repr_html_(self) -> str:
        """Return the HTML that a notebook shows."""
        runs = [(own, list(groups)) for own, groups in groupby(self.groups(), lambda group: group.sampled)]
        return _ROW.render(
            prompt=self._text(self.row.prompt_ids),
            prompt_count=len(self.row.prompt_ids),
            runs=runs,
            sampled=self.row.sampled,
            written=len(self.row.mask) - self.row.sampled,
        )
