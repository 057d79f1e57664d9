"""CLIPScore and aesthetics on tiny random models, against the arithmetic written out again."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from transformers import CLIPImageProcessor, CLIPModel, CLIPTokenizer

from metrics.aesthetics import AestheticHead
from metrics.clip_score import ClipScorer
from metrics.weights import CLIP_B16, found
from tests.a_hub import clip_of_the_hub
from tests.studio.models.hub_stand_in import Refusal

MICRO = Path(__file__).parents[2] / "assets" / "micro-4k-clip"
RNG = np.random.default_rng(0)
PICTURES = [RNG.integers(0, 255, (90, 130, 3), np.uint8) for _ in range(3)]
PROMPTS = ["mountains at dusk", "the sea at night, clear sky", "a forest"]


@pytest.fixture(scope="module")
def scorer() -> ClipScorer:
    return ClipScorer(MICRO)


def test_a_score_is_a_hundred_cosines(scorer: ClipScorer) -> None:
    model = CLIPModel.from_pretrained(MICRO, dtype=torch.float32).eval()
    tokenizer, processor = CLIPTokenizer.from_pretrained(MICRO), CLIPImageProcessor.from_pretrained(MICRO)
    scores = scorer.scores(PICTURES, PROMPTS)
    for picture, prompt, score in zip(PICTURES, PROMPTS, scores, strict=True):
        with torch.inference_mode():
            out = model(**tokenizer(prompt, return_tensors="pt"), **processor(picture, return_tensors="pt"))
        cosine = float((out.image_embeds @ out.text_embeds.T).item())
        assert score.value == pytest.approx(max(0, 100 * cosine), abs=1e-3)
        assert score.num_parts == 1


def test_batches_change_nothing(scorer: ClipScorer) -> None:
    whole, one = scorer.embed_images(PICTURES, batch_size=3), scorer.embed_images(PICTURES, batch_size=1)
    np.testing.assert_allclose(whole, one, atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(whole, axis=1), 1)


def test_a_long_prompt_is_read_whole_in_parts(scorer: ClipScorer) -> None:
    prompt = "mountains at dusk, cloudy sky. " * 12 + "The sea at night."
    parts = scorer.parts(prompt)
    assert len(parts) > 1
    assert " ".join(parts).split() == prompt.split()
    assert all(scorer._fits(part) for part in parts)
    assert all(part.endswith(".") for part in parts), "split where sentences end"
    assert scorer.scores([PICTURES[0]], [prompt])[0].num_parts == len(parts)


def test_a_change_at_the_end_of_a_long_prompt_is_heard(scorer: ClipScorer) -> None:
    start = "mountains at dusk, cloudy sky. " * 12
    first, second = (scorer.embed_prompt(start + end)[0] for end in ("the sea at night", "a forest at noon"))
    assert abs(first - second).max() > 1e-3


def test_an_endless_word_is_split_too(scorer: ClipScorer) -> None:
    parts = scorer.parts("☃" * 500)
    assert "".join(parts) == "☃" * 500
    assert all(scorer._fits(part) for part in parts)


def test_what_does_not_pair_is_refused(scorer: ClipScorer) -> None:
    with pytest.raises(ValueError, match="3 pictures and 1 prompts"):
        scorer.scores(PICTURES, ["a"])
    with pytest.raises(ValueError, match="has no prompt"):
        scorer.scores(PICTURES[:1], [" "])


def test_missing_weights_are_named_with_size_licence_and_place(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.delenv("D4K_CLIP_B16", raising=False)
    with pytest.raises(ValueError, match=r"openai/clip-vit-base-patch16 \(599 MB, MIT\).*D4K_CLIP_B16"):
        found(CLIP_B16)
    monkeypatch.setenv("D4K_CLIP_B16", str(tmp_path / "none"))
    with pytest.raises(ValueError, match="which is missing"):
        found(CLIP_B16)
    monkeypatch.setenv("D4K_CLIP_B16", str(tmp_path))
    assert found(CLIP_B16) == str(tmp_path)
    monkeypatch.setenv("D4K_CLIP_B16", "someone/another-clip")
    with pytest.raises(ValueError, match="hub is switched off"):
        found(CLIP_B16)


def test_a_model_that_is_not_here_costs_one_question_to_the_hub(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A hub that is ill: its client would ask six times for each file, waiting in between."""
    place = "/someone/another-clip/resolve/main/config.json"
    with clip_of_the_hub(monkeypatch, tmp_path, "someone/another-clip", refuse={place: Refusal(503)}) as hub:
        with pytest.raises(ValueError, match=r"the hub does not give someone/another-clip \(.*503.*download"):
            ClipScorer(CLIP_B16)
        assert [line for _, line, _ in hub.asked] == [f"HEAD {place}"]
        kept = tmp_path / "models--someone--another-clip"
        (kept / "refs").mkdir(parents=True)
        (kept / "refs" / "main").write_text("a" * 40)
        (kept / "snapshots" / ("a" * 40)).mkdir(parents=True)
        (kept / "snapshots" / ("a" * 40) / "config.json").write_text("{}")
        assert found(CLIP_B16) == "someone/another-clip"
        assert len(hub.asked) == 1, "what is here is not asked for"


def test_a_folder_of_something_else_gets_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="could not be opened as a CLIP; name a folder"):
        ClipScorer(tmp_path)


def test_half_precision_gives_nearly_the_same_scores(scorer: ClipScorer) -> None:
    half = ClipScorer(MICRO, dtype=torch.float16)
    assert next(half.clip.model.parameters()).dtype == torch.float16
    for whole, halved in zip(scorer.scores(PICTURES, PROMPTS), half.scores(PICTURES, PROMPTS), strict=True):
        assert halved.value == pytest.approx(whole.value, abs=0.5)


def head_tensors() -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    sizes = ((0, 8, 6), (2, 6, 5), (4, 5, 4), (6, 4, 3), (7, 3, 1))
    return {
        f"layers.{n}.{part}": torch.randn(out, into) if part == "weight" else torch.randn(out)
        for n, into, out in sizes
        for part in ("weight", "bias")
    }


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_a_head_is_its_matrices_one_after_the_other(tmp_path: Path, suffix: str) -> None:
    tensors, path = head_tensors(), tmp_path / f"head{suffix}"
    if suffix == ".pth":
        torch.save(tensors, path)
    else:
        save_file(tensors, path)
    x = np.random.default_rng(0).standard_normal((4, 8))
    wanted = x
    for n in (0, 2, 4, 6, 7):
        wanted = (
            wanted @ tensors[f"layers.{n}.weight"].numpy().astype(float).T
            + tensors[f"layers.{n}.bias"].numpy()
        )
    np.testing.assert_allclose(AestheticHead.load(path).scores(x), wanted[:, 0], rtol=1e-6)
    with pytest.raises(ValueError, match="embeddings of 8 numbers"):
        AestheticHead.load(path).scores(x[:, :4])


def test_a_head_that_was_saved_on_a_gpu_opens_without_one(tmp_path: Path) -> None:
    path, moved = tmp_path / "head.pth", tmp_path / "gpu.pth"
    torch.save(head_tensors(), path)
    with zipfile.ZipFile(path) as whole, zipfile.ZipFile(moved, "w") as copy:
        for name in whole.namelist():
            content = whole.read(name)
            if name.endswith("data.pkl"):  # as the published file says it
                content = content.replace(b"X\x03\0\0\0cpu", b"X\x06\0\0\0cuda:0")
                assert b"cuda:0" in content
            copy.writestr(name, content)
    x = np.random.default_rng(0).standard_normal((4, 8))
    np.testing.assert_array_equal(AestheticHead.load(moved).scores(x), AestheticHead.load(path).scores(x))


def test_a_head_that_is_none_is_refused_and_never_run(tmp_path: Path) -> None:
    import pickle

    class Trap:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return os.mkdir, (str(tmp_path / "sprung"),)

    path = tmp_path / "trap.pth"
    path.write_bytes(pickle.dumps({"layers.0.weight": Trap()}))
    with pytest.raises(ValueError, match="no aesthetic head"):
        AestheticHead.load(path)
    assert not (tmp_path / "sprung").exists()
    torch.save({"other": torch.zeros(1)}, tmp_path / "other.pth")
    with pytest.raises(ValueError, match="no aesthetic head"):
        AestheticHead.load(tmp_path / "other.pth")
    with pytest.raises(ValueError, match="D4K_AESTHETIC_HEAD"):
        AestheticHead.load(tmp_path / "none.pth")


def test_the_published_head_reads_768_numbers() -> None:
    named = os.environ.get("D4K_AESTHETIC_HEAD")
    if named is None:
        pytest.skip("needs the published head, named in D4K_AESTHETIC_HEAD")
    head = AestheticHead.load(Path(named))
    assert [weight.shape for weight in head.weights] == [
        (1024, 768),
        (128, 1024),
        (64, 128),
        (16, 64),
        (1, 16),
    ]
    embedding = np.ones((1, 768)) / np.sqrt(768)
    assert 0 < head.scores(embedding)[0] < 12
