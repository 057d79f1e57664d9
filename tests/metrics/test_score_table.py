"""Tables as text, CSV and JSON; intervals that know a difference when there is one."""

from __future__ import annotations

import csv
import io
import json
import re

import pytest

from metrics.catalogue import CARDS, card
from metrics.score_table import Row, ScoreTable

TABLE = ScoreTable(
    ("glcm_score", "compression_ratio"),
    (
        Row('a, "b".png', {"glcm_score": 0.1 + 0.2, "compression_ratio": 7.5}, ("turned",)),
        Row("☃.png", {"glcm_score": float("nan")}),
    ),
    {"bad.png": "bad.png is empty; copy it again"},
)


def test_csv_keeps_names_and_every_digit() -> None:
    rows = list(csv.reader(io.StringIO(TABLE.to_csv())))
    assert rows[0] == ["name", "glcm_score", "compression_ratio"]
    assert rows[1][0] == 'a, "b".png'
    assert float(rows[1][1]) == 0.1 + 0.2
    assert rows[2][2] == ""


def test_json_is_json_with_units_and_reasons() -> None:
    found = json.loads(TABLE.to_json(), parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
    score, ratio = found["metrics"]["glcm_score"], found["metrics"]["compression_ratio"]
    assert (score["title"], score["unit"], score["direction"]) == ("GLCM Score", "bits", "higher")
    assert "64 px" in score["definition"]
    assert (score["version"], "codec" in score) == (card("glcm_score").version, False)
    assert re.search(r"JPEG quality 95, 4:2:0, Pillow \d+.* libjpeg", ratio["codec"])
    assert found["rows"][1]["scores"]["glcm_score"] is None
    assert found["skipped"] == {"bad.png": "bad.png is empty; copy it again"}


def test_text_has_a_line_a_picture_when_metrics_are_few_and_a_line_a_metric_when_many() -> None:
    assert [line.split("  ")[0] for line in TABLE.to_text().splitlines()[1:]] == ['a, "b".png', "☃.png"]
    many = ScoreTable(tuple(entry.name for entry in CARDS[:6]), (Row("x", {"glcm_score": 1.0}),))
    lines = many.to_text().splitlines()
    assert len(lines) == 7
    assert lines[1].startswith("glcm_score ↑")
    assert lines[1].endswith("bits")


def test_every_card_is_whole_and_names_are_unique() -> None:
    assert len({entry.name for entry in CARDS}) == len(CARDS)
    for entry in CARDS:
        assert entry.low < entry.high
        for text in (entry.title, entry.definition, entry.source, entry.resize_path, entry.version):
            assert text


def test_an_unknown_metric_gets_its_neighbours() -> None:
    with pytest.raises(ValueError, match="did you mean glcm_score"):
        card("gclm_score")
