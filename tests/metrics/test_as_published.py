"""Every column of the published protocol on eight real pictures, against what others' code makes of them.

scikit-image's matrices on OpenCV's grey, Pillow's file, torchmetrics' CLIPScore and FID; networks are small or plain
stand-ins, since what is compared is the procedure around them.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import skimage
import torch
from PIL import Image
from skimage.feature import graycomatrix
from skimage.measure import shannon_entropy
from torchmetrics.functional.multimodal import clip_score
from torchmetrics.image.fid import FrechetInceptionDistance
from torchvision.transforms import functional
from transformers import CLIPImageProcessor, CLIPModel, CLIPProcessor, CLIPTokenizer

from metrics import set_features
from metrics.frechet import Features
from metrics.learned import LearnedScorer
from metrics.protocol_scores import measure_picture, measure_set
from metrics.protocols import AS_PUBLISHED, Column
from tests.metrics.test_clip_score import head_tensors

# torchmetrics says so of every set and of every long prompt.
pytestmark = [
    pytest.mark.filterwarnings("ignore:Metric `FrechetInceptionDistance` will save all extracted features"),
    pytest.mark.filterwarnings("ignore:Encountered caption longer than max_position_embeddings"),
]

MICRO = Path(__file__).parents[2] / "assets" / "micro-4k-clip"
NAMES = (
    *("astronaut.png", "coffee.png", "chelsea.png", "rocket.jpg"),
    *("hubble_deep_field.jpg", "ihc.png", "retina.jpg", "motorcycle_left.png"),
)
SIDE_PX = 256
LONG = "a rocket on its pad at night, lit from below, smoke around it, " * 12
PROMPTS = (
    "mountains at dusk",
    "the sea at night",
    "a forest",
    LONG,
    "a hill",
    "clear sky",
    "dunes",
    "cloudy sky",
)
Pictures = list[np.ndarray]
Independent = Callable[[Pictures, Path], list[float]]
"""(pictures, folder of the aesthetic head) to a value a picture, or of the set alone."""


def real(name: str, top: int, left: int, height: int, width: int) -> np.ndarray:
    """A crop, (height, width, 3) uint8, of a picture that scikit-image carries."""
    with Image.open(Path(skimage.__file__).parent / "data" / name) as image:
        return np.asarray(image.convert("RGB"))[top : top + height, left : left + width]


def jpeg(pixels: np.ndarray) -> bytes:
    """As the published script saves: Pillow, quality 95; its own subsampling is 4:2:0."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=95)
    return file.getvalue()


def decoded(pixels: np.ndarray) -> np.ndarray:
    return np.array(Image.open(io.BytesIO(jpeg(pixels))).convert("RGB"))


def opencv_grey(rgb: np.ndarray) -> np.ndarray:
    """cv2.cvtColor to grey of 8 bits: fixed point, 15 bits after the point, rounded."""
    red, green, blue = np.moveaxis(rgb.astype(np.int64), 2, 0)
    return ((9798 * red + 19235 * green + 3735 * blue + (1 << 14)) >> 15).astype(np.uint8)


def glcm(pictures: Pictures, _: Path) -> list[float]:
    angles = [0, np.pi / 4, np.pi / 2, 3 * np.pi / 4]
    found = []
    for pixels in pictures:
        levels = opencv_grey(decoded(pixels)) // 4
        patches = [
            levels[y : y + 64, x : x + 64] for y in range(0, SIDE_PX, 64) for x in range(0, SIDE_PX, 64)
        ]
        entropies = [
            shannon_entropy(graycomatrix(patch, [1, 2, 3, 4], angles, 64, normed=True)) for patch in patches
        ]
        found.append(float(np.mean(entropies)))
    return found


def ratio(pictures: Pictures, _: Path) -> list[float]:
    return [SIDE_PX * SIDE_PX * 3 / len(jpeg(pixels)) for pixels in pictures]


class Clip(CLIPModel):
    """Gives features as torchmetrics takes them: transformers 5 wraps them."""

    def get_image_features(self, pixels: torch.Tensor) -> torch.Tensor:
        return super().get_image_features(pixels).pooler_output

    def get_text_features(self, tokens: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        return super().get_text_features(tokens, mask).pooler_output


def small_clip() -> tuple[CLIPModel, CLIPProcessor]:
    processor = CLIPProcessor(CLIPImageProcessor.from_pretrained(MICRO), CLIPTokenizer.from_pretrained(MICRO))
    return Clip.from_pretrained(MICRO, dtype=torch.float32).eval(), processor


def clip(pictures: Pictures, _: Path) -> list[float]:
    found = []
    for pixels, prompt in zip(pictures, PROMPTS, strict=True):
        shown = torch.from_numpy(decoded(pixels)).permute(2, 0, 1)
        found.append(float(clip_score(shown, prompt, model_name_or_path=small_clip).detach()))
    return found


def aesthetics(pictures: Pictures, folder: Path) -> list[float]:
    model = CLIPModel.from_pretrained(MICRO, dtype=torch.float32).eval()
    processor = CLIPImageProcessor.from_pretrained(MICRO)
    tensors = torch.load(folder / "head.pth", weights_only=True)
    found = []
    for pixels in pictures:
        with torch.inference_mode():
            seen = model.vision_model(**processor(decoded(pixels), return_tensors="pt")).pooler_output
            x = model.visual_projection(seen).double()
        x = x / x.norm(dim=-1, keepdim=True)
        for layer in (0, 2, 4, 6, 7):
            x = x @ tensors[f"layers.{layer}.weight"].double().T + tensors[f"layers.{layer}.bias"].double()
        found.append(float(x))
    return found


class MeanColour(torch.nn.Module):
    """Stands for Inception: (N, 3, H, W) uint8 to (N, 3) float64."""

    num_features = 3

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return images.double().mean((2, 3))


class MeanColours:
    """The same, as our extractors are."""

    name = "mean colour"

    def features(self, images: list[np.ndarray]) -> Features:
        return np.stack([image.astype(np.float64).mean((0, 1)) for image in images])


def fid(pictures: Pictures, _: Path) -> list[float]:
    metric = FrechetInceptionDistance(feature=MeanColour(), normalize=False)
    for is_real, shown in ((False, [decoded(pixels) for pixels in pictures]), (True, references())):
        for pixels in shown:
            tensor = functional.resize(
                torch.from_numpy(pixels.copy()).permute(2, 0, 1), SIDE_PX, antialias=True
            )
            metric.update(functional.center_crop(tensor, [SIDE_PX, SIDE_PX])[None], real=is_real)
    return [float(metric.compute())]


INDEPENDENT: dict[str, Independent] = {
    "glcm_score": glcm,
    "compression_ratio": ratio,
    "clip_score": clip,
    "aesthetics": aesthetics,
    "fid": fid,
}


def drawn() -> Pictures:
    return [real(name, 0, 10, SIDE_PX, SIDE_PX) for name in NAMES]


def references() -> Pictures:
    """Others than the drawn ones, larger and no squares."""
    return [real(name, 20, 30, 270, 262) for name in NAMES]


@pytest.fixture
def small_networks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    tensors = head_tensors()
    tensors["layers.0.weight"] = torch.randn(6, 128, generator=torch.Generator().manual_seed(1))
    torch.save(tensors, tmp_path / "head.pth")
    monkeypatch.setenv("D4K_CLIP_B16", str(MICRO))
    monkeypatch.setenv("D4K_CLIP_L14", str(MICRO))
    monkeypatch.setenv("D4K_AESTHETIC_HEAD", str(tmp_path / "head.pth"))
    monkeypatch.setattr(set_features, "InceptionExtractor", lambda device: MeanColours())
    return tmp_path


@pytest.mark.parametrize("column", AS_PUBLISHED.columns, ids=lambda column: column.metric)
def test_a_column_is_what_others_code_says(column: Column, small_networks: Path) -> None:
    assert column.metric in INDEPENDENT, (
        "a published column needs a computation that shares no code with ours"
    )
    pictures = drawn()
    wanted = INDEPENDENT[column.metric](pictures, small_networks)
    if column.is_of_pictures:
        scorer = LearnedScorer()
        found = [
            measure_picture(pixels, prompt, [column], scorer=scorer).values[column.key]
            for pixels, prompt in zip(pictures, PROMPTS, strict=True)
        ]
    else:
        paths = []
        for side, shown in (("drawn", pictures), ("real", references())):
            (small_networks / side).mkdir()
            paths.append([small_networks / side / f"{i}.png" for i in range(len(shown))])
            for path, pixels in zip(paths[-1], shown, strict=True):
                Image.fromarray(pixels).save(path)
        found = [measure_set(*paths, [column]).values[column.key]]
    assert len(set(wanted)) == len(wanted), "pictures that differ"
    np.testing.assert_allclose(found, wanted, rtol=1e-6)


def test_there_is_no_computation_of_a_column_that_is_gone() -> None:
    assert set(INDEPENDENT) == {column.metric for column in AS_PUBLISHED.columns}
