"""The endpoints, called by the stock client over loopback, as a script would."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import gradio as gr
import numpy as np
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from PIL import Image

from metrics.compression import compression_ratio
from metrics.glcm_map import glcm_map
from studio.ui.tools import build_tools

PICTURE = np.random.default_rng(0).integers(0, 255, (300, 256, 3), np.uint8)


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    with gr.Blocks() as demo:
        build_tools(tmp_path_factory.mktemp("maps"))
    _, address, _ = demo.launch(prevent_thread_lock=True, quiet=True, server_name="127.0.0.1")
    yield Client(address, verbose=False, download_files=str(tmp_path_factory.mktemp("answers")))
    demo.close()


@pytest.fixture(scope="module")
def picture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("pictures") / "noise.png"
    Image.fromarray(PICTURE).save(path)
    return path


def test_compression_ratio_is_the_functions_own(client: Client, picture: Path) -> None:
    found = client.predict(handle_file(picture), "4:2:0", api_name="/compression_ratio")
    assert (found["width_px"], found["height_px"]) == (256, 300)
    assert "JPEG quality 95, 4:2:0, Pillow" in found["codec"]
    assert found["compression_ratio"] == pytest.approx(compression_ratio(PICTURE))


def test_subbands_come_by_level_and_band(client: Client, picture: Path) -> None:
    found = client.predict(handle_file(picture), "db2", "periodization", 2, api_name="/subbands")
    assert [level["level"] for level in found["levels"]] == [1, 2]
    assert set(found["levels"][0]) == {"level", "lh", "hl", "hh"}


def test_a_map_comes_as_numbers_and_as_a_file(client: Client, picture: Path) -> None:
    numbers, file = client.predict(handle_file(picture), "contrast", 64, 32, api_name="/glcm_map")
    values = np.load(file)
    wanted = glcm_map(PICTURE, properties=("contrast",), window_px=64, stride_px=32)["contrast"]
    np.testing.assert_array_equal(values, wanted)
    assert (numbers["rows"], numbers["columns"]) == values.shape
    assert numbers["highest"] == pytest.approx(values.max())


def test_a_map_takes_distances_and_angles(client: Client, picture: Path) -> None:
    asked = (handle_file(picture), "contrast", 64, 32, "1, 3", "0, 135")
    _, file = client.predict(*asked, api_name="/glcm_map")
    offsets = ((0, 1), (1, -1), (0, 3), (3, -3))
    wanted = glcm_map(PICTURE, properties=("contrast",), window_px=64, stride_px=32, offsets=offsets)
    np.testing.assert_array_equal(np.load(file), wanted["contrast"])


def test_a_small_picture_gets_what_fits_and_why(client: Client, tmp_path: Path) -> None:
    Image.fromarray(PICTURE[:40, :40]).save(tmp_path / "small.png")
    found = client.predict(handle_file(tmp_path / "small.png"), api_name="/score")
    assert "compression_ratio" in found["scores"]
    assert "64 x 64" in found["missing"]["glcm_score"]


def test_hostile_files_get_a_sentence_over_the_wire(client: Client, tmp_path: Path) -> None:
    files = {
        "zero.png": b"",
        "drawing.svg": b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        "cut.png": (b"\x89PNG\r\n\x1a\n" + b"\0" * 40),
        'quo\'te "☃".png': b"GIF89a" + b"\0" * 30,
    }
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
        for endpoint in ("/score", "/artefacts"):
            with pytest.raises(AppError, match=r"empty|is no PNG|damaged"):
                client.predict(handle_file(tmp_path / name), api_name=endpoint)


def test_artefacts_resolution_and_scores_answer(client: Client, picture: Path) -> None:
    kinds = {
        found["kind"] for found in client.predict(handle_file(picture), api_name="/artefacts")["artefacts"]
    }
    assert kinds == {"stripes", "grid", "seam"}
    assert 0 < client.predict(handle_file(picture), api_name="/effective_resolution")["scale"] <= 1
    scores = client.predict(handle_file(picture), "glcm_score, energy_hh_1", api_name="/score")["scores"]
    assert list(scores) == ["glcm_score", "energy_hh_1"]
    assert scores["glcm_score"]["unit"] == "bits"


def test_bad_calls_get_a_sentence(client: Client, picture: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no picture")
    for arguments, name, words in (
        ((handle_file(broken), "4:2:0"), "/compression_ratio", "is no PNG"),
        ((handle_file(picture), "4:1:1"), "/compression_ratio", "choose one of 4:2:0"),
        ((handle_file(picture), "nonsense", "symmetric", 3), "/subbands", "there is no wavelet 'nonsense'"),
        ((handle_file(picture), "haar", "symmetric", 99), "/subbands", "between 1 and 8"),
        ((handle_file(picture), "sparkle", 64, 16), "/glcm_map", "there is no property 'sparkle'"),
        ((handle_file(picture), "entropy", 64, 16, "x", "0"), "/glcm_map", "whole number of pixels"),
        ((handle_file(picture), "entropy", 64, 16, "1", "30"), "/glcm_map", "there is no angle '30'"),
        ((None,), "/artefacts", "no picture came"),
    ):
        with pytest.raises(AppError, match=words):
            client.predict(*arguments, api_name=name)


def test_every_endpoint_is_described(client: Client) -> None:
    described = client.view_api(return_format="dict")["named_endpoints"]
    assert set(described) == {
        f"/{name}"
        for name in (
            "subbands",
            "glcm_map",
            "compression_ratio",
            "artefacts",
            "effective_resolution",
            "score",
        )
    }
