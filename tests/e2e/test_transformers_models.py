"""Text, vision and Whisper models with random weights, loaded in this process through the real loading code."""

from __future__ import annotations

import asyncio
import json
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage

from agentcvr_graph.errors import InfrastructureError, SetupError
from agentcvr_graph.media.types import SAMPLE_RATE_HZ, Frame
from agentcvr_graph.models.base import SampledFrames, Sound
from agentcvr_graph.models.registry import resolve_audio, resolve_chat_model, resolve_vision
from agentcvr_graph.tools import TOOL_SCHEMAS
from agentcvr_graph.types import Window

WINDOW = Window(video=1, start_s=10.0, end_s=50.0)


def master_of(folder: Path, max_new_tokens: int = 12) -> object:
    master = resolve_chat_model(f"transformers:{folder}")
    master.max_new_tokens = max_new_tokens  # pyright: ignore[reportAttributeAccessIssue]
    return master


async def test_a_master_counts_its_tokens_and_is_deterministic(text_model: Path) -> None:
    master = master_of(text_model)
    first, second = await asyncio.gather(master.ainvoke("Where?"), master.ainvoke("Where?"))
    assert isinstance(first, AIMessage)
    assert first.content == second.content
    assert first.usage_metadata is not None
    assert first.usage_metadata["output_tokens"] <= 12
    assert first.usage_metadata["input_tokens"] > 0


async def test_tools_and_tool_replies_are_encoded_with_the_chat_template(text_model: Path) -> None:
    master = master_of(text_model)
    conversation = [
        SystemMessage("Be brief."),
        HumanMessage("Where?"),
        AIMessage("", tool_calls=[{"name": "listen", "args": {"video": 1}, "id": "c1"}]),
        ToolMessage("Nothing to hear.", tool_call_id="c1", name="listen"),
    ]
    plain = await master.ainvoke(conversation)
    bound = await master.bind_tools(list(TOOL_SCHEMAS)).ainvoke(conversation)
    assert bound.usage_metadata["input_tokens"] > plain.usage_metadata["input_tokens"] + 500


async def test_the_prompt_has_the_tools_and_the_tool_calls(text_model: Path) -> None:
    from agentcvr_graph.models.adapters.transformers_chat import encode, load

    loaded = load(str(text_model))
    message = AIMessage("", tool_calls=[{"name": "listen", "args": {"video": 1}, "id": "c1"}])
    encoded = encode(loaded, [HumanMessage("Where?"), message], list(TOOL_SCHEMAS))
    written = loaded.tokenizer.decode(encoded["input_ids"][0])
    assert "<tools>" in written
    assert json.dumps({"name": "listen", "arguments": {"video": 1}}) in written
    assert written.endswith("<|im_start|>assistant\n")


async def test_a_template_without_tools_gets_their_description_as_text(tmp_path: Path, text_model: Path) -> None:
    from agentcvr_graph.models.adapters.transformers_chat import encode, load
    from tests.support import served_models as tiny_models

    folder = tiny_models.save_text_model(tmp_path, tiny_models.TEMPLATE_WITHOUT_TOOLS)
    loaded = load(str(folder))
    assert not loaded.knows_tools
    encoded = encode(loaded, [HumanMessage("Where?")], list(TOOL_SCHEMAS))
    written = loaded.tokenizer.decode(encoded["input_ids"][0])
    assert "for each call, a JSON object within <tool_call></tool_call> tags" in written
    assert "observe(targets: [" in written


async def test_generated_text_is_parsed_into_tool_calls(text_model: Path) -> None:
    from agentcvr_graph.models.adapters.transformers_chat import load
    from agentcvr_graph.models.chat_format.read_turn import read_turn

    loaded = load(str(text_model))
    text = '<think>hm</think>I listen.<tool_call>{"name": "listen", "arguments": {"video": 1}}</tool_call><|im_end|>'
    message = read_turn(loaded.tokenizer, loaded.tokenizer.encode(text))
    assert message.content == "<think>hm</think>I listen."
    assert [(call["name"], call["args"]) for call in message.tool_calls] == [("listen", {"video": 1})]
    assert read_turn(loaded.tokenizer, loaded.tokenizer.encode("one STOP two"), stop=["STOP"]).content == "one"


async def test_the_vision_model_receives_every_frame(vision_model: Path) -> None:
    vision = resolve_vision(f"transformers:{vision_model}")
    picture = np.full((90, 160, 3), 200, dtype=np.uint8)
    costs = []
    for count in (1, 3):
        frames = tuple(Frame(10.0 + number, picture) for number in range(count))
        output = await vision.look([SampledFrames(WINDOW, frames, "id")], "the salt")
        costs.append(output.cost.input_tokens)
        assert output.cost.model_calls == 1
        assert all(said.window == WINDOW for said in output.evidence)
    assert costs[1] > costs[0] + 2 * 4, "each frame is 4 picture tokens and a label"


async def test_different_images_give_different_evidence(vision_model: Path) -> None:
    vision = resolve_vision(f"transformers:{vision_model}")
    said = set()
    for grey in (0, 255):
        frame = Frame(10.0, np.full((90, 160, 3), grey, dtype=np.uint8))
        said.add((await vision.look([SampledFrames(WINDOW, (frame,), "id")], "")).evidence)
    assert len(said) == 2


async def test_loading_and_generating_do_not_block_the_event_loop(vision_model: Path, whisper: Path) -> None:
    blockbuster = pytest.importorskip("blockbuster")
    vision, audio = resolve_vision(f"transformers:{vision_model}"), resolve_audio(f"transformers:{whisper}")
    frame = Frame(10.0, np.zeros((90, 160, 3), dtype=np.uint8))
    with blockbuster.blockbuster_ctx():
        await vision.look([SampledFrames(WINDOW, (frame,), "id")], "salt")
        await audio.hear(Sound(WINDOW, np.zeros(16_000, dtype=np.float32), (), "id"), "salt")


async def test_a_text_model_refuses_images(text_model: Path) -> None:
    vision = resolve_vision(f"transformers:{text_model}")
    frame = Frame(10.0, np.zeros((90, 160, 3), dtype=np.uint8))
    with pytest.raises(InfrastructureError, match="does not take pictures"):
        await vision.look([SampledFrames(WINDOW, (frame,), "id")], "")


@pytest.mark.parametrize("length_s", [5.0, 40.0])
async def test_the_audio_model_reports_times_inside_the_window(whisper: Path, length_s: float) -> None:
    audio = resolve_audio(f"transformers:{whisper}")
    window = Window(video=1, start_s=10.0, end_s=10.0 + length_s)
    noise = np.random.default_rng(0).normal(0, 0.1, round(length_s * SAMPLE_RATE_HZ)).astype(np.float32)
    output = await audio.hear(Sound(window, noise, (), "id"), "")
    assert output.cost.model_calls == 1
    windows = [said.window for said in output.evidence if said.window]
    assert len(windows) == len(output.evidence)
    assert all(window.start_s <= one.start_s <= one.end_s <= window.end_s for one in windows)
    assert windows or length_s < 30, "beyond one chunk, random weights do write segments"


class Heard:
    """A speech pipeline that hears two sentences, and reports words where it is asked for them."""

    def __init__(self, generation_config: dict[str, Any]) -> None:
        self.model = SimpleNamespace(generation_config=SimpleNamespace(**generation_config))

    def __call__(self, sound: object, *, return_timestamps: object, generate_kwargs: object) -> dict[str, Any]:
        words = [
            (" Good", 0.5, 1.0),
            (" well", 1.0, 1.5),
            ("-known", 1.5, 1.75),
            (" day.", 1.75, 2.0),
            (" Bye.", 2.5, 3.0),
        ]
        parts = words if return_timestamps == "word" else [(" Good well-known day. Bye.", 0.5, None)]
        return {
            "text": " Good well-known day. Bye.",
            "chunks": [{"text": text, "timestamp": (start_s, end_s)} for text, start_s, end_s in parts],
        }


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (
            {"alignment_heads": [[0, 0]]},
            [
                ('"Good well-known day."', (10.5, 12.0), ((10.5, 11.0), (11.0, 11.75), (11.75, 12.0))),
                ('"Bye."', (12.5, 13.0), ((12.5, 13.0),)),
            ],
        ),
        ({}, [('"Good well-known day. Bye."', (10.5, 14.0), ())]),
    ],
)
async def test_words_have_times_if_the_model_names_its_alignment_heads(settings, said) -> None:
    pytest.importorskip("transformers", reason="needs the extra 'transformers'")
    from agentcvr_graph.models.adapters.transformers_asr import TransformersTranscriber

    audio = TransformersTranscriber("folder")
    audio._pipeline = Heard(settings)
    window = Window(video=1, start_s=10.0, end_s=14.0)
    output = await audio.hear(Sound(window, np.zeros(4 * SAMPLE_RATE_HZ, dtype=np.float32), (), "id"), "")
    heard = [
        (one.text, (one.window.start_s, one.window.end_s), one.word_times_s) for one in output.evidence if one.window
    ]
    assert heard == said


@pytest.mark.filterwarnings("ignore:std\\(\\). degrees of freedom:UserWarning")  # random weights may end at once
@pytest.mark.parametrize("length_s", [5.0, 40.0])
async def test_words_of_a_real_pipeline_lie_inside_their_statement(whisper: Path, tmp_path: Path, length_s) -> None:
    folder = shutil.copytree(whisper, tmp_path / "whisper")
    stored = json.loads((folder / "generation_config.json").read_text())
    (folder / "generation_config.json").write_text(json.dumps(stored | {"alignment_heads": [[0, 0]]}))
    noise = np.random.default_rng(0).normal(0, 0.1, round(length_s * SAMPLE_RATE_HZ)).astype(np.float32)
    window = Window(video=1, start_s=10.0, end_s=10.0 + length_s)
    output = await resolve_audio(f"transformers:{folder}").hear(Sound(window, noise, (), "id"), "")
    timed = [one for one in output.evidence if one.window and one.word_times_s]
    assert timed
    for one in timed:
        assert one.window and len(one.word_times_s) == len(one.text.split())
        assert all(one.window.start_s <= a <= b <= one.window.end_s for a, b in one.word_times_s)


async def test_a_folder_without_a_supported_model_raises_setup_error(tmp_path: Path, text_model: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "no-such-model"}')
    with pytest.raises(SetupError, match="cannot be loaded") as caught:
        await resolve_chat_model(f"transformers:{tmp_path}").ainvoke("Where?")
    assert "\n" not in str(caught.value)
    with pytest.raises(SetupError, match="cannot be loaded"):
        await resolve_audio(f"transformers:{text_model}").hear(
            Sound(WINDOW, np.zeros(16_000, dtype=np.float32), (), "id"), ""
        )
