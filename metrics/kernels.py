"""Kernels compiled by Numba and kept on disk: a second process loads in milliseconds what the first took seconds for.

Numba's own cache looks at one source file alone and takes no notice of a change in a kernel that is called from
another module. Here a kernel is fresh only while every source file of its package is the same to the letter. Not
here: any kernel.
"""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import numba
from numba.core import caching, config, sigutils


def jit(**options: Any) -> Callable[[Callable[..., Any]], Any]:
    """`numba.njit` of these options, kept in `__pycache__` beside the kernel's source or under `NUMBA_CACHE_DIR`.

    Where neither can be written to, each process compiles for itself. A full disk and a damaged file cost time alone.
    """

    def compiled(kernel: Callable[..., Any]) -> Any:
        made = numba.njit(**options)(kernel)
        with suppress(_NoPlaceError):
            made._cache = _Kept(kernel)
        return made

    return compiled


class _NoPlaceError(RuntimeError):
    """There is no folder that can be written to."""


@cache
def stamp(package: Path) -> str:
    """A hash over the source files of a package folder, names included."""
    digest = hashlib.sha256()
    for path in sorted(package.glob("*.py")):
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


class _BesideTheSource(caching._CacheLocator):
    def __init__(self, source: Path, line: int, folder: Path) -> None:
        self._source, self._line, self._folder = source, line, folder

    def get_cache_path(self) -> str:
        return str(self._folder)

    def get_source_stamp(self) -> str:
        return stamp(self._source.parent)

    def get_disambiguator(self) -> str:
        return str(self._line)

    @classmethod
    def from_function(cls, kernel: Callable[..., Any], file: str) -> _BesideTheSource:
        source = Path(file).resolve()
        beside = source.parent / "__pycache__"
        if named := getattr(config, "CACHE_DIR", ""):
            beside = Path(named) / cls.get_suitable_cache_subpath(file)
        locator = cls(source, kernel.__code__.co_firstlineno, beside)
        try:
            locator.ensure_cache_path()
        except OSError as error:
            raise _NoPlaceError from error
        return locator


class _Results(caching.CompileResultCacheImpl):
    _locator_classes: Any = [_BesideTheSource]  # noqa: RUF012 (as the class above has it)


class _Kept(caching.FunctionCache):
    _impl_class = _Results

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """What was compiled for these types, or None. Two processes that save at once can leave another's there."""
        try:
            found = super().load_overload(sig, target_context)
        except Exception as error:  # whatever a damaged pickle raises
            warnings.warn(f"{self._cache_path}: compiled again, {error}", stacklevel=2)
            with suppress(OSError):
                self.flush()
            return None
        wanted, _ = sigutils.normalize_signature(sig)
        return found if found is not None and tuple(found.signature.args) == tuple(wanted) else None

    def save_overload(self, sig: Any, data: Any) -> None:
        with suppress(OSError):
            super().save_overload(sig, data)
