"""One open dataset: what a scan found, what was decided since, and the work that goes on in the background.

Every change is on disk before a method returns; this object only spares reading it all again. No torch, no gradio.
Not here: how it is shown (`studio.ui.datasets.grid`), many captions at once (`studio.datasets.caption_changes`).
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Mapping
from dataclasses import replace

from finetune.data.buckets import Crop
from finetune.data.captions import HAND
from finetune.data.dataset import Dataset, Item, open_dataset
from finetune.data.exclusions import Exclusions, load_exclusions, save_exclusions
from finetune.data.scan import ScanReport, TokenLimit, scan
from studio.datasets.crops import CropViews
from studio.datasets.edits import Edit, EditedCaptions, Journal, decisions_of, with_decisions
from studio.datasets.limits import Judging
from studio.datasets.rows import PictureRow, crops_of, rows_of
from studio.home.background import Background
from studio.home.workspace import Workspace

SCAN_THREADS = 2
ABOUT_CAPTIONS = ("no-caption", "long-caption")


class DatasetWatch:
    """Safe from any thread. Make it with `studio.datasets.open.Datasets.open`."""

    def __init__(self, workspace: Workspace, dataset: Dataset) -> None:
        """Raises ValueError for a damaged `excluded.json`."""
        self.root = dataset.root
        self.id = hashlib.sha256(str(dataset.root).encode("utf-8", "surrogateescape")).hexdigest()[:12]
        self._lock = threading.RLock()
        self._changes = 0
        self._items = {item.file_name: item for item in dataset.items}
        self._exclusions = load_exclusions(dataset.root)
        self._report: ScanReport | None = None
        self._asked: Judging | None = None  # what the scan that runs is about
        self._judged: Judging | None = None
        self._limits: tuple[TokenLimit, ...] = ()
        self._crops: dict[str, Crop] = {}
        self._decided: dict[str, tuple[bool, bool]] = {}  # by hand, since the last scan began
        self._caption_edits = 0
        self._next: Judging | None = None  # to be scanned for when the scan that runs has ended
        self.refused = ""
        self._captions = EditedCaptions(dataset.root)
        self._journal = Journal(workspace.datasets / ".undo" / f"{self.id}.json")
        self.scanning = Background("scan", self._scan_changed)
        self.captioning = Background("captions", self._changed)
        self.views = CropViews(dataset.root, workspace.looking / "datasets" / self.id, self._changed)

    # What there is

    def version(self) -> str:
        """Another text after each change of what is shown; how far the work is does not count."""
        return f"{self.id}-{self._changes}"

    def is_busy(self) -> bool:
        return self.scanning.state.is_running or self.captioning.state.is_running

    @property
    def report(self) -> ScanReport | None:
        """Of the last scan that ended; hand decisions since then are in `rows`."""
        with self._lock:
            return self._report

    @property
    def judged(self) -> Judging | None:
        """What the report is about."""
        with self._lock:
            return self._judged

    def rows(self) -> tuple[PictureRow, ...]:
        """Every picture in the order of the names."""
        with self._lock:
            facts = {} if self._report is None else self._report.facts
            return rows_of(self._items.values(), facts, self._exclusions, self._crops)

    def captions(self) -> dict[str, str]:
        """File name -> caption of every picture, empty where there is none."""
        with self._lock:
            return {name: "" if i.caption is None else i.caption for name, i in self._items.items()}

    def last_edit(self) -> str:
        """What undo would take back, in words; empty where there is nothing."""
        edits = self._journal.edits()
        return edits[-1].words if edits else ""

    # Scanning

    def scan(self, judging: Judging) -> bool:
        """Look through the folder again, in the background; False while it is being looked through.

        Raises ValueError at once for a model or a resolution that cannot be.
        """
        settings = judging.settings()

        def work() -> str:
            with self._lock:
                self._decided, edits_before = {}, self._caption_edits
            dataset, limits = open_dataset(self.root), judging.token_limits()
            report = scan(
                dataset, settings, token_limits=limits, workers=SCAN_THREADS, on_progress=self.scanning.tell
            )
            if report is None:
                return "stopped; what was measured is kept"
            with self._lock:
                if self._caption_edits != edits_before:
                    dataset = open_dataset(self.root)
                self._items = {item.file_name: item for item in dataset.items}
                self._exclusions = with_decisions(report.exclusions, self._decided)
                if self._decided:
                    save_exclusions(self.root, self._exclusions)
                self._report, self._judged, self._limits = report, judging, limits
                self._crops = crops_of(report.facts, settings.buckets())
            return f"{report.num_pictures} pictures"

        begun = self.scanning.start(work, words="scanning")
        if begun:
            self._asked = judging
        return begun

    def judge(self, judging: Judging) -> None:
        """Scan for `judging`, now or when the scan that is running has ended. Raises ValueError as `scan` does."""
        if not self.scan(judging):
            self._next = judging
            self._scan_changed()  # it may have ended in between

    def refuse(self, words: str) -> None:
        """What was asked for last cannot be, or can where `words` is empty: part of what is shown until it changes."""
        if words != self.refused:
            self.refused = words
            self._changed()

    def judge_again(self) -> None:
        """Scan once more with the same settings, for what captions have changed; nothing before the first scan."""
        with self._lock:
            judging = self._asked if self.scanning.state.is_running else self._judged
        if judging is not None and self._next is None:
            self.judge(judging)

    def stop_scan(self) -> None:
        """After the picture that is being measured; what was measured is kept."""
        self._next = None
        self.scanning.stop()

    def _scan_changed(self) -> None:
        self._changed()
        following = self._next
        if following is not None and not self.scanning.state.is_running:
            self._next = None
            self.judge(following)

    # Changing

    def write_caption(self, file_name: str, text: str) -> bool:
        """One caption by hand; False where it reads so already. Raises ValueError for a picture that is gone."""
        return self.write_captions({file_name: text}, words=f"the caption of {file_name}") > 0

    def write_captions(self, captions: Mapping[str, str], *, words: str) -> int:
        """Captions by hand, as one edit that `words` names; how many are other than before."""
        with self._lock:
            for name in captions:
                self._item(name)
            tidy = {name: " ".join(text.split()) for name, text in captions.items()}
            changed = {n: t for n, t in tidy.items() if t != self.captions()[n]}
            if not changed:
                return 0
            current, _ = self._captions.current(), self._journal.edits()  # refuse before anything is written
            self._captions.write_by_hand(changed.items())
            self._journal.add(Edit(words, captions={name: current.get(name) for name in changed}))
            self._caption_edits += 1
            again = False
            for name, text in changed.items():
                again |= self._needs_judging(name, text)
                self._items[name] = _with_caption(self._items[name], text, HAND)
        self._changed()
        if again:
            self.judge_again()
        return len(changed)

    def leave_out(self, names: list[str]) -> None:
        """By hand. The pictures stay where they are."""
        self._decide(names, lambda e: e.leave_out(names), f"left out {_named(names)}")

    def keep(self, names: list[str]) -> None:
        """Against whatever spoke against them. Raises ValueError for what cannot be trained on at all."""
        self._decide(names, lambda e: e.keep(names), f"took back {_named(names)}")

    def undo(self) -> str:
        """Take the last edit back; its words. Raises ValueError where there is none."""
        with self._lock:
            edit = self._journal.pop()
            captions = {name: c for name, c in edit.captions.items() if name in self._items}
            if captions:
                self._captions.restore(captions)
                self._caption_edits += 1
                own = {item.file_name: item for item in open_dataset(self.root).items}
                self._items = {name: own.get(name, item) for name, item in self._items.items()}
            if edit.decisions:
                self._keep_decisions(with_decisions(self._exclusions, edit.decisions), list(edit.decisions))
        self._changed()
        if captions:
            self.judge_again()
        return edit.words

    def note_caption(self, file_name: str, text: str, *, by: str) -> None:
        """A model has written a caption, which is in the store already."""
        with self._lock:
            self._caption_edits += 1
            held = self._items.get(file_name)
            if held is not None and held.caption_by != HAND:
                self._items[file_name] = _with_caption(held, text, by)
        self._changed()

    def dataset(self) -> Dataset:
        """Read from disk as it is now."""
        return open_dataset(self.root)

    def _decide(self, names: list[str], change: Callable[[Exclusions], Exclusions], words: str) -> None:
        with self._lock:
            for name in names:
                self._item(name)
            changed = change(self._exclusions)
            before, after = (decisions_of(e, names) for e in (self._exclusions, changed))
            if before == after:
                return
            self._journal.edits()  # a damaged one refuses before anything is written
            self._keep_decisions(changed, names)
            self._journal.add(Edit(words, decisions=before))
        self._changed()

    def _keep_decisions(self, exclusions: Exclusions, names: list[str]) -> None:
        save_exclusions(self.root, exclusions)
        self._exclusions = exclusions
        self._decided |= decisions_of(exclusions, names)

    def _needs_judging(self, name: str, text: str) -> bool:
        """Whether another caption may change what a scan says of the picture."""
        if self._report is None:
            return False
        found = self._exclusions.found.get(name)
        about_caption = found is not None and found.reason in ABOUT_CAPTIONS
        noted = any(note.startswith(f"{name}: ") for note in self._report.notes)
        too_long = any(limit.count(text) > limit.longest for limit in self._limits)
        return about_caption or noted or too_long or not text

    def _item(self, name: str) -> Item:
        if name not in self._items:
            raise ValueError(f"{name} is not in this dataset any more; scan it again")
        return self._items[name]

    def _changed(self) -> None:
        with self._lock:
            self._changes += 1


def _with_caption(item: Item, text: str, by: str) -> Item:
    return replace(item, caption=text if text else None, caption_by=by if text else None)


def _named(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{len(names)} pictures"
