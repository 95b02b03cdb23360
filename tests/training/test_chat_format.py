"""A conversation built turn by turn equals the template's rendering of the whole; other templates are refused."""

from __future__ import annotations

from importlib.resources import files

import pytest
from agentcvr_training.config.loading import load_format
from agentcvr_training.config.settings import Model
from agentcvr_training.demonstrations import row_of
from agentcvr_training.rollout.chat_format import ChatFormat
from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage
from transformers import AutoTokenizer

from agentcvr_graph.errors import InputError, SetupError
from agentcvr_graph.tools import TOOL_SCHEMAS
from tests.support.examples import examples
from tests.support.tiny_models import FORGETS_THOUGHTS, OPENS_OTHERWISE, PLAIN, WITHOUT_TOOLS, tokenizer
from training.recipes.tiny.language import TEMPLATE

CALL = {"name": "observe", "args": {"targets": [{"video": 1, "start_s": 0.0}]}, "id": "c"}
words = st.text(st.characters(codec="utf-8", exclude_characters="<|>", exclude_categories=("C",)), max_size=30)
replies = st.builds(lambda text: ToolMessage(text, tool_call_id="c", name="observe"), words) | words.map(HumanMessage)
turns = st.builds(
    lambda text, calls: AIMessage(text, tool_calls=calls), words.map(str.strip), st.lists(st.just(CALL), max_size=2)
)
conversations = st.builds(
    lambda first, rest: [SystemMessage("be brief"), HumanMessage(first), *(m for t, r in rest for m in (t, *r))],
    words,
    st.lists(st.tuples(turns, st.lists(replies, min_size=1, max_size=3)), min_size=1, max_size=4),
)


@pytest.mark.parametrize("template", [PLAIN, WITHOUT_TOOLS, TEMPLATE.replace("<|end|>", "<|im_end|>")])
@settings(max_examples=examples(40))
@given(messages=conversations)
def test_a_conversation_built_turn_by_turn_equals_the_rendered_template(template, messages):
    form = ChatFormat(tokenizer(template))
    row = row_of(messages, form, list(TOOL_SCHEMAS))
    last = max(n for n, message in enumerate(messages) if isinstance(message, AIMessage))
    built = [*row.ids, *form.environment_ids(row.completion_ids, messages[last + 1 :])]
    whole = form.prompt_ids(messages, list(TOOL_SCHEMAS))
    assert form.tokenizer.decode(built) == form.tokenizer.decode(whole)
    assert len(row.completion_ids) == len(row.mask) == len(row.nodes)


def test_the_environment_closes_a_truncated_turn():
    form = ChatFormat(tokenizer())
    end = form.end_of_turn
    whole = form.environment_ids([7, end[0]], [HumanMessage("go on")])
    assert form.environment_ids([7], [HumanMessage("go on")]) == [end[0], *whole]
    assert form.tokenizer.decode(whole) == "\n<|im_start|>user\ngo on<|im_end|>\n<|im_start|>assistant\n"
    assert form.stop_ids == [tokenizer().eos_token_id]


@pytest.mark.parametrize(
    ("template", "complaint"),
    [
        (FORGETS_THOUGHTS, "changes a turn when others follow it"),
        (OPENS_OTHERWISE, "opens a turn otherwise than it writes it afterwards"),
        ("{% for m in messages %}{{ m.role }}{% endfor %}", "does not write an assistant's turn as it is"),
        ("", "has no chat template"),
    ],
)
def test_unsupported_chat_templates_are_refused_with_a_fix(template, complaint):
    with pytest.raises(SetupError, match=f"some/model.*{complaint}") as caught:
        ChatFormat(tokenizer(template), "some/model")
    assert caught.value.fix


def test_variables_of_a_template_are_part_of_the_template_that_is_saved(tmp_path):
    """Qwen3 with its thinking turned off: every turn opens with a closed thought, also in the saved template."""
    own = tokenizer((files("trl") / "chat_templates" / "qwen3_training.jinja").read_text(encoding="utf-8"))
    own.save_pretrained(tmp_path)
    closed = "<think>\n\n</think>\n\n"
    settings = Model(path=str(tmp_path), chat_template_kwargs={"enable_thinking": False})
    (tmp_path / "config.json").write_text("{}")
    form, thinking = load_format(settings), load_format(Model(path=str(tmp_path)))
    question = [HumanMessage("question")]
    decode = form.tokenizer.decode
    assert decode(form.prompt_ids(question, None)).endswith(closed)
    assert decode(form.environment_ids([], [HumanMessage("go on")])).endswith(closed)
    assert not decode(thinking.prompt_ids(question, None)).endswith(closed)
    form.tokenizer.save_pretrained(tmp_path / "policy")
    again = AutoTokenizer.from_pretrained(tmp_path / "policy")
    rows = [{"role": "user", "content": "question"}]
    assert again.apply_chat_template(rows, add_generation_prompt=True, tokenize=False).endswith(closed)


@pytest.mark.parametrize("name", ["", "a b", "x %}"])
def test_a_name_that_is_no_variable_is_refused(name, tmp_path):
    tokenizer().save_pretrained(tmp_path)
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(InputError, match="is no variable of a template"):
        load_format(Model(path=str(tmp_path), chat_template_kwargs={name: 1}))
