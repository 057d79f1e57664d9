"""Names that the system will not look up, and a folder that even root may not enter."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

ODD_NAMES = ("~nobody-here", "~nobody-here/in/a/folder", "x" * 300, "/forbidden/place")
"""Of a user who is not here, too long, in a folder that `no_way_in` closes."""


@pytest.fixture
def no_way_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is called forbidden, or lies under it, may not be looked at."""
    stat = Path.stat

    def refuse(path: Path, **how: Any) -> Any:
        if "forbidden" in path.parts:
            raise PermissionError(13, "Permission denied", str(path))
        return stat(path, **how)

    monkeypatch.setattr(Path, "stat", refuse)
