"""Prompts that were read already, as embeddings: a second picture of a prompt needs no text encoder."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

from torch import Tensor

MAX_PROMPTS = 64  # T5's 512 tokens of 4,096 numbers: 4 MiB each

Embeds = dict[str, Tensor]
"""Arguments of the pipeline, see `Family.encode_prompt`."""


@dataclass(slots=True)
class PromptCache:
    """The last prompts of one opened model, on the CPU; the least recently used goes first."""

    _kept: OrderedDict[tuple[object, ...], Embeds] = field(default_factory=OrderedDict)

    def get(self, key: tuple[object, ...], encode: Callable[[], Embeds]) -> Embeds:
        """The embeddings of `key`, encoded if they are not here."""
        if key not in self._kept:
            self._kept[key] = {name: embeds.cpu() for name, embeds in encode().items()}
            while len(self._kept) > MAX_PROMPTS:
                self._kept.popitem(last=False)
        self._kept.move_to_end(key)
        return self._kept[key]

    def __contains__(self, key: tuple[object, ...]) -> bool:
        return key in self._kept
