"""One damaged model in the hub's cache: it is named, and every other model and every list goes on as before."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from studio.cli.main import app
from studio.models.catalogue import CATALOGUE
from studio.models.hub import Hub
from studio.models.lookup import cached_folder, check_available, find_model, is_here
from studio.ui.generate.notes import model_choices, model_note

ENTRY = next(entry for entry in CATALOGUE if entry.folder is None)
COMMIT = "a" * 40


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """With the beginning of one model: a reference, and a snapshot with an index and no weights."""
    root = tmp_path / "hub"
    monkeypatch.setenv("HF_HUB_CACHE", str(root))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(root))
    model = root / f"models--{ENTRY.source.replace('/', '--')}"
    snapshot = model / "snapshots" / COMMIT
    snapshot.mkdir(parents=True)
    (model / "refs").mkdir()
    (model / "refs" / "main").write_text(COMMIT)
    index = {"_class_name": "StableDiffusion3Pipeline", "vae": ["diffusers", "AutoencoderKL"]}
    (snapshot / "model_index.json").write_text(json.dumps(index))
    return model


def _index(content: bytes) -> Callable[[Path], object]:
    return lambda model: (model / "snapshots" / COMMIT / "model_index.json").write_bytes(content)


def _ref(content: bytes) -> Callable[[Path], object]:
    return lambda model: (model / "refs" / "main").write_bytes(content)


def _instead(name: str, make: Callable[[Path], object]) -> Callable[[Path], object]:
    def spoil(model: Path) -> None:
        path = model / name
        if path.is_dir():
            path.rename(model.parent / "away")
        else:
            path.unlink()
        make(path)

    return spoil


INDEX = f"snapshots/{COMMIT}/model_index.json"
DAMAGE: dict[str, Callable[[Path], object]] = {
    "index empty": _index(b""),
    "index cut off": _index(b'{"_class_name": "Stable'),
    "index null": _index(b"null"),
    "index a list": _index(b"[1, 2]"),
    "index a number": _index(b"7"),
    "index of bytes": _index(b"\xff\xfe\x00\x01" * 9),
    "index nested without end": _index(b"[" * 100_000),
    "index of half a letter": _index(b'{"_class_name": "\\ud83d", "vae": ["diffusers", "\\ud83d"]}'),
    "index with a class of a number": _index(b'{"_class_name": 3, "vae": 4, "transformer": [1, 2]}'),
    "index with null parts": _index(b'{"_class_name": null, "vae": [null, null], "transformer": null}'),
    "index of code of its own": _index(
        b'{"_class_name": "StableDiffusion3Pipeline", "transformer": ["mine", "X"]}'
    ),
    "index of another pipeline": _index(b'{"_class_name": "KolorsPipeline"}'),
    "index with a part outside": _index(
        b'{"_class_name": "StableDiffusion3Pipeline", "../../../x": ["diffusers", "AutoencoderKL"]}'
    ),
    "index huge": _index(b'{"_class_name": "' + b"x" * 5_000_000 + b'"}'),
    "index a link to nowhere": _instead(INDEX, lambda path: path.symlink_to(path.parent / "gone")),
    "index a link to itself": _instead(INDEX, lambda path: path.symlink_to(path)),
    "index a folder": _instead(INDEX, lambda path: path.mkdir()),
    "reference empty": _ref(b""),
    "reference of bytes": _ref(b"\xff\xfe\xfd"),
    "reference with a null": _ref(b"a\x00b"),
    "reference to another place": _ref(b"../../../../etc"),
    "reference to no snapshot": _ref(b"b" * 40),
    "reference huge": _ref(b"c" * 1_000_000),
    "reference a folder": _instead("refs/main", lambda path: path.mkdir()),
    "no snapshots": _instead("snapshots", lambda path: None),
    "snapshots a file": _instead("snapshots", lambda path: path.write_bytes(b"x")),
    "the model a file": _instead("", lambda path: path.write_bytes(b"x")),
    "a stranger beside it": lambda model: os.mkdir(os.fsencode(model.parent) + b"/models--\xff\xfe--x"),
    "a stranger's name without an owner": lambda model: (model.parent / "models--").mkdir(),
    "vae config a list": lambda model: _part(model, "vae/config.json", b"[]"),
    "vae weights cut off": lambda model: _part(model, "vae/diffusion_pytorch_model.safetensors", b"\x09"),
    "shards of nothing": lambda model: _part(model, "vae/a.safetensors.index.json", b'{"weight_map": 3}'),
}


def _part(model: Path, name: str, content: bytes) -> None:
    path = model / "snapshots" / COMMIT / name
    path.parent.mkdir(exist_ok=True)
    if name != "vae/config.json":
        (path.parent / "config.json").write_text("{}")
    path.write_bytes(content)


@pytest.mark.parametrize("kind", DAMAGE)
def test_everything_else_goes_on(kind: str, cache: Path) -> None:
    DAMAGE[kind](cache)
    labels = {model: label for label, model in model_choices()}
    assert set(labels) == {entry.id for entry in CATALOGUE}
    assert "·" not in labels["micro-4k"]
    assert model_note("micro-4k")
    entry = find_model(ENTRY.id)
    assert not is_here(entry)
    with pytest.raises(ValueError, match=ENTRY.title) as told:  # what is wrong, or what is to be done
        check_available(entry, environ={"HF_HUB_OFFLINE": "1"})
    assert len(str(told.value)) < 1000
    folder = cached_folder(ENTRY.source)
    assert folder is None or cache in folder.parents, "another place of the machine was looked at"
    Hub.from_environment(os.environ).cached_commit(ENTRY.source)
    listed = CliRunner().invoke(app, ["models"])
    assert listed.exit_code == 0, listed.output
    assert listed.exception is None
    assert all(entry.id in listed.stdout for entry in CATALOGUE)
