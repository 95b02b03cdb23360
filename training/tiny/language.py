"""The tiny model's language: a chat template and a small tokenizer, trained on the spot.

The template leaves the system prompt and the tool schemas out. They are the same in every conversation of this library,
so a model that has met nothing else has learned them by heart, and a thousand tokens a conversation are saved.

The tokenizer folds case (a sign says `ADD SALT`, a question `salt`) and has tokens of their own for times (`31.5`) and
for the phrases that the library writes around what is said (`[video 2, `, ` s] on-screen text "`), which makes
conversations half as long. The rest is byte-level BPE, so nothing that live video brings is unknown.
"""

# tokenizers and transformers leave much open in type.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

import re
from collections.abc import Iterable

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from agentcvr_graph.prompts import KINDS
from agentcvr_graph.scripts.worlds.filming import FLOORS, WALLS

PIECES = 2400
"""Pieces of words, besides phrases and times."""
END, PAD = "<|end|>", "<|pad|>"
ROLES = ("<|user|>", "<|assistant|>", "<|tool|>")
TEMPLATE = """\
{#- System prompt and tools are the same in every conversation; this model has learned them by heart. -#}
{%- for message in messages if message.role != 'system' -%}
<|{{ message.role }}|>{{ message.content }}
{%- for call in message.tool_calls or [] -%}
<tool_call>{"name": "{{ call.function.name }}", "arguments": {{ call.function.arguments | tojson }}}</tool_call>
{%- endfor -%}
<|end|>
{%- endfor -%}
{%- if add_generation_prompt -%}<|assistant|>{%- endif -%}
"""
MOST_VIDEOS = 8
_VIDEOS = range(1, MOST_VIDEOS + 1)
BRIEF = (
    *(f"\nAnswer format ({kind}): {form}" for kind, form in KINDS.items()),
    *("\nOptions:", "\nVideos:", "\nleft: ", " turns, ", " frames, ", " audio seconds"),
    *(f"\n{'ABCDEFGH'[n - 1]}. Video {n}" for n in _VIDEOS),
    *(f'\n{n}. "{name} {n}": ' for n in _VIDEOS for name in ("video", "segment", "room")),
    *(" s, 640x360, sound", " s, 640x360, no sound"),
)
EVIDENCE = (
    *(f"{line}[video {n}, " for n in _VIDEOS for line in ("", "\n")),
    *("seen: video ", "heard: video ", " s (", " frames)", "; video ", " s] ", ' s] on-screen text "', ' s] "'),
    *(" s] silence", '"; '),
    *(f"mostly {wall} and {floor}" for wall in WALLS for floor in FLOORS),
    *("; something moves", "; something moves to the right", "; something moves to the left"),
    *("; something moves down", "; still"),
)
ACTIONS = (
    *('<tool_call>{"name": "observe", "arguments": {"targets": [{"video": ', '}, {"video": ', "}]}}</tool_call>"),
    *('<tool_call>{"name": "listen", "arguments": {"video": ', '<tool_call>{"name": "answer", "arguments": {"value": '),
    *(', "start_s": ', ', "end_s": ', ', "frames": ', "}}</tool_call>", ', "citations": [{"video": '),
    *(', "citations": []}}</tool_call>', ', "modality": "visual"', ', "modality": "audio"'),
)
TIMES = tuple(f"{tenths // 10}.{tenths % 10}" for tenths in range(1000))
_PIECE = Regex(r" ?[A-Za-z']+|\d{1,2}| ?[^\sA-Za-z\d]+|\s")


def train_tokenizer(texts: Iterable[str], pieces: int = PIECES) -> PreTrainedTokenizerFast:
    """A tokenizer with the chat template, its pieces of words learned from texts."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(_PIECE, behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    special = [PAD, END, *ROLES]
    trainer = trainers.BpeTrainer(
        vocab_size=pieces,
        special_tokens=special,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    phrases = sorted((*BRIEF, *EVIDENCE, *ACTIONS, *TIMES), key=len, reverse=True)
    between = re.compile("|".join(re.escape(phrase) for phrase in phrases))
    tokenizer.train_from_iterator((part for text in texts for part in between.split(text)), trainer)
    tokenizer.add_tokens([AddedToken(phrase, normalized=False, special=False) for phrase in phrases])
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token=END, pad_token=PAD)
    fast.chat_template = TEMPLATE
    return fast
