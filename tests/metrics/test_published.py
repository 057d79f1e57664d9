"""Published numbers as they stand in the papers, each in a column of its own protocol or greyed with the reason."""

from __future__ import annotations

import pytest

from metrics.catalogue import card
from metrics.protocols import AS_PUBLISHED, OURS, PROTOCOLS, find_column, find_protocol
from metrics.published import PublishedRow, published_rows

# Typed from the papers once more: FID, CLIPScore, Aesthetics, GLCM Score, Compression Ratio; - where none is given.
TABLES = """
Diffusion-4K, tables 3 and 4
SD3-F16 43.82 31.50 5.91 0.75 11.23
SD3-F16-WLF 40.18 34.04 5.96 0.79 10.51
Flux-F16 50.57 30.41 6.36 0.58 14.80
Flux-F16-WLF 39.49 34.41 6.37 0.61 13.60
Diffusion-4K, tables 7 and 8
SD3-F16 - 33.12 5.97 0.73 11.97
SD3-F16, fine-tuned without WLF - 34.14 5.99 0.74 11.41
SD3-F16-WLF - 34.40 6.07 0.77 10.50
LWD, table 2 at 2048
SD3-Diff4k-F16 40.18 34.04 5.96 0.79 11.73
LWD + SD3-F16 38.74 34.94 6.17 0.74 11.99
PixArt-Sigma 39.13 35.02 6.43 0.79 13.66
PixArt-Sigma + LWD 36.14 35.21 6.27 0.87 6.05
Sana 32.06 35.28 6.15 0.93 24.01
Sana + LWD 34.30 35.58 6.23 0.78 27.34
LWD, table 2 at 4096
SD3-Diff4k-F16 - 33.41 5.97 0.70 11.90
LWD + SD3-F16 - 34.08 6.03 0.77 12.27
Sana - 34.40 6.14 0.39 48.36
Sana + LWD - 34.59 6.21 0.60 32.62
UltraFlux
UltraFlux 143.11 34.62 - - -
Diffusion-4K 152.43 33.00 - - -
Sana 144.17 35.49 - - -
UltraHR-100K
UltraHR-100K 142.97 35.08 - - -
Diffusion-4K 152.79 33.99 - - -
Sana 146.03 34.62 - - -
PixArt-Sigma 150.59 34.88 - - -
DyPE, Aesthetic-4K
FLUX 195.68 25.50 5.42 - -
YaRN 192.19 28.57 6.47 - -
DY-YaRN 186.00 29.28 6.67 - -
"""
NAMES = ("fid", "clip_score", "aesthetics", "glcm_score", "compression_ratio")


def test_numbers_are_those_of_the_papers() -> None:
    known = {(row.table, row.model): dict(row.values) for row in published_rows()}
    table, seen = "", 0
    for line in TABLES.strip().splitlines():
        parts = line.rsplit(" ", 5)
        if len(parts) < 6 or not all(part == "-" or part.replace(".", "").isdigit() for part in parts[1:]):
            table = line
            continue
        wanted = {n: float(v) for n, v in zip(NAMES, parts[1:], strict=True) if v != "-"}
        assert known[table, parts[0]] == wanted, (table, parts[0])
        seen += 1
    assert seen == 27


def test_every_row_says_where_it_stands() -> None:
    assert len(published_rows()) > 40
    for row in published_rows():
        assert row.source
        assert row.table
        assert row.prompts
        assert row.size_px in (2048, 4096)
        for metric in row.values:
            card(metric)
        if row.protocol != AS_PUBLISHED.name:
            assert row.differs, f"{row.table} says not what differs"


@pytest.fixture
def row() -> PublishedRow:
    return next(one for one in published_rows() if one.table == "Diffusion-4K, tables 7 and 8")


def test_a_number_compares_where_protocol_size_and_prompts_match(row: PublishedRow) -> None:
    glcm = find_column("as-published/glcm_score")
    here, prompts = (4096, 4096), "Aesthetic-Eval@4096"
    assert row.why_not(glcm, size_px=here, prompts=prompts) == ""
    assert "4096 x 4096 px; yours are 3072 x 4096" in row.why_not(glcm, size_px=(3072, 4096), prompts=prompts)
    assert "your prompts are my own" in row.why_not(glcm, size_px=here, prompts="my own")
    assert "not as in this column" in row.why_not(
        find_column("ours/glcm_score"), size_px=here, prompts=prompts
    )
    assert row.why_not(find_column("as-published/fid"), size_px=here, prompts=prompts) == "not published"


def test_a_row_of_another_procedure_never_compares() -> None:
    for row in published_rows():
        if row.protocol == AS_PUBLISHED.name:
            continue
        for metric in row.values:
            column = find_column(f"as-published/{metric}")
            assert row.why_not(column, size_px=(row.size_px, row.size_px), prompts=row.prompts) == row.differs


def test_a_column_is_of_one_protocol() -> None:
    keys = [column.key for protocol in PROTOCOLS for column in protocol.columns]
    assert len(keys) == len(set(keys))
    for protocol in (AS_PUBLISHED, OURS):
        assert find_protocol(protocol.name) is protocol
        for column in protocol.columns:
            assert column.protocol == protocol.name
            assert column.procedure
            assert find_column(column.key) == column
    with pytest.raises(ValueError, match="there is no protocol 'theirs'"):
        find_column("theirs/fid")
    with pytest.raises(ValueError, match="has no column 'psnr'"):
        find_column("ours/psnr")
