"""Real models with random weights, small enough to build in a test: a text model, a vision model, a Whisper.

`save_pretrained` writes every file, so they load like a released model. The head size is 64 because the CPU attention
kernels of servers require it. The output of such a model is noise; tests check the requests to it and its replies.
"""

from __future__ import annotations

from pathlib import Path

import torch
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    GenerationConfig,
    Idefics3Config,
    Idefics3ForConditionalGeneration,
    Idefics3ImageProcessorPil,
    Idefics3Processor,
    LlamaConfig,
    PreTrainedTokenizerFast,
    Qwen3Config,
    Qwen3ForCausalLM,
    WhisperConfig,
    WhisperFeatureExtractor,
    WhisperForConditionalGeneration,
    WhisperProcessor,
    WhisperTokenizer,
)
from transformers.models.idefics3.configuration_idefics3 import Idefics3VisionConfig

SEED = 0
MAX_TOKENS = 8192
PICTURE_PX = 56
PATCH_PX = 14
SHUFFLE = 2
"""Patches per side of the square that becomes one token."""
SENTENCES = ["[video 1, 0.0-5.0 s] A hand pours oil into a pan.", '{"name": "observe", "arguments": {"focus": "salt"}}']
SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<image>", "<fake_token_around_image>", "<global-img>"]
WHISPER_SPECIAL = [
    "<|endoftext|>",
    "<|startoftranscript|>",
    "<|en|>",
    "<|translate|>",
    "<|transcribe|>",
    "<|startoflm|>",
    "<|startofprev|>",
    "<|nospeech|>",
    "<|notimestamps|>",
]

CHAT_TEMPLATE = """\
{%- macro text_of(content) -%}
{%- if content is string -%}{{ content }}{%- else -%}
{%- for part in content -%}{{ '<image>' if part['type'] == 'image' else part['text'] }}{%- endfor -%}
{%- endif -%}
{%- endmacro -%}
{%- if tools -%}<|im_start|>system
<tools>{% for tool in tools %}{{ tool | tojson }}{% endfor %}</tools><|im_end|>
{% endif -%}
{%- for message in messages -%}
<|im_start|>{{ message['role'] }}
{{ text_of(message['content']) }}
{%- for call in message['tool_calls'] or [] -%}
<tool_call>{{ call['function'] | tojson }}</tool_call>
{%- endfor -%}<|im_end|>
{% endfor -%}
{%- if add_generation_prompt -%}<|im_start|>assistant
{% endif -%}"""
TEMPLATE_WITHOUT_TOOLS = CHAT_TEMPLATE.replace("{%- if tools -%}", "{%- if false -%}").replace("tools", "none")


def chat_tokenizer(chat_template: str = CHAT_TEMPLATE) -> PreTrainedTokenizerFast:
    """Return a byte-level tokenizer, which can encode any text."""
    fast = PreTrainedTokenizerFast(
        tokenizer_object=_byte_level(SPECIAL),
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        additional_special_tokens=["<|im_start|>", "<image>"],
        model_max_length=MAX_TOKENS,
    )
    fast.chat_template = chat_template
    return fast


def save_text_model(folder: Path, chat_template: str = CHAT_TEMPLATE) -> Path:
    """Save a Qwen3 of about a hundred thousand parameters; return the folder."""
    torch.manual_seed(SEED)
    tokenizer = chat_tokenizer(chat_template)
    config = Qwen3Config(
        vocab_size=len(tokenizer),
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=64,
        max_position_embeddings=MAX_TOKENS,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        tie_word_embeddings=True,
    )
    Qwen3ForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def save_vision_model(folder: Path) -> Path:
    """Save an Idefics3 (the family of SmolVLM) with two vision layers, pixel shuffle and a Llama of two layers.

    Idefics3 is used because its processor works without torchvision, in this process and in the server.
    """
    torch.manual_seed(SEED)
    tokenizer = chat_tokenizer()
    image_seq_len = (PICTURE_PX // PATCH_PX) ** 2 // SHUFFLE**2
    size = {"longest_edge": PICTURE_PX}
    processor = Idefics3Processor(
        Idefics3ImageProcessorPil(do_image_splitting=False, size=size, max_image_size=size),
        tokenizer,
        image_seq_len=image_seq_len,
        chat_template=tokenizer.chat_template,
    )
    text = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=1,
        num_key_value_heads=1,
        head_dim=64,
        max_position_embeddings=MAX_TOKENS,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=tokenizer.pad_token_id,
    )
    vision = Idefics3VisionConfig(
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=1,
        image_size=PICTURE_PX,
        patch_size=PATCH_PX,
    )
    config = Idefics3Config(
        text_config=text, vision_config=vision, scale_factor=SHUFFLE, image_token_id=processor.image_token_id
    )
    Idefics3ForConditionalGeneration(config).save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


def save_whisper(folder: Path) -> Path:
    """Save a Whisper with one encoder and one decoder layer and its 1,501 timestamp tokens; return the folder."""
    torch.manual_seed(SEED)
    tokenizer = _whisper_tokenizer()
    ids = dict(zip(WHISPER_SPECIAL, tokenizer.convert_tokens_to_ids(WHISPER_SPECIAL), strict=True))
    end, start = ids["<|endoftext|>"], ids["<|startoftranscript|>"]
    config = WhisperConfig(
        vocab_size=len(tokenizer),
        d_model=64,
        encoder_layers=1,
        decoder_layers=1,
        encoder_attention_heads=1,
        decoder_attention_heads=1,
        encoder_ffn_dim=64,
        decoder_ffn_dim=64,
        max_target_positions=64,
        bos_token_id=end,
        eos_token_id=end,
        pad_token_id=end,
        decoder_start_token_id=start,
    )
    model = WhisperForConditionalGeneration(config)
    model.generation_config = GenerationConfig(
        is_multilingual=True,
        lang_to_id={"<|en|>": ids["<|en|>"]},
        task_to_id={"transcribe": ids["<|transcribe|>"], "translate": ids["<|translate|>"]},
        language="en",
        task="transcribe",
        no_timestamps_token_id=ids["<|notimestamps|>"],
        prev_sot_token_id=ids["<|startofprev|>"],
        max_initial_timestamp_index=50,
        return_timestamps=True,
        max_length=48,
        bos_token_id=end,
        eos_token_id=end,
        pad_token_id=end,
        decoder_start_token_id=start,
    )
    model.save_pretrained(folder)
    WhisperProcessor(WhisperFeatureExtractor(feature_size=config.num_mel_bins), tokenizer).save_pretrained(folder)
    return folder


def _whisper_tokenizer() -> WhisperTokenizer:
    """Return a tokenizer with Whisper's order: all ids from the first special token on are special, times come last."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = WhisperTokenizer(vocab={letter: index for index, letter in enumerate(letters)}, merges=[])
    tokenizer.add_special_tokens({"additional_special_tokens": WHISPER_SPECIAL})
    tokenizer.add_tokens([AddedToken(f"<|{index * 0.02:.2f}|>", special=False) for index in range(1501)])
    return tokenizer


def _byte_level(special: list[str]) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=special,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(SENTENCES, trainer)
    return tokenizer
