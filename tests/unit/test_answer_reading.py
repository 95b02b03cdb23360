"""What models write as answers is read as it is meant, or refused; never as another option.

`tests/data/written_answers.jsonl` holds values of tool calls and `written_replies.jsonl` whole replies, each with the
value that it means; a null value must be refused.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from langchain_core.messages import AIMessage

from agentcvr_graph import CVRContext, create_cvr_graph
from agentcvr_graph.answers import KINDS, UnclearError, parse_answer, read_key, read_reply, stated_answer
from agentcvr_graph.errors import ActionError, InputError
from agentcvr_graph.models.chat_format.thoughts import without_thoughts
from agentcvr_graph.testing import FakeMaster, FakePerception

DATA = Path(__file__).parents[1] / "data"


def rows(name: str, kind: str) -> list[Any]:
    """Return the rows of a kind. One test reads all of them, because pytest takes longer for a test than for a row."""
    stored = map(json.loads, (DATA / name).read_text(encoding="utf-8").splitlines())
    return [row for row in stored if row["kind"] == kind]


def value_or_none(read, row) -> Any:
    try:
        value = read(row["written"], row["kind"], row["options"], row["items"])
    except ActionError:
        return None
    return list(value) if isinstance(value, tuple) else value


def misread(read, stored: list[Any]) -> list[tuple[Any, Any, Any]]:
    """Return what was written, what it means and what was read, where these differ."""
    read_values = [(row["written"], row["value"], value_or_none(read, row)) for row in stored]
    return [(written, value, found) for written, value, found in read_values if found != value]


def parsed(*question: Any) -> Any:
    return parse_answer(*question).value


@pytest.mark.parametrize("kind", KINDS)
def test_values_of_tool_calls_are_read_as_they_are_meant(kind):
    stored = rows("written_answers.jsonl", kind)
    assert stored
    assert misread(parsed, stored) == []


@pytest.mark.parametrize("read", [read_reply, parsed], ids=["as a reply", "as a value"])
@pytest.mark.parametrize("kind", KINDS)
def test_replies_are_read_as_they_are_meant(kind, read):
    stored = rows("written_replies.jsonl", kind)
    assert stored
    assert misread(read, stored) == []


BALLS = ["a red ball", "a blue ball.", "two dogs", "none of the above"]
TEN = [f"option {n}" for n in range(1, 11)]


def test_i_is_a_pronoun_in_a_reply_and_in_doubt_in_a_value():
    """A value can be written again in plain form; a reply is expected to be prose."""
    assert read_reply("I think it is C", "choice", TEN, 10) == "C"
    with pytest.raises(UnclearError, match="without a sentence"):
        parse_answer("I think it is C", "choice", TEN, 10)


@pytest.mark.parametrize(
    ("written", "kind", "says"),
    [
        ("A or B", "choice", "names more than one option; write one letter, A to D"),
        ("The answer is not B.", "choice", "says which option is wrong"),
        ("A man with a hat", "choice", "is not one of the options A to D"),
        (["A", "B"], "choice", "One letter is wanted, not 2"),
        ("A or C", "choices", 'write the letters, as in ["A", "B"]'),
        ("3 or 4", "number", "is not plainly one number"),
        ([3, 4], "number", "One number is wanted, not 2"),
        ("12-20 or 30-40", "interval", "[start_s, end_s] in seconds"),
        ("1->2->3->4 or 4->3->2->1", "order", "is not plainly one order"),
        ("B\n\nC", "choice", "gives several answers"),
    ],
)
def test_a_refusal_says_what_is_wanted(written, kind, says):
    with pytest.raises(ActionError) as error:
        parse_answer(written, kind, BALLS, 4)
    assert says in str(error.value) and len(str(error.value)) < 200


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("The answer is: C", "C"),
        ("I looked at both videos. The answer is B.", "B."),
        ("**Answer:** the red cook", "the red cook"),
        ("The answer is A? No. The answer is B because of the hat.", "B"),
        ("<think>Answer: A</think>\\boxed{B}", "B"),
        ("答案\uff1aB", "B"),
        ("B", "B"),
        ("(B)", "(B)"),
        ("**B. a blue ball**", "B. a blue ball"),
        ("I think it is B", "B"),
        ("The ball is blue. So I choose option B.", "option B."),
        ("2->1->3", "2->1->3"),
        ("12-20 s", "12-20 s"),
        ("I think it is B, but let me look again.", None),
        ("A dog is in video 1.", None),
        ("B?", None),
        ("Video 2", None),
        ("I need to know what the answer is: let me look.", None),
        ("Is the answer B?", None),
        ("The answer is not known yet.", None),
        ("The answer depends on video 2. Let me look at it.", None),
        ("Let me look at video 1 first.", None),
        ("<think>The answer is B", None),
        ("", None),
    ],
)
def test_an_explicit_statement_is_found_without_knowing_the_question(text, said):
    assert stated_answer(text) == said


def test_free_text_is_kept_whole_as_a_value_and_cut_at_its_label_in_a_reply():
    assert parse_answer("Answer: it is so", "text", [], 2).value == "Answer: it is so"
    assert read_reply("I saw it.\n**Answer:** the onions,\nfor her boss", "text", [], 2) == "the onions,\nfor her boss"
    assert read_reply('{"answer": "the onions"}', "text", [], 2) == "the onions"
    assert (
        read_reply("The onions. The answer is seen at 3 s.", "text", [], 2) == "The onions. The answer is seen at 3 s."
    )


@pytest.mark.parametrize(
    ("written", "left"),
    [
        ("<think>A</think>B", "B"),
        ("<THINKING>A</Thinking> B", " B"),
        ("<reasoning>A</reasoning><answer>B</answer>", "<answer>B</answer>"),
        ("<thought>A</thought>B", "B"),
        ("<reflection>A</reflection>B", "B"),
        ("<seed:think>A</seed:think>B", "B"),
        ('<think time="3">A</think >B', "B"),
        ("[THINK]A[/THINK]B", "B"),
        ("\u25c1think\u25b7A\u25c1/think\u25b7B", "B"),
        ("<|begin_of_thought|>A<|end_of_thought|>B", "B"),
        ("<|START_THINKING|>A<|END_THINKING|>B", "B"),
        ("<unused94>thought\nA<unused95>B", "B"),
        ("<|channel>thought\nA<channel|>B", "B"),
        ("<|channel|>analysis<|message|>A<|end|><|start|>assistant<|channel|>final<|message|>B<|return|>", "B"),
        ("<|channel|>analysis<|message|>A", ""),
        ("analysisWe need A.assistantfinalB", "B"),
        ("analysisWe need A", ""),
        ("analysis of B", "analysis of B"),
        ("assistantanalysisWe need A.assistantfinalB", "B"),
        ("<longcat_think>A</longcat_think>B", "B"),
        ("<antThinking>A</antThinking>B", "B"),
        ("<reasoning_content>A</reasoning_content>B", "B"),
        ("<cot>A</cot>B", "B"),
        ("<|think|>A<|/think|>B", "B"),
        ("<\uff5cthink\uff5c>A<\uff5c/think\uff5c>B", "B"),
        ("<|begin_of_thinking|>A<|end_of_thinking|>B", "B"),
        ("&lt;think&gt;A&lt;/think&gt;B", "B"),
        ("\uff1cthink\uff1eA\uff1c/think\uff1eB", "B"),
        ("<scene_analysis>A</scene_analysis>", "<scene_analysis>A</scene_analysis>"),
        ("<think>A<think>C</think>D</think>B", "B"),
        ("<think>A<think>C</think>B", "B"),
        ("Answer: A? No.</think>B", "B"),
        ("<think>A", ""),
        ("B<think>A", "B"),
        ("B<think>A</think>", "B"),
        ("A</think>B<think>C", "B"),
        ("I <b>think</b> so", "I <b>think</b> so"),
    ],
)
def test_thoughts_of_every_model_family_are_removed(written, left):
    assert without_thoughts(written) == left


# Gold keys.


@pytest.mark.parametrize(
    ("raw", "kind", "options", "key"),
    [
        ("B", "choice", BALLS, "B"),
        ("b.", "choice", BALLS, "B"),
        ("(B)", "choice", BALLS, "B"),
        (["B"], "choice", BALLS, "B"),
        ("A blue ball", "choice", BALLS, "B"),
        ("B. a blue ball", "choice", BALLS, "B"),
        ("Yes", "choice", ["Yes.", "No."], "A"),
        ("3", "choice", ["1", "3"], "B"),
        (3, "choice", ["1", "3"], "B"),
        (["A", "C"], "choices", BALLS, ["A", "C"]),
        ("C,A", "choices", BALLS, ["A", "C"]),
        ("AC", "choices", BALLS, ["A", "C"]),
        ('["A", "C"]', "choices", BALLS, ["A", "C"]),
        ("2->1->3->4", "order", BALLS, "2->1->3->4"),
        ([2, 1, 3, 4], "order", BALLS, "2->1->3->4"),
        ("[2, 1, 3, 4]", "order", BALLS, "2->1->3->4"),
        ([3, 4.5], "interval", [], (3.0, 4.5)),
        ("[3, 4.5]", "interval", [], (3.0, 4.5)),
        ("3-4.5", "interval", [], (3.0, 4.5)),
        ({"start": 3, "end": 4.5}, "interval", [], (3.0, 4.5)),
        (3, "number", [], 3.0),
        ("3.5", "number", [], 3.5),
        (" the salt ", "text", [], "the salt"),
    ],
)
def test_keys_are_read_in_the_exact_forms_of_benchmarks(raw, kind, options, key):
    assert read_key(raw, kind, options, 4) == key


@pytest.mark.parametrize(
    ("raw", "kind", "options"),
    [
        ("", "choice", BALLS),
        (None, "choice", BALLS),
        (2, "choice", BALLS),
        (True, "choice", ["Yes", "No"]),
        ("E", "choice", BALLS),
        ("A or B", "choice", BALLS),
        ("The answer is B", "choice", BALLS),
        ("A. a blue ball", "choice", BALLS),
        (["A", "B"], "choice", BALLS),
        ("B", "choice", ["B", "A"]),
        ("same", "choice", ["same", "same"]),
        ("a ball", "choice", BALLS),
        ([], "choices", BALLS),
        ("A,A", "choices", BALLS),
        ("A and C", "choices", BALLS),
        (7, "choices", BALLS),
        ("[A", "choices", BALLS),
        ("2->1->3", "order", BALLS),
        ("2143", "order", BALLS),
        ([2, 1, 3, 3], "order", BALLS),
        (["b"], "order", BALLS),
        ([4, 3], "interval", []),
        ("1:10-1:20", "interval", []),
        ("about 3-4", "interval", []),
        ([True, 4], "interval", []),
        ([float("nan"), 4], "interval", []),
        ("1,234", "number", []),
        ("about 3", "number", []),
        (True, "number", []),
        (float("inf"), "number", []),
        ("", "text", []),
        ({}, "text", []),
    ],
)
def test_a_key_in_doubt_is_an_input_error(raw, kind, options):
    with pytest.raises(InputError):
        read_key(raw, kind, options, 4)


# Properties: what is written in any known form is read as the same value.

WORDS = st.sampled_from(
    [
        "red",
        "blue",
        "ball",
        "dog",
        "cook",
        "salt",
        "pepper",
        "adds",
        "holds",
        "first",
        "second",
        "video",
        "the",
        "a",
        "man",
        "woman",
        "with",
        "hat",
        "no",
        "not",
        "3",
        "12",
        "vitamin",
    ]
)
TEXTS = st.lists(WORDS, min_size=1, max_size=5).map(" ".join).filter(lambda text: text not in ("a", "the"))
OPTIONS = st.lists(TEXTS, min_size=2, max_size=6, unique_by=lambda text: text.removeprefix("a ").removeprefix("the "))
CHOICE_FORMS = (
    *(
        "{0}",
        "({0})",
        "{0}.",
        "{0})",
        "**{0}**",
        "Answer: {0}",
        "The answer is {0}.",
        "The correct answer is ({0}).",
        "\\boxed{{{0}}}",
    ),
    *(
        "<answer>{0}</answer>",
        '{{"answer": "{0}"}}',
        "Option {0}",
        "答案\uff1a{0}",
        "Ответ: {0}",
        "I think it is {0}",
        "{0}. {1}",
        "({0}) {1}",
    ),
    *(
        "Answer: {0}. {1}",
        "{1} ({0})",
        "**{0}. {1}**",
        "Therefore, the best option is {0}.",
        "So the answer is **{0}**",
        "[{0}]",
    ),
    *(
        "<think>Is it A? Answer: A. Or B?</think>{0}",
        "First I thought A. The answer is A. Wait, the answer is {0}.",
        "Final answer:\n\n{0}",
    ),
)


@given(OPTIONS, st.data(), st.sampled_from(CHOICE_FORMS))
def test_a_choice_in_any_form_is_read_back(options, data, form):
    letter = data.draw(st.sampled_from("ABCDEF"[: len(options)]))
    text = form.format(letter, options[ord(letter) - 65])
    assert read_reply(text, "choice", options, len(options)) == letter


@given(
    OPTIONS,
    st.data(),
    st.sampled_from(("{0}", "{0}.", '"{0}"', "**{0}**", "Answer: {0}", "The answer is {0}.", "\\boxed{{{0}}}")),
)
def test_the_text_of_an_option_is_read_back_or_refused(options, data, form):
    """A text such as "no" or "3" may be in doubt behind "the answer is"; it is never read as another option."""
    letter = data.draw(st.sampled_from("ABCDEF"[: len(options)]))
    text = options[ord(letter) - 65]
    try:
        assert read_reply(form.format(text), "choice", options, len(options)) == letter
    except ActionError:
        assert len(text.split()) < 2 or text.split()[0] in ("no", "not", "the", "a")


TWO = (
    "{0} or {1}",
    "{0}/{1}",
    "{0} and {1}",
    "The answer is {0} or {1}.",
    "Answer: {0}, {1}",
    "either {0} or {1}",
    "{0}\n{1}",
    "{0}, {1}",
    "{0} & {1}",
)


@given(OPTIONS, st.data(), st.sampled_from(TWO), st.booleans())
def test_a_text_that_names_two_options_is_never_read_as_one(options, data, form, by_text):
    one, other = data.draw(st.lists(st.sampled_from("ABCDEF"[: len(options)]), min_size=2, max_size=2, unique=True))
    named = [options[ord(letter) - 65] for letter in (one, other)] if by_text else [one, other]
    text = form.format(*named)
    assume(not any(text.casefold() == option.casefold() for option in options))
    with pytest.raises(ActionError):
        read_reply(text, "choice", options, len(options))


CHOICES_FORMS = (", ", " and ", "/", "; ", "\n", " & ", "|", "+", " ")


@given(
    st.sets(st.sampled_from("ABCDE"), min_size=1),
    st.sampled_from(CHOICES_FORMS),
    st.sampled_from(("{}", "Answer: {}", "[{}]", "The answers are {}.")),
)
def test_choices_in_any_form_are_read_back(letters, sign, form):
    assume(not ("\n" in sign and form != "{}"))
    options = ["salt", "pepper", "oil", "red pepper", "two eggs"]
    assert read_reply(form.format(sign.join(sorted(letters))), "choices", options, 5) == sorted(letters)


ORDER_SIGNS = ("->", " -> ", ", ", " > ", "-", "/", " ", "\n", " → ", "; ", " then ", "\uff0c", "、")
ORDER_FORMS = ("{}", "Answer: {}", "The correct order is {}.", "[{}]", "**{}**", "\\boxed{{{}}}")


@given(
    st.permutations(range(1, 5)),
    st.sampled_from(ORDER_SIGNS),
    st.sampled_from(ORDER_FORMS),
    st.sampled_from(("", "video ", "Segment ", "#")),
)
def test_an_order_in_any_form_is_read_back(order, sign, form, noun):
    assume(not ("\n" in sign and form != "{}"))
    written = form.format(sign.join(f"{noun}{n}" for n in order))
    assert read_reply(written, "order", [], 4) == "->".join(map(str, order))


def clock(seconds: int) -> str:
    return (
        f"{seconds // 60}:{seconds % 60:02d}"
        if seconds < 3600
        else f"{seconds // 3600}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"
    )


INTERVAL_FORMS = (
    *(
        "{0}-{1}",
        "{0} - {1} s",
        "{0} to {1}",
        "[{0}, {1}]",
        "({0}, {1})",
        "{0}s to {1}s",
        "from {0} to {1}",
        "between {0} and {1}",
        "{0}~{1}",
    ),
    *(
        "{0}..{1}",
        "{0}->{1}",
        "{0} seconds to {1} seconds",
        "[video 2, {0}-{1} s]",
        "video 2: {0}-{1}",
        "{0}-{1} in video 2",
        "{0}\u2013{1} s",
    ),
    *(
        '{{"start": {0}, "end": {1}}}',
        '{{"start_time": {0}, "end_time": {1}}}',
        "Answer: {0}-{1}",
        "The interval is {0}-{1} s.",
        "{2}-{3}",
        "{2} to {3}",
    ),
)


@given(st.integers(0, 9000), st.integers(1, 900), st.sampled_from(INTERVAL_FORMS))
def test_an_interval_in_any_form_is_read_back(start_s, length_s, form):
    end_s = start_s + length_s
    written = form.format(start_s, end_s, clock(start_s), clock(end_s))
    assert read_reply(written, "interval", [], 2) == (start_s, end_s)


NUMBER_FORMS = (
    "{}",
    "{}.",
    "about {}",
    "{} cuts",
    "It is {}",
    "**{}**",
    "Answer: {}",
    "The answer is {}.",
    "There are {} of them.",
    "\\boxed{{{}}}",
)


@given(st.integers(-(10**9), 10**9), st.sampled_from(NUMBER_FORMS), st.sampled_from(("d", ",d", "_d")))
def test_a_number_in_any_form_is_read_back(number, form, digits):
    written = format(number, digits).replace("_", "\u202f")
    assert read_reply(form.format(written), "number", [], 2) == number


TEXT_FORMS = ("{}", " {} ", "Answer: {}", "**Answer:** {}", "<think>Answer: no.</think>\n{}", '{{"answer": "{}"}}')


@given(TEXTS, st.sampled_from(TEXT_FORMS))
def test_a_text_in_any_form_is_read_back(text, form):
    assert read_reply(form.format(text), "text", [], 2) == text
    assert parse_answer(parse_answer(text, "text", [], 2).value, "text", [], 2).value == text


PROSE = (
    "The answer is B.",
    "I think it is B",
    "**Answer**: B",
    "\\boxed{B}",
    '{"answer": "B"}',
    "B",
    "(B)",
    "<thinking>A</thinking>B",
)


@pytest.mark.parametrize("prose", PROSE)
async def test_a_master_that_answers_in_prose_is_read_as_a_single_pass_is(prose):
    """The blind baseline: one turn, in which only an answer is allowed."""
    graph = create_cvr_graph(FakeMaster(turns=[AIMessage(prose)]), FakePerception()).compile()
    question = {"question": "Which?", "videos": ["a.mp4"], "options": ["left", "right"]}
    output = await graph.ainvoke(question, context=CVRContext(max_turns=1))
    assert output["answer"] is not None and output["answer"].value == "B"
    assert read_reply(prose, "choice", ["left", "right"], 2) == "B"
