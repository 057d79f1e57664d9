"""The process that captions with a model of this machine: `python -m studio.datasets.caption_child`, told by its stdin.

On stdout, a `CaptionReport` a line as a JSON object, and at the end {"ended": true} or {"failed"}, one sentence. Each
caption is on disk before it is told of. A process of its own because the web process imports no torch, and so that
the model's memory is given back. Not here: starting it (`studio.datasets.captioning`).
"""

from __future__ import annotations

import traceback
from dataclasses import asdict
from pathlib import Path

from finetune.captions.models import LocalModel
from finetune.data.dataset import open_dataset
from studio.home.child_lines import read_order, say


def main() -> int:
    """Do it; returns the exit code."""
    order = read_order()
    try:
        from finetune.captions.local import caption_locally, open_captioner

        captioner = open_captioner(LocalModel(**order["model"]))
        for report in caption_locally(open_dataset(Path(order["root"])), captioner, which=order["which"]):
            say(asdict(report))
    except ValueError as error:
        say({"failed": str(error)})
        return 1
    except Exception as error:
        traceback.print_exc()
        say({"failed": f"the model broke off with {type(error).__name__}: {error}; choose another model"})
        return 1
    say({"ended": True})
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
