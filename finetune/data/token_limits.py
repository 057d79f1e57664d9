"""How much of a caption a model's text encoders read, from the tokenizers of its folder or of its open pipeline.

Not here: judging captions (`finetune.data.scan`).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from transformers import AutoTokenizer

from finetune.data.scan import TokenLimit
from finetune.json_text import parse_json
from finetune.model_folder import T5_TOKENS, TOKENIZERS, FamilyName

if TYPE_CHECKING:
    from diffusers import DiffusionPipeline


def token_limits(
    folder: Path, family: FamilyName, *, max_sequence_length: int | None = None
) -> tuple[TokenLimit, ...]:
    """One limit for each text encoder of a pipeline folder that reads at all.

    `max_sequence_length` is of T5, where it is not the pipeline's own.
    """
    limits = []
    for part, name in TOKENIZERS[family]:
        if not (folder / part).is_dir() or (
            name == "T5" and _is_silent(folder / part.replace("tokenizer", "text_encoder"))
        ):
            continue
        tokenizer = AutoTokenizer.from_pretrained(folder / part, local_files_only=True)
        limits.append(_limit(name, tokenizer, family, max_sequence_length))
    return tuple(limits)


def pipeline_token_limits(
    pipeline: DiffusionPipeline, family: FamilyName, *, max_sequence_length: int | None = None
) -> tuple[TokenLimit, ...]:
    """As `token_limits`, of a pipeline that is open."""
    limits = []
    for part, name in TOKENIZERS[family]:
        tokenizer = getattr(pipeline, part, None)
        encoder = getattr(pipeline, part.replace("tokenizer", "text_encoder"), None)
        if tokenizer is None or encoder is None or (name == "T5" and encoder.config.num_layers == 0):
            continue
        limits.append(_limit(name, tokenizer, family, max_sequence_length))
    return tuple(limits)


def _limit(name: str, tokenizer: Any, family: FamilyName, max_sequence_length: int | None) -> TokenLimit:
    longest = tokenizer.model_max_length
    if name == "T5":
        longest = T5_TOKENS[family] if max_sequence_length is None else max_sequence_length
    return TokenLimit(name, longest, _Counter(tokenizer))


class _Counter:
    """Tokens of a text, the tokenizer's own marks included, nothing cut off."""

    def __init__(self, tokenizer: object) -> None:
        self._tokenizer = tokenizer

    def __call__(self, text: str) -> int:
        return len(self._tokenizer(text, truncation=False, verbose=False).input_ids)  # type: ignore[operator]


def _is_silent(text_encoder: Path) -> bool:
    """Without layers it reads nothing: Micro-4K has such a T5, because stock pipelines insist on one."""
    config = text_encoder / "config.json"
    return not config.is_file() or parse_json(config.read_text(encoding="utf-8")).get("num_layers") == 0
