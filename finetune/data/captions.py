"""Captions that the studio adds to a dataset, and who wrote each. No torch; the dataset's own files stay as they are.

One line a change, in `captions.jsonl` beside the pictures: {"file_name", "text", "by", "at"}. The last line of a
picture counts, except that a model's caption never follows a hand's. `text: null` goes back to the dataset's own.
Not here: asking a model (`finetune.captions.endpoint`), the dataset's own captions (`finetune.data.dataset`).
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from finetune.json_text import parse_json

FILE_NAME = "captions.jsonl"
HAND = "hand"


@dataclass(frozen=True, slots=True)
class Caption:
    """What somebody wrote."""

    text: str
    by: str
    """"hand", or the name of a model."""

    at: float
    """Seconds since 1970."""


class CaptionStore:
    """The captions of one dataset folder. Each change is one appended line: a kill loses at most that line."""

    def __init__(self, root: Path) -> None:
        self.path = root / FILE_NAME

    def current(self) -> dict[str, Caption]:
        """File name -> the caption that counts. Raises ValueError for a damaged file, but for a cut-off last line."""
        captions: dict[str, Caption] = {}
        for file_name, caption in self.history():
            held = captions.get(file_name)
            if caption is None:
                captions.pop(file_name, None)
            elif held is None or held.by != HAND or caption.by == HAND:
                captions[file_name] = caption
        return captions

    def history(self) -> list[tuple[str, Caption | None]]:
        """Every change in order: the undo list of an editor. None: back to the dataset's own caption."""
        try:
            lines = self.path.read_bytes().split(b"\n")
        except FileNotFoundError:
            return []
        except OSError as error:
            raise ValueError(
                f"{self.path} cannot be read ({error.strerror}); move it away, or mend it"
            ) from error
        changes: list[tuple[str, Caption | None]] = []
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            try:
                entry = parse_json(line)
                text = entry["text"]
                caption = None if text is None else Caption(str(text), str(entry["by"]), float(entry["at"]))
                changes.append((str(entry["file_name"]), caption))
            except (ValueError, KeyError, TypeError) as error:
                if number == len(lines):  # no newline after it: the writer was stopped
                    break
                raise ValueError(
                    f"{self.path} line {number} is damaged ({error}); mend or delete that line"
                ) from error
        return changes

    def write(self, file_name: str, text: str, *, by: str) -> bool:
        """Add a caption; False where a hand wrote the present one and a model came to replace it."""
        held = self.current().get(file_name) if by != HAND else None
        if held is not None and held.by == HAND:
            return False
        self._append([{"file_name": file_name, "text": text, "by": by, "at": time.time()}])
        return True

    def write_by_hand(self, captions: Iterable[tuple[str, str]]) -> None:
        """Add the captions (file name, text) of one edit, such as a find and replace."""
        now = time.time()
        self._append([{"file_name": n, "text": t, "by": HAND, "at": now} for n, t in captions])

    def withdraw(self, file_name: str) -> None:
        """Let the dataset's own caption count again; a hand's decision too."""
        self._append([{"file_name": file_name, "text": None, "by": HAND, "at": time.time()}])

    def _append(self, entries: list[dict[str, object]]) -> None:
        data = "".join(json.dumps(entry, ensure_ascii=False) + "\n" for entry in entries).encode()
        try:
            with self.path.open("ab+") as file:
                if file.tell():
                    file.seek(-1, os.SEEK_END)
                    if file.read(1) != b"\n":  # a line that was cut off before: it must not swallow ours
                        _drop_last_line(file.fileno(), self.path)
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise ValueError(
                f"{self.path} cannot be written ({error.strerror}); give yourself the right to, or copy the dataset"
            ) from error


def _drop_last_line(descriptor: int, path: Path) -> None:
    os.ftruncate(descriptor, path.read_bytes().rfind(b"\n") + 1)
