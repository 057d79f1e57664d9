"""Paths as people write them: what the system will not expand or look at is a sentence."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from finetune.named_paths import expanded, is_file, is_folder, is_there


def test_ones_own_home_is_filled_in(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    assert expanded("~/models") == tmp_path / "models"
    assert expanded(Path("models")) == Path("models")
    assert expanded("") == Path()


@pytest.mark.parametrize("name", ["~nobody-here", "~nobody-here/models", "~" + "x" * 300])
def test_a_user_who_is_not_here_is_named(name: str) -> None:
    with pytest.raises(ValueError, match=r"there is no user '(nobody-here|x{80}…)' on this machine"):
        expanded(name)


def test_what_lies_there_is_told_apart(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("a")
    looks = [(is_there(path), is_folder(path), is_file(path)) for path in (tmp_path, tmp_path / "a")]
    assert looks == [(True, True, False), (True, False, True)]
    for absent in (tmp_path / "b", tmp_path / "a" / "b", Path("a\0b"), Path("\ud800")):
        assert not is_there(absent)
        assert not is_folder(absent)
        assert not is_file(absent)


@pytest.mark.parametrize("look", [is_there, is_folder, is_file])
def test_what_the_system_will_not_look_at_is_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, look: Any
) -> None:
    with pytest.raises(ValueError, match=r"…x{80} cannot be looked at \(.+\); choose another"):
        look(Path("x" * 300))
    (tmp_path / "around").symlink_to(tmp_path / "around")
    with pytest.raises(ValueError, match=r"around cannot be looked at \(.+\); choose another"):
        look(tmp_path / "around")

    def refuse(path: Path, **_: Any) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "stat", refuse)
    with pytest.raises(ValueError, match=r"secret cannot be looked at \(Permission denied\)"):
        look(Path("/root/secret"))
