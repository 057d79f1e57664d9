"""What can be laid over a picture, as small grey files: subbands, co-occurrence maps, clipped pixels; and rebuilt ones.

A file holds codes 0..255; colours and gain are the browser's, so that turning them is instant. Each file is made
once for its settings. Not here: how layers are arranged on the stage (`studio.ui`).
"""

from __future__ import annotations

import hashlib
import threading
import zlib
from collections import OrderedDict
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar, cast

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from studio.home.disk import whole_file
from studio.inspection.grey_files import GreyFile, write_codes, write_values
from studio.inspection.opened import Opened, Subject

T = TypeVar("T")
KEPT_LAYERS = 200


@dataclass(frozen=True, slots=True)
class BandFile:
    """One subband."""

    band: str
    """"ll", "lh", "hl" or "hh"."""

    level: int
    """1 is the finest."""

    grey: GreyFile
    left_px: float
    """Where the first column of cells begins in the picture, and the first row: long filters begin before it."""

    cell_px: int
    """How much of the picture one coefficient stands for: 2**level a side."""


class Layers:
    """Makes layers of opened pictures, each once. Safe from any thread; one at a time, since each uses every core."""

    def __init__(self, opened: Opened) -> None:
        self.opened = opened
        self._making = threading.Lock()
        self._made: OrderedDict[tuple[object, ...], tuple[object, tuple[Path, ...]]] = OrderedDict()

    def subbands(self, subject: Subject, *, wavelet: str, mode: str, levels: int) -> tuple[BandFile, ...]:
        """All bands of luma, finest first, LL last. Detail bands are signed: code 128 is about zero.

        A detail band's range is where 99.9 % of its coefficients lie, so that single edges do not flatten the rest.
        """
        key = ("bands", subject.id, wavelet, mode, levels)
        return self._once(
            key,
            lambda: self._write_bands(subject, wavelet, mode, levels),
            lambda bands: tuple(path for found in bands for path in found.grey.files()),
        )

    def glcm_map(
        self,
        subject: Subject,
        *,
        measure: str,
        window_px: int,
        stride_px: int,
        offsets: tuple[tuple[int, int], ...],
    ) -> GreyFile:
        """A co-occurrence property as a map; code 0 and 255 are its lowest and highest value."""

        def make() -> GreyFile:
            from metrics.glcm_map import glcm_map

            found = glcm_map(
                self.opened.pixels(subject),
                properties=(measure,),
                window_px=window_px,
                stride_px=stride_px,
                offsets=offsets,
            )[measure]
            path = self._path(subject, "map", measure, window_px, stride_px, offsets)
            return write_values(path, found, float(found.min()), float(found.max()), "mean")

        key = ("map", subject.id, measure, window_px, stride_px, offsets)
        return self._once(key, make, GreyFile.files)

    def clipped(self, subject: Subject) -> GreyFile:
        """Where a channel has no room left: 255 at 255, 128 at 0, 0 elsewhere."""

        def make() -> GreyFile:
            pixels = self.opened.pixels(subject)
            codes = np.zeros(pixels.shape[:2], np.uint8)
            for channel in range(3):
                plane = pixels[..., channel]
                np.maximum(codes, np.where(plane == 0, np.uint8(128), np.uint8(0)), out=codes)
                np.maximum(codes, np.where(plane == 255, np.uint8(255), np.uint8(0)), out=codes)
            return write_codes(self._path(subject, "clipped"), codes, 0.0, 255.0, "largest")

        return self._once(("clipped", subject.id), make, GreyFile.files)

    def rebuilt(
        self,
        subject: Subject,
        *,
        wavelet: str,
        mode: str,
        levels: int,
        gains: Mapping[tuple[str, int], float],
    ) -> Path:
        """The picture put together from its bands, some muted or scaled, channel by channel; a PNG."""
        from metrics.subbands import decompose, rebuild

        path = self._path(subject, "rebuilt", wavelet, mode, levels, tuple(sorted(gains.items())))

        def make() -> Path:
            pixels = self.opened.pixels(subject)
            out = np.empty_like(pixels)
            for channel in range(3):
                plane = np.ascontiguousarray(pixels[..., channel]).astype(np.float32)
                plane = rebuild(decompose(plane, wavelet=wavelet, mode=mode, levels=levels), gains)
                out[..., channel] = np.clip(np.rint(plane, out=plane), 0, 255, out=plane)
            path.parent.mkdir(parents=True, exist_ok=True)
            with whole_file(path) as part:
                # Runs alone are as small as level 1's search here, in three quarters of the time.
                Image.fromarray(out).save(part, format="PNG", compress_level=1, compress_type=zlib.Z_RLE)
            return path

        return self._once(("rebuilt", path), make, lambda made: (made,))

    def _write_bands(self, subject: Subject, wavelet: str, mode: str, levels: int) -> tuple[BandFile, ...]:
        import pywt

        from metrics.subbands import decompose, luma

        bands = decompose(luma(self.opened.pixels(subject)), wavelet=wavelet, mode=mode, levels=levels)
        named = [
            (name, level, band)
            for level, details in enumerate(bands.details, 1)
            for name, band in details._asdict().items()
        ]
        named.append(("ll", levels, bands.ll))
        # Coefficient k of level 1 is centred on pixel 2k + 1.5 - taps / 2; with periodization on 2k + 0.5.
        early = 0.0 if mode == "periodization" else 1 - pywt.Wavelet(wavelet).dec_len / 2

        def write(item: tuple[str, int, NDArray[np.float32]]) -> BandFile:
            name, level, band = item
            path = self._path(subject, "band", wavelet, mode, levels, name, level)
            low, high = (0.0, 255.0 * 2.0**level) if name == "ll" else _signed_range(band)
            grey = write_values(path, band, low, high, "mean" if name == "ll" else "farthest")
            return BandFile(name, level, grey, left_px=early * (2**level - 1), cell_px=2**level)

        with ThreadPoolExecutor(2) as pool:  # zlib works without the GIL
            return tuple(pool.map(write, named))

    def _path(self, subject: Subject, kind: str, *settings: object) -> Path:
        name = hashlib.sha256(repr(settings).encode()).hexdigest()[:12]
        return self.opened.folder_of(subject) / f"{kind}-{name}.png"

    def _once(
        self, key: tuple[object, ...], make: Callable[[], T], files: Callable[[T], tuple[Path, ...]]
    ) -> T:
        """What was made for this key before, if its files are still there; else made now."""
        ready = self._ready(key)
        if ready is None:
            with self._making:
                ready = self._ready(key)  # another asker may have been first
                if ready is None:
                    made = make()
                    ready = self._made[key] = made, files(made)
                    if len(self._made) > KEPT_LAYERS:
                        self._made.popitem(last=False)
        return cast(T, ready[0])

    def _ready(self, key: tuple[object, ...]) -> tuple[object, tuple[Path, ...]] | None:
        found = self._made.get(key)
        return found if found is not None and all(path.is_file() for path in found[1]) else None


def _signed_range(band: NDArray[np.float32]) -> tuple[float, float]:
    # Some 256 rows are enough to know where the bulk lies.
    reach = float(np.quantile(np.abs(band[:: max(1, len(band) // 256)]), 0.999))
    reach = max(reach, 0.5)
    return -reach, reach
