"""Language models of a few thousand weights, made in the test, with chat templates of common model families."""

from __future__ import annotations

import functools

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast, Qwen3Config, Qwen3ForCausalLM

PLAIN = """\
{%- for m in messages %}<|im_start|>{{ m.role }}
{{ m.content }}{% for c in m.tool_calls or [] %}<tool_call>
{"name": "{{ c.function.name }}", "arguments": {{ c.function.arguments | tojson }}}
</tool_call>{% endfor %}<|im_end|>
{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant
{% endif %}{# tools #}"""
"""Template that keeps every turn unchanged."""

WITHOUT_TOOLS = PLAIN.replace("{# tools #}", "").replace("m.tool_calls or []", "[]")

FORGETS_THOUGHTS = PLAIN.replace(
    "{{ m.content }}",
    "{{ m.content if loop.last or '</think>' not in m.content else m.content.split('</think>')[-1] }}",
)
"""Template that drops the thoughts of earlier turns, as that of Qwen3 does."""

OPENS_OTHERWISE = PLAIN.replace("<|im_start|>assistant\n{% endif %}", "<|im_start|>assistant\n<think>\n{% endif %}")
"""Template whose generation prompt ends with a tag that it does not write in finished turns."""


@functools.cache
def tokenizer(template: str = PLAIN) -> PreTrainedTokenizerFast:
    """Train a byte-level BPE with Qwen's turn tokens."""
    core = Tokenizer(models.BPE())
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=320,
        special_tokens=["<|im_start|>", "<|im_end|>", "<|pad|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    core.train_from_iterator(["observe listen answer video start_s end_s frames"], trainer)
    fast = PreTrainedTokenizerFast(tokenizer_object=core, eos_token="<|im_end|>", pad_token="<|pad|>")
    fast.chat_template = template
    return fast


def model(seed: int = 0, **changes: object) -> Qwen3ForCausalLM:
    """Make a Qwen3 with random weights, two layers and grouped-query attention."""
    torch.manual_seed(seed)
    shape = {
        "vocab_size": len(tokenizer()),
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 8,
        "initializer_range": 0.3,
        "eos_token_id": tokenizer().eos_token_id,
        "pad_token_id": tokenizer().pad_token_id,
        "bos_token_id": None,
    }
    return Qwen3ForCausalLM(Qwen3Config(**{**shape, **changes})).eval()
