"""Aesthetics: a linear MLP on CLIP ViT-L/14 embeddings, fitted to human ratings (improved-aesthetic-predictor).

Its file is a pickle of plain tensors, so it is read with `weights_only`. The five layers have nothing between them:
dropout was for training. Imports torch. Not here: embedding (`metrics.clip_score`).
"""

from __future__ import annotations

import itertools
import pickle
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file

from metrics.weights import AESTHETIC_HEAD

_LAYERS = ("layers.0", "layers.2", "layers.4", "layers.6", "layers.7")


@dataclass(frozen=True, slots=True, eq=False)
class AestheticHead:
    """Five affine maps, one after the other, as float64."""

    weights: tuple[NDArray[np.float64], ...]
    biases: tuple[NDArray[np.float64], ...]

    @classmethod
    def load(cls, path: Path) -> AestheticHead:
        """Read the published .pth, or the same tensors as safetensors.

        Raises:
            ValueError: the file is missing, no plain tensors, or of other layers.
        """
        if not path.is_file():
            raise ValueError(f"{path} is missing; {AESTHETIC_HEAD.remedy()}")
        try:
            state = load_file(path) if path.suffix == ".safetensors" else _tensors_alone(path)
            tensors = [(state[f"{name}.weight"], state[f"{name}.bias"]) for name in _LAYERS]
        except (
            KeyError,
            RuntimeError,
            ValueError,
            EOFError,
            OSError,
            pickle.UnpicklingError,
        ) as error:
            raise ValueError(
                f"{path.name} is no aesthetic head ({str(error)[:120]}); download it again"
            ) from error
        weights = tuple(weight.double().numpy() for weight, _ in tensors)
        shapes = [weight.shape for weight in weights]
        if any(before[0] != after[1] for before, after in itertools.pairwise(shapes)) or shapes[-1][0] != 1:
            raise ValueError(
                f"{path.name} has layers of {shapes}, which do not follow one another; download it again"
            )
        return cls(weights, tuple(bias.double().numpy() for _, bias in tensors))

    def scores(self, embeddings: NDArray[np.float64]) -> NDArray[np.float64]:
        """(N, D) CLIP embeddings of length 1 -> (N,), about 1 to 10.

        Raises:
            ValueError: embeddings of another width than the head was fitted to.
        """
        width = self.weights[0].shape[1]
        if embeddings.ndim != 2 or embeddings.shape[1] != width:
            raise ValueError(
                f"this head reads embeddings of {width} numbers, got {embeddings.shape}; use CLIP ViT-L/14"
            )
        x = embeddings
        for weight, bias in zip(self.weights, self.biases, strict=True):
            x = x @ weight.T + bias
        return np.asarray(x[:, 0])


def _tensors_alone(path: Path) -> dict[str, torch.Tensor]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's remarks about pickles that it then refuses
        state: dict[str, torch.Tensor] = torch.load(path, map_location="cpu", weights_only=True)
    return state
