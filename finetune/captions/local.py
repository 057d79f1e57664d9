"""Captions from a vision-language model on this machine, through transformers: any image-text-to-text model.

Weights come from safetensors alone and no code of the model's runs. Captions are drawn greedily: the same picture gives
the same caption. Not here: the way through a dataset (`finetune.captions.loop`), asking an endpoint
(`finetune.captions.endpoint`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from safetensors import SafetensorError
from transformers import AutoModelForImageTextToText, AutoProcessor

from finetune.captions.loop import (
    CaptionReport,
    Refused,
    Which,
    as_caption,
    caption_each,
    small_picture,
)
from finetune.captions.models import LocalModel
from finetune.data.dataset import Dataset


@dataclass(frozen=True, slots=True)
class LocalCaptioner:
    """An opened model."""

    settings: LocalModel
    processor: Any
    model: Any
    device: torch.device

    def ask(self, path: Path) -> str:
        """The caption of a picture file. Raises Refused for a picture that cannot be read, or an empty caption."""
        return as_caption(self.say(small_picture(path, self.settings.max_side_px)))

    def say(self, image: Image.Image) -> str:
        """What the model writes of an RGB picture, as it writes it."""
        inputs = self._inputs(image).to(self.device, self.model.dtype)
        with torch.inference_mode():
            written = self.model.generate(
                **inputs, max_new_tokens=self.settings.max_new_tokens, do_sample=False, num_beams=1
            )
        if not self.model.config.is_encoder_decoder:
            written = written[:, inputs["input_ids"].shape[1] :]  # what comes before is the prompt
        text: str = self.processor.batch_decode(written, skip_special_tokens=True)[0]
        return text

    def _inputs(self, image: Image.Image) -> Any:
        """Picture and prompt, in the model's own chat form where it has one."""
        prompt = self.settings.prompt
        if getattr(self.processor, "chat_template", None):
            content = [{"type": "image", "image": image}, {"type": "text", "text": prompt}]
            return self.processor.apply_chat_template(
                [{"role": "user", "content": content}],
                add_generation_prompt=True,
                tokenize=True,
                return_dict=True,
                return_tensors="pt",
            )
        mark = getattr(self.processor, "image_token", None)
        text = prompt if mark is None or mark in prompt else f"{mark}\n{prompt}"
        return self.processor(images=image, text=text, return_tensors="pt")


def open_captioner(settings: LocalModel, *, device: torch.device | None = None) -> LocalCaptioner:
    """Open the model on `device`; None: the GPU if there is one.

    In bfloat16 on a GPU, else in float32. A hub id is downloaded first, where it is not here.

    Raises ValueError for a model that is absent, of another kind, or without safetensors.
    """
    place = torch.device("cuda" if torch.cuda.is_available() else "cpu") if device is None else device
    dtype = torch.bfloat16 if place.type == "cuda" else torch.float32
    try:
        processor = AutoProcessor.from_pretrained(settings.source, trust_remote_code=False)
        model = AutoModelForImageTextToText.from_pretrained(
            settings.source, trust_remote_code=False, use_safetensors=True, dtype=dtype
        )
    except (OSError, ValueError, KeyError, SafetensorError) as error:
        raise ValueError(_cannot_open(settings, error)) from error
    return LocalCaptioner(settings, processor, model.to(place).eval(), place)


def caption_locally(
    dataset: Dataset, captioner: LocalCaptioner, *, which: Which = "missing"
) -> Iterator[CaptionReport]:
    """Caption while the caller keeps asking; each report comes after its caption is kept.

    Raises ValueError where five pictures fail one after the other, and where memory ends.
    """

    def ask(path: Path) -> str:
        try:
            return captioner.ask(path)
        except torch.OutOfMemoryError as error:
            raise ValueError(
                f"the GPU's memory does not hold {captioner.settings.name} beside what is there; free some, or choose "
                "a smaller model"
            ) from error
        except (
            ValueError,
            IndexError,
        ) as error:  # of the processor: a picture of a shape that it does not take
            raise Refused(f"{captioner.settings.name} does not take it ({error}).") from error

    return caption_each(dataset, captioner.settings.name, ask, which=which)


def _cannot_open(settings: LocalModel, error: Exception) -> str:
    said = str(error).strip().split("\n")[0][:200].rstrip(".")
    if "safetensors" in said and ("no file named" in said or "does not appear to have a file" in said):
        return f"{settings.name} has no safetensors weights, and others are not opened; choose another model"
    return (
        f"{settings.name} cannot be opened as a vision-language model ({said}); give the folder or the hub id of one, "
        "such as HuggingFaceTB/SmolVLM-256M-Instruct"
    )
