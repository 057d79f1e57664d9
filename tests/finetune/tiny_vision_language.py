"""A vision-language model of a real class (LLaVA) with a few thousand random weights and a made-up tokenizer."""

from __future__ import annotations

from pathlib import Path

import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from transformers import (
    CLIPImageProcessor,
    CLIPVisionConfig,
    LlamaConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaProcessor,
    PreTrainedTokenizerFast,
)

SIDE_PX, PATCH_PX = 32, 16
CHAT = (
    "{% for message in messages %}{% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}<image>{% else %} {{ part['text'] }}{% endif %}"
    "{% endfor %}{% endfor %}{% if add_generation_prompt %} says{% endif %}"
)
WORDS = [
    *("<unk>", "<s>", "</s>", "<pad>", "<image>", "says", "a", "red", "blue", "hill", "lake"),
    *("tree", "under", "the", "wide", "sky", "at", "dusk"),
]


def save_tiny_model(folder: Path, *, chat: bool = True, seed: int = 0) -> Path:
    """Save the model and its processor to `folder`."""
    tokenizer = Tokenizer(WordLevel({word: n for n, word in enumerate(WORDS)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = Whitespace()
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        unk_token="<unk>",
        bos_token="<s>",
        eos_token="</s>",
        pad_token="<pad>",
        additional_special_tokens=["<image>"],
    )
    image = WORDS.index("<image>")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = LlavaForConditionalGeneration(
            LlavaConfig(
                vision_config=CLIPVisionConfig(
                    hidden_size=16,
                    intermediate_size=16,
                    num_hidden_layers=1,
                    num_attention_heads=2,
                    image_size=SIDE_PX,
                    patch_size=PATCH_PX,
                    projection_dim=16,
                ),
                text_config=LlamaConfig(
                    vocab_size=len(WORDS),
                    hidden_size=16,
                    intermediate_size=16,
                    num_hidden_layers=1,
                    num_attention_heads=2,
                    num_key_value_heads=2,
                    max_position_embeddings=256,
                ),
                image_token_index=image,
                vision_feature_layer=-1,
            )
        )
        for parameter in model.parameters():  # large enough for the picture to have a say
            torch.nn.init.normal_(parameter, std=0.6)
    model.generation_config.eos_token_id = None
    model.generation_config.pad_token_id = WORDS.index("<pad>")
    processor = LlavaProcessor(
        image_processor=CLIPImageProcessor(
            size={"shortest_edge": SIDE_PX}, crop_size={"height": SIDE_PX, "width": SIDE_PX}
        ),
        tokenizer=fast,
        patch_size=PATCH_PX,
        vision_feature_select_strategy="default",
        image_token="<image>",
        num_additional_image_tokens=1,
        chat_template=CHAT if chat else None,
    )
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder
