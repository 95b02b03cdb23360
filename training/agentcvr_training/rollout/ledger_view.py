"""The token ledger drawn under the text, for a notebook: which tokens the policy sampled and which the world wrote.

What the policy sampled carries loss and nothing else does, so a look at a row shows what a run will learn from. Of a
sampled token the shade tells how open the choice was, and its tooltip the id, the probability and the node. Characters
that take several tokens are one piece.
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
"""What a tokenizer writes for a part of a character."""
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
{%- for own, pieces in runs %}
{% if not own %}<span class="environment">{% endif %}
{%- for piece in pieces %}
{%- if own -%}
<span class="policy" style="--open: {{ piece.openness | round(2) }}" title="{{ piece.told }}">{{ piece.text }}</span>
{%- else %}{{ piece.text }}{% endif %}
{%- endfor %}
{% if not own %}</span>{% endif %}
{%- endfor %}</pre>
</div>
""")


@dataclass(frozen=True)
class Piece:
    """Tokens of one author that are whole characters together; nearly always one."""

    text: str
    ids: tuple[int, ...]
    sampled: bool
    logprob: float = 0.0
    node: str = ""

    @property
    def probability(self) -> float:
        return math.exp(self.logprob)

    @property
    def openness(self) -> float:
        """How dark it is drawn: from 0.15 for what was certain to 0.75 for what was hardly likely."""
        return 0.15 + 0.6 * (1 - self.probability)

    @property
    def told(self) -> str:
        return f"{' '.join(map(str, self.ids))}: {100 * self.probability:.1f} %, {self.node}"


@dataclass(frozen=True)
class LedgerView:
    """A row of a ledger with the tokenizer that can read it."""

    row: Row
    tokenizer: Any

    def pieces(self) -> list[Piece]:
        """The completion, piece by piece."""
        return list(self._pieces())

    def _pieces(self) -> Iterator[Piece]:
        row, start = self.row, 0
        ids, first = row.ids, len(row.prompt_ids)
        for end in range(1, len(row.completion_ids) + 1):
            last = end == len(row.completion_ids) or row.mask[end] != row.mask[start]
            text = self._text(row.completion_ids[start:end], after=ids[first + start - 1 : first + start])
            if last or not text.endswith(CUT):
                yield Piece(
                    text=text,
                    ids=tuple(row.completion_ids[start:end]),
                    sampled=bool(row.mask[start]),
                    logprob=sum(row.logprobs[start:end]),
                    node=row.nodes[start],
                )
                start = end

    def _text(self, ids: list[int], after: Sequence[int] = ()) -> str:
        """Read behind the token before: some tokenizers drop the space at the beginning of a text."""
        whole = str(self.tokenizer.decode([*after, *ids]))
        return whole.removeprefix(str(self.tokenizer.decode(list(after)))) if after else whole

    def _repr_html_(self) -> str:
        """For notebooks."""
        runs = [(own, list(pieces)) for own, pieces in groupby(self.pieces(), lambda piece: piece.sampled)]
        return _ROW.render(
            prompt=self._text(self.row.prompt_ids),
            prompt_count=len(self.row.prompt_ids),
            runs=runs,
            sampled=self.row.sampled,
            written=len(self.row.mask) - self.row.sampled,
        )
