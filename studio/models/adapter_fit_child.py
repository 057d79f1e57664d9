"""The process that holds LoRA files against a model: `python -m studio.models.adapter_fit_child`.

The order as JSON on stdin: folder, family and files. On stdout one JSON object for each file, in their order: {"words",
"fits", "unused"}, or {"error"} where the model cannot be read. Not here: starting it (`studio.models.adapter_fit`).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from finetune.backbones import FamilyName
from finetune.lora.files import read_adapter
from finetune.lora.matching import MatchReport, Shapes
from finetune.lora.merge import folder_shapes
from studio.home.child_lines import read_order, say


def main() -> None:
    order = read_order()
    try:
        shapes = folder_shapes(Path(order["folder"]))
    except (OSError, ValueError) as error:
        say({"error": str(error)})
        return
    for file in order["files"]:
        say(fit_of(Path(file), family=order["family"], shapes=shapes))


def fit_of(file: Path, *, family: FamilyName, shapes: Shapes) -> dict[str, Any]:
    """What is said of one file; a file that cannot be read is one that does not fit."""
    try:
        report = read_adapter(file, family=family, shapes=shapes).report
    except (OSError, ValueError) as error:
        return {"words": str(error), "fits": False, "unused": []}
    return {"words": report.words(), "fits": report.num_matched > 0, "unused": reasons_of(report)}


def reasons_of(report: MatchReport) -> list[tuple[str, int, str]]:
    """(reason, number of keys, one of them), the most frequent first."""
    keys: dict[str, list[str]] = {}
    for key, reason in report.unmatched.items():
        keys.setdefault(reason, []).append(key)
    return [(why, len(mine), mine[0]) for why, mine in sorted(keys.items(), key=lambda item: -len(item[1]))]


if __name__ == "__main__":
    main()
