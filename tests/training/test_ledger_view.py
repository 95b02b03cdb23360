"""The HTML view of the ledger shows every token once and marks its author."""

from __future__ import annotations

import math
import re

import pytest
from agentcvr_training.rollout.ledger import Row
from agentcvr_training.rollout.ledger_view import LedgerView

from tests.support.tiny_models import tokenizer


class Words:
    """A tokenizer of four words that drops a leading space, as some tokenizers do."""

    words = (" the", " cook", " waits", "<b>")

    def decode(self, ids):
        return "".join(self.words[n] for n in ids).removeprefix(" ")


@pytest.fixture
def view() -> LedgerView:
    """Return a view of a row: policy " the cook", environment "<b> the", policy " waits" with probability 1/2."""
    row = Row([3, 0])
    row.add_policy([0, 1], [0.0, math.log(0.25)], "master")
    row.add_environment([3, 0])
    row.add_policy([2], [math.log(0.5)], "second")
    return LedgerView(row, Words())


def test_every_token_is_shown_once_with_its_whitespace_and_author(view):
    assert [(group.text, group.ids, group.sampled, group.node) for group in view.groups()] == [
        (" the", (0,), True, "master"),
        (" cook", (1,), True, "master"),
        ("<b>", (3,), False, ""),
        (" the", (0,), False, ""),
        (" waits", (2,), True, "second"),
    ]


def test_less_likely_tokens_are_darker_and_show_their_probability(view):
    sure, unsure, *_, even = view.groups()
    assert (sure.opacity, unsure.opacity, even.opacity) == pytest.approx((0.15, 0.6, 0.45))
    assert even.tooltip == "2: 50.0 %, second"


def test_the_html_counts_tokens_by_author_and_escapes_text(view):
    html = view._repr_html_()
    assert "3 tokens" in html and "2 tokens" in html and "2 tokens of the prompt" in html
    assert "<b>" not in html and "&lt;b&gt; the" in html
    drawn = re.findall(r'<span class="(policy|environment)"[^>]*>([^<]*)</span>', html.partition("<pre>")[2])
    assert drawn == [("policy", " the"), ("policy", " cook"), ("environment", "&lt;b&gt; the"), ("policy", " waits")]


def test_tokens_of_one_character_are_grouped_unless_their_authors_differ():
    own = tokenizer()
    ids = own.encode("\u6f22")
    assert len(ids) == 3
    row = Row(own.encode("?"))
    row.add_policy(ids, [-1.0, 0.0, -0.5], "master")
    row.add_policy(ids[:2], [0.0, 0.0], "master")
    row.add_environment(ids)
    whole, cut, environment = LedgerView(row, own).groups()
    assert (whole.text, whole.ids, whole.logprob) == ("\u6f22", tuple(ids), -1.5)
    assert (len(cut.ids), cut.sampled) == (2, True)
    assert (environment.ids, environment.sampled) == (tuple(ids), False)
