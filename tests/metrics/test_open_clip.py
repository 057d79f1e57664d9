"""A model that OpenCLIP opens, tiny and random, against the arithmetic written out again."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import open_clip
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from metrics.clip_score import ClipScorer
from metrics.features import ClipExtractor
from metrics.weights import CLIP_B16, found
from tests.a_hub import clip_of_the_hub
from tests.studio.models.hub_stand_in import Refusal

RNG = np.random.default_rng(0)
PICTURES = [RNG.integers(0, 255, (90, 130, 3), np.uint8) for _ in range(3)]
PROMPTS = ["mountains at dusk", "the sea at night, clear sky", "a forest"]
SIDE_PX = 32
CONFIG = {
    "model_cfg": {
        "embed_dim": 24,
        "vision_cfg": {"image_size": SIDE_PX, "layers": 1, "width": 32, "head_width": 16, "patch_size": 8},
        "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1},
    },
    "preprocess_cfg": {"mean": [0.5, 0.5, 0.5], "std": [0.25, 0.25, 0.25], "resize_mode": "shortest"},
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("clip") / "tiny open clip"
    made.mkdir()
    torch.manual_seed(0)
    model = open_clip.CLIP(**CONFIG["model_cfg"])
    save_file(model.state_dict(), made / "open_clip_model.safetensors")
    (made / "open_clip_config.json").write_text(json.dumps(CONFIG))
    return made


@pytest.fixture(scope="module")
def scorer(folder: Path) -> ClipScorer:
    return ClipScorer(folder)


def pixels(picture: np.ndarray) -> torch.Tensor:
    """(1, 3, 32, 32): the short side to 32 px, the middle, mean and deviation taken out."""
    height, width = picture.shape[:2]
    scale = SIDE_PX / min(height, width)
    shrunken = Image.fromarray(picture).resize(
        (round(width * scale - 0.5), round(height * scale)), Image.Resampling.BICUBIC
    )
    left = round((shrunken.width - SIDE_PX) / 2)
    middle = np.asarray(shrunken)[:SIDE_PX, left : left + SIDE_PX] / 255
    return torch.tensor((middle - 0.5) / 0.25, dtype=torch.float32).permute(2, 0, 1)[None]


def test_a_score_is_a_hundred_cosines(folder: Path, scorer: ClipScorer) -> None:
    torch.manual_seed(0)
    model = open_clip.CLIP(**CONFIG["model_cfg"]).eval()
    scores = scorer.scores(PICTURES, PROMPTS)
    for picture, prompt, score in zip(PICTURES, PROMPTS, scores, strict=True):
        with torch.inference_mode():
            seen, said = (
                model.encode_image(pixels(picture))[0],
                model.encode_text(open_clip.tokenize([prompt]))[0],
            )
        cosine = float(seen @ said / (seen.norm() * said.norm()))
        assert score.value == pytest.approx(max(0, 100 * cosine), abs=1e-3)
        assert score.num_parts == 1
    assert any(score.value > 0 for score in scores)


def test_a_long_prompt_is_read_whole_in_parts_or_cut(scorer: ClipScorer) -> None:
    start = "mountains at dusk, cloudy sky. " * 20
    parts = scorer.parts(start)
    assert len(parts) > 1
    assert " ".join(parts).split() == start.split()
    assert all(scorer.clip.count_tokens(part) <= 77 for part in parts)
    first, second = (scorer.embed_prompt(start + end)[0] for end in ("the sea at night", "a forest at noon"))
    assert abs(first - second).max() > 1e-3
    first, second = (scorer.embed_start(start + end) for end in ("the sea at night", "a forest at noon"))
    np.testing.assert_array_equal(first, second)


def test_sets_are_compared_under_its_own_name(folder: Path, scorer: ClipScorer) -> None:
    extractor = ClipExtractor(scorer)
    assert extractor.name == f"clip/{folder}/24/{SIDE_PX}"
    assert extractor.features(PICTURES).shape == (3, 24)


def test_a_folder_without_its_weights_gets_a_sentence(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "open_clip_config.json").write_text((folder / "open_clip_config.json").read_text())
    with pytest.raises(ValueError, match="could not be opened as a CLIP; name a folder"):
        ClipScorer(tmp_path)


def test_one_of_the_hub_is_asked_for_by_its_own_config(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    place = "/someone/another-clip/resolve/main/open_clip_config.json"
    with clip_of_the_hub(
        monkeypatch, tmp_path, "hf-hub:someone/another-clip", refuse={place: Refusal(404)}
    ) as hub:
        with pytest.raises(ValueError, match="the hub does not give hf-hub:someone/another-clip"):
            found(CLIP_B16)
        assert [line for _, line, _ in hub.asked] == [f"HEAD {place}"]
