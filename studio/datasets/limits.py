"""What a model asks of a dataset: picture sizes and caption lengths, read from its folder without loading it.

`finetune.data.token_limits` says the same with transformers, which the web process must not load. Not here: judging.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from finetune.data.scan import ScanSettings, TokenLimit
from finetune.json_text import parse_json
from finetune.model_folder import T5_TOKENS, TOKENIZERS
from studio.datasets.places import picture_multiple_px
from studio.models.catalogue import ModelEntry
from studio.models.lookup import find_model


@dataclass(frozen=True, slots=True, kw_only=True)
class Judging:
    """What a dataset is judged for."""

    model: str
    """Catalogue id or folder."""

    resolution_px: int
    square_only: bool = False

    def settings(self) -> ScanSettings:
        """Raises ValueError for an unknown model, or a resolution that it cannot be trained at."""
        entry = find_model(self.model)
        return ScanSettings(
            resolution_px=self.resolution_px,
            multiple_px=picture_multiple_px(entry),
            square_only=self.square_only,
            max_side_px=entry.max_side_px,
        )

    def token_limits(self) -> tuple[TokenLimit, ...]:
        """One for each text encoder that reads at all; none of a model that lies on the hub alone."""
        entry = find_model(self.model)
        return () if entry.folder is None else _token_limits(entry.folder, entry)


def _token_limits(folder: Path, entry: ModelEntry) -> tuple[TokenLimit, ...]:
    limits = []
    for part, name in TOKENIZERS[entry.family]:
        encoder = folder / part.replace("tokenizer", "text_encoder") / "config.json"
        if not (folder / part / "tokenizer.json").is_file() or not encoder.is_file():
            continue
        if _json(encoder).get("num_layers") == 0:  # reads nothing: stock pipelines insist on having one
            continue
        longest = int(_json(folder / part / "tokenizer_config.json").get("model_max_length", 77))
        if name == "T5":
            asked = entry.max_sequence_length
            longest = T5_TOKENS[entry.family] if asked is None else asked
        limits.append(TokenLimit(name, longest, _Counter(folder / part / "tokenizer.json")))
    return tuple(limits)


class _Counter:
    """Tokens of a text, the tokenizer's own marks included, nothing cut off."""

    def __init__(self, path: Path) -> None:
        from tokenizers import Tokenizer  # 0.1 s, and only a scan needs it

        self._tokenizer = Tokenizer.from_file(str(path))
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()

    def __call__(self, text: str) -> int:
        return len(self._tokenizer.encode(text).ids)


def _json(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = parse_json(path.read_text(encoding="utf-8"))
    return content
