"""What the environment says about the host."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from studio.home import settings as settings_module
from studio.home.settings import ROOT, Settings


def test_a_laptop_needs_nothing() -> None:
    settings = Settings.from_environment({})
    assert (settings.home, settings.host, settings.port) == (ROOT / "workspace", "127.0.0.1", 7860)
    assert (settings.hosted, settings.accounts, settings.token) == (False, (), None)
    settings.check_exposure()
    assert settings.max_megapixels * 1e6 >= 8192 * 8192


def test_every_variable_counts(tmp_path: Path) -> None:
    settings = Settings.from_environment(
        {
            "STUDIO_HOME": str(tmp_path),
            "STUDIO_HOST": "0.0.0.0",
            "STUDIO_PORT": "8000",
            "STUDIO_AUTH": "ann:a:b",
            "STUDIO_MCP": "1",
            "STUDIO_TRAINING": "0",
        }
    )
    assert (settings.home, settings.host, settings.port) == (tmp_path, "0.0.0.0", 8000)
    assert settings.accounts == (("ann", "a:b"),)
    assert settings.mcp
    assert not settings.trains


def test_agents_are_served_where_they_can_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings_module, "find_spec", lambda name: object())
    Settings(home=tmp_path, mcp=True, token="t" * 16).check_mcp()
    with pytest.raises(ValueError, match=r"does not go with accounts.*--token auto"):
        Settings(home=tmp_path, mcp=True, accounts=(("ann", "secret"),)).check_mcp()
    monkeypatch.setattr(settings_module, "find_spec", lambda name: None)
    Settings(home=tmp_path).check_mcp()
    with pytest.raises(ValueError, match=r"needs the extra mcp.*diffusion-4k-studio\[mcp\]"):
        Settings(home=tmp_path, mcp=True).check_mcp()


def test_a_space_is_open_to_the_world_and_smaller(tmp_path: Path) -> None:
    settings = Settings.from_environment({"SPACE_ID": "a/b"}, space_storage=tmp_path)
    assert (settings.home, settings.host, settings.hosted) == (tmp_path, "0.0.0.0", True)
    assert 4096 * 4096 <= settings.max_megapixels * 1e6 < 4128 * 4128
    without = Settings.from_environment({"SYSTEM": "spaces"}, space_storage=tmp_path / "none")
    assert without.home == ROOT / "workspace"


def test_storage_that_cannot_be_written_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def refuse(path: Path, mode: int) -> bool:  # root may write anywhere, whatever the mode says
        asked.append((path, mode))
        return False

    monkeypatch.setattr(os, "access", refuse)
    settings = Settings.from_environment({"SPACE_ID": "a/b"}, space_storage=tmp_path)
    assert settings.home == ROOT / "workspace"
    assert asked == [(tmp_path, os.W_OK | os.X_OK)]


def test_a_space_s_owner_is_its_author_or_the_one_named() -> None:
    space = {"SPACE_ID": "lab/studio", "SPACE_AUTHOR_NAME": "lab"}
    assert Settings.from_environment(space).owner == "lab"
    assert Settings.from_environment(space | {"D4K_OWNER": "ada"}).owner == "ada"
    assert Settings.from_environment({"D4K_OWNER": "ada"}).owner is None


def test_accounts_come_from_both_places(tmp_path: Path) -> None:
    path = tmp_path / "accounts"
    path.touch(0o600)
    path.write_text("bob:b\n")
    given = {"STUDIO_AUTH": "ann:a\ncy:c", "STUDIO_AUTH_FILE": str(path)}
    assert Settings.from_environment(given).accounts == (("ann", "a"), ("cy", "c"), ("bob", "b"))
    with pytest.raises(ValueError, match="a user of STUDIO_AUTH stands in"):
        Settings.from_environment(given | {"STUDIO_AUTH": "bob:a"})


@pytest.mark.parametrize(
    "environment",
    [
        {"D4K_TOKEN": "auto"},
        {"STUDIO_AUTH": "ann:a"},
        {"STUDIO_INSECURE": "1"},
        {"SPACE_ID": "ann/studio"},
    ],
)
def test_an_open_address_needs_a_door(environment: dict[str, str], tmp_path: Path) -> None:
    outside = {"STUDIO_HOST": "0.0.0.0"}
    Settings.from_environment(environment | outside, space_storage=tmp_path / "none").check_exposure()
    with pytest.raises(ValueError, match=r"at 0\.0\.0\.0 anyone .*--auth USER:PASSWORD"):
        Settings.from_environment(outside).check_exposure()


def test_secrets_are_not_shown() -> None:
    told = repr(
        Settings.from_environment({"STUDIO_AUTH": "ann:hunter2", "D4K_TOKEN": "s3cret-s3cret-s3cret"})
    )
    assert "hunter2" not in told
    assert "s3cret" not in told


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        ({"STUDIO_PORT": "eighty"}, "STUDIO_PORT must be a number, got 'eighty'"),
        ({"STUDIO_PORT": "70000"}, "between 1 and 65535, got 70000"),
        ({"STUDIO_AUTH": "ann"}, "user:password"),
        ({"STUDIO_AUTH": ":secret"}, "user:password"),
        ({"STUDIO_AUTH": ""}, "user:password"),
        ({"STUDIO_AUTH": "ann:1\nann:2"}, "names ann twice"),
        ({"STUDIO_AUTH_FILE": "/nowhere/accounts"}, "cannot be read"),
        ({"D4K_TOKEN": "123456"}, "--token auto"),
        ({"STUDIO_INSECURE": "yes"}, "STUDIO_INSECURE must be 0 or 1"),
        ({"STUDIO_MCP": "yes"}, "STUDIO_MCP must be 0 or 1"),
        ({"STUDIO_TRAINING": "no"}, "STUDIO_TRAINING must be 0 or 1"),
        ({"STUDIO_HOME": " "}, "STUDIO_HOME is empty"),
    ],
)
def test_nonsense_is_refused(environment: dict[str, str], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Settings.from_environment(environment)


def test_a_studio_is_shared_where_others_may_come_in(tmp_path: Path) -> None:
    assert not Settings(home=tmp_path).shared
    assert not Settings(home=tmp_path, token="a" * 32).shared
    assert Settings(home=tmp_path, accounts=(("ann", "a password"),)).shared
    assert Settings(home=tmp_path, insecure=True).shared
    assert Settings(home=tmp_path, hosted=True).shared
