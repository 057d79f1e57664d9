"""A scan: each reason by a picture made for it, decisions that stand, memory, and crops that are the preview."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from finetune.data import picture_facts
from finetune.data.buckets import cut
from finetune.data.dataset import open_dataset
from finetune.data.exclusions import Exclusions, load_exclusions, save_exclusions
from finetune.data.picture_facts import measure, sharpness_of
from finetune.data.scan import ScanReport, ScanSettings, TokenLimit, scan
from metrics.pictures import read_picture
from tests.finetune.data.test_near_duplicates import scene

SETTINGS = ScanSettings(resolution_px=256, square_only=True)


def fine(seed: int, side: int = 300) -> NDArray[np.uint8]:
    """A picture with real detail down to its pixels."""
    grain = np.random.default_rng(seed + 1000).normal(0, 12, (side, side, 1))
    return (scene(seed, side) + grain).clip(0, 255).astype(np.uint8)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """One picture for each verdict."""
    good = Image.fromarray(fine(0))
    pictures = {
        "good.png": good,
        "copy.png": good.resize((280, 280), Image.Resampling.LANCZOS),
        "small.png": Image.fromarray(fine(1, 255)),
        "enlarged.png": Image.fromarray(fine(2, 128)).resize((300, 300), Image.Resampling.BICUBIC),
        "blurred.png": Image.fromarray(scene(3, 300)).filter(ImageFilter.GaussianBlur(4)),
        "silent.png": Image.fromarray(fine(4)),
        "wordy.png": Image.fromarray(fine(5)),
    }
    for name, image in pictures.items():
        image.save(tmp_path / name)
        if name != "silent.png":
            (tmp_path / name).with_suffix(".txt").write_text("a b c" if name != "wordy.png" else "a " * 40)
    (tmp_path / "broken.png").write_bytes((tmp_path / "good.png").read_bytes()[:2000])
    (tmp_path / "broken.txt").write_text("cut off")
    return tmp_path


def words(longest: int, name: str = "CLIP") -> TokenLimit:
    return TokenLimit(name, longest, lambda text: len(text.split()))


def scanned(root: Path, settings: ScanSettings = SETTINGS, **kwargs: object) -> ScanReport:
    report = scan(open_dataset(root), settings, **({"token_limits": [words(10)]} | kwargs))  # type: ignore[arg-type]
    assert report is not None
    return report


def digest(root: Path) -> dict[str, str]:
    files = [p for p in root.iterdir() if p.suffix in (".png", ".txt")]
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


def test_each_picture_gets_its_reason_and_the_originals_stay(root: Path) -> None:
    before = digest(root)
    report = scanned(root)
    reasons = {e.file_name: e.reason for e in report.exclusions.all()}
    assert reasons == {
        "copy.png": "duplicate",
        "small.png": "too-small",
        "enlarged.png": "not-native",
        "blurred.png": "blurred",
        "silent.png": "no-caption",
        "wordy.png": "long-caption",
        "broken.png": "unreadable",
    }
    assert "255 x 255 px, too small for 256" in report.exclusions.found["small.png"].words
    assert "good.png, which stays" in report.exclusions.found["copy.png"].words
    assert [crop.file_name for crop in report.crops] == ["good.png"]
    assert report.captions == {"good.png": "a b c"}
    assert report.num_pictures == 8
    assert dict(report.size_histogram)[0] == 7
    assert digest(root) == before


def test_every_verdict_can_be_taken_back_but_those_without_a_picture(root: Path) -> None:
    scanned(root)
    exclusions = load_exclusions(root)
    for name in ("small.png", "broken.png"):
        with pytest.raises(ValueError, match=f"{name} cannot be kept: "):
            exclusions.keep([name])
    back = ["copy.png", "enlarged.png", "blurred.png", "silent.png", "wordy.png"]
    save_exclusions(root, exclusions.keep(back).leave_out(["good.png"]))
    again = scanned(root)  # decisions stand after another scan
    assert [crop.file_name for crop in again.crops] == sorted(back)
    assert again.captions["silent.png"] == ""
    assert again.per_reason() == {"too-small": 1, "unreadable": 1, "by-hand": 1}
    save_exclusions(root, load_exclusions(root).keep(["good.png"]).leave_out(back))
    assert [crop.file_name for crop in scanned(root).crops] == ["good.png"]


def test_what_was_kept_is_still_left_out_where_it_became_too_small(root: Path) -> None:
    scanned(root)
    save_exclusions(root, load_exclusions(root).keep(["copy.png"]))
    larger = scanned(root, ScanSettings(resolution_px=288, square_only=True))
    assert "copy.png" in larger.exclusions.names()
    assert [crop.file_name for crop in scanned(root).crops] == ["copy.png", "good.png"]


def test_a_caption_that_one_encoder_reads_whole_is_noted_and_kept(root: Path) -> None:
    report = scanned(root, token_limits=[words(10), words(100, "T5")])
    assert "wordy.png" in report.captions
    assert report.notes == ("wordy.png: CLIP reads 10 of 40 tokens.",)


def test_thresholds_at_zero_let_pass(root: Path) -> None:
    lax = ScanSettings(
        resolution_px=256,
        square_only=True,
        min_real_share=0,
        min_sharpness=0,
        without_duplicates=False,
        without_caption=True,
    )
    assert scanned(root, lax, token_limits=[]).per_reason() == {"too-small": 1, "unreadable": 1}


def test_detail_that_is_scaled_away_need_not_be_real(root: Path) -> None:
    """Enlarged 2.34 times, the picture is real at a third of its size."""
    settings = ScanSettings(resolution_px=96, square_only=True)
    assert "enlarged.png" not in scanned(root, settings).exclusions.found


def test_a_file_is_measured_once_until_it_changes(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scanned(root)
    looked: list[str] = []

    def watched(path: Path) -> picture_facts.PictureFacts:
        looked.append(path.name)
        return measure(path)

    monkeypatch.setattr(picture_facts, "measure", watched)
    scanned(root, ScanSettings(resolution_px=128))
    assert looked == []
    Image.fromarray(fine(9)).save(root / "small.png")
    assert "small.png" not in scanned(root).exclusions.found
    assert looked == ["small.png"]
    (root / "scan.json").write_text("{damaged")
    scanned(root)
    assert len(looked) == 9


def test_stopped_and_resumed(root: Path) -> None:
    told: list[tuple[int, int]] = []

    def stop(done: int, total: int) -> bool:
        told.append((done, total))
        return done < 3

    assert scan(open_dataset(root), SETTINGS, workers=1, on_progress=stop) is None
    assert told == [(0, 8), (1, 8), (2, 8), (3, 8)]
    assert not (root / "excluded.json").exists()
    told.clear()
    report = scan(open_dataset(root), SETTINGS, on_progress=lambda d, n: told.append((d, n)) is None)
    assert report is not None
    assert told[0] == (3, 8)
    assert told[-1] == (8, 8)


def test_the_preview_is_the_crop(root: Path) -> None:
    (crop,) = scanned(root).crops
    pixels = read_picture(root / "good.png").pixels
    assert cut(pixels, crop).shape == (256, 256, 3)
    assert crop.box == (0, 0, 300, 300)


def test_a_damaged_list_is_named_and_a_newer_one_refused(root: Path) -> None:
    (root / "excluded.json").write_text("[")
    with pytest.raises(ValueError, match=r"excluded\.json cannot be read"):
        scanned(root)
    (root / "excluded.json").write_text(json.dumps({"version": 2}))
    with pytest.raises(ValueError, match="of version 2, this studio reads 1"):
        load_exclusions(root)
    assert load_exclusions(root / "nowhere") == Exclusions()


def test_exif_rotation_counts(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(np.zeros((80, 200, 3), np.uint8)).save(tmp_path / "a.jpg", exif=exif)
    facts = measure(tmp_path / "a.jpg")
    assert (facts.width_px, facts.height_px) == (80, 200)


def test_sharpness_by_hand() -> None:
    """A checkerboard of +-d has the Laplacian +-8d; half and quarter of it are flat."""
    board = (128 + 10 * ((np.indices((300, 300)).sum(0) % 2) * 2 - 1)).astype(np.uint8)
    assert sharpness_of(np.repeat(board[..., None], 3, 2)) == pytest.approx((80.0, 0.0, 0.0), abs=1e-3)
    assert sharpness_of(np.zeros((100, 100, 3), np.uint8)) == (0.0,)


def test_settings_are_checked_at_once() -> None:
    with pytest.raises(ValueError, match="try 992"):
        ScanSettings(resolution_px=1000)
    with pytest.raises(ValueError, match="between 0 and 1"):
        ScanSettings(min_real_share=2)
