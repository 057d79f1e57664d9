"""What distances between sets are computed on: features of pictures, by extractors of well-kept libraries.

The Inception network is torch-fidelity's port of the 2015 FID graph (the extra `fid`), the CLIP one any stock CLIP.
Imports torch. Not here: the distances (`metrics.frechet`), gathering sets (`metrics.set_features`).
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torchvision.transforms import functional

from metrics.clip_score import ClipScorer
from metrics.frechet import Features
from metrics.weights import CLIP_L14_336, INCEPTION, found_file

CROP_PX = 299
CROPS_PER_SIDE = 3


class Extractor(Protocol):
    """Pictures to features."""

    name: str
    """Tells features of different extractors apart in a cache."""

    def features(self, images: Sequence[NDArray[np.uint8]]) -> Features:
        """(N, D) float64 of (H, W, 3) uint8 RGB pictures; all of one size."""
        ...


class InceptionExtractor:
    """2,048 numbers a picture, from the weights that published FIDs are computed with."""

    name = "inception-2015-12-05/2048"

    def __init__(self, weights: Path | None = None, *, device: str = "cpu") -> None:
        """Open the network.

        Raises:
            ValueError: torch-fidelity is not installed, or the weights are missing, code, or another network's.
        """
        try:
            from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3
        except ImportError as error:
            raise ValueError(
                "FID and KID need the Inception network of torch-fidelity; install it with "
                "pip install 'diffusion-4k-studio[fid]'"
            ) from error
        path = found_file(INCEPTION) if weights is None else weights
        with tempfile.TemporaryDirectory() as folder:
            # The library unpickles whatever it is given, so it is given a copy of plain tensors.
            plain = Path(folder) / "plain.pth"
            torch.save(_plain_tensors(path), plain)
            try:
                network: Any = FeatureExtractorInceptionV3(
                    "inception-v3-compat", ["2048"], feature_extractor_weights_path=str(plain)
                )
            except RuntimeError as error:
                raise ValueError(
                    f"{path.name} holds another network's weights; {INCEPTION.remedy()}"
                ) from error
        self.network, self.device = network.to(device), device

    @torch.inference_mode()
    def features(self, images: Sequence[NDArray[np.uint8]]) -> Features:
        batch = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).to(self.device)
        (found,) = self.network(batch)
        return np.asarray(found.double().cpu().numpy())


class ClipExtractor:
    """CLIP embeddings of length 1, as CMMD compares them."""

    def __init__(self, scorer: ClipScorer | None = None, *, device: str = "cpu") -> None:
        self.scorer = ClipScorer(CLIP_L14_336, device=device) if scorer is None else scorer
        clip = self.scorer.clip
        self.name = f"clip/{self.scorer.place}/{clip.width}/{clip.side_px}"

    def features(self, images: Sequence[NDArray[np.uint8]]) -> Features:
        return self.scorer.embed_images(images)


def shrunken(image: NDArray[np.uint8], short_side_px: int) -> NDArray[np.uint8]:
    """(S, S, 3) of (H, W, 3): the short side to S, bilinear and antialiased, then a centre crop, as published."""
    tensor = torch.from_numpy(np.array(image)).permute(2, 0, 1)
    tensor = functional.resize(tensor, [short_side_px], antialias=True)
    tensor = functional.center_crop(tensor, [short_side_px, short_side_px])
    return np.ascontiguousarray(tensor.permute(1, 2, 0).numpy())


def aligned_crops(image: NDArray[np.uint8]) -> list[NDArray[np.uint8]]:
    """Nine crops of 299 px at 1:1, their middles on a 3 x 3 grid of thirds: the same places of every picture.

    Raises:
        ValueError: a side below 299 px.
    """
    height, width = image.shape[:2]
    if min(height, width) < CROP_PX:
        raise ValueError(f"{width} x {height} is too small for crops of {CROP_PX} px at 1:1; leave it out")
    starts = [
        [round((part + 0.5) / CROPS_PER_SIDE * (side - CROP_PX)) for part in range(CROPS_PER_SIDE)]
        for side in (height, width)
    ]
    return [image[top : top + CROP_PX, left : left + CROP_PX] for top in starts[0] for left in starts[1]]


def _tensors(path: Path) -> Any:
    return torch.load(path, map_location="cpu", weights_only=True)


def _plain_tensors(path: Path) -> dict[str, Any]:
    from safetensors.torch import load_file

    try:
        state = load_file(path) if path.suffix == ".safetensors" else _tensors(path)
    except Exception as error:  # a pickle can fail in any way it likes
        raise ValueError(f"{path.name} is no file of plain tensors; {INCEPTION.remedy()}") from error
    if not isinstance(state, dict) or not all(isinstance(value, torch.Tensor) for value in state.values()):
        raise ValueError(f"{path.name} is no file of plain tensors; {INCEPTION.remedy()}")
    return state
