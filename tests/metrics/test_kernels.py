"""What is compiled is kept, is fresh only while its whole package is, and costs time alone where keeping fails."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from metrics import kernels

INNER = """
from metrics.kernels import jit

@jit(nogil=True)
def scaled(x):
    return {factor} * x
"""
OUTER = """
from metrics.kernels import jit
from kept_package.inner import scaled

@jit(nogil=True)
def shifted(x):
    return scaled(x) + 1
"""


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Two modules of which one's kernel calls the other's."""
    folder = tmp_path / "kept_package"
    folder.mkdir()
    (folder / "__init__.py").touch()
    (folder / "inner.py").write_text(INNER.format(factor=3))
    (folder / "outer.py").write_text(OUTER)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(kernels.config, "CACHE_DIR", "")
    yield folder
    forget()


def forget() -> None:
    for name in [name for name in sys.modules if name.startswith("kept_package")]:
        del sys.modules[name]
    kernels.stamp.cache_clear()
    importlib.invalidate_caches()


def as_a_new_process() -> ModuleType:
    forget()
    return importlib.import_module("kept_package.outer")


def hits(module: ModuleType) -> int:
    """How often a kernel was found on disk."""
    return sum(module.shifted.stats.cache_hits.values())


def kept(package: Path, ending: str) -> list[Path]:
    return sorted((package / "__pycache__").glob(f"outer*{ending}"))


def test_a_second_process_compiles_nothing(package: Path) -> None:
    first = as_a_new_process()
    assert (first.shifted(2), first.shifted(0.5), hits(first)) == (7, 2.5, 0)
    second = as_a_new_process()
    assert (second.shifted(2), second.shifted(0.5), hits(second)) == (7, 2.5, 2)


def test_a_change_in_a_called_module_is_noticed(package: Path) -> None:
    assert as_a_new_process().shifted(2) == 7
    (package / "inner.py").write_text(INNER.format(factor=10))
    changed = as_a_new_process()
    assert (changed.shifted(2), hits(changed)) == (21, 0)


@pytest.mark.parametrize("ending", ["nbi", "nbc"])
@pytest.mark.parametrize("damage", [b"", b"\x80", b"\x80\x04}q\x00.no pickle at all"])
@pytest.mark.filterwarnings("ignore:.*compiled again")
def test_a_damaged_file_is_made_again(package: Path, ending: str, damage: bytes) -> None:
    as_a_new_process().shifted(2)
    for path in kept(package, ending):
        path.write_bytes(damage)
    assert as_a_new_process().shifted(2) == 7
    healed = as_a_new_process()
    assert (healed.shifted(2), hits(healed)) == (7, 1)


def test_what_another_process_saved_under_this_name_is_not_run(package: Path) -> None:
    first = as_a_new_process()
    first.shifted(2)
    first.shifted(0.5)
    of_whole, of_real = kept(package, "nbc")
    of_whole.write_bytes(of_real.read_bytes())
    second = as_a_new_process()
    large = 2**60 + 1  # no float64
    assert (second.shifted(large), second.shifted(0.5)) == (3 * large + 1, 2.5)


def test_a_full_disk_costs_time_alone(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    module = as_a_new_process()
    monkeypatch.setattr(kernels.caching.IndexDataCacheFile, "save", full)
    assert module.shifted(2) == 7
    assert kept(package, "nbc") == []


def test_where_nothing_can_be_written_each_process_compiles(package: Path) -> None:
    (package / "__pycache__").write_text("a file where the folder would be")
    assert as_a_new_process().shifted(2) == 7
    again = as_a_new_process()
    assert (again.shifted(2), hits(again)) == (7, 0)


def test_a_folder_that_is_named_is_taken(
    package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kernels.config, "CACHE_DIR", str(tmp_path / "elsewhere"))
    assert as_a_new_process().shifted(2) == 7
    assert list((tmp_path / "elsewhere").rglob("outer*.nbc"))
    assert kept(package, "nbc") == []


def test_no_kernel_is_compiled_in_another_way() -> None:
    root = Path(kernels.__file__).parents[1]
    sources = [path for part in ("metrics", "finetune", "studio") for path in (root / part).rglob("*.py")]
    assert len(sources) > 300
    others = {path.name for path in sources if "njit" in path.read_text(encoding="utf-8")}
    assert others == {"kernels.py"}
