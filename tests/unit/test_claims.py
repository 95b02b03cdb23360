"""The offline judge of claims, and the verdicts that a model's replies give."""

from __future__ import annotations

import pytest

from agentcvr_graph.models.claims import read_verdict
from agentcvr_graph.models.offline.claims import compare

SUPPORTED = [
    ("A cook adds salt.", 'a cook adds salt to the pan; on-screen text "ADD SALT"; mostly red; still'),
    ("In video 2 at 12.0 s, the man opens the door", "a man opens the door"),
    ('on-screen text "ADDSALT"', 'on-screen text "ADD SALT"; mostly red'),
    ('on-screen text "ADD SALT"', 'on-screen text "ADDSALT"; mostly red'),
    ('on-screen text "MUSHROOMS"', 'on-screen text "MUSHR00MS"'),
    ("The clock shows 12:30.", 'on-screen text "12:30"'),
    ("It is a quarter to eight.", 'on-screen text "07:45"'),
    ("Boil it for 30 seconds.", '"boil it for 30 seconds"'),
    ("Nobody is in the room.", "nobody is in the room"),
    ("There are two cars.", "2 cars stand there"),
    ("A voice says: today I am cooking with butter.", '"today I am cooking with butter."'),
    ("The words ADD SALT can be read.", 'on-screen text "ADD SALT"; mostly yellow; something moves'),
]
CONTRADICTED = [
    ("A cook adds two eggs.", "a cook adds three eggs to the pan"),
    ("A cook does not add salt.", "a cook adds salt to the pan"),
    ("The cook adds salt.", "the cook never adds salt"),
    ("The car is red.", "a blue car stands there"),
    ("A ball moves to the left.", "a ball; something moves to the right"),
    ("The man opens the door.", "a man closes the door"),
    ("The clock shows 12:30.", "the clock shows 12:45"),
    ("The shop opens on Monday.", "the shop opens on Friday"),
    ("It was on 3 May.", "it was on 5 May"),
    ("Boil it for 30 seconds.", '"boil it for 40 seconds"'),
]
UNCLEAR = [
    ("A cook adds salt.", "a cook stirs the pan"),
    ('on-screen text "ADD SALT"; mostly red; still', 'on-screen text "ADD RICE"; mostly red; still'),
    ("a cook adds salt to the pan", "a cook adds rice to the pan"),
    ("It is possible to enter.", "it is impossible to enter"),
    ("Three cars stand there.", "cars stand there"),
    ("", "a cook stirs the pan"),
]


@pytest.mark.parametrize(
    ("claim", "said", "verdict"),
    [
        (claim, said, verdict)
        for verdict, pairs in (("supported", SUPPORTED), ("contradicted", CONTRADICTED), ("unclear", UNCLEAR))
        for claim, said in pairs
    ],
)
def test_a_claim_is_compared_with_a_statement(claim: str, said: str, verdict: str):
    assert compare(claim, [said])[0] == verdict


def test_a_claim_may_be_spread_over_statements():
    said = ["a cook in a red apron", "the pan stands alone", "somebody adds salt"]
    assert compare("A cook with a red apron adds salt.", said)[0] == "supported"


def test_one_statement_that_supports_outweighs_another_that_does_not():
    assert compare("The car is red.", ["a blue car drives by", "a red car drives by"])[0] == "supported"


def test_an_empty_window_supports_nothing():
    assert compare("The car is red.", [])[0] == "unclear"


@pytest.mark.parametrize(
    ("reply", "found"),
    [
        ('{"verdict": "supported", "reason": "It says so."}', ("supported", "It says so.")),
        ('Here it is:\n```json\n{"verdict": "Contradicted.", "reason": null}\n```', ("contradicted", "")),
        ("{'verdict': 'unclear', 'reason': 'two\nlines'}", ("unclear", "two lines")),
        ("**Supported**", ("supported", "")),
        ('{"verdict": "not supported"}', None),
        ("It is supported, or perhaps contradicted.", None),
        ('{"verdict": true}', None),
        ("{" * 10_000, None),
        ("", None),
    ],
)
def test_the_verdict_of_a_reply(reply: str, found: tuple[str, str] | None):
    assert read_verdict(reply) == found
