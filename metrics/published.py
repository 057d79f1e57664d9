"""Numbers that papers give, with where they stand and how they were measured; and whether they compare with ours.

Read from `published.json`. A published number stands in a column of the protocol it was measured by; where the
protocol, the size or the prompts are others, it is shown with the reason and compared with nothing.
Standard library only. Not here: protocols (`metrics.protocols`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from metrics.protocols import AS_PUBLISHED, Column

FILE = Path(__file__).with_name("published.json")


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedRow:
    """One model in one table of one paper."""

    model: str
    table: str
    source: str
    protocol: str
    """Of `metrics.protocols`, or the name of a procedure that is neither."""

    prompts: str
    size_px: int
    """Side of the square pictures."""

    num_pictures: int | None
    """None where the paper does not say."""

    differs: str
    """What is not as in the first paper; empty where nothing is known to be."""

    values: Mapping[str, float]
    """By metric."""

    def why_not(self, column: Column, *, size_px: tuple[int, int], prompts: str) -> str:
        """Why its number must not be compared with one of ours in this column; empty where it may."""
        if column.metric not in self.values:
            return "not published"
        if self.protocol != column.protocol:
            return self.differs or f"measured {AS_PUBLISHED.title}, not as in this column"
        if size_px != (self.size_px, self.size_px):
            return f"at {self.size_px} x {self.size_px} px; yours are {size_px[0]} x {size_px[1]} px"
        if prompts != self.prompts:
            return f"on {self.prompts}; your prompts are {prompts}"
        return self.differs


@cache
def published_rows() -> tuple[PublishedRow, ...]:
    """All of them, table by table."""
    tables: list[dict[str, Any]] = json.loads(FILE.read_text(encoding="utf-8"))
    return tuple(
        PublishedRow(
            model=row["model"],
            table=table["table"],
            source=table["source"],
            protocol=table["protocol"],
            prompts=table["prompts"],
            size_px=table["size_px"],
            num_pictures=table.get("num_pictures"),
            differs=table.get("differs", ""),
            values={metric: value for metric, value in row.items() if metric != "model"},
        )
        for table in tables
        for row in table["rows"]
    )
