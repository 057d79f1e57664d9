"""Which vision-language model captions are asked of on this machine, and how. No torch: pages name one.

Not here: opening it (`finetune.captions.local`).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from finetune.captions.loop import DEFAULT_PROMPT
from finetune.data.captions import HAND
from finetune.data.hub_stream import is_hub_id
from finetune.named_paths import expanded, is_file


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalModel:
    """A model of this machine or of the hub."""

    source: str
    """Folder with config.json, or hub id."""

    prompt: str = DEFAULT_PROMPT
    max_new_tokens: int = 80
    max_side_px: int = 1024
    """Pictures are shown to it no larger than this."""

    def __post_init__(self) -> None:
        folder = expanded(self.source)
        if is_file(folder / "config.json"):
            object.__setattr__(self, "source", str(folder.resolve()))
        elif folder.is_dir():
            raise ValueError(f"{folder} is no model, it has no config.json; give the folder of a model")
        elif not is_hub_id(self.source) or self.source.startswith("."):
            raise ValueError(
                f"a local captioner is a model's folder or its hub id owner/name, got {self.source[:80]!r}"
            )
        if not self.prompt.strip():
            raise ValueError("the prompt is empty; say what is to be written")
        if self.max_new_tokens < 1 or self.max_side_px < 64:
            raise ValueError("a caption has 1 token or more, and pictures are shown at 64 px or more")
        if self.name == HAND:
            raise ValueError(f"a model called {HAND!r} would pass for a person; rename its folder")

    @property
    def name(self) -> str:
        """Whose captions they are: the folder's name, or the hub id."""
        return Path(self.source).name if Path(self.source).is_absolute() else self.source
