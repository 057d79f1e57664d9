"""What the environment says about the host."""

from __future__ import annotations

from pathlib import Path

import pytest

from studio.settings import ROOT, Settings


def test_a_laptop_needs_nothing() -> None:
    settings = Settings.from_environment({})
    assert (settings.home, settings.host, settings.port) == (ROOT / "workspace", "127.0.0.1", 7860)
    assert (settings.hosted, settings.auth) == (False, None)
    assert settings.max_megapixels * 1e6 >= 8192 * 8192


def test_every_variable_counts(tmp_path: Path) -> None:
    settings = Settings.from_environment(
        {
            "STUDIO_HOME": str(tmp_path),
            "STUDIO_HOST": "0.0.0.0",
            "STUDIO_PORT": "8000",
            "STUDIO_AUTH": "ann:a:b",
        }
    )
    assert (settings.home, settings.host, settings.port) == (tmp_path, "0.0.0.0", 8000)
    assert settings.auth == ("ann", "a:b")


def test_a_space_is_open_to_the_world_and_smaller(tmp_path: Path) -> None:
    settings = Settings.from_environment({"SPACE_ID": "a/b"}, space_storage=tmp_path)
    assert (settings.home, settings.host, settings.hosted) == (tmp_path, "0.0.0.0", True)
    assert 4096 * 4096 <= settings.max_megapixels * 1e6 < 4128 * 4128
    without = Settings.from_environment({"SYSTEM": "spaces"}, space_storage=tmp_path / "none")
    assert without.home == ROOT / "workspace"


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        ({"STUDIO_PORT": "eighty"}, "STUDIO_PORT must be a number, got 'eighty'"),
        ({"STUDIO_PORT": "70000"}, "between 1 and 65535, got 70000"),
        ({"STUDIO_AUTH": "ann"}, "user:password"),
        ({"STUDIO_AUTH": ":secret"}, "user:password"),
        ({"STUDIO_HOME": " "}, "STUDIO_HOME is empty"),
    ],
)
def test_nonsense_is_refused(environment: dict[str, str], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Settings.from_environment(environment)
