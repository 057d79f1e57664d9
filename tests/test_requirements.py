"""requirements.txt, which a Space installs, against pyproject.toml, which everybody else does."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
OWN_BOUNDS = {
    "torch": ">=2.8,<2.12",  # what ZeroGPU supports
    "torchvision": ">=0.23,<0.27",
    "huggingface-hub": ">=1.0",  # whose HTTP client `studio.models.transfer` streams with
}


def split(lines: list[str]) -> dict[str, str]:
    found = {}
    for line in lines:
        if line.strip() and not line.startswith("#"):
            match = re.match(r"([A-Za-z0-9-]+)(.*)", line.strip())
            assert match is not None, line
            found[match[1].lower()] = match[2]
    return found


def test_a_space_installs_what_the_project_needs() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = split(project["dependencies"])
    installed = split((ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines())
    assert installed.keys() == wanted.keys()
    for name, bounds in wanted.items():
        assert installed[name] == OWN_BOUNDS.get(name, bounds), name


def test_nothing_is_installed_from_an_address() -> None:
    text = (ROOT / "requirements.txt").read_text(encoding="utf-8")
    assert not re.search(r"https?:|git\+|--index-url|--extra-index-url|@", text)
