"""Captions by a tiny model of a real class: against a decoding by hand; stopped, gone on with, hand edits kept."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from finetune.captions.local import LocalCaptioner, caption_locally, open_captioner
from finetune.captions.loop import MAX_FAILURES, CaptionReport
from finetune.captions.models import LocalModel
from finetune.data.captions import HAND, CaptionStore
from finetune.data.dataset import open_dataset
from tests.finetune.tiny_vision_language import WORDS, save_tiny_model

ROOT = Path(__file__).parents[3]
COLOURS = ("red", "blue", "white", "green")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_model(tmp_path_factory.mktemp("models") / "tiny-llava")


@pytest.fixture(scope="module")
def captioner(folder: Path) -> LocalCaptioner:
    settings = LocalModel(source=str(folder), prompt="a", max_new_tokens=6, max_side_px=64)
    return open_captioner(settings, device=torch.device("cpu"))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for colour in COLOURS:
        Image.new("RGB", (80, 50), colour).save(tmp_path / f"{colour}.png")
    return tmp_path


def captions(root: Path) -> dict[str, tuple[str | None, str | None]]:
    return {item.file_name: (item.caption, item.caption_by) for item in open_dataset(root).items}


def by_hand(captioner: LocalCaptioner, image: Image.Image, text: str) -> str:
    """The likeliest word, six times, by the model's plain forward."""
    inputs = captioner.processor(images=image, text=text, return_tensors="pt")
    ids, written = inputs["input_ids"], []
    with torch.no_grad():
        for _ in range(6):
            logits = captioner.model(
                input_ids=ids, pixel_values=inputs["pixel_values"], attention_mask=torch.ones_like(ids)
            ).logits
            best = logits[0, -1].argmax()
            written.append(WORDS[int(best)])
            ids = torch.cat([ids, best.view(1, 1)], dim=1)
    special = {"<unk>", "<s>", "</s>", "<pad>", "<image>"}
    return " ".join(word for word in written if word not in special)


@pytest.mark.parametrize("chat", [True, False])
def test_a_caption_is_the_models_greedy_answer_to_the_prompt(chat: bool, tmp_path: Path) -> None:
    """In the model's own chat form, and without one with the picture's mark before the prompt."""
    settings = LocalModel(
        source=str(save_tiny_model(tmp_path / "model", chat=chat)), prompt="red hill", max_new_tokens=6
    )
    opened = open_captioner(settings, device=torch.device("cpu"))
    text = "<image> red hill says" if chat else "<image>\nred hill"
    for colour in COLOURS[:2]:
        image = Image.new("RGB", (80, 50), colour)
        assert opened.say(image).split() == by_hand(opened, image, text).split()


def test_captions_look_at_the_picture(captioner: LocalCaptioner, root: Path) -> None:
    reports = list(caption_locally(open_dataset(root), captioner))
    assert [report.file_name for report in reports] == sorted(f"{colour}.png" for colour in COLOURS)
    assert [(report.done, report.total, report.error) for report in reports] == [
        (n, 4, None) for n in range(1, 5)
    ]
    assert len({report.caption for report in reports}) > 1
    assert {by for _, by in captions(root).values()} == {"tiny-llava"}


def test_stopped_and_gone_on_and_a_hand_is_never_written_over(captioner: LocalCaptioner, root: Path) -> None:
    store = CaptionStore(root)
    store.write_by_hand([("green.png", "my meadow")])
    running = caption_locally(open_dataset(root), captioner, which="all")
    first = next(running)
    running.close()
    store.write_by_hand([("red.png", "my hill")])
    rest = list(caption_locally(open_dataset(root), captioner, which="all"))
    assert first.file_name == "blue.png"
    assert [report.file_name for report in rest] == ["white.png"]
    assert captions(root)["green.png"] == ("my meadow", HAND)
    assert captions(root)["red.png"] == ("my hill", HAND)
    assert captions(root)["blue.png"] == (first.caption, "tiny-llava")


def test_an_unreadable_picture_is_named_and_the_others_go_on(captioner: LocalCaptioner, root: Path) -> None:
    content = (root / "green.png").read_bytes()
    (root / "green.png").write_bytes(content[: len(content) // 2])
    reports = list(caption_locally(open_dataset(root), captioner))
    assert [report.caption is None for report in reports] == [False, True, False, False]
    assert "green.png" in str(reports[1].error)
    for number in range(MAX_FAILURES):
        (root / f"a{number}.png").write_bytes(content[:20])
    running = caption_locally(open_dataset(root), captioner)
    with pytest.raises(ValueError, match=f"{MAX_FAILURES} pictures failed one after the other"):
        _all(running)


def _all(running: Any) -> list[CaptionReport]:
    return list(running)


def test_models_that_cannot_be_opened_are_told(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"it has no config\.json"):
        LocalModel(source=str(tmp_path))
    for source in ("nowhere", "a/b/c", "../x"):
        with pytest.raises(ValueError, match="folder or its hub id"):
            LocalModel(source=source)
    with pytest.raises(ValueError, match="the prompt is empty"):
        LocalModel(source=str(folder), prompt=" ")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(ValueError, match="other cannot be opened as a vision-language model"):
        open_captioner(LocalModel(source=str(tmp_path / "other")), device=torch.device("cpu"))


def test_pickled_weights_and_foreign_code_are_not_opened(folder: Path, tmp_path: Path) -> None:
    pickled = save_tiny_model(tmp_path / "pickled")
    weights = pickled / "model.safetensors"
    torch.save({"x": torch.zeros(1)}, pickled / "pytorch_model.bin")
    weights.unlink()
    with pytest.raises(ValueError, match="pickled has no safetensors weights"):
        open_captioner(LocalModel(source=str(pickled)), device=torch.device("cpu"))
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    mark = tmp_path / "mark"
    (foreign / "code.py").write_text(f"open({str(mark)!r}, 'w')\n")
    (foreign / "config.json").write_text(
        '{"model_type": "own", "auto_map": {"AutoConfig": "code.Own", "AutoModelForImageTextToText": "code.Own",'
        ' "AutoProcessor": "code.Own"}}'
    )
    with pytest.raises(ValueError, match="foreign cannot be opened"):
        open_captioner(LocalModel(source=str(foreign)), device=torch.device("cpu"))
    assert not mark.exists()
