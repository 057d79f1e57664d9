"""A digest of the weights that make latents and text embeddings: models that share them share a cache."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

_PARTS = ("vae", "text_encoder", "text_encoder_2", "text_encoder_3")
_SAMPLES, _SAMPLE_BYTES = 64, 4096


def encoder_digest(folder: Path) -> str:
    """16 hex digits of a pipeline folder's VAE and text encoders.

    Covers configs whole, and of each safetensors file its size, its beginning and 64 evenly spread samples of 4 KiB:
    T5 alone is 10 GB. Raises ValueError where there is no VAE.
    """
    digest = sha256()
    files = [
        f
        for part in _PARTS
        for f in sorted((folder / part).glob("*"))
        if f.suffix in (".json", ".safetensors")
    ]
    if not any(file.parent.name == "vae" for file in files):
        raise ValueError(f"{folder} holds no VAE; give the folder of a whole pipeline")
    for file in files:
        digest.update(f"{file.parent.name}/{file.name} {file.stat().st_size}\n".encode())
        with file.open("rb") as opened:
            if file.suffix == ".json":
                digest.update(opened.read())
                continue
            for i in range(_SAMPLES):
                opened.seek(i * file.stat().st_size // _SAMPLES)
                digest.update(opened.read(_SAMPLE_BYTES))
    return digest.hexdigest()[:16]
