"""Paths given by users stay in declared folders where others reach the studio; on one's own machine they are free."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from safetensors.torch import save_file
from torch import ones

from studio.datasets.open import Datasets
from studio.home.roots import check_inside, declared_roots
from studio.home.workspace import Workspace
from studio.models.adapters import resolve_adapter
from studio.models.lookup import find_model

REMOTE = {"STUDIO_HOST": "0.0.0.0"}


@pytest.fixture
def remote(monkeypatch: pytest.MonkeyPatch, workspace: Workspace) -> Workspace:
    for name, value in (REMOTE | {"STUDIO_HOME": str(workspace.root)}).items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("D4K_ROOTS", raising=False)
    return workspace


def test_ones_own_machine_has_no_roots_until_they_are_declared(tmp_path: Path) -> None:
    assert declared_roots({}) is None
    assert declared_roots({"STUDIO_HOST": "::1"}) is None
    check_inside(Path("/etc"), environ={})
    declared = {"D4K_ROOTS": f"{tmp_path / 'a'}{os.pathsep}{tmp_path / 'b'}"}
    check_inside(tmp_path / "b" / "model", environ=declared)
    for outside in (tmp_path, tmp_path / "a" / ".." / "c", tmp_path / "ab"):
        with pytest.raises(ValueError, match="outside of this studio's folders"):
            check_inside(outside, environ=declared)


def test_where_others_come_in_paths_stay_in_the_home(remote: Workspace, sd3_folder: Path) -> None:
    with pytest.raises(ValueError, match="can declare its folder in D4K_ROOTS"):
        find_model(str(sd3_folder))
    (remote.root / "link").symlink_to(sd3_folder, target_is_directory=True)
    for escape in (remote.root / "link", remote.root / ".." / "models" / "x.safetensors"):
        with pytest.raises(ValueError, match="outside of this studio's folders"):
            find_model(str(escape))
    bundled = find_model("micro-4k").folder
    assert bundled is not None
    assert find_model(str(bundled)).family == "sd3"


def test_a_declared_folder_opens(
    remote: Workspace, sd3_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("D4K_ROOTS", str(sd3_folder.parent))
    assert find_model(str(sd3_folder)).folder == sd3_folder


def test_loras_and_datasets_stay_there_too(remote: Workspace, tmp_path: Path) -> None:
    save_file({"a": ones(1)}, tmp_path / "x.safetensors")
    with pytest.raises(ValueError, match="outside of this studio's folders"):
        resolve_adapter(remote.root, str(tmp_path / "x.safetensors"))
    (remote.root / "loras").mkdir()
    save_file({"a": ones(1)}, remote.root / "loras" / "x.safetensors")
    assert resolve_adapter(remote.root, "loras/x.safetensors").is_file()
    (tmp_path / "pictures").mkdir()
    with pytest.raises(ValueError, match="outside of this studio's folders"):
        Datasets(remote, hosted=False).open(str(tmp_path / "pictures"))
