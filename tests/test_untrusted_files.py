"""Files with a payload: pickles in place of weights, code beside them, archives and pictures made to do harm.

Every payload writes a mark. None may: each file is refused with a sentence, or read without its payload.
"""

from __future__ import annotations

import json
import os
import pickle
import shutil
import stat
import struct
import zipfile
import zlib
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from finetune.backbones.autoencoder import use_f16
from finetune.data.archives import unpack_zip
from finetune.lora.files import read_adapter
from finetune.weight_files import read_header
from metrics.pictures import read_picture
from studio.models.adapters import resolve_adapter
from studio.models.lookup import check_available, find_model
from studio.pictures.settings_reader import read_settings
from studio.pipeline.opening import load_pipeline
from studio.render_request import AdapterUse
from tests.tiny_models import tiny_sd3_pipeline

MARK = "D4K_TEST_MARK"


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "tiny"
    use_f16(tiny_sd3_pipeline(with_t5=False)).save_pretrained(folder)
    return folder


@pytest.fixture
def mark(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What a payload writes if it runs."""
    path = tmp_path / "mark"
    monkeypatch.setenv(MARK, str(path))
    return path


@pytest.fixture
def folder(sound: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(sound, tmp_path / "model"))


class Payload:
    """A pickle that runs a command when it is read."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f'echo ran > "${MARK}"',)


CODE = f'import os\nwith open(os.environ["{MARK}"], "w") as file:\n    file.write("ran")\n'


def test_the_payloads_work(mark: Path) -> None:
    pickle.loads(pickle.dumps(Payload()))
    assert mark.read_text() == "ran\n"
    mark.unlink()
    exec(CODE)
    assert mark.read_text() == "ran"


@pytest.mark.parametrize(
    ("component", "stem"),
    [
        ("transformer", "diffusion_pytorch_model"),
        ("vae", "diffusion_pytorch_model"),
        ("text_encoder", "model"),
    ],
)
@pytest.mark.parametrize("plain_pickle", [True, False], ids=["pickle", "torch.save"])
def test_a_pickle_in_place_of_weights(
    folder: Path, mark: Path, component: str, stem: str, plain_pickle: bool
) -> None:
    (folder / component / f"{stem}.safetensors").unlink()
    name = "pytorch_model.bin" if stem == "model" else f"{stem}.bin"
    target = folder / component / name
    if plain_pickle:
        target.write_bytes(pickle.dumps(Payload()))
    else:
        torch.save({"weight": Payload()}, target)
    for ask in (check_available, load_pipeline):
        with pytest.raises(ValueError, match=rf"lacks {component}/\*\.safetensors; download it again"):
            ask(find_model(str(folder)))
    assert not mark.exists()


def test_a_pickle_under_the_name_of_weights(folder: Path, mark: Path) -> None:
    weights = folder / "transformer" / "diffusion_pytorch_model.safetensors"
    weights.write_bytes(pickle.dumps(Payload()))
    with pytest.raises(ValueError, match=r"lacks transformer/diffusion_pytorch_model\.safetensors"):
        load_pipeline(find_model(str(folder)))
    assert not mark.exists()


def test_pickles_beside_sound_weights_are_passed_over(folder: Path, sound: Path, mark: Path) -> None:
    for component, name in (
        ("transformer", "diffusion_pytorch_model.bin"),
        ("vae", "diffusion_pytorch_model.bin"),
        ("text_encoder", "pytorch_model.bin"),
    ):
        (folder / component / name).write_bytes(pickle.dumps(Payload()))
    opened = load_pipeline(find_model(str(folder)))
    wanted = load_file(sound / "vae" / "diffusion_pytorch_model.safetensors")
    torch.testing.assert_close(opened.pipeline.vae.state_dict(), wanted, check_dtype=False)
    assert not mark.exists()


@pytest.mark.parametrize("where", ["transformer", "text_encoder", "tokenizer", "scheduler"])
def test_code_beside_a_component_is_not_imported(folder: Path, mark: Path, where: str) -> None:
    """As a custom pipeline brings it: a module in the component's folder, named in model_index.json."""
    (folder / where / "custom_code.py").write_text(f"{CODE}class Custom: pass\n")
    index = json.loads((folder / "model_index.json").read_text())
    (folder / "model_index.json").write_text(json.dumps(index | {where: ["custom_code", "Custom"]}))
    with pytest.raises(ValueError, match=rf"code of its own for {where} \(custom_code\)"):
        load_pipeline(find_model(str(folder)))
    assert not mark.exists()


def test_a_pipeline_of_its_own_class_is_not_imported(folder: Path, mark: Path) -> None:
    (folder / "pipeline.py").write_text(CODE)
    index = json.loads((folder / "model_index.json").read_text())
    for named in (["pipeline", "Custom"], "Custom"):
        (folder / "model_index.json").write_text(json.dumps(index | {"_class_name": named}))
        with pytest.raises(ValueError, match="the studio draws with"):
            find_model(str(folder))
    assert not mark.exists()


@pytest.mark.parametrize("name", ["text_encoder/config.json", "tokenizer/tokenizer_config.json"])
def test_an_auto_map_is_not_followed(folder: Path, mark: Path, name: str) -> None:
    (folder / name).parent.joinpath("custom_code.py").write_text(CODE)
    config = json.loads((folder / name).read_text())
    mapped = {"AutoModel": "custom_code.Custom", "AutoTokenizer": ["custom_code.Custom", None]}
    (folder / name).write_text(json.dumps(config | {"auto_map": mapped}))
    load_pipeline(find_model(str(folder)))
    assert not mark.exists()


def test_a_pickle_as_an_adapter(tmp_path: Path, mark: Path) -> None:
    for name in ("oil.bin", "oil.pt", "oil.ckpt"):
        with pytest.raises(ValueError, match=r"an adapter is a \.safetensors file"):
            AdapterUse(name)
    for content in (pickle.dumps(Payload()), b"PK\3\4" + pickle.dumps(Payload())):
        path = tmp_path / "oil.safetensors"
        path.write_bytes(content)
        for read in (lambda p: read_adapter(p, family="sd3", shapes={}), read_header):
            with pytest.raises(ValueError, match="no readable safetensors file"):
                read(path)
    assert not mark.exists()


def test_an_adapter_outside_the_home_is_not_reached_by_a_relative_path(tmp_path: Path) -> None:
    home = tmp_path / "home"
    (home / "loras").mkdir(parents=True)
    (tmp_path / "secret.safetensors").write_bytes(b"x")
    (home / "loras" / "link.safetensors").symlink_to(tmp_path / "secret.safetensors")
    for path in ("../secret.safetensors", "loras/../../secret.safetensors", "loras/link.safetensors"):
        with pytest.raises(ValueError, match="leads out of"):
            resolve_adapter(home, path)


@pytest.mark.parametrize(
    "name", ["../out.txt", "/out.txt", "a/../../out.txt", "..\\out.txt", "C:\\out.txt", "a/..\\..\\out.txt"]
)
def test_zip_slip(tmp_path: Path, name: str) -> None:
    archive = tmp_path / "set.zip"
    with zipfile.ZipFile(archive, "w") as opened:
        opened.writestr("good.txt", "good")
        opened.writestr(name, "out")
    with pytest.raises(ValueError, match="leads out of its folder"):
        unpack_zip(archive, tmp_path / "in" / "set")
    assert not list(tmp_path.rglob("*.txt"))


def test_a_link_in_an_archive_and_a_bomb(tmp_path: Path) -> None:
    link = zipfile.ZipInfo("data")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "link.zip", "w") as opened:
        opened.writestr(link, "/etc")
        opened.writestr("data/passwd", "x")
    with pytest.raises(ValueError, match="holds the link 'data'"):
        unpack_zip(tmp_path / "link.zip", tmp_path / "set")
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as opened:
        opened.writestr("zeros", bytes(65 * 2**20))
    with pytest.raises(ValueError, match="which pictures never do"):
        unpack_zip(tmp_path / "bomb.zip", tmp_path / "set")
    assert not (tmp_path / "set").exists()


def chunk(kind: bytes, content: bytes) -> bytes:
    """Of a PNG."""
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def test_a_picture_that_claims_to_be_a_giant(tmp_path: Path) -> None:
    header = struct.pack(">IIBBBBB", 200_000, 200_000, 8, 2, 0, 0, 0)
    path = tmp_path / "giant.png"
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(bytes(9)))
        + chunk(b"IEND", b"")
    )
    with pytest.raises(ValueError, match="scale it down"):
        read_picture(path)
    with pytest.raises(ValueError, match="holds no settings"):
        read_settings(path)
