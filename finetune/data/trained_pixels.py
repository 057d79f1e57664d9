"""The pixels that training sees of a picture: the cache encodes them, and a preview shows the same ones. No torch."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from finetune.data.buckets import Crop, cut
from finetune.data.picture_facts import MAX_MEGAPIXELS
from metrics.pictures import read_picture


def trained_pixels(root: Path, crop: Crop) -> NDArray[np.uint8]:
    """(h, w, 3) RGB of the crop, at its bucket's size, of the dataset folder `root`.

    Raises ValueError where the picture is gone, damaged, or smaller than when it was scanned.
    """
    return cut(read_picture(root / crop.file_name, max_megapixels=MAX_MEGAPIXELS).pixels, crop)
