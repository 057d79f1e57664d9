"""The record that a picture carries: both ways, from older and later studios, and damaged in every field."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from studio.pictures.record import AdapterUsed, ModelUsed, PictureRecord
from studio.render_request import RenderRequest


@pytest.fixture
def record(new_request: Callable[..., RenderRequest]) -> PictureRecord:
    """With something in every field."""
    return PictureRecord(
        settings=new_request(),
        id="20260214-093015-1f3a",
        created_at=1771061415.5,
        model=ModelUsed(id="m", title="M", source="/m", weights_hash="ab", repairs=("one thing",)),
        adapters=(AdapterUsed(path="loras/a.safetensors", weight=0.0, digest="cd", layers=3),),
        versions={"torch": "2.8"},
        device="cpu",
        dtype="bfloat16",
        rung="int8",
        gave_up=("resident",),
        decode_path="f16-exact",
        timings_s={"denoising": 1.5},
        peak_memory_mib=812,
        resumed_from_step=3,
        notes=("a note",),
        imported_from="a.png",
        source="ComfyUI",
    )


def test_both_ways_through_json(record: PictureRecord) -> None:
    assert PictureRecord.from_dict(json.loads(json.dumps(record.to_dict()))) == record


def test_what_is_empty_is_not_written(new_request: Callable[..., RenderRequest]) -> None:
    assert set(PictureRecord(settings=new_request()).to_dict()) == {"record_version", "settings"}


DAMAGE: list[Any] = [None, [], {}, "text", -1, 1e400, True, [None], {"a": None}, [{"path": 1}], [["x"]]]


@pytest.mark.parametrize("wrong", DAMAGE, ids=repr)
def test_one_wrong_field_takes_no_other_down(record: PictureRecord, wrong: Any) -> None:
    values = record.to_dict()
    for name in values.keys() - {"settings", "record_version"}:
        found = PictureRecord.from_dict({**values, name: wrong})
        assert found.settings == record.settings
        others = values.keys() - {name, "settings", "record_version"}
        assert {other: found.to_dict()[other] for other in others} == {
            other: values[other] for other in others
        }
        json.dumps(found.to_dict())


def test_what_a_later_studio_wrote_is_kept(record: PictureRecord) -> None:
    values = record.to_dict()
    later = {**values, "mood": "calm", "settings": {**values["settings"], "sampler": "new"}}
    found = PictureRecord.from_dict(later)
    assert found.settings == record.settings
    assert found.to_dict()["mood"] == "calm"
    assert found.beside["settings_of_a_later_studio"] == {"sampler": "new"}


@pytest.mark.parametrize(
    "values", [None, [], {}, {"settings": None}, {"settings": {}}, {"settings": {"prompt": 3}}]
)
def test_without_settings_there_is_no_record(values: Any) -> None:
    with pytest.raises(ValueError, match=r"settings|lacks"):
        PictureRecord.from_dict(values)


def test_halves_of_letters_are_made_whole(record: PictureRecord) -> None:
    values = record.to_dict()
    values["settings"]["prompt"] = "sea \ud83d"
    values["notes"] = ["\udc00"]
    PictureRecord.from_dict(values).settings.prompt.encode()
    assert PictureRecord.from_dict(values).notes == ("\ufffd",)
