"""The language of the tiny model: a chat template and a small tokenizer, trained on its demonstrations.

The template leaves out the system prompt and the tool schemas, which are the same in every conversation of this
library; the policy's own requests; and facts that no question of its five tasks depends on: colours, movements,
silence. On-screen text follows its video directly, `[video 2, OPEN THE DOOR; 12.0-18.5`, and speech follows the second
in which it starts, `[video 2, 33 I am waiting for dinner.; 33.0-34.8`, because a small model finds text by what
precedes it. So a conversation takes a quarter of the tokens and is easier to read. A model for other questions needs
only another template.

The tokenizer makes equal words easy to match. A word has the same token everywhere: case is folded (a sign says `SALT`,
a question `salt`) and every span of words is encoded as if a space came before it. A time is two tokens, whole seconds
and tenths, so that comparing times involves a hundred numbers instead of a thousand. Each fixed phrase of the library
(`[video 2, `, `{"name": "listen", "arguments": {"video": `) is one token, which makes conversations half as long. The
rest is byte-level BPE, so no text of live video is unknown.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from agentcvr_graph.answers import KINDS

VOCABULARY_SIZE = 2400
"""Size of the vocabulary before phrases and times are added."""
END, PAD = "<|end|>", "<|pad|>"
ROLES = ("<|user|>", "<|assistant|>", "<|tool|>")
TEMPLATE = """\
{#- System prompt and tools are the same in every conversation; this model has learned them by heart. -#}
{%- for message in messages if message.role != 'system' -%}
<|{{ message.role }}|>
{%- if message.role == 'tool' -%}
{#- What it asked for itself, and what tells of colours, movements and silence alone, is not read again. -#}
{%- for line in message.content.split('\\n')
    if not line.startswith(('seen: ', 'heard: ')) and '] mostly ' not in line and not line.endswith('] silence') -%}
{{ '\\n' }}
{%- set told = line.split('; mostly ')[0].split('; something moves')[0].split('; still')[0] -%}
{%- if told.startswith('[video ') and ' s] ' in told -%}
{%- set place, what = told.split(' s] ', 1) -%}
{%- set video, window = place.split(', ') -%}
{%- set heard = '' if what.startswith('on-screen text ') else window.split('.')[0] + ' ' -%}
{{ video }}, {{ heard }}{{ what.replace('on-screen text ', '', 1).replace('"', '') }}; {{ window }}
{%- else -%}{{ told }}{%- endif -%}
{%- endfor -%}
{%- else -%}{{ message.content }}{%- endif -%}
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
    *(f"\nAnswer format ({kind}): {spec.format}" for kind, spec in KINDS.items()),
    *("\nOptions:", "\nVideos:", "\nleft: ", " turns, ", " frames, ", " audio seconds"),
    *(f"\n{'ABCDEFGH'[n - 1]}. Video {n}" for n in _VIDEOS),
    *(f'\n{n}. "{name} {n}": ' for n in _VIDEOS for name in ("video", "segment", "room")),
    *(" s, 640x360, sound", " s, 640x360, no sound"),
)
EVIDENCE = tuple(f"\n[video {n}, " for n in _VIDEOS)
ACTIONS = (
    *('<tool_call>{"name": "observe", "arguments": {"targets": [{"video": ', '}, {"video": ', "}]}}</tool_call>"),
    *('<tool_call>{"name": "listen", "arguments": {"video": ', '<tool_call>{"name": "answer", "arguments": {"value": '),
    *(', "start_s": ', ', "end_s": ', ', "frames": ', "}}</tool_call>", ', "citations": [{"video": '),
    *(', "citations": []}}</tool_call>', ', "modality": "visual"', ', "modality": "audio"'),
)
NUMBERS = (
    *(str(n) for n in range(100)),
    *(f"0{n}" for n in range(10)),
    *(f".{tenth}" for tenth in range(10)),
)
MARKS = ('"', "->", "[", "]", ", ", ": ", ":", "-", ".", ". ", "?", "; ", *(f'"{letter}"' for letter in "ABCDEFGH"))
_SPLIT = Regex(r" ?[a-z']+| ?[^\sa-z\d]+|\s")


def train_tokenizer(texts: Iterable[str], vocabulary_size: int = VOCABULARY_SIZE) -> PreTrainedTokenizerFast:
    """Return a tokenizer with the chat template, its subwords learned from texts."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.Prepend(" "), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(_SPLIT, behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    special = [PAD, END, *ROLES]
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary_size,
        special_tokens=special,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    phrases = sorted((*BRIEF, *EVIDENCE, *ACTIONS, *NUMBERS, *MARKS), key=len, reverse=True)
    between = re.compile("|".join(re.escape(phrase) for phrase in phrases))
    tokenizer.train_from_iterator((part for text in texts for part in between.split(text)), trainer)
    added: Any = tokenizer
    added.add_tokens([AddedToken(phrase, normalized=False, special=False) for phrase in phrases])
    fast: Any = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token=END, pad_token=PAD)
    fast.chat_template = TEMPLATE
    return fast
