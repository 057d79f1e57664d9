"""FID, KID and CMMD over folders, against torchmetrics with the same extractor."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from metrics.clip_score import ClipScorer
from metrics.features import CROP_PX, ClipExtractor, InceptionExtractor, aligned_crops, shrunken
from metrics.frechet import GaussianStatistics, cubic_kernel_distance, frechet_distance
from metrics.learned_sets import learned_distances
from metrics.weights import INCEPTION, MICRO_CLIP, found_file


class TinyNet(torch.nn.Module):
    """Twelve numbers of a uint8 picture, as torchmetrics takes a network."""

    num_features = 12

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv = torch.nn.Conv2d(3, 12, 5, stride=3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.conv(x.float() / 255).relu().mean((2, 3))


class Tiny:
    name = "tiny"

    def __init__(self) -> None:
        self.network, self.calls = TinyNet(), 0

    @torch.inference_mode()
    def features(self, images: Sequence[NDArray[np.uint8]]) -> NDArray[np.float64]:
        self.calls += 1
        return self.network(torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2)).double().numpy()


@pytest.fixture
def folders(tmp_path: Path) -> tuple[list[Path], list[Path]]:
    rng = np.random.default_rng(0)
    found = []
    for name, strength in (("generated", 60), ("reference", 20)):
        (tmp_path / name).mkdir()
        for index in range(30):
            grey = rng.normal(0, strength, (40, 52, 3)) + np.linspace(60, 190, 52)[None, :, None] + index
            path = tmp_path / name / f"{index:02}.png"
            Image.fromarray(grey.clip(0, 255).astype(np.uint8)).save(path)
            found.append(path)
    return found[:30], found[30:]


def batch(paths: list[Path]) -> torch.Tensor:
    pictures = [shrunken(np.asarray(Image.open(path)), 40) for path in paths]
    return torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2)


def test_fid_is_torchmetrics_with_the_same_network(folders: tuple[list[Path], list[Path]]) -> None:
    fid = pytest.importorskip("torchmetrics.image.fid").FrechetInceptionDistance(
        feature=TinyNet(), input_img_size=(3, 40, 40)
    )
    ours, theirs = folders
    fid.update(batch(theirs), real=True)
    fid.update(batch(ours), real=False)
    values, notes, skipped, left_out = learned_distances(
        ours, theirs, metrics=["fid"], extractors={"inception": Tiny()}
    )
    assert values["fid"] == pytest.approx(float(fid.compute()), rel=1e-6)
    assert skipped == {} == left_out
    assert any("40 px first" in note for note in notes)


@pytest.mark.filterwarnings("ignore:Metric `Kernel Inception Distance`")
def test_kid_is_torchmetrics_with_the_same_network(folders: tuple[list[Path], list[Path]]) -> None:
    kid = pytest.importorskip("torchmetrics.image.kid").KernelInceptionDistance(
        feature=TinyNet(), subset_size=30, subsets=1
    )
    ours, theirs = folders
    kid.update(batch(theirs), real=True)
    kid.update(batch(ours), real=False)
    expected = float(kid.compute()[0])
    tiny = Tiny()
    first, second = (tiny.features([*batch(paths).permute(0, 2, 3, 1).numpy()]) for paths in folders)
    assert cubic_kernel_distance(first, second) == pytest.approx(expected, abs=1e-6)
    values, *_ = learned_distances(ours, theirs, metrics=["kid"], extractors={"inception": tiny})
    assert values["kid"] == pytest.approx(expected, abs=1e-6)


def test_a_set_against_itself_is_no_distance(folders: tuple[list[Path], list[Path]]) -> None:
    ours, _ = folders
    values, *_ = learned_distances(ours, ours, metrics=["fid"], extractors={"inception": Tiny()})
    assert values["fid"] == pytest.approx(0, abs=1e-9)


def test_features_are_kept_by_content_and_made_once(
    folders: tuple[list[Path], list[Path]], tmp_path: Path
) -> None:
    ours, theirs = folders
    tiny, cache = Tiny(), tmp_path / "cache"
    first = learned_distances(ours, theirs, metrics=["fid"], extractors={"inception": tiny}, cache=cache)
    assert tiny.calls == 60
    again = learned_distances(
        ours, theirs, metrics=["fid", "kid"], extractors={"inception": tiny}, cache=cache
    )
    assert tiny.calls == 60
    assert again[0]["fid"] == first[0]["fid"]
    next(cache.iterdir()).write_bytes(b"cut off")
    ours[0].write_bytes(ours[1].read_bytes())  # other content under the same name
    learned_distances(ours, theirs, metrics=["fid"], extractors={"inception": tiny}, cache=cache)
    assert 60 <= tiny.calls <= 61


def test_bad_files_are_named_and_two_pictures_are_the_least(
    folders: tuple[list[Path], list[Path]], tmp_path: Path
) -> None:
    ours, theirs = folders
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"no picture")
    _, _, skipped, _ = learned_distances(
        [*ours, bad], theirs, metrics=["fid"], extractors={"inception": Tiny()}
    )
    assert list(skipped) == [str(bad)]
    with pytest.raises(ValueError, match="the generated set has 1 pictures"):
        learned_distances([ours[0], bad], theirs, metrics=["fid"], extractors={"inception": Tiny()})


def test_crops_lie_at_the_same_places_and_are_never_shrunken() -> None:
    rng = np.random.default_rng(1)
    image = rng.integers(0, 255, (700, 900, 3), np.uint8)
    crops = aligned_crops(image)
    assert [crop.shape for crop in crops] == [(CROP_PX, CROP_PX, 3)] * 9
    top, left = round(0.5 * (700 - CROP_PX)), round(0.5 * (900 - CROP_PX))
    assert np.array_equal(crops[4], image[top : top + CROP_PX, left : left + CROP_PX])
    with pytest.raises(ValueError, match="too small for crops of 299 px"):
        aligned_crops(image[:200])


def test_shrinking_is_the_published_path() -> None:
    from torchvision.transforms import functional

    image = np.random.default_rng(2).integers(0, 255, (90, 150, 3), np.uint8)
    expected = functional.center_crop(
        functional.resize(torch.from_numpy(image).permute(2, 0, 1), [45], antialias=True), [45, 45]
    )
    assert np.array_equal(shrunken(image, 45), expected.permute(1, 2, 0).numpy())
    assert np.array_equal(shrunken(image[:, :90], 90), image[:, :90])


def test_cmmd_runs_on_the_bundled_clip(folders: tuple[list[Path], list[Path]]) -> None:
    ours, theirs = folders
    clip = ClipExtractor(ClipScorer(MICRO_CLIP))
    values, notes, *_ = learned_distances(ours[:5], theirs[:5], metrics=["cmmd"], extractors={"clip": clip})
    assert values["cmmd"] > 0
    assert "95 %" in notes[0]


def test_the_inception_network_reads_plain_tensors_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    extractor = pytest.importorskip("torch_fidelity.feature_extractor_inceptionv3")
    path = tmp_path / "weights.pth"
    with monkeypatch.context() as patch:  # a random network in the true layout, to be written and read again
        patch.setattr(extractor, "load_state_dict_from_url", lambda *args, **kwargs: {})
        patch.setattr(extractor.FeatureExtractorInceptionV3, "load_state_dict", lambda self, state: None)
        random = extractor.FeatureExtractorInceptionV3("inception-v3-compat", ["2048"])
    torch.save(random.state_dict(), path)
    image = np.random.default_rng(3).integers(0, 255, (299, 299, 3), np.uint8)
    found = InceptionExtractor(path).features([image, image])
    with torch.inference_mode():
        (expected,) = random(torch.from_numpy(image).permute(2, 0, 1)[None])
    assert found.shape == (2, 2048)
    np.testing.assert_allclose(found[0], expected[0].numpy(), rtol=1e-5)
    touched = tmp_path / "touched"
    torch.save({"a": Payload(str(touched))}, path)
    with pytest.raises(ValueError, match="no file of plain tensors"):
        InceptionExtractor(path)
    assert not touched.exists()


class Payload:
    """Runs a command when it is unpickled without care."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return open, (self.path, "w")


def test_missing_inception_weights_are_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.delenv("D4K_INCEPTION", raising=False)
    with pytest.raises(ValueError, match=r"91 MB, Apache-2\.0.*D4K_INCEPTION"):
        found_file(INCEPTION)


def test_streamed_statistics_give_the_same_distance() -> None:
    rng = np.random.default_rng(4)
    first, second = rng.normal(size=(40, 6)), rng.normal(1, 2, (50, 6))
    merged = GaussianStatistics.of(second[:13]).merged(GaussianStatistics.of(second[13:]))
    whole = frechet_distance(GaussianStatistics.of(first), GaussianStatistics.of(second))
    assert frechet_distance(GaussianStatistics.of(first), merged) == pytest.approx(whole, rel=1e-12)


def test_a_metric_without_its_weights_is_left_out_and_the_others_are_computed(
    folders: tuple[list[Path], list[Path]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.delenv("D4K_INCEPTION", raising=False)
    ours, theirs = folders
    clip = ClipExtractor(ClipScorer(MICRO_CLIP))
    values, notes, _, left_out = learned_distances(
        ours[:4], theirs[:4], metrics=["fid", "cmmd", "kid"], extractors={"clip": clip}
    )
    assert list(values) == ["cmmd"]
    assert list(left_out) == ["fid", "kid"]
    assert "D4K_INCEPTION" in left_out["kid"]
    assert not any("short side" in note for note in notes)


def test_features_of_two_clips_of_one_shape_are_kept_apart(tmp_path: Path) -> None:
    copied = tmp_path / "another"
    copied.symlink_to(MICRO_CLIP)
    assert ClipExtractor(ClipScorer(MICRO_CLIP)).name != ClipExtractor(ClipScorer(copied)).name
