"""A dataset as it lies on disk: pictures and captions, from a folder or a zip. No torch, no pixel is read.

Two layouts: `metadata.jsonl` with a line {"file_name", "text"} for each picture, as Aesthetic-4K has it (arXiv
2503.18352, section 4), or a .txt of the same name beside each picture. Files that came with the dataset are never
written; captions of the studio's own (`finetune.data.captions`) lie beside and go first.
Not here: looking at the pictures (`finetune.data.scan`), what is left out (`finetune.data.exclusions`).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal

from finetune.data.archives import unpack_zip
from finetune.data.captions import CaptionStore
from finetune.json_text import parse_json
from finetune.named_paths import expanded, is_folder
from finetune.whole_text import whole_text
from metrics.pictures import SUFFIXES

METADATA = "metadata.jsonl"

Layout = Literal["metadata", "txt"]


@dataclass(frozen=True, slots=True)
class Item:
    """One picture and what is said of it."""

    file_name: str
    """Under the dataset's root, with forward slashes."""

    caption: str | None
    caption_by: str | None
    """"original", "hand", or the name of the model that wrote it; None without a caption."""


@dataclass(frozen=True, slots=True)
class Dataset:
    """Pictures in the order of their names."""

    root: Path
    layout: Layout
    items: tuple[Item, ...]
    captions_without_picture: tuple[str, ...]
    """File names: of pictures that the metadata lists and that are absent, or of lone .txt files."""

    problems: tuple[str, ...]
    """One sentence for each line or caption that cannot be read."""

    def path(self, item: Item) -> Path:
        return self.root / item.file_name


def open_dataset(source: str | Path, *, unpack_to: Path | None = None) -> Dataset:
    """Read the dataset of a folder, or of a zip, which is unpacked to `unpack_to` first unless it is there already.

    Raises ValueError for what is neither, a folder without pictures, or a zip with nowhere to unpack it.
    """
    path = expanded(source)
    if is_folder(path):
        try:
            next(path.iterdir(), None)  # what walks the folder would take it for an empty one
        except OSError as error:
            raise ValueError(
                f"{path} cannot be looked into ({error.strerror}); change its permissions"
            ) from error
        return _read_folder(path)
    if path.suffix.lower() == ".zip":
        if unpack_to is None:
            raise ValueError(f"{path.name} is a zip; say into which folder it is to be unpacked")
        return _read_folder(unpack_zip(path, unpack_to), called=path.name)
    if not path.exists():
        raise ValueError(f"{path} is missing; give the folder or the zip of a dataset")
    raise ValueError(f"{path.name} is neither a folder nor a zip; give the folder of pictures and captions")


def _read_folder(root: Path, *, called: str = "") -> Dataset:
    """`called` is the archive that it came from."""
    problems: list[str] = []
    pictures = {p: None for p in _files(root, problems) if Path(p).suffix.lower() in SUFFIXES}
    texts = _txt_captions(root, problems)
    layout: Layout = "metadata" if (root / METADATA).is_file() else "txt"
    captions: dict[str, str] = {}
    without: list[str] = []
    stems = {str(PurePosixPath(p).with_suffix("")) for p in pictures}
    if layout == "metadata":
        listed = _metadata_captions(root / METADATA, problems)
        captions = {name: text for name, text in listed.items() if name in pictures}
        without = [name for name in listed if name not in pictures]
    else:
        without = [f"{stem}.txt" for stem in texts if stem not in stems]
    if not pictures:
        raise ValueError(_no_pictures(root, without, called))
    for name in pictures:
        stem = str(PurePosixPath(name).with_suffix(""))
        if name not in captions and stem in texts:
            captions[name] = texts[stem]
    ours = CaptionStore(root).current()
    items = []
    for name in sorted(pictures):
        text, by = captions.get(name, "").strip(), "original"
        if name in ours:
            text, by = ours[name].text.strip(), ours[name].by
        items.append(Item(name, text or None, by if text else None))
    return Dataset(root, layout, tuple(items), tuple(sorted(without)), tuple(problems))


def _files(root: Path, problems: list[str] | None = None) -> list[str]:
    """Everything under `root`, hidden files and folders aside, links that lead out of it and names that are no text."""
    inside = root.resolve()
    found = []
    for path in root.rglob("*"):
        relative = path.relative_to(root)
        hidden = any(part.startswith(".") or part == "__MACOSX" for part in relative.parts)
        if not hidden and path.is_file() and path.resolve().is_relative_to(inside):
            name = relative.as_posix()
            if whole_text(name) == name:
                found.append(name)
            elif problems is not None:
                problems.append(f"{whole_text(name)} has a name that is no text; rename it.")
    return found


def _txt_captions(root: Path, problems: list[str]) -> dict[str, str]:
    """Stem -> caption of every .txt."""
    captions = {}
    for name in _files(root):
        if Path(name).suffix.lower() != ".txt":
            continue
        try:
            captions[str(PurePosixPath(name).with_suffix(""))] = (root / name).read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            problems.append(f"{name} cannot be read as UTF-8 text ({error}); save it as UTF-8.")
    return captions


def _metadata_captions(path: Path, problems: list[str]) -> dict[str, str]:
    """File name -> caption. Of two lines for one picture the first counts."""
    captions: dict[str, str] = {}
    try:
        # Not splitlines: a caption may hold a line separator of Unicode, which JSON leaves as it is.
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} cannot be read as UTF-8 text ({error}); save it as UTF-8") from error
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            entry = parse_json(line)
            name, text = entry["file_name"], entry.get("text", "")
        except (ValueError, KeyError, TypeError, AttributeError):
            problems.append(f'{METADATA} line {number} is no JSON object with "file_name" and "text".')
            continue
        if not isinstance(name, str) or not isinstance(text, str | None):
            problems.append(f'{METADATA} line {number}: "file_name" and "text" must be text.')
            continue
        pure = PurePosixPath(name)
        if pure.is_absolute() or ".." in pure.parts:
            problems.append(
                f"{METADATA} line {number}: {name[:80]!r} leads out of the folder and is left out."
            )
        elif str(pure) in captions:
            problems.append(f"{METADATA} line {number}: {name} was listed before; its first caption counts.")
        else:
            captions[str(pure)] = "" if text is None else text
    return captions


def _no_pictures(root: Path, without: list[str], called: str) -> str:
    nested = sorted(p.parent.relative_to(root).as_posix() for p in root.rglob(METADATA) if p.parent != root)
    remedy = f"give {root / nested[0]}" if nested else "give the folder that holds them"
    counted = f", though {len(without)} captions" if without else ""
    kinds = ", ".join(sorted(suffix.removeprefix(".") for suffix in SUFFIXES))
    if called:
        return f"{called} holds no pictures ({kinds}){counted}; zip the folder that holds them"
    return f"{root} holds no pictures ({kinds}){counted}; {remedy}"
