"""Every metric as data: name, unit, range, direction, needs, definition, source, resize path, version.

README and the page show these as cards. Standard library only. Not here: computing (`metrics.evaluate`).
"""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from math import inf
from typing import Literal

Direction = Literal["higher", "lower", "neither"]
Scope = Literal["picture", "picture+prompt", "set"]
RATIOS = ("compression_ratio", "compression_ratio_444")
"""Of a set, a ratio of sums and no mean of ratios."""

BANDS = ("lh", "hl", "hh")
ENERGY_LEVELS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricCard:
    """What one number means."""

    name: str
    title: str
    unit: str = ""
    """Empty for a plain number."""

    low: float
    high: float
    """The range; infinite where there is no bound."""

    direction: Direction
    """Which way is better, all else equal; "neither" for a description."""

    scope: Scope
    """Of one picture, of a picture and its prompt, or of a set against a reference set."""

    needs: str = ""
    """Weights that are not in this repository; empty for none."""

    definition: str
    source: str
    resize_path: str = "none: the picture as it is"
    version: str = "1"
    """Changes whenever equal pictures would score otherwise."""


def card(name: str) -> MetricCard:
    """The card of a metric; ValueError with the nearest names if there is none."""
    found = _BY_NAME.get(name)
    if found is None:
        near = get_close_matches(name, _BY_NAME, n=3, cutoff=0.4)
        hint = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(_BY_NAME)}"
        raise ValueError(f"there is no metric {name!r}; {hint}")
    return found


_HARALICK = "Haralick, Shanmugam & Dinstein 1973, scikit-image's conventions"
_PATCHES = "mean over whole 64 px patches and 16 offsets, 64 grey levels"
_HARALICK_ROWS: tuple[tuple[str, str, float, float, str], ...] = (
    ("contrast", "squared levels", 0, 3969, "sum p (i - j)^2"),
    ("dissimilarity", "levels", 0, 63, "sum p |i - j|"),
    ("homogeneity", "", 0, 1, "sum p / (1 + (i - j)^2)"),
    ("energy", "", 0, 1, "square root of sum p^2"),
    ("correlation", "", -1, 1, "covariance over the product of deviations; 1 for a flat patch"),
    ("asm", "", 0, 1, "angular second moment, sum p^2; 1 is flat"),
)
_INCEPTION = "Inception-v3 FID weights (pt_inception-2015-12-05, 91 MB, Apache-2.0)"
_SHRUNKEN = (
    "short side to the set's size (bilinear, antialias), centre crop, then 299 px inside the extractor"
)
_CROPS = "none: 299 px crops at 1:1 from the same places of both sets"

CARDS: tuple[MetricCard, ...] = (
    MetricCard(
        name="glcm_score",
        title="GLCM Score",
        unit="bits",
        low=0,
        high=3.6,
        direction="higher",
        scope="picture",
        definition="entropy of the histogram of distinct values in all normalised co-occurrence matrices of a 64 px "
        "patch, mean over patches; white noise scores highest",
        source="Diffusion-4K (arXiv 2503.18352), as its released code computes it",
    ),
    MetricCard(
        name="glcm_entropy",
        title="GLCM entropy",
        unit="bits",
        low=0,
        high=12,
        direction="neither",
        scope="picture",
        definition=f"joint entropy of neighbouring grey levels, -sum p log2 p; {_PATCHES}",
        source=_HARALICK,
    ),
    *(
        MetricCard(
            name=f"glcm_{name}",
            title=f"GLCM {name if name != 'asm' else 'ASM'}",
            unit=unit,
            low=low,
            high=high,
            direction="neither",
            scope="picture",
            definition=f"{definition}; {_PATCHES}",
            source=_HARALICK,
        )
        for name, unit, low, high, definition in _HARALICK_ROWS
    ),
    MetricCard(
        name="compression_ratio",
        title="Compression Ratio",
        low=0,
        high=inf,
        direction="lower",
        scope="picture",
        definition="raw bytes over JPEG bytes at quality 95, 4:2:0; for a set the ratio of sums; lower is more detail, "
        "noise included",
        source="Diffusion-4K (arXiv 2503.18352)",
    ),
    MetricCard(
        name="compression_ratio_444",
        title="Compression Ratio 4:4:4",
        low=0,
        high=inf,
        direction="lower",
        scope="picture",
        definition="as compression_ratio, with colour at full resolution; not comparable with published numbers",
        source="this project",
    ),
    MetricCard(
        name="effective_resolution",
        title="Effective resolution",
        unit="share of the side",
        low=0,
        high=1,
        direction="higher",
        scope="picture",
        definition="the scale beyond which there is no real detail; 1 is native, 0.25 is a 1K picture enlarged to 4K",
        source="this project",
    ),
    MetricCard(
        name="spectrum_slope",
        title="Spectrum slope",
        low=-inf,
        high=inf,
        direction="neither",
        scope="picture",
        definition="slope of the radial power spectrum in log-log; natural pictures lie near -2, blurred ones below",
        source="Field 1987; Ruderman 1994",
    ),
    *(
        MetricCard(
            name=name,
            title=title,
            low=0,
            high=1,
            direction="lower",
            scope="picture",
            definition=definition,
            source="this project",
        )
        for name, title, definition in (
            ("stripes", "Stripes", "how far one direction stands out at high frequency"),
            ("grid", "Model grid", "how strongly gradients repeat every 16 or 32 px"),
            ("seam", "Tile seam", "the sharpest jump along one whole row or column against its neighbours"),
        )
    ),
    *(
        MetricCard(
            name=f"energy_{band}_{level}",
            title=f"{band.upper()} energy, level {level}",
            unit="squared grey levels",
            low=0,
            high=inf,
            direction="neither",
            scope="picture",
            definition=f"mean square of the {band.upper()} Haar coefficients of level {level} of luma",
            source="Mallat 1989; PyWavelets' scale",
        )
        for level in range(1, ENERGY_LEVELS + 1)
        for band in BANDS
    ),
    MetricCard(
        name="clip_score",
        title="CLIPScore",
        low=0,
        high=100,
        direction="higher",
        scope="picture+prompt",
        needs="CLIP ViT-B/16 (openai/clip-vit-base-patch16, 599 MB, MIT)",
        definition="100 times the cosine between picture and prompt, at least 0; prompts over 77 tokens are split at "
        "sentence or comma ends and their embeddings averaged, never cut silently",
        source="Hessel et al. 2021; the published procedure's model",
        resize_path="the model's own: shorter side to 224 px bicubic, centre crop",
    ),
    MetricCard(
        name="clip_score[micro]",
        title="CLIPScore of the bundled CLIP",
        low=0,
        high=100,
        direction="higher",
        scope="picture+prompt",
        definition="as clip_score with the small CLIP in assets/, which knows Micro-4K's words only; never comparable",
        source="this project",
        resize_path="the whole picture to 128 x 128, bilinear, antialiased",
    ),
    MetricCard(
        name="aesthetics",
        title="Aesthetics",
        low=0,
        high=10,
        direction="higher",
        scope="picture",
        needs="CLIP ViT-L/14 (openai/clip-vit-large-patch14, 1.7 GB, MIT) and the linear MLP head "
        "(sac+logos+ava1-l14-linearMSE, 3.7 MB, Apache-2.0)",
        definition="a linear MLP on the normalised CLIP embedding of the picture, fitted to human ratings",
        source="Schuhmann, improved-aesthetic-predictor",
        resize_path="the model's own: shorter side to 224 px bicubic, centre crop",
    ),
    MetricCard(
        name="fid",
        title="FID",
        low=0,
        high=inf,
        direction="lower",
        scope="set",
        needs=_INCEPTION,
        definition="Frechet distance of Gaussians fitted to Inception features; biased where pictures are few",
        source="Heusel et al. 2017; the published resize path",
        resize_path=_SHRUNKEN,
    ),
    MetricCard(
        name="kid",
        title="KID",
        low=-inf,
        high=inf,
        direction="lower",
        scope="set",
        needs=_INCEPTION,
        definition="unbiased squared MMD of Inception features, cubic kernel",
        source="Binkowski et al. 2018",
        resize_path=_SHRUNKEN,
    ),
    MetricCard(
        name="fid_crops",
        title="FID of 1:1 crops",
        low=0,
        high=inf,
        direction="lower",
        scope="set",
        needs=_INCEPTION,
        definition="as fid, on aligned crops at full resolution: sees the detail that shrinking hides",
        source="Heusel et al. 2017; crops are this project's",
        resize_path=_CROPS,
    ),
    MetricCard(
        name="kid_crops",
        title="KID of 1:1 crops",
        low=-inf,
        high=inf,
        direction="lower",
        scope="set",
        needs=_INCEPTION,
        definition="as kid, on aligned crops at full resolution",
        source="Binkowski et al. 2018; crops are this project's",
        resize_path=_CROPS,
    ),
    MetricCard(
        name="cmmd",
        title="CMMD",
        low=0,
        high=inf,
        direction="lower",
        scope="set",
        needs="CLIP ViT-L/14-336 (openai/clip-vit-large-patch14-336, 1.7 GB, MIT)",
        definition="1000 times the squared MMD of CLIP embeddings, Gaussian kernel of width 10",
        source="Jayasumana et al. 2024",
        resize_path="the model's own: shorter side to 336 px bicubic, centre crop",
    ),
    MetricCard(
        name="texture_frechet",
        title="Texture Frechet distance",
        low=0,
        high=inf,
        direction="lower",
        scope="set",
        definition="Frechet distance of wavelet log energies and co-occurrence properties of 256 px patches at 1:1; "
        "needs no weights",
        source="this project",
    ),
)
_BY_NAME = {entry.name: entry for entry in CARDS}
