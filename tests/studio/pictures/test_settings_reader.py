"""Tool x container x encoding: what each tool writes is read from every file that it writes, or refused by name."""

from __future__ import annotations

import json
import struct
import tracemalloc
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from studio.pictures.containers import texts_of
from studio.pictures.importing import importable
from studio.pictures.settings_reader import STUDIO, PictureSettings, read_settings
from studio.render_request import RenderRequest
from tests.studio.pictures.pictures_of_others import (
    COMFY,
    ENCODINGS,
    INVOKE,
    SWARM,
    TEXT,
    as_json,
    chunk,
    exif,
    in_container,
    jpeg,
    png,
    segment,
    text_chunk,
    user_comment,
    webp,
)

PNG_KINDS = ("tEXt in UTF-8", "zTXt", "iTXt", "iTXt, packed")
CONTAINERS = ("PNG", "JPEG", "WebP", "WebP, lossless")


@pytest.fixture
def read(tmp_path: Path) -> Callable[[bytes], PictureSettings]:
    def one(content: bytes) -> PictureSettings:
        (tmp_path / "theirs.png").write_bytes(content)
        return read_settings(tmp_path / "theirs.png")

    return one


def check_castle(
    found: PictureSettings, tool: str, *, prompt: str = "a castle", negative: str = "fog"
) -> None:
    assert found.source == tool
    assert (found.values["prompt"], found.values["negative_prompt"]) == (prompt, negative)
    assert (found.values["num_inference_steps"], found.values["guidance_scale"]) == (20, 7.0)
    assert (found.values["seed"], found.values["width_px"], found.values["height_px"]) == (5, 512, 768)
    assert (found.width_px, found.height_px) == (96, 64)
    assert found.left_out["the file's own size"] == "96 x 64"


@pytest.mark.parametrize("at_the_end", [False, True])
@pytest.mark.parametrize("kind", PNG_KINDS)
def test_the_shared_text_in_every_chunk(
    read: Callable[[bytes], PictureSettings], kind: str, at_the_end: bool
) -> None:
    found = read(png(text_chunk("parameters", TEXT, kind), at_the_end=at_the_end))
    check_castle(found, "AUTOMATIC1111", prompt="山の城, a castle 🏰", negative="雾, fog")


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("container", CONTAINERS)
def test_the_shared_text_in_every_comment(
    read: Callable[[bytes], PictureSettings], container: str, encoding: str
) -> None:
    found = read(in_container(container, exif(user_comment(TEXT, encoding))))
    check_castle(found, "AUTOMATIC1111", prompt="山の城, a castle 🏰", negative="雾, fog")


@pytest.mark.parametrize("kind", PNG_KINDS)
@pytest.mark.parametrize(
    ("keyword", "text", "tool"),
    [
        ("prompt", as_json(COMFY), "ComfyUI"),
        ("invokeai_metadata", as_json(INVOKE), "InvokeAI"),
        ("parameters", as_json(SWARM), "SwarmUI"),
    ],
)
def test_the_other_tools_in_every_chunk(
    read: Callable[[bytes], PictureSettings], keyword: str, text: str, tool: str, kind: str
) -> None:
    check_castle(read(png(text_chunk(keyword, text, kind))), tool)


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("container", CONTAINERS)
def test_swarm_in_every_comment(
    read: Callable[[bytes], PictureSettings], container: str, encoding: str
) -> None:
    check_castle(read(in_container(container, exif(user_comment(as_json(SWARM), encoding)))), "SwarmUI")


@pytest.mark.parametrize("container", CONTAINERS)
def test_comfy_under_a_cameras_tags(read: Callable[[bytes], PictureSettings], container: str) -> None:
    block = exif(Make=b"workflow:{}", Model=b"prompt:" + json.dumps(COMFY).encode())
    check_castle(read(in_container(container, block)), "ComfyUI")


def test_a_comment_of_a_jpeg(read: Callable[[bytes], PictureSettings]) -> None:
    found = read(jpeg(segment(0xFE, TEXT.encode())))
    check_castle(found, "AUTOMATIC1111", prompt="山の城, a castle 🏰", negative="雾, fog")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (png(), r"holds no settings; drop the original file"),
        (png(text_chunk("Software", "Krita 5")), r"made or last saved by Krita 5\); drop"),
        (
            jpeg(
                segment(
                    0xE1, b"http://ns.adobe.com/xap/1.0/\0<xmp:CreatorTool>Adobe Firefly</xmp:CreatorTool>"
                )
            ),
            "Firefly",
        ),
        (webp(exif(Software=b"GIMP 3")), r"by GIMP 3"),
        (png(text_chunk("prompt", "{half")), r"its ComfyUI graph is no JSON"),
        (png(text_chunk("prompt", "{}")), r"its ComfyUI graph has no sampler"),
        (png(text_chunk("invokeai_metadata", "[]")), r"its InvokeAI text is no JSON object"),
        (png(text_chunk("invokeai_metadata", "{}")), r"its InvokeAI text has nothing that can be set here"),
        (png(text_chunk("parameters", '{"sui_image_params": 3}')), r"its SwarmUI text lists no settings"),
        (png(text_chunk("parameters", "hello")), r"does not list generation settings"),
        (
            png(text_chunk("diffusion4k", "{half")),
            r"a studio record that cannot be read .* update the studio",
        ),
        (png(text_chunk("prompt", "[" * 100_000)), r"no JSON"),
        (b"hello" * 100, r"is not a picture; drop a PNG, JPEG or WebP"),
        (b"", r"is empty; copy it again"),
        (b"\xff\xd8", r"holds no settings"),
        (b"RIFF\0\0\0\0WEBP", r"holds no settings"),
        (in_container("JPEG", b"II*\0\xff\xff\xff\xff"), r"holds no settings|EXIF cannot be read"),
    ],
)
def test_refused_in_one_sentence_that_names_the_tool(
    read: Callable[[bytes], PictureSettings], content: bytes, words: str
) -> None:
    with pytest.raises(ValueError, match=words) as refused:
        read(content)
    assert str(refused.value).startswith("theirs.png")


def test_one_bad_text_does_not_hide_a_good_one(read: Callable[[bytes], PictureSettings]) -> None:
    bomb = chunk(b"zTXt", b"workflow\0\0" + zlib.compress(b"a" * 2**26))
    found = read(png(bomb, text_chunk("prompt", "{half"), text_chunk("parameters", as_json(SWARM))))
    check_castle(found, "SwarmUI")
    assert "'workflow' cannot be unpacked (it is larger than 16 MiB)" in found.left_out["text 1"]


def test_a_hundred_megapixels_and_a_bomb_of_text_cost_next_to_nothing(tmp_path: Path) -> None:
    """10,000 x 10,000 px by its header, 64 MiB of text in a few kB: the settings come without unpacking either."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 10_000, 10_000, 8, 2, 0, 0, 0))
    pixels = chunk(b"IDAT", zlib.compress(b"\0" * 30_001) * 3)
    bomb = chunk(b"zTXt", b"workflow\0\0" + zlib.compress(b"a" * 2**26))
    path = tmp_path / "large.png"
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n" + header + bomb + pixels + text_chunk("parameters", TEXT) + chunk(b"IEND", b"")
    )
    tracemalloc.start()
    found = read_settings(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (found.values["seed"], found.width_px) == (5, 10_000)
    assert peak < 40 * 2**20  # twice the most that one text may have, where the pixels are 286 MiB


@pytest.mark.parametrize("share", [0.2, 0.5, 0.99])
def test_a_cut_off_picture_still_says_how_it_was_made(
    read: Callable[[bytes], PictureSettings], share: float
) -> None:
    content = png(text_chunk("parameters", TEXT), side_px=(400, 400))
    start = content.index(b"IDAT")
    assert read(content[: start + int(share * (len(content) - start))]).values["seed"] == 5


@pytest.mark.parametrize("at", range(0, 700, 7))
def test_a_changed_byte_is_no_traceback(read: Callable[[bytes], PictureSettings], at: int) -> None:
    refused = []
    for make in (
        lambda: png(text_chunk("parameters", TEXT), chunk(b"eXIf", exif(user_comment(TEXT, "unsaid")))),
        lambda: jpeg(segment(0xE1, b"Exif\0\0" + exif(user_comment(TEXT, "unsaid")))),
        lambda: webp(exif(user_comment(TEXT, "unsaid"))),
    ):
        content = bytearray(make())
        content[at % len(content)] ^= 0xFF
        try:
            found = read(bytes(content))
        except ValueError as error:
            refused.append(str(error))
        else:
            RenderRequest(**{**_COMPLETE, **{k: v for k, v in found.values.items() if v != ""}})
    assert all(sentence.startswith("theirs.png") for sentence in refused)


_COMPLETE: dict[str, Any] = {
    "prompt": "a",
    "num_inference_steps": 1,
    "guidance_scale": 1.0,
    "seed": 0,
}


def test_our_own_record_comes_back_whole(
    read: Callable[[bytes], PictureSettings], new_request: Callable[..., RenderRequest]
) -> None:
    record = {"settings": new_request(prompt="Bäume 山").to_dict(), "decode_path": "f16-exact"}
    found = read(png(text_chunk("parameters", TEXT), text_chunk("diffusion4k", json.dumps(record))))
    assert (found.source, found.values["prompt"]) == (STUDIO, "Bäume 山")
    assert found.record is not None
    assert found.record.decode_path == "f16-exact"


def test_words_for_what_is_left_out(read: Callable[[bytes], PictureSettings]) -> None:
    found = read(png(text_chunk("parameters", TEXT)))
    assert found.left_out_words() == "Sampler: Euler a, the file's own size: 96 x 64"
    assert found.left_out_words(limit=1) == "Sampler: Euler a and 1 more"


@pytest.mark.parametrize(
    ("content", "size"),
    [
        (png(), (96, 64)),
        (jpeg(), (96, 64)),
        (webp(exif(Software=b"a")), (96, 64)),
        (webp(exif(Software=b"a"), lossless=True), (96, 64)),
    ],
)
def test_the_size_is_the_headers(tmp_path: Path, content: bytes, size: tuple[int, int]) -> None:
    (tmp_path / "a").write_bytes(content)
    found = texts_of(tmp_path / "a")
    assert (found.width_px, found.height_px) == size


def test_of_a_damaged_record_of_ours_each_good_setting_is_read(
    read: Callable[[bytes], PictureSettings], new_request: Callable[..., RenderRequest], tmp_path: Path
) -> None:
    settings = {**new_request(prompt="山 \ud83d").to_dict(), "seed": -1, "sampler": "new"}
    found = read(png(text_chunk("diffusion4k", json.dumps({"settings": settings}))))
    assert (found.source, found.record, found.values["prompt"]) == (STUDIO, None, "山 \ufffd")
    assert "seed" not in found.values
    assert found.left_out_lines() == (
        "seed: -1 (the seed must lie between 0 and 4294967295, got -1; choose another)",
        "sampler: new (there is no such setting here)",
    )
    path = tmp_path / "theirs.png"
    with pytest.raises(ValueError, match=r"damaged studio record \(left out: seed: -1"):
        importable(path, found)


def test_every_line_of_what_is_left_out_has_its_reason(read: Callable[[bytes], PictureSettings]) -> None:
    found = read(png(text_chunk("parameters", TEXT)))
    assert found.left_out_lines() == (
        "Sampler: Euler a (there is no such setting here)",
        "the file's own size: 96 x 64",
    )
