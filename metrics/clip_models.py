"""A CLIP of either library as one thing: pictures and texts to rows of one space.

Models in the layout of transformers (`openai/clip-vit-base-patch16`) and of OpenCLIP (`hf-hub:` and a hub id, such as
`hf-hub:apple/DFN2B-CLIP-ViT-B-16`, or a folder with `open_clip_config.json`). Preprocessing and tokens are the model's
own. Imports torch.
Not here: what is done with the rows (`metrics.clip_score`), where models lie (`metrics.weights`).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import torch
from PIL import Image
from torch import Tensor
from transformers import AutoTokenizer, CLIPImageProcessor, CLIPModel

from metrics.weights import OPEN_CLIP_CONFIG, OPEN_CLIP_HUB


class Clip(Protocol):
    """D is the width of the space; rows are not yet of length 1."""

    max_tokens: int
    width: int
    side_px: int
    """What pictures are shrunken to."""

    def see(self, images: Sequence[Image.Image]) -> Tensor:
        """(N, D) of RGB pictures of any size."""

    def count_tokens(self, text: str) -> int:
        """With the marks of start and end, nothing cut off."""

    def read(self, texts: Sequence[str]) -> Tensor:
        """(N, D) of texts that fit."""

    def read_start(self, text: str) -> Tensor:
        """(1, D) of a text's first `max_tokens`, cut as the library's own evaluation cuts."""


class StockClip:
    """Opened by transformers."""

    def __init__(self, place: str, *, device: str, dtype: torch.dtype) -> None:
        self.model: Any = CLIPModel.from_pretrained(place, dtype=dtype).to(device).eval()
        self.tokenizer: Any = AutoTokenizer.from_pretrained(place)
        self.processor: Any = CLIPImageProcessor.from_pretrained(place)
        self.device, self.dtype = device, dtype
        config = self.model.config
        # Some folders leave the tokenizer without a limit; the text tower always has one.
        self.max_tokens = min(self.tokenizer.model_max_length, config.text_config.max_position_embeddings)
        self.width, self.side_px = config.projection_dim, config.vision_config.image_size

    def see(self, images: Sequence[Image.Image]) -> Tensor:
        pixels = self.processor(list(images), return_tensors="pt").pixel_values
        out = self.model.vision_model(pixel_values=pixels.to(self.device, self.dtype))
        projected: Tensor = self.model.visual_projection(out.pooler_output)
        return projected

    def count_tokens(self, text: str) -> int:
        return len(self.tokenizer(text, truncation=False, verbose=False).input_ids)

    def read(self, texts: Sequence[str]) -> Tensor:
        return self._embed(self.tokenizer(list(texts), padding=True, return_tensors="pt"))

    def read_start(self, text: str) -> Tensor:
        """What the published evaluation calls (torchmetrics 1.5, `functional.multimodal.clip_score`) cuts the tokens
        where the model ends, and the end mark goes with the rest; pooling then takes whatever token has the highest
        number."""
        return self._embed(self.tokenizer(text, truncation=False, verbose=False, return_tensors="pt"))

    def _embed(self, tokens: Any) -> Tensor:
        out = self.model.text_model(
            input_ids=tokens.input_ids[:, : self.max_tokens].to(self.device),
            attention_mask=tokens.attention_mask[:, : self.max_tokens].to(self.device),
        )
        projected: Tensor = self.model.text_projection(out.pooler_output)
        return projected


class OpenClip:
    """Opened by OpenCLIP."""

    def __init__(self, name: str, *, device: str, dtype: torch.dtype) -> None:
        """`hf-hub:owner/name` or `local-dir:folder`."""
        import open_clip  # brings timm and every architecture: only who asks for it waits

        self.model, self.preprocess = open_clip.create_model_from_pretrained(name, device=device)
        self.model.to(dtype).eval()
        self.tokenizer: Any = open_clip.get_tokenizer(name)
        self.device, self.dtype = device, dtype
        self.max_tokens = int(self.tokenizer.context_length)
        side = self.model.visual.image_size
        self.side_px = int(side[0] if isinstance(side, tuple | list) else side)
        self.width = int(self.read(["a"]).shape[1])

    def see(self, images: Sequence[Image.Image]) -> Tensor:
        pixels = torch.stack([self.preprocess(image) for image in images])
        with torch.inference_mode():
            seen: Tensor = self.model.encode_image(pixels.to(self.device, self.dtype))
        return seen

    def count_tokens(self, text: str) -> int:
        if hasattr(self.tokenizer, "encode"):
            return len(self.tokenizer.encode(text)) + 2
        return len(self.tokenizer.tokenizer(text).input_ids)

    def read(self, texts: Sequence[str]) -> Tensor:
        with torch.inference_mode():
            said: Tensor = self.model.encode_text(self.tokenizer(list(texts)).to(self.device))
        return said

    def read_start(self, text: str) -> Tensor:
        """OpenCLIP's tokenizers cut before the end mark, and keep it."""
        return self.read([text])


def opened_clip(place: str, *, device: str, dtype: torch.dtype) -> Clip:
    """The model that lies there; a folder that both libraries can open is opened by transformers.

    Raises:
        ValueError: nothing that either can open.
    """
    folder = Path(place)
    try:
        if place.startswith(OPEN_CLIP_HUB):
            return OpenClip(place, device=device, dtype=dtype)
        if (folder / OPEN_CLIP_CONFIG).is_file() and not (folder / "config.json").is_file():
            return OpenClip(f"local-dir:{folder}", device=device, dtype=dtype)
        return StockClip(place, device=device, dtype=dtype)
    except (OSError, RuntimeError, ValueError, KeyError) as error:
        raise ValueError(f"{place} could not be opened as a CLIP") from error
