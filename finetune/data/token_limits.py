"""How much of a caption a model's text encoders read, from the tokenizers of its folder.

Not here: judging captions (`finetune.data.scan`).
"""

from __future__ import annotations

import json
from pathlib import Path

from transformers import AutoTokenizer

from finetune.backbones import FamilyName
from finetune.data.scan import TokenLimit

T5_TOKENS = {"sd3": 256, "flux": 512}
"""What the stock pipelines hand to T5 unless told otherwise."""

_NAMES = {
    "sd3": (("tokenizer", "CLIP-L"), ("tokenizer_2", "CLIP-G"), ("tokenizer_3", "T5")),
    "flux": (("tokenizer", "CLIP-L"), ("tokenizer_2", "T5")),
}


def token_limits(
    folder: Path, family: FamilyName, *, max_sequence_length: int | None = None
) -> tuple[TokenLimit, ...]:
    """One limit for each text encoder of a pipeline folder that reads at all.

    `max_sequence_length` is of T5, where it is not the pipeline's own.
    """
    limits = []
    for part, name in _NAMES[family]:
        if not (folder / part).is_dir() or (
            name == "T5" and _is_silent(folder / part.replace("tokenizer", "text_encoder"))
        ):
            continue
        tokenizer = AutoTokenizer.from_pretrained(folder / part, local_files_only=True)
        longest = tokenizer.model_max_length
        if name == "T5":
            longest = T5_TOKENS[family] if max_sequence_length is None else max_sequence_length
        limits.append(TokenLimit(name, longest, _Counter(tokenizer)))
    return tuple(limits)


class _Counter:
    """Tokens of a text, the tokenizer's own marks included, nothing cut off."""

    def __init__(self, tokenizer: object) -> None:
        self._tokenizer = tokenizer

    def __call__(self, text: str) -> int:
        return len(self._tokenizer(text, truncation=False, verbose=False).input_ids)  # type: ignore[operator]


def _is_silent(text_encoder: Path) -> bool:
    """Without layers it reads nothing: Micro-4K has such a T5, because stock pipelines insist on one."""
    config = text_encoder / "config.json"
    return not config.is_file() or json.loads(config.read_text(encoding="utf-8")).get("num_layers") == 0
