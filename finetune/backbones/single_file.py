"""A transformer from one safetensors file, in its makers' names or diffusers', put where a base model's own would be.

Everything else (configs, text encoders, VAE, schedule) is the base's, and nothing is asked of the hub.
Not here: what a file is, without torch (`studio.models.weights_kind`).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from diffusers import ModelMixin
from safetensors import SafetensorError


def load_transformer(
    transformer_class: type[ModelMixin],
    path: Path,
    base: Path,
    *,
    dtype: torch.dtype,
    arguments: Mapping[str, Any],
) -> ModelMixin:
    """Open the transformer of `path` with the config of the pipeline folder `base`, on the CPU.

    `arguments` are as for `from_pretrained`, such as a `quantization_config`.
    Raises ValueError for a file that is not whole, lacks layers, or was made for another base.
    """
    if path.suffix != ".safetensors":  # others may hold code
        raise ValueError(f"{path.name} is no .safetensors file, and others are not opened; convert it first")
    try:
        found: ModelMixin = transformer_class.from_single_file(
            str(path),
            config=str(base),
            subfolder="transformer",
            dtype=dtype,
            local_files_only=True,
            **arguments,
        )
    except torch.OutOfMemoryError:  # says nothing of the file
        raise
    except (KeyError, IndexError) as error:  # of the conversion of names
        which = f"the layer {error}" if isinstance(error, KeyError) else f"layers that {base.name} has"
        raise ValueError(
            f"{path.name} lacks {which}; download it again, or name the model that it was made from, as FILE@MODEL"
        ) from error
    except (OSError, SafetensorError, ValueError, RuntimeError) as error:
        said = str(error).strip().split("\n")[0][:200]
        raise ValueError(
            f"{path.name} does not fit {base.name} ({said}); name the model that it was made from, as FILE@MODEL"
        ) from error
    if absent := [name for name, weight in found.state_dict().items() if weight.is_meta]:
        raise ValueError(
            f"{path.name} lacks {len(absent)} layers, {absent[0]} first; name the right base, as FILE@MODEL"
        )
    return found
