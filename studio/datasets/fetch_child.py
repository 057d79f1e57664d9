"""The process that reads a dataset from the hub: `python -m studio.datasets.fetch_child`, what to do as JSON on stdin.

On stdout, one JSON object a line: {"done", "total"} after each picture, and at the end {"pictures", "skipped",
"words"} or {"error"}, one sentence. Nothing is lost when it is ended in between. A process of its own because the
library may abort the one that it is used in.
Not here: starting it (`studio.datasets.fetching`), the fetch (`finetune.data.hub_dataset`).
"""

from __future__ import annotations

import os
import sys
import tempfile
import traceback
from pathlib import Path

from huggingface_hub import constants, get_token

from finetune.data.hub_dataset import FetchSettings, fetch_dataset
from finetune.data.hub_stream import HubSource
from studio.home.child_lines import read_order, say
from studio.models.hub_errors import hub_sentence


def main() -> int:
    """Do it; returns the exit code."""
    order = read_order()
    source = HubSource(**order["source"])
    try:
        with tempfile.TemporaryDirectory(prefix="d4k-fetch-") as empty:
            # The library takes owner/name for a folder where there is one.
            os.chdir(empty)
            report = fetch_dataset(
                source,
                Path(order["folder"]),
                FetchSettings(**order["settings"]),
                on_progress=_told,
            )
    except Exception as error:
        sentence = words_for(error, source.hub_id)
        if sentence is None:
            traceback.print_exc()
            sentence = f"the fetch broke off with {type(error).__name__}: {error}; start again to go on"
        say({"error": sentence})
        return 1
    say({"pictures": report.pictures, "skipped": len(report.skipped), "words": report.words()})
    return 0


def words_for(error: BaseException, hub_id: str) -> str | None:
    """The sentence for what a fetch raised, or for what lies under it; None for what nobody foresaw."""
    has_token = get_token() is not None
    link: BaseException | None = error
    while link is not None:
        words = hub_sentence(link, hub_id, endpoint=constants.ENDPOINT, has_token=has_token, kind="dataset")
        if words is not None:
            return words
        link = link.__cause__ if link.__cause__ is not None else link.__context__
    return str(error) if isinstance(error, ValueError) else None


def _told(done: int, total: int) -> bool:
    say({"done": done, "total": total})
    return True


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # the library's reader threads abort an ordinary end
