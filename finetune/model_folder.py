"""What a model folder is: the one place that decides, for the catalogue, the loader and its repairs alike. No torch.

A diffusers pipeline folder says it in `model_index.json`, a config for each part, and the names of its files. Two
layouts of published Diffusion-4K checkpoints say it badly: saved with the reference code's own VAE class, or with the
stock class and a config that forgets `stride: 2`.
Not here: opening one (`finetune.backbones.checkpoints`), what its weight files hold (`finetune.weight_files`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from finetune.json_text import parse_json
from finetune.weight_files import SUFFIX, is_whole, variant_of
from finetune.whole_text import shortened

INDEX = "model_index.json"
STOCK_VAE = ["diffusers", "AutoencoderKL"]
REFERENCE_VAE = "autoencoder_kl"
"""The module of the reference code's VAE class, which is F16 whatever its config says."""

OUR_VAE_KEYS = frozenset({"stride", "f16_alignment", "latent_energy_exponent"})
"""Of a VAE's config.json: stock classes ignore them, and warn that they do."""

FamilyName = Literal["sd3", "flux"]
FAMILY_OF_CLASS: Mapping[str, FamilyName] = {"StableDiffusion3Pipeline": "sd3", "FluxPipeline": "flux"}

TOKENIZERS: Mapping[FamilyName, tuple[tuple[str, str], ...]] = {
    "sd3": (("tokenizer", "CLIP-L"), ("tokenizer_2", "CLIP-G"), ("tokenizer_3", "T5")),
    "flux": (("tokenizer", "CLIP-L"), ("tokenizer_2", "T5")),
}
"""(part, name of the encoder that it is of); the encoder is the part of the same number."""

T5_TOKENS: Mapping[FamilyName, int] = {"sd3": 256, "flux": 512}
"""What the stock pipelines hand to T5 unless told otherwise."""

_HUB_CACHE = "models--"
"""Begins the names of folders in the hub's cache."""

_DRAWS = ("transformer", "vae", "scheduler")
"""Parts that no pipeline draws without."""

_LIBRARIES = ("diffusers", "transformers")
_CONFIGS = ("config.json", "scheduler_config.json", "tokenizer_config.json", "preprocessor_config.json")
_VOCABULARIES = (("tokenizer.json",), ("vocab.json", "merges.txt"), ("spiece.model",), ("vocab.txt",))
"""What a tokenizer reads its vocabulary from: one of these sets. Without any it still opens, with two tokens."""


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object from a file. Raises ValueError where it is missing or something else."""
    try:
        content = parse_json(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ValueError(f"{path} is missing; download the model again") from error
    except (OSError, ValueError) as error:
        raise ValueError(f"{path} is not readable JSON ({error}); download the model again") from error
    if not isinstance(content, dict):
        raise ValueError(
            f"{path} holds a {type(content).__name__}, not a JSON object; download the model again"
        )
    return content


@dataclass(frozen=True, slots=True)
class VaeFacts:
    """What a VAE folder says of itself."""

    is_f16: bool
    """16 picture pixels a latent, not 8."""

    alignment: Literal["exact", "reference"]
    """How an F16 VAE's pictures lie; "exact" where its config says nothing."""

    says_stride: bool
    class_name: str | None
    scale_factor: int
    """Picture pixels a latent."""


def vae_facts(folder: Path) -> VaeFacts:
    """Of the folder `vae` of a pipeline, or of a VAE alone. Raises ValueError for a stride that is none."""
    config = read_json(folder / "config.json")
    stride = config.get("stride")
    if stride not in (None, 1, 2):
        raise ValueError(f"{folder}/config.json says stride {stride!r}; F16 says 2, F8 says 1 or nothing")
    index = folder.parent / INDEX
    named = read_json(index).get("vae") if folder.name == "vae" and index.is_file() else None
    is_f16 = stride == 2 or (isinstance(named, list) and named[:1] == [REFERENCE_VAE])
    levels = config.get("block_out_channels")
    halvings = len(levels) - 1 if isinstance(levels, list) else 3
    return VaeFacts(
        is_f16=is_f16,
        alignment="reference" if config.get("f16_alignment") == "reference" else "exact",
        says_stride=stride == 2,
        class_name=config.get("_class_name"),
        scale_factor=2**halvings * (2 if is_f16 else 1),
    )


@dataclass(frozen=True, slots=True)
class ModelFolder:
    """A pipeline folder; only its index was read. Everything else is looked at when it is asked for."""

    path: Path
    index: Mapping[str, Any]

    @classmethod
    def open(cls, path: Path) -> ModelFolder:
        """Raises ValueError for a folder without a readable `model_index.json`."""
        if not (path / INDEX).is_file():
            raise ValueError(f"{path} has no {INDEX}; give the folder of a whole diffusers pipeline")
        return cls(path, read_json(path / INDEX))

    @property
    def title(self) -> str:
        """The path; of a snapshot in the hub's cache, owner/name."""
        repository = self.path.parent.parent.name
        if self.path.parent.name == "snapshots" and repository.startswith(_HUB_CACHE):
            return repository.removeprefix(_HUB_CACHE).replace("--", "/")
        return str(self.path)

    @property
    def pipeline_class(self) -> str:
        return shortened(str(self.index.get("_class_name")))

    @property
    def family(self) -> FamilyName:
        """Raises ValueError for a pipeline that is not drawn with here."""
        if self.pipeline_class not in FAMILY_OF_CLASS:
            raise ValueError(
                f"{self.title} is a {self.pipeline_class}; the studio draws with {' and '.join(FAMILY_OF_CLASS)}"
            )
        return FAMILY_OF_CLASS[self.pipeline_class]

    @property
    def components(self) -> dict[str, list[Any]]:
        """Part -> [library, class]; both None for a part that the pipeline was saved without."""
        return {
            name: entry
            for name, entry in self.index.items()
            if not name.startswith("_") and isinstance(entry, list) and len(entry) == 2
        }

    @property
    def present(self) -> list[str]:
        """The parts that it was saved with."""
        return [name for name, entry in self.components.items() if entry[0] is not None]

    @property
    def foreign_code(self) -> list[str]:
        """Parts taken from code of the model's own, such as "scheduler (my_code)".

        Not the VAE: whatever class it names, diffusers' own is used.
        """
        return [
            shortened(f"{name} ({entry[0]})")
            for name, entry in self.components.items()
            if name != "vae" and entry[0] not in (None, *_LIBRARIES)
        ]

    @property
    def vae(self) -> VaeFacts:
        return vae_facts(self.path / "vae")

    @property
    def variant(self) -> str | None:
        """The second copy, such as "fp16", that has to be asked for because a part has no plain weights."""
        needed = {variant_in(self.path / name) for name in self.present} - {""}
        return min(needed) if needed else None

    @property
    def max_side_px(self) -> int | None:
        """Longest side that the transformer's position table reaches; None where it has no end."""
        config = self.path / "transformer" / "config.json"
        if self.family != "sd3" or not config.is_file():
            return None
        said = read_json(config)
        table, patch = said.get("pos_embed_max_size"), said.get("patch_size", 2)
        if not isinstance(table, int) or not isinstance(patch, int):
            return None
        return table * patch * self.vae.scale_factor

    def missing(self) -> list[str]:
        """Paths under the folder that it needs and that are absent or cut off."""
        return [
            *(f"{name}/" for name in _DRAWS if name not in self.present),
            *(
                f"{name}/{lacking}"
                for name in self.present
                for lacking in missing_in(
                    self.path / name, is_tokenizer="Tokenizer" in str(self.components[name][1])
                )
            ),
        ]


def variant_in(folder: Path) -> str:
    """Which copy of a part's weights is opened: the plain one, "", wherever there is one."""
    names = [path.name for path in _weights(folder)] + [path.name for path in _shard_lists(folder)]
    variants = sorted({variant_of(name) for name in names})
    return variants[0] if variants else ""


def missing_in(folder: Path, *, is_tokenizer: bool = False) -> list[str]:
    """Names of files that a part needs and that are absent or cut off; [""] where there is no folder at all."""
    if not folder.is_dir():
        return [""]
    if is_tokenizer and not any(all((folder / name).is_file() for name in some) for some in _VOCABULARIES):
        return ["tokenizer.json"]
    variant = variant_in(folder)
    weights = [path for path in _weights(folder) if variant_of(path.name) == variant]
    cut_off = [path.name for path in weights if not is_whole(path)]
    for listed in _shard_lists(folder):
        if variant_of(listed.name) == variant:
            shards = read_json(listed).get("weight_map")
            named = sorted({str(shard) for shard in shards.values()}) if isinstance(shards, dict) else []
            if not named:
                return [listed.name]
            return [shard for shard in named if not (folder / shard).is_file()] + cut_off
    if (folder / "config.json").is_file() and not weights:
        return [f"*{SUFFIX}"]
    if not any((folder / name).is_file() for name in _CONFIGS):
        return ["config.json", *cut_off]
    return cut_off


def _weights(folder: Path) -> list[Path]:
    return sorted(folder.glob(f"*{SUFFIX}"))


def _shard_lists(folder: Path) -> list[Path]:
    """model.safetensors.index.json, and with a variant before or behind "index"."""
    return sorted([*folder.glob("*.safetensors.index.json"), *folder.glob("*.safetensors.index.*.json")])
