"""Where a benchmark's prompts come from: a dataset's captions with its pictures, a text file, or a set of our own.

Not here: reading a dataset (`finetune.data.dataset`), fetching one from the hub (`studio.datasets.fetching`).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from finetune.data.dataset import METADATA, open_dataset
from finetune.named_paths import is_file
from finetune.whole_text import whole_text
from metrics.pictures import SUFFIXES
from studio.benchmark.plan import Prompt
from studio.home.roots import named_path

OWN = "micro"
"""The name of the set that the bundled model understands."""

OWN_FILE = Path(__file__).with_name("micro_prompts.txt")
OWN_SET = "Micro-4K's own 24"

EVALUATION_SETS = {"size_2048": "Aesthetic-Eval@2048", "size_4096": "Aesthetic-Eval@4096"}
"""Folders of the hub's zhang0jhon/Aesthetic-4K, under eval/, and what the papers call them."""


@dataclass(frozen=True, slots=True)
class PromptSet:
    """Prompts, what they are called, and what was left out."""

    name: str
    prompts: tuple[Prompt, ...]
    left_out: tuple[str, ...] = ()
    """A sentence each: pictures without a caption, captions without a picture, files that are neither."""


def read_prompts(source: str, *, limit: int | None = None, unpack_to: Path | None = None) -> PromptSet:
    """Of "micro", a text file (one prompt a line), or the folder or zip of a dataset; the first `limit` of them.

    Raises ValueError where there are none.
    """
    if limit is not None and limit < 1:
        raise ValueError(f"at least one prompt is needed, got a limit of {limit}")
    if not source.strip():
        raise ValueError("no prompts are named; name a dataset, a text file, or micro for Micro-4K's own")
    if source.strip() == OWN:
        return PromptSet(OWN_SET, _lines(OWN_FILE)[:limit])
    path = named_path(source)
    if path.suffix.lower() == ".txt" and is_file(path):
        return PromptSet(path.name, _lines(path)[:limit])
    data = open_dataset(path, unpack_to=unpack_to)
    prompts = [
        Prompt(name=item.file_name, text=item.caption.strip(), reference=str(data.path(item).resolve()))
        for item in data.items
        if item.caption is not None and item.caption.strip()
    ]
    bare = [item.file_name for item in data.items if item.caption is None or not item.caption.strip()]
    left_out = (
        *(f"{name} has no caption" for name in bare),
        *(f"{name} has a caption and no picture" for name in data.captions_without_picture),
        *(f"{name} is neither a picture nor a caption" for name in _strays(data.root)),
        *data.problems,
    )
    if not prompts:
        raise ValueError(
            f"{source} has no picture with a caption; write captions, or name a text file of prompts"
        )
    return PromptSet(_called(path), tuple(prompts[:limit]), left_out)


def _lines(path: Path) -> tuple[Prompt, ...]:
    try:
        text = whole_text(path.read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{path.name} cannot be read as UTF-8 text ({error}); save it as UTF-8") from error
    found = list(dict.fromkeys(line.strip() for line in text.split("\n") if line.strip()))
    if not found:
        raise ValueError(f"{path.name} holds no prompt; write one a line")
    digits = len(str(len(found)))
    return tuple(Prompt(name=f"{i:0{digits}d}", text=line) for i, line in enumerate(found, start=1))


def _strays(root: Path) -> list[str]:
    """Files that a dataset has no use for; hidden ones are their programs' own."""
    names = sorted(path.relative_to(root) for path in root.rglob("*") if path.is_file())
    return [
        whole_text(name.as_posix())
        for name in names
        if name.suffix.lower() not in (*SUFFIXES, ".txt")
        and name.name != METADATA
        and not any(part.startswith(".") or part == "__MACOSX" for part in name.parts)
    ]


def _called(path: Path) -> str:
    """By the papers' name, where the folder is one of the published evaluation sets."""
    parts = path.resolve().parts
    if len(parts) > 1 and parts[-2] == "eval" and parts[-1] in EVALUATION_SETS:
        return EVALUATION_SETS[parts[-1]]
    return path.name
