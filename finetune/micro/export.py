"""Stage `export`: what training left in the work folder becomes a stock `StableDiffusion3Pipeline` folder.

The text tower stands in both CLIP places. The T5 place holds an encoder whose output is zero, as the pipeline itself
puts zeros where a T5 is left out; stock `from_pretrained` insists on a component there.
"""

from __future__ import annotations

import math
import tempfile
from pathlib import Path

import torch
from diffusers import FlowMatchEulerDiscreteScheduler, StableDiffusion3Pipeline
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.models.transformers.transformer_sd3 import SD3Transformer2DModel
from PIL import Image
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import (
    CLIPImageProcessor,
    CLIPModel,
    CLIPTextModelWithProjection,
    CLIPTokenizer,
    T5Config,
    T5EncoderModel,
    T5TokenizerFast,
)

from finetune.micro.architecture import TEXT_TOKENS, TEXT_WIDTH, new_transformer
from finetune.micro.clip import IMAGE_PX, MAX_TOKENS, MEAN, STD, new_clip
from finetune.micro.codec import ENERGY_EXPONENT
from finetune.micro.vae import new_autoencoder


def export(work: Path, target: Path) -> None:
    """Write the pipeline to `target` and the whole small CLIP to `target`-clip, as safetensors.

    The large parts in fp16; the text towers in float32, since transformers opens a part as it was saved, diffusers in
    float32, and a plain `from_pretrained` must give parts that fit together.
    """
    tokenizer = load_tokenizer(work)
    clip = load_clip(work, tokenizer)
    short = CLIPTokenizer.from_pretrained(work / "tokenizer", model_max_length=TEXT_TOKENS)
    pipeline = StableDiffusion3Pipeline(
        transformer=load_transformer(work).half(),
        scheduler=new_scheduler(),
        vae=load_autoencoder(work).half(),
        text_encoder=text_tower(clip),
        tokenizer=short,
        text_encoder_2=text_tower(clip),
        tokenizer_2=short,
        text_encoder_3=silent_t5(),
        tokenizer_3=letter_tokenizer(),
    )
    pipeline.save_pretrained(target, safe_serialization=True)
    clip.half().save_pretrained(target.with_name(f"{target.name}-clip"), safe_serialization=True)
    tokenizer.save_pretrained(target.with_name(f"{target.name}-clip"))
    image_processor().save_pretrained(target.with_name(f"{target.name}-clip"))


def image_processor() -> CLIPImageProcessor:
    """Nearest to what the image tower was trained on: the whole picture, averaged down."""
    return CLIPImageProcessor(
        size={"height": IMAGE_PX, "width": IMAGE_PX},
        do_center_crop=False,
        resample=Image.Resampling.BILINEAR,  # antialiased; the area average it was trained on is not offered
        image_mean=list(MEAN),
        image_std=list(STD),
    )


BASE_TOKENS, MAX_TOKENS_IMAGE = 1024, 16384
BASE_SHIFT, MAX_SHIFT = math.log(2.5), math.log(12.0)
"""mu at 1024 x 1024 px and at 4096 x 4096 px, which have so many tokens."""

SHIFT_TERMINAL = 0.1
"""The last of the noise levels that a render stops at: few steps must reach down to fine grain."""


def new_scheduler() -> FlowMatchEulerDiscreteScheduler:
    return FlowMatchEulerDiscreteScheduler(
        use_dynamic_shifting=True,
        base_image_seq_len=BASE_TOKENS,
        max_image_seq_len=MAX_TOKENS_IMAGE,
        base_shift=BASE_SHIFT,
        max_shift=MAX_SHIFT,
        shift_terminal=SHIFT_TERMINAL,
    )


def load_autoencoder(work: Path) -> AutoencoderKL:
    """The trained VAE in stock layout, `stride: 2` in the config; its encoder has stride 2."""
    vae = new_autoencoder()
    vae.load_state_dict(trained_weights(work / "vae.pt", "vae"))
    vae.encoder.conv_in.stride = (2, 2)
    vae.register_to_config(
        stride=2, scaling_factor=1.0, shift_factor=0.0, latent_energy_exponent=ENERGY_EXPONENT
    )
    return vae.eval()


def load_transformer(work: Path) -> SD3Transformer2DModel:
    """The averaged (EMA) weights."""
    model = new_transformer()
    model.load_state_dict(trained_weights(work / "dit.pt", "ema"))
    return model.eval()


def load_tokenizer(work: Path) -> CLIPTokenizer:
    return CLIPTokenizer.from_pretrained(work / "tokenizer", model_max_length=MAX_TOKENS)


def load_clip(work: Path, tokenizer: CLIPTokenizer) -> CLIPModel:
    clip = new_clip(tokenizer)
    clip.load_state_dict(trained_weights(work / "clip.pt", "clip"))
    return clip.eval()


def text_tower(clip: CLIPModel) -> CLIPTextModelWithProjection:
    tower = CLIPTextModelWithProjection(clip.config.text_config)
    weights = {
        k: v for k, v in clip.state_dict().items() if k.startswith(("text_model.", "text_projection."))
    }
    tower.load_state_dict(weights)
    return tower.eval()


def silent_t5() -> T5EncoderModel:
    """A T5 encoder of no layers, its norm zero: whatever it reads, it says zeros."""
    torch.manual_seed(0)
    config = T5Config(vocab_size=128, d_model=TEXT_WIDTH, d_kv=8, d_ff=16, num_layers=0, num_heads=1)
    encoder = T5EncoderModel(config)
    encoder.encoder.final_layer_norm.weight.data.zero_()
    return encoder.eval()


def letter_tokenizer() -> T5TokenizerFast:
    """A piece for every printable ASCII letter; the encoder behind it does not listen."""
    letters = [chr(code) for code in range(33, 127)]
    pieces = [
        ("<pad>", 0.0),
        ("</s>", 0.0),
        ("<unk>", 0.0),
        ("▁", -2.0),
        *((letter, -3.0) for letter in letters),
    ]
    tokenizer = Tokenizer(models.Unigram(pieces, unk_id=2))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    with tempfile.TemporaryDirectory() as folder:
        tokenizer.save(str(Path(folder, "tokenizer.json")))
        return T5TokenizerFast.from_pretrained(folder, extra_ids=0, model_max_length=512)


def trained_weights(checkpoint: Path, module: str) -> dict[str, torch.Tensor]:
    if not checkpoint.exists():
        raise ValueError(f"{checkpoint} is missing; run its stage first: python -m finetune.micro")
    weights: dict[str, torch.Tensor] = torch.load(checkpoint, weights_only=True)["modules"][module]
    return weights
