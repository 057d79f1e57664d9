"""Random-weight pipelines of the true classes, a few MB each, built without network.

`tiny_sd3_pipeline` and `tiny_flux_pipeline` are whole stock pipelines: VAE with 16 latent channels and
scale factor 8, CLIP and T5 text encoders, tokenizers made here from the alphabet. They open, save and call
like the published ones; their pictures mean nothing.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import torch
from diffusers import (
    AutoencoderKL,
    FlowMatchEulerDiscreteScheduler,
    FluxPipeline,
    FluxTransformer2DModel,
    SD3Transformer2DModel,
    StableDiffusion3Pipeline,
)
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
from transformers import (
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    CLIPTokenizer,
    T5Config,
    T5EncoderModel,
    T5TokenizerFast,
)

LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789,.!?'-"
CLIP_WIDTH, T5_WIDTH, MAX_TOKENS = 32, 64, 77


def tiny_vae(
    seed: int = 0,
    *,
    block_out_channels: tuple[int, ...] = (8, 16, 16, 16),
    scaling_factor: float = 1.5305,
    shift_factor: float = 0.0609,
) -> AutoencoderKL:
    """A stock F8 AutoencoderKL in SD3's layout: 16 latent channels, no quant convolutions."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        vae = AutoencoderKL(
            down_block_types=("DownEncoderBlock2D",) * len(block_out_channels),
            up_block_types=("UpDecoderBlock2D",) * len(block_out_channels),
            block_out_channels=block_out_channels,
            layers_per_block=1,
            latent_channels=16,
            norm_num_groups=4,
            sample_size=1024,
            scaling_factor=scaling_factor,
            shift_factor=shift_factor,
            use_quant_conv=False,
            use_post_quant_conv=False,
        )
    return vae.eval()


def tiny_sd3_pipeline(
    seed: int = 0, *, with_t5: bool = True, patch_size: int = 2, pos_embed_max_size: int = 192
) -> StableDiffusion3Pipeline:
    """A stock SD3 pipeline. `with_t5=False` leaves `text_encoder_3` and `tokenizer_3` None.

    diffusers 0.42 saves a None component as `[null, null]` and then insists on it: reopen such a folder with
    `from_pretrained(folder, text_encoder_3=None, tokenizer_3=None)`.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        transformer = SD3Transformer2DModel(
            sample_size=32,
            patch_size=patch_size,
            in_channels=16,
            num_layers=2,
            attention_head_dim=8,
            num_attention_heads=4,
            joint_attention_dim=T5_WIDTH,
            caption_projection_dim=32,
            pooled_projection_dim=2 * CLIP_WIDTH,
            out_channels=16,
            pos_embed_max_size=pos_embed_max_size,
        ).eval()
        text_encoder = CLIPTextModelWithProjection(_clip_config()).eval()
        text_encoder_2 = CLIPTextModelWithProjection(_clip_config()).eval()
        text_encoder_3 = T5EncoderModel(_t5_config()).eval() if with_t5 else None
    pipeline = StableDiffusion3Pipeline(
        transformer=transformer,
        scheduler=FlowMatchEulerDiscreteScheduler(shift=3.0),
        vae=tiny_vae(seed),
        text_encoder=text_encoder,
        tokenizer=tiny_clip_tokenizer(),
        text_encoder_2=text_encoder_2,
        tokenizer_2=tiny_clip_tokenizer(),
        text_encoder_3=text_encoder_3,
        tokenizer_3=tiny_t5_tokenizer() if with_t5 else None,
    )
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def tiny_flux_pipeline(seed: int = 0, *, guidance_embeds: bool = True) -> FluxPipeline:
    """A stock Flux pipeline with dynamic shifting; `guidance_embeds=False` is the schnell kind."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        transformer = FluxTransformer2DModel(
            patch_size=1,
            in_channels=64,
            num_layers=1,
            num_single_layers=1,
            attention_head_dim=16,
            num_attention_heads=2,
            joint_attention_dim=T5_WIDTH,
            pooled_projection_dim=CLIP_WIDTH,
            guidance_embeds=guidance_embeds,
            axes_dims_rope=(4, 6, 6),
        ).eval()
        text_encoder = CLIPTextModel(_clip_config()).eval()
        text_encoder_2 = T5EncoderModel(_t5_config()).eval()
    pipeline = FluxPipeline(
        transformer=transformer,
        scheduler=FlowMatchEulerDiscreteScheduler(shift=3.0, use_dynamic_shifting=True),
        vae=tiny_vae(seed, scaling_factor=0.3611, shift_factor=0.1159),
        text_encoder=text_encoder,
        tokenizer=tiny_clip_tokenizer(),
        text_encoder_2=text_encoder_2,
        tokenizer_2=tiny_t5_tokenizer(),
    )
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def tiny_clip_tokenizer() -> CLIPTokenizer:
    """CLIP's byte-pair tokenizer with one token a letter and no merges."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "vocab.json").write_text(json.dumps(_clip_vocabulary()), encoding="utf-8")
        Path(folder, "merges.txt").write_text("#version: 0.2\n", encoding="utf-8")
        return CLIPTokenizer.from_pretrained(folder, model_max_length=MAX_TOKENS)


def tiny_t5_tokenizer() -> T5TokenizerFast:
    """T5's unigram tokenizer with one piece a letter."""
    pieces = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁", -2.0), *((c, -3.0) for c in LETTERS)]
    tokenizer = Tokenizer(models.Unigram(pieces, unk_id=2))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="$A </s>", pair="$A </s> $B </s>", special_tokens=[("</s>", 1)]
    )
    with tempfile.TemporaryDirectory() as folder:
        tokenizer.save(str(Path(folder, "tokenizer.json")))
        return T5TokenizerFast.from_pretrained(folder, extra_ids=0, model_max_length=512)


def _clip_vocabulary() -> dict[str, int]:
    tokens = [*LETTERS, *(f"{letter}</w>" for letter in LETTERS), "<|startoftext|>", "<|endoftext|>"]
    return {token: index for index, token in enumerate(tokens)}


def _clip_config() -> CLIPTextConfig:
    vocabulary = _clip_vocabulary()
    return CLIPTextConfig(
        vocab_size=len(vocabulary),
        hidden_size=CLIP_WIDTH,
        intermediate_size=2 * CLIP_WIDTH,
        projection_dim=CLIP_WIDTH,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=MAX_TOKENS,
        bos_token_id=vocabulary["<|startoftext|>"],
        eos_token_id=vocabulary["<|endoftext|>"],
        pad_token_id=vocabulary["<|endoftext|>"],
    )


def _t5_config() -> T5Config:
    return T5Config(
        vocab_size=4 + len(LETTERS),
        d_model=T5_WIDTH,
        d_kv=16,
        d_ff=2 * T5_WIDTH,
        num_layers=1,
        num_heads=4,
        feed_forward_proj="gated-gelu",
    )
