"""Captions by a vision model for an open dataset, in the background: stopped whenever you like, and gone on with.

Each caption is on disk before the next picture is sent, so that nothing is lost when the process ends.
Not here: asking the endpoint (`finetune.captions.endpoint`), the process that runs a model here
(`studio.datasets.caption_child`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import asdict

from finetune.captions.endpoint import CaptionEndpoint, caption_pictures
from finetune.captions.loop import DEFAULT_PROMPT, CaptionReport, Which
from finetune.captions.models import LocalModel
from finetune.data.hub_stream import is_hub_id
from finetune.named_paths import is_there
from studio.datasets.watch import DatasetWatch
from studio.home.child_lines import EXIT, said_by
from studio.home.roots import check_inside, named_path

CHILD = "studio.datasets.caption_child"

KEY_VARIABLE = "OPENAI_API_KEY"
"""The only one that is sent: a page must not be able to name another."""

USUAL_PROMPT = DEFAULT_PROMPT
USUAL_ENDPOINT, USUAL_MODEL = "https://api.openai.com/v1", "gpt-4o"
ENDPOINTS_VARIABLE = "D4K_CAPTION_ENDPOINTS"
"""Addresses, parted by commas, that may be asked where several people share a studio."""


def check_shared_endpoint(base_url: str, environ: Mapping[str, str]) -> None:
    """Where others may use this studio too, its key and its network are lent to known addresses alone.

    Raises ValueError for an address that is neither the usual one nor in ENDPOINTS_VARIABLE.
    """
    named = [one.strip() for one in environ.get(ENDPOINTS_VARIABLE, "").split(",")]
    allowed = [one.rstrip("/") for one in (USUAL_ENDPOINT, *named) if one]
    if base_url.strip().rstrip("/") not in allowed:
        raise ValueError(
            f"this studio asks {' or '.join(allowed)} for captions, got {base_url.strip()!r}: others use it too; "
            f"whoever runs it can add an address to the environment variable {ENDPOINTS_VARIABLE}"
        )


def start_captioning(
    watch: DatasetWatch,
    *,
    base_url: str,
    model: str,
    prompt: str,
    replace_others: bool,
    environ: Mapping[str, str],
) -> bool:
    """Begin; False while captions are being written already.

    Args:
        replace_others: Ask for pictures too whose caption came with the dataset or from another model; captions
            written by hand stay in any case.
        environ: Where the key is looked for, under KEY_VARIABLE.

    Raises ValueError for an address, a model or a prompt that cannot be.
    """
    endpoint = CaptionEndpoint(
        base_url=base_url.strip(), model=model.strip(), prompt=prompt, key_variable=KEY_VARIABLE
    )
    which: Which = "all" if replace_others else "missing"

    def reports() -> Iterator[CaptionReport]:
        return caption_pictures(
            watch.dataset(), endpoint, environ=environ, which=which, pause=watch.captioning.pause
        )

    return watch.captioning.start(
        lambda: _write_all(watch, reports(), by=endpoint.model), words="asking for the first caption"
    )


def start_captioning_here(
    watch: DatasetWatch, *, model: str, prompt: str, replace_others: bool, environ: Mapping[str, str]
) -> bool:
    """The same with a vision-language model on this machine, which runs in a process of its own.

    Args:
        model: Its folder, or its hub id.
        environ: Of that process.

    Raises ValueError for what is no model's folder and no hub id, and for an empty prompt.
    """
    place = named_path(model.strip(), environ=environ)
    if not is_hub_id(model.strip()) or is_there(place):  # before anybody learns what else is there
        check_inside(place, environ=environ)
    settings = LocalModel(source=model.strip(), prompt=prompt)
    order = {
        "root": str(watch.root),
        "model": asdict(settings),
        "which": "all" if replace_others else "missing",
    }

    def reports() -> Iterator[CaptionReport]:
        with closing(said_by(CHILD, order, environ=environ)) as entries:
            for entry in entries:
                if "file_name" in entry:
                    yield CaptionReport(**entry)
                elif "failed" in entry:
                    raise ValueError(str(entry["failed"]))
                elif "ended" in entry or watch.captioning.state.state == "stopping":
                    return
                elif EXIT in entry:
                    how = f"exit code {entry[EXIT]} {entry['last']}".strip()
                    raise ValueError(
                        f"the model's process broke off ({how}); its memory may have ended: choose a smaller model"
                    )

    return watch.captioning.start(
        lambda: _write_all(watch, reports(), by=settings.name), words=f"opening {settings.name}"
    )


def _write_all(watch: DatasetWatch, reports: Iterator[CaptionReport], *, by: str) -> str:
    """Take note of every caption that comes, until the end or until it is to stop; how it ended, in words."""
    written, failed, last_error = 0, 0, ""
    for report in reports:
        if report.caption is not None:
            watch.note_caption(report.file_name, report.caption, by=by)
            written += 1
        else:
            failed, last_error = failed + 1, f"{report.file_name}: {report.error}"
        if not watch.captioning.tell(report.done, report.total, _words(written, failed, last_error)):
            break
    how = "stopped; " if watch.captioning.state.state == "stopping" else ""
    if not how and not written + failed:
        return "nothing to write: every picture that may be asked for has its caption"
    watch.judge_again()
    return how + _words(written, failed, last_error)


def _words(written: int, failed: int, last_error: str) -> str:
    """Such as "3 captions written" or "3 captions written, 1 picture without; the last: a.png: ..."."""
    words = f"{written} {'caption' if written == 1 else 'captions'} written"
    if failed:
        words += f", {failed} {'picture' if failed == 1 else 'pictures'} without; the last one, {last_error}"
    return words
