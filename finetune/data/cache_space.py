"""What a cache of latents and text embeddings takes on disk, and clearing it. No torch, so that a page can.

Not here: building and reading it (`finetune.data.cache`).
"""

from __future__ import annotations

from pathlib import Path

from finetune.json_text import parse_json

INDEX, CONTENTS = "index.json", "contents.json"
LATENTS, TEXT = "latents", "text"


def cache_bytes(folder: Path) -> int:
    """What the cache takes on disk; 0 where there is none."""
    return sum(path.stat().st_size for path in _own_files(folder))


def clear_cache(folder: Path, *, keep_current: bool = False) -> int:
    """Delete the cache, or only what the last build did not use; returns the bytes freed. Foreign files stay.

    Raises ValueError where the current build is to be kept and its index cannot be read.
    """
    used = _current(folder) if keep_current else set()
    freed = 0
    for path in _own_files(folder):
        if path.name not in used:
            freed += path.stat().st_size
            path.unlink()
    return freed


def _current(folder: Path) -> set[str]:
    path = folder / INDEX
    try:
        index = parse_json(path.read_text(encoding="utf-8"))
        names = {name for entry in index["entries"] for name in entry[1:]}
        return names | {index["empty_text"], INDEX, CONTENTS}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path} cannot be read ({error}); build the cache again") from error


def _own_files(folder: Path) -> list[Path]:
    files = [folder / INDEX, folder / CONTENTS]
    for kind in (LATENTS, TEXT):
        files += [*(folder / kind).glob("*.safetensors"), *(folder / kind).glob(".*.part")]
    return [path for path in files if path.is_file()]
