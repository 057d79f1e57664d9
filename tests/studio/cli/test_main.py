"""The command `d4k`: what it prints, where it puts pictures, and one sentence for bad input."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from studio.cli.main import app
from studio.home.workspace import Workspace
from studio.models.catalogue import CATALOGUE
from studio.pictures.gallery import Gallery
from studio.pictures.gallery_search import Listed
from studio.pictures.settings_reader import read_settings
from studio.queue.table import JobTable
from studio.render_request import RenderRequest

ROOT = Path(__file__).parents[3]


def d4k(*words: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


def render(model: Path, *words: object) -> Result:
    size = ("--size", "256x288", "--steps", 3)
    return d4k("render", "sea at night", "--model", model, *size, *words)


def pixels(path: str | Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.array(image)


def test_json_is_one_object_a_picture(sd3_folder: Path, tmp_path: Path) -> None:
    done = render(sd3_folder, "--seed", 7, "--count", 2, "--json", "--out", tmp_path / "out")
    assert done.exit_code == 0, done.output
    first, second = (json.loads(line) for line in done.stdout.splitlines())
    assert (first["seed"], second["seed"]) == (7, 8)
    assert first["settings"]["num_inference_steps"] == 3
    assert first["seconds"] > 0
    assert first["peak_memory_mib"] > 0
    assert pixels(first["path"]).shape == (288, 256, 3)
    assert Path(first["path"]).name == "sea-at-night-7.png"
    assert read_settings(Path(first["path"])).values == first["settings"]
    assert (pixels(first["path"]) != pixels(second["path"])).any()


def test_the_same_command_gives_the_same_pixels(sd3_folder: Path, tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        assert render(sd3_folder, "--seed", 7, "--out", tmp_path / name).exit_code == 0
    np.testing.assert_array_equal(pixels(tmp_path / "a.png"), pixels(tmp_path / "b.png"))


def test_without_out_it_goes_to_the_gallery(sd3_folder: Path, tmp_path: Path) -> None:
    done = render(sd3_folder, "--seed", 7, "--home", tmp_path)
    (picture,) = Gallery(Workspace.open(tmp_path)).pictures(Listed("night"))
    assert done.stdout.startswith(str(picture.path))
    assert "denoising" in done.stderr
    listed = d4k("gallery", "sea", "--home", tmp_path)
    assert str(picture.path) in listed.stdout
    assert "1 of 1 pictures" in listed.stdout
    picture.path.unlink()
    assert "missing" in d4k("gallery", "--home", tmp_path).stdout


def test_a_picture_to_begin_from(sd3_folder: Path, tmp_path: Path) -> None:
    Image.new("RGB", (300, 200), (200, 80, 20)).save(tmp_path / "boat.png")
    begun = ("--init", tmp_path / "boat.png", "--strength", 0.35, "--seed", 7, "--home", tmp_path / "home")
    done = render(sd3_folder, *begun, "--json", "--out", tmp_path / "a.png")
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert told["settings"]["init"]["strength"] == 0.35
    assert told["notes"][0] == "Begun from a picture, at a noise level of 0.35."
    assert render(sd3_folder, *begun, "--out", tmp_path / "b.png").exit_code == 0
    assert render(sd3_folder, "--seed", 7, "--out", tmp_path / "c.png").exit_code == 0
    a, b, c = (pixels(tmp_path / f"{name}.png") for name in "abc")
    np.testing.assert_array_equal(a, b)
    assert (a != c).any()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--init", "nowhere.png"), "nowhere.png"),
        (("--init", __file__), "test_main.py"),
        (("--strength", 0.5), "name the picture with --init"),
        (
            ("--init", "boat.png", "--strength", 1),
            "strength of an init image must lie between 0.05 and 0.95, got 1",
        ),
    ],
)
def test_nothing_to_begin_from(
    sd3_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    words: tuple[object, ...],
    sentence: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    Image.new("RGB", (300, 200)).save(tmp_path / "boat.png")
    done = render(sd3_folder, *words, "--home", tmp_path / "home")
    assert (done.exit_code, sentence in " ".join(done.output.split())) == (2, True), done.output


def test_several_pictures_for_one_file_are_numbered(sd3_folder: Path, tmp_path: Path) -> None:
    render(sd3_folder, "--count", 2, "--out", tmp_path / "sea.png")
    assert sorted(os.listdir(tmp_path)) == ["sea-1.png", "sea-2.png"]


def test_a_folder_keeps_older_pictures(sd3_folder: Path, tmp_path: Path) -> None:
    for _ in range(2):
        render(sd3_folder, "--seed", 7, "--out", tmp_path)
    assert sorted(os.listdir(tmp_path)) == ["sea-at-night-7-2.png", "sea-at-night-7.png"]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("",), "the prompt is empty"),
        (("sea", "--size", "1000x1024"), "width must be a multiple of 32 px, got 1000; try 992"),
        (("sea", "--size", "32x32"), "must lie between 256 and 8192"),
        (("sea", "--size", "9216x4096"), "must lie between 256 and 8192"),
        (("sea", "--size", "large"), "a size reads WIDTHxHEIGHT"),
        (("sea", "--size", "8192x4096"), "up to 4096 px a side"),
        (("sea", "--steps", "0"), "steps must lie between 1 and 200"),
        (("sea", "--seed", "-1"), "seed must lie between"),
        (("sea", "--count", "0"), "1 to 500"),
        (("sea", "--model", "micro4k"), "did you mean micro-4k"),
        (("sea", "--model", "flux.1-dev"), "accept its licence at https://huggingface.co/black-forest-labs"),
    ],
)
def test_bad_input_is_one_sentence_and_code_2(
    words: tuple[str, ...], sentence: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("studio.models.lookup.cached_folder", lambda hub_id: None)
    monkeypatch.delenv("HF_TOKEN", raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    done = d4k("render", *words)
    assert done.exit_code == 2
    assert sentence in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert done.stdout == ""


@pytest.mark.parametrize(
    ("out", "sentence"),
    [("a.jpg", "end the file's name in .png"), ("none/a.png", "no folder"), ("file/pictures", "in the way")],
)
def test_bad_places_are_refused_before_the_work(
    sd3_folder: Path, tmp_path: Path, out: str, sentence: str
) -> None:
    (tmp_path / "file").write_text("")
    done = render(sd3_folder, "--out", tmp_path / out)
    assert done.exit_code == 2
    assert sentence in done.stderr


def test_half_a_model(tmp_path: Path) -> None:
    index = {"_class_name": "FluxPipeline", "vae": ["diffusers", "AutoencoderKL"]}
    (tmp_path / "model_index.json").write_text(json.dumps(index))
    done = render(tmp_path)
    assert done.exit_code == 2
    assert "lacks transformer/, scheduler/, vae/" in done.stderr


def test_models_are_listed_with_what_they_need() -> None:
    listed = d4k("models").stdout
    assert all(entry.id in listed and entry.licence in listed for entry in CATALOGUE)


def test_jobs_are_listed(tmp_path: Path, new_request: Callable[..., RenderRequest]) -> None:
    assert d4k("jobs", "--home", tmp_path).stdout == "no jobs\n"
    jobs = JobTable(tmp_path / "studio.db")
    for label in ("sea", "dunes"):
        jobs.submit("render", new_request().to_dict(), label=label)
    jobs.claim(1)
    jobs.fail(1, "no memory")
    waiting, failed = d4k("jobs", "--home", tmp_path).stdout.splitlines()
    assert "queued" in waiting
    assert waiting.endswith("dunes")
    assert "failed" in failed
    assert "no memory  sea" in failed


@pytest.mark.parametrize("command", [("jobs",), ("gallery",), ("serve", "--port", "0")])
def test_a_home_or_port_that_cannot_be(command: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / "home").write_text("")
    done = d4k(*command, "--home", tmp_path / "home")
    assert done.exit_code == 2
    assert len(done.stderr.splitlines()) == 1


def test_a_port_in_use(tmp_path: Path) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        done = d4k("serve", "--port", port, "--home", tmp_path)
    assert done.exit_code == 2
    assert f"port {port} of 127.0.0.1 cannot be had" in done.stderr
    assert "choose another with --port" in done.stderr


def test_serve_becomes_app_py(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    called = []
    monkeypatch.setattr(os, "execve", lambda *words: called.append(words))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    assert d4k("serve", "--port", port, "--home", tmp_path).exit_code == 0
    ((program, words, environment),) = called
    assert (program, words[1:]) == (sys.executable, [str(ROOT / "app.py")])
    assert (environment["STUDIO_PORT"], environment["STUDIO_HOME"]) == (str(port), str(tmp_path))


def test_help_needs_no_torch() -> None:
    code = (
        "import sys; from studio.cli.main import app; app(['render', '--help'], standalone_mode=False); "
        "assert 'torch' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "--guidance" in done.stdout
